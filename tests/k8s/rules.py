"""What must hold of every object that runs Otto, whatever made it: design and traps of k8s/README.md, written once.

`faults(objects, facts)` reads the objects of a built overlay and yields a line for each that is not as it should be.
"""
import collections
import dataclasses
import re
import typing

PLACES = {"PG_HOST", "PG_DATABASE", "PG_OPTIONS", "PG_OWNER", "PG_ADMIN"}  # parts of OTTO_PG_URL, no settings
DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")


@dataclasses.dataclass
class Facts:
    """What the objects are held against."""

    said: typing.Any                 # generator.stanzas.Stanzas
    programs: dict[str, typing.Any]  # generator.programs.Program by name
    overlay: str = ""
    tags: bool = False               # images by tag and Secrets are in order: kind, test
    secrets: bool = False            # Secrets stand in the overlay: kind
    zones: bool = False              # ingresses are spread over zones by force: large


Object = dict[str, typing.Any]


def named(o: Object) -> str:
    return f"{o['kind']}/{o['metadata']['name']}"


def template_of(o: Object) -> Object | None:
    return o["spec"]["template"] if o["kind"] in ("Deployment", "StatefulSet", "Job", "DaemonSet") else None


def is_ours(o: Object) -> bool:
    return o["metadata"].get("labels", {}).get("app.kubernetes.io/part-of") == "otto"


def program_of(container: Object) -> str | None:
    command = container.get("command", [""])[0]
    return command.removeprefix("/usr/lib/otto/") if command.startswith("/usr/lib/otto/") else None


class Overlay:
    """Objects by kind and name."""

    def __init__(self, objects: list[Object]) -> None:
        self.objects = objects
        self.by: dict[str, dict[str, Object]] = collections.defaultdict(dict)
        for o in objects:
            self.by[o["kind"]][o["metadata"]["name"]] = o

    def scaler_of(self, o: Object) -> tuple[int, int] | None:
        """Least and most of what scales it."""
        for h in self.by["HorizontalPodAutoscaler"].values():
            target = h["spec"]["scaleTargetRef"]
            if (target["kind"], target["name"]) == (o["kind"], o["metadata"]["name"]):
                return h["spec"]["minReplicas"], h["spec"]["maxReplicas"]
        for s in self.by["ScaledObject"].values():
            target = s["spec"]["scaleTargetRef"]
            if (target["kind"], target["name"]) == (o["kind"], o["metadata"]["name"]):
                return s["spec"]["minReplicaCount"], s["spec"]["maxReplicaCount"]
        return None

    def pods(self, o: Object) -> tuple[int, int]:
        """Least and most pods."""
        n = o["spec"].get("replicas", 1)
        return self.scaler_of(o) or (n, n)

    def claims(self, o: Object) -> list[Object]:
        """The claims of its pods that one node has at a time, but for those that each pod has for itself."""
        names = [v["persistentVolumeClaim"]["claimName"] for v in template_of(o)["spec"].get("volumes", []) if "persistentVolumeClaim" in v]
        return [self.by["PersistentVolumeClaim"][n] for n in names if "ReadWriteMany" not in self.by["PersistentVolumeClaim"][n]["spec"]["accessModes"]]


def faults(objects: list[Object], facts: Facts) -> typing.Iterator[str]:
    it = Overlay(objects)
    for o in objects:
        if template_of(o) and is_ours(o):
            for fault in _workload(it, o, facts):
                yield f"{facts.overlay} {named(o)}: {fault}"
    for fault in _together(it, facts):
        yield f"{facts.overlay} {fault}"


def _workload(it: Overlay, o: Object, facts: Facts) -> typing.Iterator[str]:
    pod = template_of(o)["spec"]
    labels = template_of(o)["metadata"]["labels"]
    name = o["metadata"]["name"]
    yield from _pod(it, o, pod)
    for container in pod["containers"] + pod.get("initContainers", []):
        yield from _container(container, facts)
        program = program_of(container)
        if program is not None:
            yield from _environment(it, o, pod, container, program, facts)
    if pod.get("initContainers"):
        yield "waits in an init container; the gate is the process's own, so that it holds for every way of deploying"
    if o["kind"] == "Job":
        yield from _job(o, facts)
        return
    if name == "ottoctl":
        return
    yield from _probes(pod["containers"][0])
    yield from _stopping(o, pod, facts)
    yield from _placing(it, o, pod, labels, facts)
    yield from _scaling(it, o, facts)


