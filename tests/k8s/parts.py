"""The eight parts: what must hold for Otto on Kubernetes. Each takes the world and notes what it saw; it raises what is broken, or NotRun."""

import collections
import contextlib
import json
import os
import pathlib
import re
import secrets
import shutil
import subprocess
import threading
import time
import typing
import uuid

import httpx
import yaml

from chaos.checker import check
from chaos.load import Load, Send
from chaos.reader import Reader
from conftest import REPO, SERVICES, Company, eventually, manifest

from . import oci
from .cluster import NODE, NODE_IP, Cluster, NotRun
from .fake_nodes import FakeNodes
from .stores import EDGE, KAFKA, POSTGRES, SANDBOX, Stores

Seen = dict[str, typing.Any]
OVERLAYS = REPO / "k8s" / "overlays"
NAMESPACE = "otto"
RATE = 100.0  # webhooks a second
READY, READY_AGAIN = 90.0, 15.0  # seconds, issue and design: from `kubectl apply`, after Kafka's or Postgres's return


class World:
    def __init__(self, cluster: Cluster, binaries: pathlib.Path, say: typing.Callable[[str], None]) -> None:
        self.cluster, self.binaries, self.say = cluster, binaries, say
        self._stores: Stores | None = None
        self.ready_after: float | None = None  # seconds, once Otto was installed

    # -- what parts share; made by whoever asks first

    @property
    def stores(self) -> Stores:
        if self._stores is None:
            self._stores = Stores(self.cluster, self.binaries)
            self._stores.up()
        return self._stores

    def install(self) -> None:
        """Otto as overlays/test has it, on this machine's Kafka and Postgres; all ready on return."""
        if self.ready_after is not None:
            return
        self.cluster.dns()
        self.cluster.volumes(24, "20Gi")
        self.images()
        self.overlay()
        begun = time.monotonic()
        self.apply()
        self.all_ready(READY)
        self.ready_after = time.monotonic() - begun

    def images(self) -> None:
        folder = self.cluster.folder / "images"
        built = REPO / ".build" / "image"
        self.image = built if (built / "index.json").exists() else oci.otto(folder / "otto", self.binaries, ("ottoctl", *SERVICES))
        self.cluster.image(self.image, "docker.io/library/otto:dev")
        self.cluster.image(oci.nginx(folder / "nginx"), "docker.io/library/nginx:1.28")

    def overlay(self, *patches: dict[str, typing.Any], version: str = "dev", **config: str) -> None:
        """Writes what `apply` applies: overlays/test with this run's addresses and secrets, and these patches."""
        folder = self.cluster.folder / "overlay"
        folder.mkdir(exist_ok=True)
        self.version = version
        stores, sandbox = self.stores, self.stores.sandbox
        settings = {
            "PG_HOST": f"{NODE_IP}:{POSTGRES}", "PG_OPTIONS": "sslmode=disable", "OTTO_KAFKA_BROKERS": f"{NODE_IP}:{KAFKA}", "OTTO_PUBLIC_URL": stores.url, "OTTO_TRUSTED_PROXIES": "10.244.0.0/16",
            "OTTO_CLERK_ISSUER": sandbox, "OTTO_CLERK_API": sandbox, "OTTO_OPERATOR_ISSUER": f"{sandbox}/operator", "OTTO_CALLRAIL_API": sandbox, "OTTO_TWILIO_API": sandbox, "OTTO_SHUNYA_API": sandbox,
            "OTTO_PRIVATE_ADDRESSES": f"{NODE_IP}:{SANDBOX}", "OTTO_MISSED_CALL_GRACE": "3s", "OTTO_SHUNYA_POLL_AFTER": "4s,4s,10s", **config,
        }
        merged = {"behavior": "merge", "literals": [f"{k}={v}" for k, v in settings.items()]}
        if not hasattr(self, "secrets"):
            self.secrets = {
                "otto-keys": {"secret-keys": "k1:" + subprocess.run(["openssl", "rand", "-base64", "32"], capture_output=True, text=True, check=True).stdout.strip(), "log-hash-key": secrets.token_hex(16)},
                "otto-clerk": stores.clerk, "otto-shunya": stores.shunya,
                **{f"otto-pg-{name}": {"password": password} for name, password in stores.passwords.items()},
            }
        edge = [{"op": "add", "path": "/spec/ports/0/nodePort", "value": EDGE}]
        (folder / "kustomization.yaml").write_text(yaml.safe_dump({
            "apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "namespace": NAMESPACE, "resources": [os.path.relpath(OVERLAYS / "test", folder.resolve())],
            "configMapGenerator": [{"name": "otto-config", **merged}, {"name": "otto-jobs", **merged, "options": {"disableNameSuffixHash": True}}],
            "secretGenerator": [{"name": name, "literals": [f"{k}={v}" for k, v in data.items()], "options": {"disableNameSuffixHash": True}} for name, data in self.secrets.items()],
            "patches": [{"target": {"kind": "Service", "name": "otto-edge"}, "patch": yaml.safe_dump(edge)}, *patches],
        }))

    def built(self, folder: pathlib.Path) -> tuple[list[dict[str, typing.Any]], list[dict[str, typing.Any]]]:
        """An overlay's objects: those of kinds that this cluster knows, and those of operators that are not here."""
        known = {line.split()[-1] for line in self.cluster.kubectl("api-resources", "--no-headers").splitlines()}
        things = [t for t in yaml.safe_load_all(self.cluster.kubectl("kustomize", str(folder))) if t]
        return [t for t in things if t["kind"] in known], [t for t in things if t["kind"] not in known]

    def apply(self) -> None:
        things, _ = self.built(self.cluster.folder / "overlay")
        for job in (t for t in things if t["kind"] == "Job"):  # named by the release
            job["metadata"]["name"] = job["metadata"]["name"].rsplit("-", 1)[0] + f"-{self.version}"
        self.cluster.kubectl("apply", "--server-side", "--force-conflicts", "--validate=strict", "-f", "-", input=yaml.safe_dump_all(things))

    def workloads(self) -> list[dict[str, typing.Any]]:
        return [w for kinds in ("deployments", "statefulsets") for w in self.cluster.listed(kinds, NAMESPACE, "apis/apps/v1")]

    def unready(self) -> list[str]:
        """What is not as it should be, in words."""
        out = []
        for w in self.workloads():
            status, wanted = w["status"], w["spec"].get("replicas", 1)
            if not (status.get("observedGeneration", 0) >= w["metadata"]["generation"] and status.get("readyReplicas", 0) == wanted == status.get("updatedReplicas", 0) and status.get("replicas", 0) == wanted):
                out.append(f"{w['metadata']['name']} {status.get('readyReplicas', 0)}/{wanted}")
        for job in self.cluster.listed("jobs", NAMESPACE, "apis/batch/v1"):
            if not job["status"].get("succeeded"):
                out.append(job["metadata"]["name"])
        return out

    def all_ready(self, within: float) -> None:
        try:
            eventually(lambda: not self.unready(), within=within, what="all pods ready")
        except AssertionError:
            raise AssertionError(f"not ready within {within:.0f} s: {', '.join(self.unready())}\n{self.why_not()}") from None

    def why_not(self) -> str:
        """What pods that are not ready say of it."""
        lines = []
        for pod in self.cluster.pods(NAMESPACE):
            name, status = pod["metadata"]["name"], pod["status"]
            if status["phase"] == "Succeeded" or any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", [])):
                continue
            for c in status.get("containerStatuses", []):
                lines.append(f"{name}: {c['state']}")
            lines += [f"{name}: {c['reason']} {c.get('message', '')}" for c in status.get("conditions", []) if c["status"] == "False" and c.get("reason")]
            lines += [f"{name}: {line}" for line in (self.cluster.log(NAMESPACE, name, 3) or self.cluster.log(NAMESPACE, name, 3, former=True)).splitlines()]
            with contextlib.suppress(httpx.HTTPError):
                if status.get("podIP"):
                    lines.append(f"{name}: {httpx.get('http://' + status['podIP'] + ':9080/readyz', timeout=2, trust_env=False).text}")
        return "\n".join(lines)[-6000:]

    def processes(self) -> dict[str, list[int]]:
        """The processes of each container of Otto's pods, by pod."""
        pods = {p["metadata"]["uid"]: p["metadata"]["name"] for p in self.cluster.pods(NAMESPACE)}
        found: dict[str, list[int]] = collections.defaultdict(list)
        for entry in pathlib.Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                uid = re.search(rf"/{self.cluster.cgroup}/\S*pod([0-9a-f-]+)/", (entry / "cgroup").read_text()) if entry.name.isdigit() else None
                if uid and uid.group(1) in pods and os.readlink(entry / "exe") != "/pause":
                    found[pods[uid.group(1)]].append(int(entry.name))
        return found

    def names(self) -> list[str]:
        return [f"{w['kind'].lower()}/{w['metadata']['name']}" for w in self.workloads() if w["spec"].get("replicas", 1)]

    def roll(self, *names: str) -> None:
        """All their pods anew, one after another each; done on return."""
        self.cluster.kubectl("-n", NAMESPACE, "rollout", "restart", *names)
        self.all_ready(300)

    def newer_schema(self, there: bool) -> None:
        """As a later release would leave the database: one migration more than these programs know."""
        self.stores.as_owner("INSERT INTO schema_migrations (version, name, checksum) VALUES ('99991231235959', 'later', 'none')" if there else "DELETE FROM schema_migrations WHERE version = '99991231235959'")

    # -- load

    def load(self, seed: int = 20261130, rate: float = RATE) -> "Under":
        return Under(self, seed, rate)

    # -- ending

    def keep_logs(self, folder: pathlib.Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copytree(self.cluster.logs, folder, dirs_exist_ok=True)
        for pod in self.cluster.pods(NAMESPACE):
            (folder / f"pod-{pod['metadata']['name']}.log").write_text(self.cluster.log(NAMESPACE, pod["metadata"]["name"], 100_000))
        (folder / "events.txt").write_text(self.cluster.ask("get", "events", "-A", "--sort-by=.lastTimestamp").stdout)

    def end(self) -> None:
        if self._stores:
            with contextlib.suppress(Exception):
                self._stores.down()
        self.cluster.stop()


class Under:
    """Webhooks and reads while something is done; what became of them."""

    def __init__(self, world: World, seed: int, rate: float) -> None:
        self.world = world
        companies = [Company(world.stores) for _ in range(4)]
        for company in companies:
            company.connect_twilio()
        self.load = Load(EDGE, companies, seed, rate)
        self.reads = Reader(world.stores.url, world.stores.token("csr", companies[0].id, ttl_s=86_400))

    def __enter__(self) -> "Under":
        self.load.start()
        self.reads.start()
        eventually(lambda: len(self.load.sends) > RATE, what="the first webhooks")
        return self

    def __exit__(self, *_: object) -> None:
        self.load.stop()
        self.reads.stop()

    def refused(self, since: float = 0) -> list[Send]:
        return [s for s in self.load.sends if s.at >= since and (s.status == 0 or s.status >= 500)]

    def unread(self, since: float = 0) -> list[tuple[float, int, str]]:
        return [a for a in self.reads.answers if a[0] >= since and (a[1] == 0 or a[1] >= 500)]

    def tell(self, seen: Seen) -> None:
        seen["webhooks"] = f"{len(self.load.sends)}, {sum(s.status // 100 == 2 for s in self.load.sends)} of them 2xx, {len(self.refused())} refused"
        seen["reads"] = f"{len(self.reads.answers)}, {len(self.unread())} without an answer below 500"
        taken = sorted(s.seconds for s in self.load.sends if s.status // 100 == 2)
        seen["webhook ms (p50, p99, most)"] = ", ".join(f"{1000 * taken[int(len(taken) * q)]:.0f}" for q in (0.5, 0.99)) + f", {1000 * taken[-1]:.0f}"

    def exactly_once(self, seen: Seen) -> None:
        """After the load: everything arrives, and each 2xx is exactly one set of rows."""
        seen["settled after"] = f"{self.world.stores.settled():.1f} s"
        # Two replicas of each ingress stamp webhooks all the time: which of two came first is nobody's promise.
        findings = check(typing.cast(typing.Any, self.world.stores), self.load, [(0, time.time())])
        seen["checked"] = ", ".join(f"{k} {v}" for k, v in findings.counts.items())
        assert not findings.faults, "; ".join(findings.faults)


def expect(good: bool, what: str) -> None:
    if not good:
        raise AssertionError(what)


# -- the parts

def static(world: World | None, seen: Seen) -> None:
    """The same as ctest's k8s.static; needs no cluster."""
    done = subprocess.run(["python3", REPO / "tests/k8s/static_test.py", os.environ["OTTO_BIN"]], capture_output=True, text=True)
    expect(done.returncode == 0, f"static_test.py: {done.stdout[-1500:]}{done.stderr[-3000:]}")
    seen["static_test.py"] = done.stderr.strip().splitlines()[-3]


def accepted(world: World, seen: Seen) -> None:
    kube = world.cluster
    definitions = [str(p) for p in sorted(pathlib.Path(os.environ["OTTO_K8S_CRDS"]).glob("*.yaml"))]
    kube.kubectl("apply", "--server-side", *(word for path in definitions if path.split("/")[-1] != "kustomization.yaml" for word in ("-f", path)))
    kube.kubectl("wait", "--for=condition=Established", "--timeout=60s", "crd", "--all")
    policies = [t for path in sorted((REPO / "k8s/policies").glob("*.yaml")) if path.name != "kustomization.yaml" for t in yaml.safe_load_all(path.read_text()) if t]
    kube.apply(*policies)
    tested = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "policies", "labels": {"otto/policies": "enforced"}}}
    kube.apply(tested)

    def refusal(path: pathlib.Path) -> str:
        return kube.ask("-n", "policies", "apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", str(path)).stderr

    refused = sorted((REPO / "k8s/policies/tests/refused").glob("*.yaml"))
    for path in refused:
        meant = f"ValidatingAdmissionPolicy 'otto-{path.name.split('.')[0]}'"
        eventually(lambda: meant in refusal(path), within=30, what=f"{path.name}'s refusal by {meant}")
    for path in refused:  # each by its own policy and no other, now that all are in force
        named = set(re.findall(r"ValidatingAdmissionPolicy '([^']+)'", refusal(path)))
        expect(named == {f"otto-{path.name.split('.')[0]}"}, f"{path.name} is refused by {sorted(named) or 'nobody'}")
    passes = sorted((REPO / "k8s/policies/tests/passes").glob("*.yaml"))
    for path in passes:
        expect(not refusal(path), f"{path.name}: {refusal(path)}")
    seen["policies"] = f"{len(refused)} broken manifests refused, each by the policy that is meant for it; {len(passes)} good ones accepted"

    for overlay in sorted(p.name for p in OVERLAYS.iterdir() if (p / "kustomization.yaml").exists()):
        ours, foreign = world.built(OVERLAYS / overlay)
        # For the namespace's labels decide what is enforced; and classes and accounts, because pods are asked for that name them.
        kube.apply(*(t for t in ours if t["kind"] in ("Namespace", "PriorityClass", "ServiceAccount")))
        pods = [pod_of(t) for t in ours if t["kind"] in ("Deployment", "StatefulSet", "Job")]
        for what, things in (("objects", ours), ("pods", pods)):
            done = kube.ask("apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict", "-f", "-", input=yaml.safe_dump_all(things))
            expect(done.returncode == 0 and "warning" not in done.stderr.lower(), f"{overlay}, its {what}: {done.stderr[-3000:]}")
        seen[overlay] = f"{len(ours)} objects and {len(pods)} pods accepted" + (f"; of operators that are not here, and not asked: {', '.join(sorted({t['kind'] for t in foreign}))}" if foreign else "")


