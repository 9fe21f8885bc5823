"""Writes Prometheus's configuration for the stack on one machine, from the ports in the environment: prometheus_conf.py all-in-one | split"""

import json
import os
import pathlib
import sys

from manifest import services

REPO = pathlib.Path(__file__).resolve().parent.parent
names = ["all-in-one"] if sys.argv[1] == "all-in-one" else [s.name for s in services().values()]


def target(name: str) -> dict:
    port = os.environ["OTTO_ADMIN_PORT" if name == "all-in-one" else f"OTTO_ADMIN_PORT_{name.replace('-', '_').upper()}"]
    # The labels that the rules know: as on Kubernetes, job is the service, and app tells Otto from what else is watched.
    return {"job_name": name, "static_configs": [{"targets": [f"127.0.0.1:{port}"], "labels": {"app": "otto"}}]}


print(json.dumps({  # which is YAML too
    "global": {"scrape_interval": "5s", "evaluation_interval": "15s"},
    "rule_files": [str(REPO / "deploy/prometheus/rules/*.yaml")],
    "scrape_configs": [target(n) for n in names],
}, indent=1))