# ---- a pod's walls
def _pod(it: Overlay, o: Object, pod: Object) -> typing.Iterator[str]:
    security = pod.get("securityContext", {})
    if security.get("runAsNonRoot") is not True or security.get("runAsUser") != 65532:
        yield "runs as root, or as somebody else than 65532"
    if security.get("seccompProfile") != {"type": "RuntimeDefault"}:
        yield "has no seccomp profile RuntimeDefault"
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(key):
            yield f"has something of the host ({key})"
    for volume in pod.get("volumes", []):
        if not set(volume) <= {"name", "secret", "configMap", "emptyDir", "persistentVolumeClaim", "projected"}:
            yield f"has something of the host (volume {volume['name']})"
        if "projected" in volume and any("serviceAccountToken" in s for s in volume["projected"]["sources"]):
            yield "has a token"
    account = it.by["ServiceAccount"].get(pod.get("serviceAccountName", ""))
    if account is None:
        yield "has no ServiceAccount of its own"
    elif account.get("automountServiceAccountToken") is not False:
        yield "its ServiceAccount hands out a token"
    if pod.get("automountServiceAccountToken") is not False:
        yield "has a token"
    if pod.get("enableServiceLinks") is not False:
        yield "has service links, whose names may be settings"


def _container(container: Object, facts: Facts) -> typing.Iterator[str]:
    security = container.get("securityContext", {})
    if security.get("allowPrivilegeEscalation") is not False or security.get("privileged"):
        yield "may get privileges"
    if security.get("readOnlyRootFilesystem") is not True:
        yield "may write its root file system"
    if security.get("capabilities") != {"drop": ["ALL"]}:
        yield "has capabilities"
    resources = container.get("resources", {})
    requests, limits = resources.get("requests", {}), resources.get("limits", {})
    if set(requests) != {"cpu", "memory"}:
        yield "asks for no CPU or no memory"
    if set(limits) != {"memory"}:
        yield "has a limit of CPU" if "cpu" in limits else "has no limit of memory"
    if not facts.tags and not DIGEST.search(container["image"]):
        yield f"its image {container['image']} is named by no digest"
    if "envFrom" in container:
        yield "takes whatever a ConfigMap or Secret holds (envFrom)"
    for e in container.get("env", []):
        if "secretKeyRef" in e.get("valueFrom", {}):
            yield f"has a secret in its environment ({e['name']})"


# ---- settings
def _environment(it: Overlay, o: Object, pod: Object, container: Object, program: str, facts: Facts) -> typing.Iterator[str]:
    it_is = facts.programs[program]
    env = {e["name"]: e for e in container.get("env", [])}
    if len(env) != len(container.get("env", [])):
        yield "has a setting twice"
    if env.get("OTTO_STRICT", {}).get("value") != "1":
        yield "takes settings that it does not know (OTTO_STRICT)"
    for name, e in env.items():
        if name in PLACES or name == "OTTO_STRICT":
            continue
        plain = name.removesuffix("_FILE")
        setting = it_is.settings.get(plain)
        if setting is None and plain not in AWAITED:
            yield f"{name} is no setting of {program}"
        secret = plain.endswith(("_PASSWORD", "_SECRET")) or (setting is not None and setting["secret"])
        if secret and not name.endswith("_FILE") and not _is_passwordless(e):
            yield f"has a secret in its environment ({name})"
        if name.endswith("_FILE"):
            yield from _file(o, pod, container, e["value"], name)
    yield from _login(env)
    if it_is.services:
        for name in ("OTTO_ADDRESS", "OTTO_ADMIN_ADDRESS"):
            if env.get(name, {}).get("value") != "::":
                yield f"{name} is not ::"
        if it_is.consumers and not env.get("OTTO_LANES", {}).get("value", "").isdigit():
            yield "OTTO_LANES is not set: it would be the node's cores"
        for name, s in it_is.settings.items():
            if name not in env and f"{name}_FILE" not in env and _wants(name, s):
                yield f"does not pass on {name}"
    for name in [n for n in env if n.startswith("OTTO_OPEN_")]:
        total, most = facts.said.all["open"].get(name), it.pods(o)[1]
        if total is not None and int(env[name]["value"]) * most > total:
            yield f"{name} is {env[name]['value']}, of {most} pods {int(env[name]['value']) * most}; all together may take {total}"
    if "OTTO_SPOOL_MEGABYTES" in env:
        for claim in o["spec"].get("volumeClaimTemplates", []):
            size = _mebibytes(claim["spec"]["resources"]["requests"]["storage"])
            if int(env["OTTO_SPOOL_MEGABYTES"]["value"]) > size * 0.9:
                yield f"its spool may grow to {env['OTTO_SPOOL_MEGABYTES']['value']} MiB on a volume of {size}"