def pod_of(workload: dict[str, typing.Any]) -> dict[str, typing.Any]:
    """The pod that a workload would make: of a workload itself a namespace's rules only warn, and refuse its pods later, where nobody looks."""
    template = workload["spec"]["template"]
    mounted = {m["name"] for c in template["spec"]["containers"] for m in c.get("volumeMounts", [])} - {v["name"] for v in template["spec"].get("volumes", [])}
    claimed = [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in sorted(mounted)]  # those of a StatefulSet's templates
    spec = template["spec"] | {"volumes": template["spec"].get("volumes", []) + claimed}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"would-be-{workload['metadata']['name']}".lower(), "namespace": NAMESPACE, "labels": template["metadata"].get("labels", {})}, "spec": spec}


def live(world: World, seen: Seen) -> None:
    world.install()
    seen["all pods ready after"] = f"{world.ready_after:.1f} s (at most {READY:.0f})"
    expect((world.ready_after or 0) <= READY, f"all pods were ready after {world.ready_after:.1f} s")
    processes = world.processes()
    expect(len(processes) >= len(SERVICES), f"processes were found of {sorted(processes)} only")
    for pod, pids in processes.items():
        for pid in pids:
            status = dict(line.split(":\t", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)
            expect(set(status["Uid"].split()) == {"65532"}, f"{pod}: its user ids are {status['Uid']}")
            expect(all(int(status[name], 16) == 0 for name in ("CapPrm", "CapEff", "CapBnd", "CapInh", "CapAmb")), f"{pod} has capabilities: {status['CapBnd']}")
            expect(status["NoNewPrivs"].strip() == "1" and status["Seccomp"].strip() == "2", f"{pod}: no_new_privs {status['NoNewPrivs']}, seccomp {status['Seccomp']}")
            root = next(line.split() for line in pathlib.Path(f"/proc/{pid}/mountinfo").read_text().splitlines() if line.split()[4] == "/")
            expect("ro" in root[5].split(","), f"{pod}: its root can be written to")
    seen["processes"] = f"{sum(map(len, processes.values()))} in {len(processes)} pods: uid 65532, no capabilities, seccomp, read-only root"
    pss = {pod: sum(int(re.search(r"^Pss:\s+(\d+)", pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M).group(1)) for pid in pids) / 1024 for pod, pids in processes.items()}  # type: ignore[union-attr]
    seen["idle PSS"] = f"{sum(v for k, v in pss.items() if 'edge' not in k):.0f} MB of all but the edge; " + ", ".join(f"{k} {v:.0f}" for k, v in sorted(pss.items()))
    company = Company(world.stores)
    placed = company.call()
    company.settled_call(placed, "completed")
    seen["a call through the edge"] = "signed webhooks 2xx, the call is there"
    done = subprocess.run([REPO / "tests/pytest", "e2e/test_pilot.py", "-x"], capture_output=True, text=True, env=os.environ | {"OTTO_E2E_STACK": str(world.stores.folder)}, timeout=300)
    expect(done.returncode == 0, f"the pilot: {done.stdout[-3000:]}")
    seen["the pilot of seed 001"] = done.stdout.strip().splitlines()[-1]
    expect(not world.cluster.restarts(NAMESPACE), f"containers restarted: {world.cluster.restarts(NAMESPACE)}")


def update(world: World, seen: Seen) -> None:
    world.install()
    with world.load() as under:
        begun = time.monotonic()
        world.roll(*world.names())
        seen["everything rolled in"] = f"{time.monotonic() - begun:.0f} s"
        # A release whose schema is newer: its Job runs, all are rolled again, and back, while the former programs meet a schema that they do not know.
        world.newer_schema(True)
        world.overlay(version="later")
        world.apply()
        world.roll(*world.names())
        world.newer_schema(False)
        world.overlay()
        world.apply()
        world.roll(*world.names())
        seen["to a newer schema and back in"] = f"{time.monotonic() - begun:.0f} s"
    under.tell(seen)
    expect(not under.refused(), f"{len(under.refused())} webhooks were refused, such as {[(s.status, s.error) for s in under.refused()[:3]]}")
    expect(not under.unread(), f"{len(under.unread())} reads failed, such as {under.unread()[:3]}")
    under.exactly_once(seen)

    # The same without the sleep before SIGTERM: a test that would not notice its absence asserts nothing.
    unguarded = yaml.safe_dump([{"op": "remove", "path": "/spec/template/spec/containers/0/lifecycle"}])
    guarded = [w for w in world.workloads() if "lifecycle" in w["spec"]["template"]["spec"]["containers"][0]]
    world.overlay(*({"target": {"kind": w["kind"], "name": w["metadata"]["name"]}, "patch": unguarded} for w in guarded))
    world.apply()
    world.all_ready(300)
    with world.load(seed=7) as under:
        for _ in range(3):
            world.roll(*world.names())
            if under.refused() or under.unread():
                break
    seen["without preStop"] = f"{len(under.refused())} of {len(under.load.sends)} webhooks and {len(under.unread())} of {len(under.reads.answers)} reads failed, as they must"
    world.overlay()
    world.apply()
    world.all_ready(300)
    expect(bool(under.refused() or under.unread()), "nothing was refused without preStop: the test would not notice its absence")


LAG = "otto.routed"


def scale(world: World, seen: Seen) -> None:
    world.install()
    stores, kube, name = world.stores, world.cluster, "lead-pipeline"
    with world.load(seed=6) as under:
        kube.kubectl("-n", NAMESPACE, "scale", f"deployment/{name}", "--replicas=2")
        world.all_ready(READY)
        eventually(lambda: stores.lag(name, LAG) < RATE, what="no backlog before the kill")
        pod = stores.pods(name)[0]["metadata"]["name"]
        before = sum(kube.restarts(NAMESPACE).values())
        begun = time.monotonic()
        for pid in world.processes()[pod]:
            os.kill(pid, 9)
        eventually(lambda: sum(kube.restarts(NAMESPACE).values()) > before, what="the container's restart")
        eventually(lambda: not world.unready() and stores.lag(name, LAG) < RATE, within=60, what="all whole after kill -9")
        seen["whole after kill -9"] = f"{time.monotonic() - begun:.1f} s (at most 15)"
        expect(time.monotonic() - begun <= 15, f"kill -9: whole after {time.monotonic() - begun:.1f} s only")
        if metrics := os.environ["OTTO_K8S_METRICS"]:
            with kube.metrics(pathlib.Path(metrics)):
                begun = time.monotonic()
                eventually(lambda: len(stores.pods("callrail-ingress")) > 2, within=120, what="a third callrail-ingress, which the HPA adds for its CPU")
                seen["HPA adds an ingress after"] = f"{time.monotonic() - begun:.0f} s"
            for ingress in ("callrail-ingress", "twilio-ingress", "shunya-ingress"):  # in by hand: an HPA takes away none
                kube.kubectl("-n", NAMESPACE, "scale", f"statefulset/{ingress}", "--replicas=2")
            world.all_ready(180)
        else:
            seen["HPA on real metrics"] = "not run: metrics-server could not be built"
    under.exactly_once(seen)
    seen["KEDA on real lag"] = "not run: KEDA is not among the tools"

    program = world.binaries / "bench-backlog"
    if not program.exists():
        raise NotRun(f"seen until here: {seen}; {program.name} is not built (target bench), so there is no backlog to catch up with")
    company = Company(stores)
    throttled = yaml.safe_dump([{"op": "replace", "path": "/spec/template/spec/containers/0/resources", "value": {"requests": {"cpu": "20m", "memory": "32Mi"}, "limits": {"cpu": "100m", "memory": "512Mi"}}}])
    kube.kubectl("-n", NAMESPACE, "scale", f"deployment/{name}", "--replicas=0")
    eventually(lambda: not stores.pods(name), within=90, what=f"no pod of {name}")
    run_backlog(program, stores.brokers, company, 60_000)
    world.overlay({"target": {"kind": "Deployment", "name": name}, "patch": throttled})
    world.apply()
    rates: dict[int, float] = {}
    for replicas in (1, 3):
        kube.kubectl("-n", NAMESPACE, "scale", f"deployment/{name}", f"--replicas={replicas}")
        since, still = time.monotonic(), watch_progress(lambda: stores.applied(name, LAG), lambda: len([p for p in stores.pods(name) if ready(p)]) == replicas)
        at, done = time.monotonic(), stores.applied(name, LAG)
        if replicas > 1:
            seen["longest standstill while pods came"] = f"{still:.1f} s (at most 2)"
            expect(still <= 2, f"nothing was applied for {still:.1f} s as pods came")
        time.sleep(20)
        rates[replicas] = (stores.applied(name, LAG) - done) / (time.monotonic() - at)
        seen[f"{replicas} pod{'s' * (replicas > 1)} at 0.1 CPU"] = f"{rates[replicas]:.0f} events/s, there after {at - since:.1f} s"
        expect(stores.lag(name, LAG) > 0, "the backlog was used up while it was measured")
    seen["1 to 3 pods"] = f"{rates[3] / rates[1]:.2f} times the rate (at least 2.5)"
    world.overlay()
    world.apply()
    world.all_ready(READY)
    expect(rates[3] >= 2.5 * rates[1], f"three pods: {rates[3] / rates[1]:.2f} times the rate of one")


def ready(pod: dict[str, typing.Any]) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))


