"""Nodes that are there in name only: for what the control plane decides (where pods go, what a drain may take, how an update goes on), which needs no containers.

Their pods are Running and Ready a moment after they are bound, Jobs' have succeeded, and what is deleted is gone: as KWOK plays them.
"""

import contextlib
import datetime
import itertools
import threading
import time
import typing

import httpx

from .cluster import Cluster

Pod = dict[str, typing.Any]
FAKE = "otto-test/fake"  # label and taint of such nodes


def now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


class FakeNodes:
    """`zones` × `each` nodes, named zone-a-1, …; from start() to stop()."""

    def __init__(self, cluster: Cluster, zones: typing.Iterable[str] = "abc", each: int = 3) -> None:
        self.cluster = cluster
        self.zones = {f"zone-{zone}-{n}": f"zone-{zone}" for zone in zones for n in range(1, each + 1)}
        self.api = cluster.api
        self.running = False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.addresses = itertools.count(1)

    def start(self) -> None:
        things = [{"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {FAKE: "true", "kubernetes.io/hostname": name, "topology.kubernetes.io/zone": zone, "kubernetes.io/os": "linux"}}} for name, zone in self.zones.items()]
        self.cluster.apply(*things)
        self.beat()
        self.running = True
        self.thread.start()

    def stop(self) -> None:
        self.running = False
        if self.thread.ident:
            self.thread.join()
        self.cluster.kubectl("delete", "nodes", "-l", FAKE)

    def beat(self) -> None:
        """What a kubelet says of its node every few seconds."""
        room = {"cpu": "4", "memory": "16Gi", "pods": "110", "ephemeral-storage": "100Gi"}
        conditions = [{"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "fake", "lastHeartbeatTime": now(), "lastTransitionTime": now()}]
        for name in self.zones:
            self.patch(f"/api/v1/nodes/{name}/status", {"status": {"capacity": room, "allocatable": room, "conditions": conditions}})

    def patch(self, path: str, body: dict[str, typing.Any]) -> None:
        self.api.patch(path, json=body, headers={"Content-Type": "application/strategic-merge-patch+json"})

    def pods(self) -> list[Pod]:
        return [p for p in self.cluster.listed("pods") if p["spec"].get("nodeName") in self.zones]

    def _run(self) -> None:
        beaten = time.monotonic()
        while self.running:
            with contextlib.suppress(httpx.HTTPError, AssertionError):
                for pod in self.pods():
                    self.play(pod)
                if time.monotonic() - beaten > 5:
                    self.beat()
                    beaten = time.monotonic()
            time.sleep(0.3)

    def play(self, pod: Pod) -> None:
        meta, status = pod["metadata"], pod["status"]
        path = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}"
        if meta.get("deletionTimestamp"):
            self.api.request("DELETE", path, json={"gracePeriodSeconds": 0, "preconditions": {"uid": meta["uid"]}})
        elif status.get("phase") == "Pending":
            done = pod["spec"].get("restartPolicy") != "Always"  # a Job's
            state = {"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": now(), "finishedAt": now()}} if done else {"running": {"startedAt": now()}}
            n = next(self.addresses)
            containers = [{"name": c["name"], "image": c["image"], "imageID": "", "ready": not done, "started": not done, "restartCount": 0, "state": state} for c in pod["spec"]["containers"]]
            conditions = [{"type": kind, "status": "False" if done and "Ready" in kind else "True", "lastTransitionTime": now()} for kind in ("PodScheduled", "Initialized", "ContainersReady", "Ready")]
            self.patch(f"{path}/status", {"status": {"phase": "Succeeded" if done else "Running", "startTime": now(), "podIP": f"10.250.{n // 250}.{n % 250 + 1}", "podIPs": [{"ip": f"10.250.{n // 250}.{n % 250 + 1}"}],
                                                     "conditions": conditions, "containerStatuses": containers}})