AWAITED = {*(f"OTTO_PG_PASSWORD_{s}" for s in ("APPOINTMENT_SERVICE", "COMPANY_SERVICE", "LEAD_PIPELINE", "QUERY_SERVICE", "SHUNYA_ORCHESTRATOR", "TENANT_ROUTER")),
           "OTTO_PG_PASSWORD"}
_NOT_ASKED = re.compile(r"OTTO_(PORT|ADMIN_PORT|PG_.*|KAFKA_(?!BROKERS).*|MEDIA_KEYS|TWILIO_AUTH_TOKEN|TWILIO_API_SECRET)$")


def _login(env: dict[str, Object]) -> typing.Iterator[str]:
    """At Kafka: by TLS and a client's certificate, or by PLAIN over TLS."""
    tls, cert, key = (f"OTTO_KAFKA_TLS_{n}_FILE" in env for n in ("CA", "CERT", "KEY"))
    mechanism = env.get("OTTO_KAFKA_SASL_MECHANISM", {}).get("value")
    if mechanism and mechanism.startswith("SCRAM"):
        yield f"logs in at Kafka by {mechanism}, which Kafka 4 refuses of the image's librdkafka"
    if cert != key:
        yield "has half of a client's certificate for Kafka"
    if (cert or mechanism) and not tls:
        yield "logs in at Kafka without TLS"
    if tls and not cert and not mechanism:
        yield "comes to Kafka as nobody"


def _wants(name: str, setting: Object) -> bool:
    return not _NOT_ASKED.match(name)


def _is_passwordless(e: Object) -> bool:
    return e["name"].startswith("OTTO_PG_URL") and re.fullmatch(r"postgresql://[A-Za-z0-9_$()]+@[^:@]*(:\d+)?[^:@]*", e.get("value", "")) is not None


def _file(o: Object, pod: Object, container: Object, path: str, name: str) -> typing.Iterator[str]:
    folder, _, key = path.rpartition("/")
    mount = next((m for m in container.get("volumeMounts", []) if m["mountPath"] == folder), None)
    volume = next((v for v in pod.get("volumes", []) if mount and v["name"] == mount["name"]), None)
    if volume is None or "secret" not in volume:
        yield f"{name} names {path}, which no Secret fills"
        return
    if not mount.get("readOnly"):
        yield f"could write {path}"
    if key not in [i["path"] for i in volume["secret"].get("items", [])]:
        yield f"{name} names {path}, and {key} is not among what is mounted"
    if bool(volume["secret"].get("optional")) != (o["kind"] != "Job" and o["metadata"]["name"] != "ottoctl"):
        yield f"does not wait for {path} by itself, and say what it should hold" if o["kind"] != "Job" else f"fails without {path} instead of being held back"
    secret = volume["secret"]["secretName"]
    own = {"Job": {"otto-pg-admin", "otto-pg-owner", "otto-kafka-ottoctl"}}.get(o["kind"], set())
    who = pod["containers"][0]["name"]
    if who == "all-in-one":
        return
    if re.match(r"otto-(pg|kafka)-", secret) and secret not in own | {f"otto-pg-{who}", f"otto-kafka-{who}", "otto-kafka-ca"} and who != "ottoctl":
        yield f"has the Secret of another ({secret})"