def run_backlog(program: pathlib.Path, brokers: str, company: Company, calls: int) -> None:
    done = subprocess.run([program, "--brokers", brokers, "--topic", LAG, "--company", f"{company.id},{company.number},{company.key}", "--seed", "7", "--calls", str(calls), "--numbers", "20000", "--first-call", "0",
                           "--start-us", str(int(time.time() * 1e6)), "--recorded", "0"], capture_output=True, text=True, timeout=300)
    expect(done.returncode == 0, f"{program.name}: {done.stdout}{done.stderr}")


def watch_progress(count: typing.Callable[[], int], until: typing.Callable[[], bool]) -> float:
    """The longest time without progress until that is so (asked for in between), from the first progress on."""
    last, longest, moved = count(), 0.0, 0.0
    asked, over = 0.0, False
    deadline = time.monotonic() + 120
    while not over and time.monotonic() < deadline:
        now, at = count(), time.monotonic()
        if now != last:
            longest, last, moved = max(longest, at - moved) if moved else 0.0, now, at
        if at - asked > 1:
            asked, over = at, until()
        time.sleep(0.05)
    expect(over, "the pods did not come within 120 s")
    return longest


OUTAGE = 120.0  # seconds


def outage(world: World, seen: Seen) -> None:
    world.install()
    stores, kube = world.stores, world.cluster
    ways = {"Kafka": (stores.stop_kafka, lambda: (stores.start_kafka(), stores.kafka_answers())), "Postgres": (stores.stop_postgres, stores.start_postgres)}
    for what, (take, give) in ways.items():
        restarts = kube.restarts(NAMESPACE)
        with world.load(seed=len(what)) as under:
            since = time.time()
            take()
            one_each = [stores.pods(name)[0]["metadata"]["name"] for name in SERVICES]
            kube.kubectl("-n", NAMESPACE, "delete", "pod", "--wait=false", *one_each)
            time.sleep(max(0.0, since + OUTAGE - time.time()))
            away = time.time()
            give()
            begun = time.monotonic()
            world.all_ready(READY_AGAIN)
            seen[f"{what} away for {OUTAGE:.0f} s"] = f"all ready {time.monotonic() - begun:.1f} s after its return (at most {READY_AGAIN:.0f})"
        under.tell(of := {})
        seen[f"{what} away"] = ", ".join(f"{k}: {v}" for k, v in of.items())
        refused = under.refused()
        expect(not refused, f"{what} away: {len(refused)} webhooks were refused, such as {[(s.status, s.error) for s in refused[:3]]}")
        # A read may be answered 503, by Otto itself and with the cause; never by nobody.
        bare = [a for a in under.reads.during(since, away) if a[1] not in (200, 503) or (a[1] == 503 and "database" not in a[2].lower())]
        expect(not bare, f"{what} away: {len(bare)} reads were answered otherwise than by a 503 that says why, such as {bare[:3]}")
        under.exactly_once(of)
        again = {k: v for k, v in kube.restarts(NAMESPACE).items() if v > restarts.get(k, 0)}
        expect(not again, f"{what} away: containers restarted: {again}")
    failed_migration(world, seen)
    rotated_password(world, seen)


