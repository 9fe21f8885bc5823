"""tests/k8s/run: the parts, one after another on one cluster, and the report."""

import argparse
import contextlib
import json
import os
import pathlib
import sys
import time
import traceback
import typing

from .cluster import Cluster, NotRun
from .parts import PARTS, World


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


def play(world: World | None, number: int, why: str) -> dict[str, typing.Any]:
    title, act = PARTS[number]
    row: dict[str, typing.Any] = {"part": number, "title": title, "verdict": "passed", "seen": {}, "why": ""}
    begun = time.monotonic()
    try:
        if why and number != 1:  # that one needs no cluster
            raise NotRun(why)
        say(f"== part {number}, {title}")
        act(world, row["seen"])
    except NotRun as e:
        row |= {"verdict": "not run", "why": str(e)}
    except Exception as e:  # noqa: BLE001  what broke is the report's business
        row |= {"verdict": "FAILED", "why": f"{type(e).__name__}: {e}"}
        if not isinstance(e, AssertionError):
            traceback.print_exc()
    row["seconds"] = round(time.monotonic() - begun, 1)
    say(f"== part {number}, {title}: {row['verdict']} after {row['seconds']} s" + (f"\n          {row['why']}" if row["why"] else ""))
    return row


def table(rows: list[dict[str, typing.Any]]) -> str:
    lines = []
    for r in rows:
        lines.append(f"{r['part']}  {r['title']:10} {r['verdict']:8} {r['seconds']:6} s" + (f"  {r['why'].splitlines()[0][:200]}" if r["why"] else ""))
        lines += [f"     {what}: {value}" for what, value in r["seen"].items()]
    return "\n".join(lines)


def main() -> int:
    options = argparse.ArgumentParser(prog="tests/k8s/run", description="Otto on a real Kubernetes of one node, and what must hold there.")
    options.add_argument("--only", type=int, action="append", choices=PARTS, help="this part (may be repeated)")
    options.add_argument("--report", type=pathlib.Path, help="the report as JSON")
    options.add_argument("--keep", action="store_true", help="leaves the cluster until a line is entered")
    given = options.parse_args()
    chosen = [n for n in PARTS if not given.only or n in given.only]
    why, rows, world = os.environ.get("OTTO_K8S_NOT_RUN", ""), [], None
    try:
        if not why and chosen != [1]:
            folder = pathlib.Path(os.environ["OTTO_K8S_FOLDER"])
            cluster = Cluster(folder, pathlib.Path(os.environ["OTTO_K8S_KUBE"]), pathlib.Path(os.environ["OTTO_K8S_COREDNS"]))
            world = World(cluster, pathlib.Path(os.environ["OTTO_BIN"]), say)
            begun = time.monotonic()
            cluster.start()
            say(f"a cluster of one node, after {time.monotonic() - begun:.1f} s")
        rows = [play(world, n, why) for n in chosen]
        if given.keep and world and sys.stdin.isatty():
            say(f"nsenter --net --mount --pid -t {os.getpid()}; export KUBECONFIG={folder}/pki/admin.kubeconfig PATH={cluster.kube}:$PATH; Enter ends it")
            input()
    except Exception as e:  # noqa: BLE001
        traceback.print_exc()
        rows += [{"part": n, "title": PARTS[n][0], "verdict": "FAILED", "seen": {}, "why": f"the cluster did not start: {e}", "seconds": 0} for n in chosen]
    finally:
        if world:
            if keep := os.environ.get("OTTO_KEEP_LOGS"):
                with contextlib.suppress(Exception):
                    world.keep_logs(pathlib.Path(keep))
            world.end()
    if given.report:
        given.report.write_text(json.dumps(rows, indent=1, default=str))
    print(table(rows))
    count = {verdict: sum(r["verdict"] == verdict for r in rows) for verdict in ("passed", "FAILED", "not run")}
    print(f"\n{count['passed']} passed, {count['FAILED']} failed, {count['not run']} skipped")
    return 1 if count["FAILED"] else 0


if __name__ == "__main__":
    sys.exit(main())