def _mebibytes(size: str) -> int:
    return int(size[:-2]) * (1024 if size.endswith("Gi") else 1)


# ---- probes, stopping
PROBES = {
    "startupProbe": ("/healthz", 1, 60),
    "livenessProbe": ("/healthz", 10, 6),
    "readinessProbe": ("/readyz", 1, 2),
}


def _probes(container: Object) -> typing.Iterator[str]:
    for name, (path, period, failures) in PROBES.items():
        probe = container.get(name, {})
        if (probe.get("httpGet"), probe.get("periodSeconds"), probe.get("failureThreshold")) != ({"path": path, "port": "admin"}, period, failures):
            yield f"its {name} does not ask {path} at the admin port each {period} s, {failures} times"


def _stopping(o: Object, pod: Object, facts: Facts) -> typing.Iterator[str]:
    container = pod["containers"][0]
    sleep = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    drain = facts.said.all["drain"]
    if sleep < facts.said.all["sleep"]:
        yield f"serves {sleep} s on after it was told to go, not {facts.said.all['sleep']} (preStop)"
    ingress = o["kind"] == "StatefulSet"  # it empties its spool
    wanted = 90 if ingress else facts.said.all["sleep"] + drain + 15
    if pod.get("terminationGracePeriodSeconds", 30) < wanted:
        yield f"is killed after {pod.get('terminationGracePeriodSeconds', 30)} s, not {wanted}"
    for e in container.get("env", []):
        if e["name"] == "OTTO_DRAIN" and e["value"] != f"{drain}s":
            yield f"drains for {e['value']}, not {drain} s"


# ---- where, how many
def _placing(it: Overlay, o: Object, pod: Object, labels: Object, facts: Facts) -> typing.Iterator[str]:
    spread = {c["topologyKey"]: c for c in pod.get("topologySpreadConstraints", [])}
    if set(spread) != {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}:
        yield "is spread over zones or nodes by nobody"
    elif facts.zones and o["kind"] == "StatefulSet" and spread["topology.kubernetes.io/zone"]["whenUnsatisfiable"] != "DoNotSchedule":
        yield "may stand in one zone"
    classes = it.by["PriorityClass"]
    mine = classes.get(pod.get("priorityClassName", ""))
    if mine is None:
        yield "has no priority"
    elif o["kind"] == "StatefulSet" and mine["value"] < max(c["value"] for c in classes.values()):
        yield "takes webhooks and has not the highest priority"
    budgets = [b for b in it.by["PodDisruptionBudget"].values() if b["spec"]["selector"]["matchLabels"].items() <= labels.items()]
    if it.pods(o)[0] >= 2 and not budgets:
        yield "has two pods or more and no PodDisruptionBudget"
    for b in budgets:
        if b["spec"].get("maxUnavailable") != 1 or "minAvailable" in b["spec"]:
            yield "has a PodDisruptionBudget that may block a drain for ever"
    if {t.get("tolerationSeconds") for t in pod.get("tolerations", [])} != {30}:
        yield "stays on a lost node for as long as Kubernetes waits by itself (5 minutes)"


def _scaling(it: Overlay, o: Object, facts: Facts) -> typing.Iterator[str]:
    spec, most = o["spec"], it.pods(o)[1]
    alone = it.claims(o)
    if o["kind"] == "Deployment":
        if alone and (spec["strategy"]["type"] != "Recreate" or most != 1):
            yield f"mounts {alone[0]['metadata']['name']}, which one node has at a time: one pod, and Recreate"
        if not alone and spec["strategy"] != {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}:
            yield "is not updated by one more and none less"
    else:
        if spec.get("podManagementPolicy") != "Parallel":
            yield "its pods wait for each other (podManagementPolicy)"
        if spec.get("persistentVolumeClaimRetentionPolicy") != {"whenDeleted": "Retain", "whenScaled": "Retain"}:
            yield "loses its spool with its pods"
        if not spec.get("volumeClaimTemplates"):
            yield "has no volume for its spool"
        for h in it.by["HorizontalPodAutoscaler"].values():
            if h["spec"]["scaleTargetRef"]["name"] == o["metadata"]["name"] and h["spec"]["behavior"]["scaleDown"].get("selectPolicy") != "Disabled":
                yield "may be scaled in with rows in its spool"
    if it.scaler_of(o) and "replicas" in spec:
        yield "says replicas, which something else counts: each apply would set them back"
    container = template_of(o)["spec"]["containers"][0]
    lanes = next((e["value"] for e in container.get("env", []) if e["name"] == "OTTO_LANES"), "0")
    if int(lanes) * most > facts.said.all["partitions"]:
        yield f"has {lanes} lanes × {most} pods, and a topic has {facts.said.all['partitions']} partitions"
    stanza = facts.said.services.get(o["metadata"]["name"])
    if stanza is not None and most > stanza.most:
        yield f"may have {most} pods, and services.yaml says {stanza.most}"