def failed_migration(world: World, seen: Seen) -> None:
    """Its Job tries again and again; what serves goes on serving."""
    job = next(t for t in world.built(world.cluster.folder / "overlay")[0] if t["kind"] == "Job" and t["metadata"]["name"].startswith("otto-migrate-"))
    job["metadata"]["name"] = "otto-migrate-broken"
    env = job["spec"]["template"]["spec"]["containers"][0]["env"]
    next(e for e in env if e["name"] == "PG_DATABASE").update({"value": "nowhere", "valueFrom": None})
    world.cluster.apply(job)
    eventually(lambda: any("nowhere" in world.cluster.log(NAMESPACE, p["metadata"]["name"]) for p in world.cluster.pods(NAMESPACE, "job-name=otto-migrate-broken")), what="a failed migration that says why")
    expect([w for w in world.unready() if w != "otto-migrate-broken"] == [], f"a failed migration left {world.unready()}")
    world.cluster.kubectl("-n", NAMESPACE, "delete", "job", "otto-migrate-broken")
    seen["a migration that fails"] = "says why, and everything stayed ready"


def rotated_password(world: World, seen: Seen) -> None:
    """The Secret first, then the role; connections are made anew with it, and no container is."""
    name, kube, stores = "lead-pipeline", world.cluster, world.stores
    restarts, fresh = kube.restarts(NAMESPACE), secrets.token_hex(16)
    with world.load(seed=3) as under:
        kube.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": f"otto-pg-{name}", "namespace": NAMESPACE}, "stringData": {"password": fresh}})
        pids = [pid for pod, pids in world.processes().items() if pod.startswith(name) for pid in pids]
        eventually(lambda: all(pathlib.Path(f"/proc/{pid}/root/run/otto/pg-{name}/password").read_text() == fresh for pid in pids), within=90, what="the new password in the pods")
        stores.passwords[name] = world.secrets[f"otto-pg-{name}"]["password"] = fresh
        stores.as_admin(f"ALTER ROLE otto_lead_pipeline PASSWORD '{fresh}'")
        stores.as_admin("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'otto_lead_pipeline'")
        before = stores.applied(name, LAG)
        eventually(lambda: stores.applied(name, LAG) > before + RATE, what="rows again with the new password")
    expect(not under.refused() and not under.unread(), f"a rotated password: {len(under.refused())} webhooks and {len(under.unread())} reads failed")
    under.exactly_once({})
    expect(kube.restarts(NAMESPACE) == restarts, "containers restarted for a password")
    seen["a rotated password"] = "taken up without a restart, nothing refused"


def watch(world: World, seen: Seen) -> None:
    program = shutil.which("prometheus")
    if not program:
        raise NotRun("Debian's package prometheus is not installed")
    world.install()
    stores, kube, folder = world.stores, world.cluster, world.cluster.folder / "prometheus"
    folder.mkdir()
    run = subprocess.run([REPO / "deploy/watch.py", "--faster", "20", folder / "rules"], capture_output=True, text=True)
    expect(run.returncode == 0, f"deploy/watch.py --faster: {run.stderr[-1500:]}")
    # Debian's Prometheus asks no Kubernetes; the labels are those that k8s/components/monitoring gives.
    targets = [{"targets": [f"{pod['status']['podIP']}:9080"], "labels": {"service": pod["metadata"]["labels"]["app.kubernetes.io/name"], "pod": pod["metadata"]["name"], "namespace": NAMESPACE}}
               for pod in kube.pods(NAMESPACE) if ready(pod) and pod["metadata"]["labels"].get("otto/kind") != "edge"]
    (folder / "targets.json").write_text(json.dumps(targets))
    (folder / "prometheus.yml").write_text(yaml.safe_dump({
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"}, "rule_files": [str(folder / "rules" / "*.yaml")],
        "scrape_configs": [{"job_name": "otto", "file_sd_configs": [{"files": [str(folder / "targets.json")]}]}]}))
    url = f"http://{NODE_IP}:9990"
    kube.launch("prometheus", program, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data", f"--web.listen-address={NODE_IP}:9990")
    kube.await_("prometheus", lambda: httpx.get(f"{url}/-/ready", timeout=2, trust_env=False).status_code == 200 if reachable(url) else False)

    def firing() -> set[str]:
        return {a["labels"]["alertname"] for a in httpx.get(f"{url}/api/v1/alerts", timeout=5, trust_env=False).json()["data"]["alerts"] if a["state"] == "firing"}

    company = Company(stores)
    company.settled_call(company.call(), "completed")
    eventually(lambda: "Watchdog" in firing(), what="the alert that always fires")
    quiet = firing() - {"Watchdog"}
    seen["firing before anything happened"] = ", ".join(sorted(quiet)) or "none"

    for alert, how in alerts_of(world, company, firing):
        seen[alert] = how
    # Last, for by now much has happened: what has no data yet is told.
    asked = subprocess.run([REPO / "deploy/watch.py", "--against", url], capture_output=True, text=True)
    seen["each expression asked of Prometheus"] = (asked.stdout + asked.stderr).strip().splitlines()[-1:] or "answered"
    expect(asked.returncode == 0, f"deploy/watch.py --against: {(asked.stdout + asked.stderr)[-3000:]}")


LATE = 185.0  # seconds after which an analysis is later than seed 002 promises


def alerts_of(world: World, company: Company, firing: typing.Callable[[], set[str]]) -> typing.Iterator[tuple[str, str]]:
    """Breaks one thing after another until its alert fires: those of seed 002 whose service exists, a dead letter, a Shunya that is away."""
    stores, http = world.stores, httpx.Client(base_url=world.stores.sandbox, timeout=30, trust_env=False)

    def fires(alert: str, within: float, deed: typing.Callable[[], object] = lambda: None) -> None:
        def so() -> bool:
            deed()
            return alert in firing()

        eventually(so, within=within, what=f"{alert}, firing")

    def forge() -> None:
        for _ in range(20):
            company.stack.http.post("/api/v1/callrail/call.completed", json={"id": 1, "tracking_phone_number": company.number}, headers={"Signature": "forged"})

    # A transcription is given up after a minute and a half: begun first.
    failing = Company(stores)
    http.post("/sandbox/shunya/scripts", json={"company": failing.id, "behaviour": "failed", "steps": ["transcription"]}).raise_for_status()
    for _ in range(8):
        failing.call()

    fires("SignaturesFail", 90, forge)
    yield "SignaturesFail", "fired upon forged webhooks"

    subprocess.run(["kcat", "-P", "-b", stores.brokers, "-t", LAG, "-k", f"{company.id}:+12025550123", *(word for h in ("ce_specversion=1.0", f"ce_id={uuid.uuid4()}", "ce_type=otto.routed.v1.CallReported", "ce_source=/test",
                    "ce_time=2026-11-21T10:00:00Z") for word in ("-H", h))], input=b"\xff\xff no message", check=True, timeout=60)
    fires("DeadLetters", 90)
    yield "DeadLetters", "fired upon an event that is none"

    for _ in range(8):
        company.call(recording_fault="loop")
    fires("RecordingsFail", 90)
    yield "RecordingsFail", "fired upon 8 recordings that cannot be fetched"

    fires("TranscriptionFails", 180)
    yield "TranscriptionFails", "fired upon 8 transcriptions that failed three times each"

    http.post("/sandbox/faults", json={"provider": "shunya", "status": 503}).raise_for_status()
    since = time.monotonic()
    for _ in range(8):
        company.call()
    fires("ShunyaAway", 150)
    yield "ShunyaAway", "fired upon a Shunya that answers 503"
    time.sleep(max(0.0, since + LATE - time.monotonic()))  # how long it is away is what is asked
    http.request("DELETE", "/sandbox/faults").raise_for_status()
    fires("AnalysisLate", 120)
    yield "AnalysisLate", f"fired upon 8 analyses that took more than three minutes, {time.monotonic() - since - LATE:.0f} s after Shunya's return"


def reachable(url: str) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return bool(httpx.get(f"{url}/-/ready", timeout=2, trust_env=False).status_code)
    return False


def nodes(world: World, seen: Seen) -> None:
    kube = world.cluster
    kube.kubectl("cordon", NODE)
    fakes = FakeNodes(kube)
    fakes.start()
    try:
        # Volumes that follow their pods over nodes, as large installations have them.
        kube.apply(*({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": f"anywhere-{n}", "labels": {"otto-test/fake": "true"}}, "spec": {"capacity": {"storage": "20Gi"}, "storageClassName": "local",
                     "accessModes": ["ReadWriteOnce", "ReadWriteMany"], "persistentVolumeReclaimPolicy": "Retain", "hostPath": {"path": f"/nowhere/{n}"}}} for n in range(20)),
                   {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "local", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
                    "provisioner": "kubernetes.io/no-provisioner", "volumeBindingMode": "WaitForFirstConsumer"})
        ours, foreign = world.built(OVERLAYS / "large")
        kube.apply(*(t for t in ours if not t["kind"].startswith("ValidatingAdmission")))
        for t in [*ours, *foreign]:  # as KEDA's operator does at once
            if t["kind"] == "ScaledObject":
                kube.kubectl("-n", NAMESPACE, "scale", f"deployment/{t['spec']['scaleTargetRef']['name']}", f"--replicas={t['spec']['minReplicaCount']}")
        world.all_ready(120)
        single = lambda: [w["metadata"]["name"] for w in world.workloads() if w["spec"]["replicas"] < 2 and w["metadata"]["name"] != "ottoctl"]  # noqa: E731
        eventually(lambda: not single(), within=60, what=f"two of each, also of {single()}")
        world.all_ready(120)
        seen["large on 9 nodes"] = f"{len(fakes.pods())} pods ready"

        def uneven() -> dict[str, dict[str, int]]:
            count: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
            for pod in fakes.pods():
                if pod["status"].get("phase") == "Running":
                    count[pod["metadata"]["labels"]["app.kubernetes.io/name"]][fakes.zones[pod["spec"]["nodeName"]]] += 1
            return {name: dict(c) for name, c in count.items() if max(c.values()) - min(c[z] for z in set(fakes.zones.values())) > 1}

        expect(not uneven(), f"zones are uneven: {uneven()}")
        seen["zones"] = "even for each service"

        zone = "zone-a"
        budgets = {b["metadata"]["name"]: b for b in kube.listed("poddisruptionbudgets", NAMESPACE, "apis/policy/v1")}
        with Fewest(fakes, budgets) as fewest:
            for node in (n for n, z in fakes.zones.items() if z == zone):
                kube.kubectl("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=120s", within=150)
            # An ingress may not have both its pods in two zones of three and none is left out by force: with a zone away its pod may wait.
            eventually(lambda: not [w for w in world.unready() if not w.split()[0].endswith("-ingress")], within=120, what="all but ingresses ready without a zone")
        seen["a zone drained"] = f"of {len(budgets)} budgets none was overdrawn; the fewest ready: {fewest.told()}"
        fewest.judge()
        for node in (n for n, z in fakes.zones.items() if z == zone):
            kube.kubectl("uncordon", node)
        eventually(lambda: not world.unready(), within=120, what="all ready again")

        with Fewest(fakes, budgets) as fewest:
            kube.kubectl("-n", NAMESPACE, "rollout", "restart", *world.names())
            eventually(lambda: not world.unready(), within=240, what="an update of all")
            for name in world.names():
                kube.kubectl("-n", NAMESPACE, "rollout", "undo", name)
            eventually(lambda: not world.unready(), within=240, what="the way back")
        fewest.judge()
        seen["updated and rolled back"] = f"the fewest ready: {fewest.told()}"
    finally:
        kube.ask("delete", "namespace", NAMESPACE, "--timeout=90s")
        kube.ask("delete", "persistentvolumes", "-l", "otto-test/fake")
        fakes.stop()
        kube.kubectl("uncordon", NODE)