def _job(o: Object, facts: Facts) -> typing.Iterator[str]:
    if o["metadata"]["name"].endswith("-VERSION"):
        yield "its name has no version: its template cannot be changed"
    if o["spec"].get("ttlSecondsAfterFinished") != 86400:
        yield "is not kept for a day"
    for e in template_of(o)["spec"]["containers"][0]["env"]:
        ref = e.get("valueFrom", {}).get("configMapKeyRef", {}).get("name")
        if ref is not None and ref != "otto-jobs":
            yield f"reads {ref}, whose name changes with what it holds: a Job's template cannot change"


# ---- what concerns several
def _together(it: Overlay, facts: Facts) -> typing.Iterator[str]:
    for kind in ("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding", "Ingress"):
        for name in it.by[kind]:
            yield f"{kind}/{name}: there is none of that kind"
    if it.by["Secret"] and not facts.secrets:
        yield f"Secret/{next(iter(it.by['Secret']))}: an overlay holds no Secrets"
    for o in it.by["Namespace"].values():
        if o["metadata"]["labels"].get("pod-security.kubernetes.io/enforce") != "restricted":
            yield f"{named(o)}: does not enforce Pod Security restricted"
    yield from _configuration(it, facts)
    workloads = [o for o in it.objects if template_of(o)]
    for service in it.by["Service"].values():
        chosen = [w for w in workloads if service["spec"]["selector"].items() <= template_of(w)["metadata"]["labels"].items()]
        if not chosen:
            yield f"{named(service)}: chooses no pod"
        for w in chosen:
            ports = {p["name"]: p["containerPort"] for c in template_of(w)["spec"]["containers"] for p in c.get("ports", [])}
            for p in service["spec"]["ports"]:
                if is_ours(w) and p.get("targetPort") not in ports:
                    yield f"{named(service)}: {p.get('targetPort')} is no port of {named(w)}"
                if p.get("targetPort") in ("admin", 9080) or p["port"] == 9080:
                    yield f"{named(service)}: leads to the admin port"
    for route in it.by["HTTPRoute"].values():
        for rule in route["spec"]["rules"]:
            for ref in rule["backendRefs"]:
                if ref["name"] not in it.by["Service"] or ref["port"] != 8080:
                    yield f"{named(route)}: leads to {ref['name']}:{ref['port']}"
    for s in it.by["ScaledObject"].values():
        program = facts.programs[s["metadata"]["name"]]
        said = {(t["metadata"]["consumerGroup"], t["metadata"]["topic"]) for t in s["spec"]["triggers"]}
        does = {(c["group"], t) for c in program.consumers for t in c["topics"]}
        if said != does:
            yield f"{named(s)}: scales by {sorted(said)}; it consumes {sorted(does)}"
        target = it.by["Deployment"].get(s["spec"]["scaleTargetRef"]["name"])
        env = {e["name"] for e in template_of(target)["spec"]["containers"][0]["env"]} if target else set()
        plain = "OTTO_KAFKA_SASL_MECHANISM" in env
        for t in s["spec"]["triggers"] if "OTTO_KAFKA_TLS_CA_FILE" in env else ():
            authentication = it.by["TriggerAuthentication"].get(t.get("authenticationRef", {}).get("name"))
            if authentication is None or t["metadata"].get("tls") != "enable":
                yield f"{named(s)}: asks a Kafka with TLS and users without either"
                continue
            given = {p["parameter"]: (p["name"], p["key"]) for p in authentication["spec"]["secretTargetRef"]}
            own = f"otto-kafka-{s['metadata']['name']}"
            needs = {p: (own, p) for p in ("username", "password")} if plain else {"cert": (own, "user.crt"), "key": (own, "user.key")}
            ca = next(v["secret"]["secretName"] for v in template_of(target)["spec"]["volumes"] if v["name"] == "otto-kafka-ca")
            if given != needs | {"ca": (ca, "ca.crt")} or t["metadata"].get("sasl") != ("plaintext" if plain else None):
                yield f"{named(s)}: asks Kafka otherwise than the service that it scales"
        if s["spec"].get("fallback", {}).get("behavior") != "currentReplicasIfHigher":
            yield f"{named(s)}: without Kafka's word it is scaled in"
        down = s["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"]
        if down["stabilizationWindowSeconds"] != 600 or down["policies"] != [{"type": "Pods", "value": 1, "periodSeconds": 120}]:
            yield f"{named(s)}: goes in otherwise than by a pod each 2 minutes after 10 quiet ones"
    used = sum(it.pods(o)[1] * facts.programs[n].sessions(facts.said.services[n].lanes) for n in facts.said.services
               for o in [it.by["Deployment"].get(n) or it.by["StatefulSet"].get(n)] if o)
    # query-service has a session for each of them (services/README.md, `sessions`).
    workers = [c["data"].get("OTTO_HTTP_WORKERS") for n, c in it.by["ConfigMap"].items() if re.match(r"otto-config(-|$)", n)]
    query = it.by["Deployment"].get("query-service")
    if query and workers and workers[0]:
        used += (int(workers[0]) - int(facts.programs["query-service"].settings["OTTO_HTTP_WORKERS"]["default"])) * it.pods(query)[1]
    if used > facts.said.all["sessions"]:
        yield f"{used} sessions at Postgres, and {facts.said.all['sessions']} are the most"
    for c in it.by["Cluster"].values():
        said = int(c["spec"]["postgresql"]["parameters"]["max_connections"])
        if said < used * 1.3:
            yield f"{named(c)}: {said} connections for {used} sessions"