class Fewest:
    """How many pods of each service were ready at the fewest, from enter to exit; looked at four times a second."""

    def __init__(self, fakes: FakeNodes, budgets: dict[str, typing.Any]) -> None:
        self.fakes, self.budgets = fakes, budgets
        self.seen: dict[str, int] = {}
        self.wanted: dict[str, int] = {}
        self.running = True
        self.thread = threading.Thread(target=self._run, daemon=True)

    def count(self) -> dict[str, int]:
        found = collections.Counter(p["metadata"]["labels"].get("app.kubernetes.io/name", "") for p in self.fakes.pods() if ready(p) and not p["metadata"].get("deletionTimestamp"))
        return {name: found[name] for name in self.budgets}

    def _run(self) -> None:
        while self.running:
            with contextlib.suppress(httpx.HTTPError, AssertionError):
                for name, n in self.count().items():
                    self.seen[name] = min(n, self.seen.get(name, n))
            time.sleep(0.25)

    def __enter__(self) -> "Fewest":
        self.wanted = self.count()
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.running = False
        self.thread.join()

    def judge(self) -> None:
        below = {name: n for name, n in self.seen.items() if n < self.wanted[name] - 1}
        expect(not below, f"more than one pod was away at once: {below}, of {self.wanted}")

    def told(self) -> str:
        return ", ".join(f"{name} {n} of {self.wanted[name]}" for name, n in sorted(self.seen.items()))


PARTS: dict[int, tuple[str, typing.Callable[[typing.Any, Seen], None]]] = {
    1: ("static", static), 2: ("accepted", accepted), 3: ("nodes", nodes), 4: ("live", live), 5: ("update", update), 6: ("scale", scale), 7: ("outage", outage), 8: ("watch", watch)}