def _configuration(it: Overlay, facts: Facts) -> typing.Iterator[str]:
    """Keys of otto-config: settings of some program, and none that is a secret or follows from the manifests."""
    ours = {e["name"] for o in it.objects if template_of(o) for c in template_of(o)["spec"]["containers"] if program_of(c) for e in c.get("env", []) if "value" in e}
    for name, config in it.by["ConfigMap"].items():
        if not re.match(r"otto-(config|jobs)(-|$)", name):
            continue
        for key, value in config["data"].items():
            known = [p.settings[key] for p in facts.programs.values() if key in p.settings]
            if not known and key not in PLACES:
                yield f"config.env: {key} is no setting of any program{_nearest(key, facts)}"
            elif key in ours or key in {"OTTO_PORT", "OTTO_ADMIN_PORT"}:
                yield f"config.env: {key} follows from services.yaml; take it out"
            elif known and known[0]["secret"]:
                yield f"config.env: {key} is a secret; its place is a Secret"
            elif key == "OTTO_TRUSTED_PROXIES" and value and not all("/" in part for part in value.split(",")):
                yield "config.env: OTTO_TRUSTED_PROXIES names single addresses, and pods have no fixed ones; give a range, such as 10.0.0.0/8"
        if not facts.tags:
            for key in ("OTTO_ALLOW_UNSIGNED_WEBHOOKS", "OTTO_PRIVATE_ADDRESSES"):
                if config["data"].get(key):
                    yield f"config.env: {key} is for trying; it is empty here"


def _nearest(key: str, facts: Facts) -> str:
    import difflib

    near = difflib.get_close_matches(key, {n for p in facts.programs.values() for n in p.settings}, 1, 0.8)
    return f"; is it {near[0]}?" if near else ""
