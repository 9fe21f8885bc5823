"""Rules that the API server itself enforces (ValidatingAdmissionPolicies), in namespaces labelled otto/policies: enforced; and, of
each, manifests that pass and that must not."""

import copy

from . import objects
from .objects import labels
from .programs import Program
from .stanzas import Stanzas

PODS = [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["pods"]},
        {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["deployments", "statefulsets", "daemonsets"]},
        {"apiGroups": ["batch"], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["jobs"]}]
CONFIG = [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["configmaps"]}]
# What the operators of Kafka and Postgres run is their business.
FOREIGN = [{"name": "not-an-operators", "expression": "!has(object.metadata.labels) || !('cnpg.io/cluster' in object.metadata.labels || 'strimzi.io/cluster' in object.metadata.labels)"}]
OTTO_CONFIG = [{"name": "ottos-configuration", "expression": "object.metadata.name.startsWith('otto-config') || object.metadata.name.startsWith('otto-jobs')"}]
SPEC = {"name": "spec", "expression": "object.kind == 'Pod' ? object.spec : object.spec.template.spec"}
META = {"name": "meta", "expression": "object.kind == 'Pod' ? object.metadata : object.spec.template.metadata"}
CONTAINERS = {"name": "containers", "expression": "variables.spec.containers + (has(variables.spec.initContainers) ? variables.spec.initContainers : [])"}
# Jobs end by themselves, and an operator's pod serves nobody.
SERVES = {"name": "serves", "expression": "object.kind != 'Job' && (!has(variables.spec.restartPolicy) || variables.spec.restartPolicy == 'Always') && "
                                          "!(has(variables.meta.labels) && 'otto/kind' in variables.meta.labels && variables.meta.labels['otto/kind'] == 'operator')"}


def _policy(name: str, rules: list[dict], conditions: list[dict], variables: list[dict], *checks: tuple[str, str]) -> list[dict]:
    """`checks`: what must be so, and what is said where it is not."""
    full = f"otto-{name}"
    spec = {"failurePolicy": "Fail", "matchConstraints": {"resourceRules": rules}, "matchConditions": conditions}
    if variables:
        spec["variables"] = variables
    spec["validations"] = [{"expression": e, "message": m} for e, m in checks]
    binding = {"policyName": full, "validationActions": ["Deny"], "matchResources": {"namespaceSelector": {"matchLabels": {"otto/policies": "enforced"}}}}
    return [{"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": {"name": full, "labels": labels("otto-policies")}, "spec": spec},
            {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": full, "labels": labels("otto-policies")}, "spec": binding}]


def _all(container: str) -> str:
    return f"variables.containers.all(c, {container})"


def _list(names: list[str]) -> str:
    return "[" + ", ".join(f"'{n}'" for n in names) + "]"


def secret_settings() -> list[str]:
    """What only a file may hold: all that have a home in a Secret. Passwords of Postgres beside."""
    return sorted({*objects.SECRETS, *objects.OPTIONAL, *objects.KAFKA_CERTIFICATE, *objects.KAFKA_PASSWORD})


def configured(known: dict[str, Program]) -> list[str]:
    """Keys that config.env may have."""
    return sorted({n for p in known.values() for n, s in p.settings.items() if objects.is_configured(s)} | {"OTTO_REPLICATION"} | set(objects.PLACES))


TRYING = {"OTTO_ALLOW_UNSIGNED_WEBHOOKS": "otto/allow-unsigned-webhooks", "OTTO_PRIVATE_ADDRESSES": "otto/allow-private-addresses"}


def policies(said: Stanzas, known: dict[str, Program]) -> dict[str, list[dict]]:
    secrets = _list(secret_settings())
    allowed = "(has(namespaceObject.metadata.labels) && '{0}' in namespaceObject.metadata.labels && namespaceObject.metadata.labels['{0}'] == 'true')"
    made = {
        "images": _policy("images", PODS, FOREIGN, [SPEC, CONTAINERS], (
            _all("c.image.matches('@sha256:[0-9a-f]{64}$')"), "an image is named by its digest (name@sha256:…): a tag may be another image tomorrow; k8s/release writes it")),
        "resources": _policy("resources", PODS, FOREIGN, [SPEC, CONTAINERS], (
            _all("has(c.resources) && has(c.resources.requests) && 'cpu' in c.resources.requests && 'memory' in c.resources.requests"),
            "a container asks for cpu and memory (resources.requests)"), (
            _all("has(c.resources) && has(c.resources.limits) && 'memory' in c.resources.limits"), "a container has a limit of memory (resources.limits.memory)")),
        "token": _policy("token", PODS, FOREIGN, [SPEC], (
            "has(variables.spec.automountServiceAccountToken) && !variables.spec.automountServiceAccountToken", "no pod has a token: automountServiceAccountToken: false"), (
            "!has(variables.spec.volumes) || variables.spec.volumes.all(v, !has(v.projected) || !has(v.projected.sources) || v.projected.sources.all(s, !has(s.serviceAccountToken)))",
            "no pod has a token: take the projected serviceAccountToken out")),
        "secrets": _policy("secrets", PODS, FOREIGN, [SPEC, CONTAINERS], (
            _all("!has(c.env) || c.env.all(e, !has(e.valueFrom) || !has(e.valueFrom.secretKeyRef))"), "a secret is a file (NAME_FILE and a volume), never in the environment: no secretKeyRef"), (
            _all("!has(c.envFrom) || c.envFrom.all(e, !has(e.secretRef))"), "a secret is a file (NAME_FILE and a volume), never in the environment: no secretRef"), (
            _all(f"!has(c.env) || c.env.all(e, !(e.name in {secrets}) && (!e.name.startsWith('OTTO_PG_PASSWORD') || e.name.endsWith('_FILE')))"), "a secret is a file: set NAME_FILE to the path of one in a mounted Secret"), (
            _all("!has(c.env) || c.env.all(e, !e.name.startsWith('OTTO_PG_URL') || e.name.endsWith('_FILE') || !has(e.value) || !e.value.matches('://[^/@]*:[^/@]*@|password='))"),
            "OTTO_PG_URL holds no password: OTTO_PG_PASSWORD_FILE names the file of one")),
        "probes": _policy("probes", PODS, FOREIGN, [SPEC, META, SERVES], (
            "!variables.serves || variables.spec.containers.all(c, has(c.startupProbe) && has(c.livenessProbe) && has(c.readinessProbe))",
            "a container has a startupProbe, a livenessProbe (/healthz) and a readinessProbe (/readyz)"), (
            "!variables.serves || variables.spec.containers.all(c, !has(c.livenessProbe) || !has(c.livenessProbe.httpGet) || !has(c.livenessProbe.httpGet.path) || c.livenessProbe.httpGet.path != '/readyz')",
            "the livenessProbe asks /healthz: /readyz tells of what a restart does not mend"), (
            "!variables.serves || variables.spec.containers.all(c, has(c.lifecycle) && has(c.lifecycle.preStop))",
            "a container goes on serving for some seconds after it was told to go (lifecycle.preStop.sleep): until then it is still being asked")),
        "grace": _policy("grace", PODS, FOREIGN, [SPEC, META, SERVES,
            {"name": "grace", "expression": "has(variables.spec.terminationGracePeriodSeconds) ? variables.spec.terminationGracePeriodSeconds : 30"}], (
            "!variables.serves || variables.spec.containers.all(c, variables.grace >= "
            "(has(c.lifecycle) && has(c.lifecycle.preStop) && has(c.lifecycle.preStop.sleep) ? c.lifecycle.preStop.sleep.seconds : 0) + "
            "(has(c.env) && c.env.exists(e, e.name == 'OTTO_DRAIN' && has(e.value)) ? duration(c.env.filter(e, e.name == 'OTTO_DRAIN')[0].value).getSeconds() : 25))",
            "terminationGracePeriodSeconds is at least preStop.sleep and OTTO_DRAIN (25 s) together: a pod is killed then, whatever is under way")),
        "host": _policy("host", PODS, FOREIGN, [SPEC, CONTAINERS], (
            "!(has(variables.spec.hostNetwork) && variables.spec.hostNetwork) && !(has(variables.spec.hostPID) && variables.spec.hostPID) && !(has(variables.spec.hostIPC) && variables.spec.hostIPC)",
            "no pod has the host's network, processes or memory (hostNetwork, hostPID, hostIPC)"), (
            "!has(variables.spec.volumes) || variables.spec.volumes.all(v, !has(v.hostPath))", "no pod has a folder of the host (hostPath)"), (
            _all("!has(c.ports) || c.ports.all(p, !has(p.hostPort) || p.hostPort == 0)"), "no pod has a port of the host (hostPort)")),
        "trying": [*_policy("trying", PODS, FOREIGN, [SPEC, CONTAINERS], *(
            (_all(f"!has(c.env) || c.env.all(e, e.name != '{n}' || !has(e.value) || e.value == '')") + f" || {allowed.format(label)}",
             f"{n} is for trying: empty, unless the namespace is labelled {label}: \"true\"") for n, label in TRYING.items())),
            *_policy("trying-config", CONFIG, OTTO_CONFIG, [], *(
                (f"!has(object.data) || !('{n}' in object.data) || object.data['{n}'] == '' || {allowed.format(label)}",
                 f"{n} is for trying: empty, unless the namespace is labelled {label}: \"true\"") for n, label in TRYING.items()))],
        "config": _policy("config", CONFIG, OTTO_CONFIG, [{"name": "known", "expression": _list(configured(known))}], (
            "!has(object.data) || object.data.all(k, k in variables.known)",
            "a key is no setting that config.env may have: misspelt, a secret (its place is a Secret), or one that follows from services.yaml; deploy/settings.md lists settings")),
    }
    for name, documents in made.items():
        if name == "config":
            check = documents[0]["spec"]["validations"][0]
            check["messageExpression"] = f"'{check['message']}: ' + object.data.filter(k, !(k in variables.known))[0]"
    return made


# ---- what passes, what must not
def _pod(said: Stanzas) -> dict:
    container = {"name": "it", "image": "registry.example.com/otto@sha256:" + "ab" * 32, "command": ["/usr/lib/otto/tenant-router"],
                 "ports": [{"name": "admin", "containerPort": 9080}],
                 "env": [{"name": "OTTO_DRAIN", "value": f"{said.all['drain']}s"}, {"name": "OTTO_SECRET_KEYS_FILE", "value": "/run/otto/keys/secret-keys"},
                         {"name": "OTTO_PG_PASSWORD_FILE", "value": "/run/otto/keys/password"},
                         {"name": "OTTO_PG_URL", "value": "postgresql://otto_tenant_router@postgres:5432/otto"}],
                 "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "512Mi"}}, **objects.probes(),
                 "lifecycle": {"preStop": {"sleep": {"seconds": said.all["sleep"]}}}, "securityContext": objects.restricted(),
                 "volumeMounts": [{"name": "keys", "mountPath": "/run/otto/keys", "readOnly": True}]}
    return {"automountServiceAccountToken": False, "enableServiceLinks": False, "terminationGracePeriodSeconds": 45, "securityContext": objects.pod_security(),
            "containers": [container], "volumes": [{"name": "keys", "secret": {"secretName": "otto-keys"}}]}


def _as(kind: str, spec: dict, meta: dict | None = None) -> dict:
    mine = {"labels": {"app.kubernetes.io/name": "it", "app.kubernetes.io/part-of": "otto"}} | (meta or {})
    if kind == "Pod":
        return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "it", **mine}, "spec": spec}
    template = {"metadata": mine, "spec": spec}
    if kind == "Job":
        return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "it"}, "spec": {"template": template}}
    out = {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "it"}, "spec": {"selector": {"matchLabels": {"app.kubernetes.io/name": "it"}}, "template": template}}
    if kind == "StatefulSet":
        out["spec"]["serviceName"] = "it"
    return out


def _config(**data: str) -> dict:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "otto-config-it"}, "data": data}


def cases(said: Stanzas) -> list[tuple[str, str, dict]]:
    """Policy ('' = it passes all of them), name, manifest."""
    def broken(kind: str, change) -> dict:
        spec = copy.deepcopy(_pod(said))
        change(spec, spec["containers"][0])
        return _as(kind, spec)

    def env(name: str, **value: object):
        return lambda s, c: c["env"].append({"name": name, **value})

    def job(s: dict, c: dict) -> None:
        s["restartPolicy"] = "OnFailure"
        for key in ("startupProbe", "livenessProbe", "readinessProbe", "lifecycle"):
            del c[key]

    out = [("", kind.lower(), _as(kind, _pod(said))) for kind in ("Pod", "Deployment", "StatefulSet")]
    out += [
        ("", "job", broken("Job", job)),
        ("", "operator", _as("Pod", broken("Pod", lambda s, c: [c.pop(k) for k in ("startupProbe", "livenessProbe", "readinessProbe", "lifecycle")])["spec"],
                             {"labels": {"app.kubernetes.io/name": "it", "otto/kind": "operator"}})),
        ("", "an-operators-pod", _as("Pod", broken("Pod", lambda s, c: c.update(image="registry.example.com/postgres:15"))["spec"], {"labels": {"cnpg.io/cluster": "otto-pg"}})),
        ("", "config", _config(OTTO_LOG_LEVEL="debug", PG_HOST="postgres:5432", OTTO_ALLOW_UNSIGNED_WEBHOOKS="")),
        ("", "empty-config", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "otto-config-it"}}),
        ("", "another-config", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "another"}, "data": {"WHATEVER": "1"}}),
        ("images", "tag", broken("Deployment", lambda s, c: c.update(image="registry.example.com/otto:v1"))),
        ("images", "tag-of-pod", broken("Pod", lambda s, c: c.update(image="registry.example.com/otto"))),
        ("images", "init-container", broken("Deployment", lambda s, c: s.update(initContainers=[{**{k: c[k] for k in ("resources", "securityContext")}, "name": "first", "image": "busybox:1"}]))),
        ("resources", "no-requests", broken("StatefulSet", lambda s, c: c["resources"].pop("requests"))),
        ("resources", "no-cpu", broken("Pod", lambda s, c: c["resources"]["requests"].pop("cpu"))),
        ("resources", "no-limit", broken("Deployment", lambda s, c: c["resources"].pop("limits"))),
        ("token", "automount", broken("Pod", lambda s, c: s.pop("automountServiceAccountToken"))),
        ("token", "automount-true", broken("Deployment", lambda s, c: s.update(automountServiceAccountToken=True))),
        ("token", "projected", broken("Pod", lambda s, c: s["volumes"].append({"name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}))),
        ("secrets", "key-ref", broken("Deployment", env("OTTO_LOG_HASH_KEY", valueFrom={"secretKeyRef": {"name": "otto-keys", "key": "log-hash-key"}}))),
        ("secrets", "env-from", broken("Job", lambda s, c: (job(s, c), c.update(envFrom=[{"secretRef": {"name": "otto-keys"}}])))),
        ("secrets", "plain", broken("Pod", env("OTTO_SECRET_KEYS", value="k1:AAAA"))),
        ("secrets", "plain-password", broken("StatefulSet", env("OTTO_PG_PASSWORD_LEAD_PIPELINE", value="hunter2"))),
        ("secrets", "password-in-url", broken("Deployment", lambda s, c: c["env"][3].update(value="postgresql://otto:hunter2@postgres:5432/otto"))),
        ("probes", "no-startup", broken("Deployment", lambda s, c: c.pop("startupProbe"))),
        ("probes", "no-readiness", broken("StatefulSet", lambda s, c: c.pop("readinessProbe"))),
        ("probes", "liveness-asks-readyz", broken("Deployment", lambda s, c: c["livenessProbe"]["httpGet"].update(path="/readyz"))),
        ("probes", "no-prestop", broken("Pod", lambda s, c: c.pop("lifecycle"))),
        ("grace", "default", broken("Deployment", lambda s, c: (s.pop("terminationGracePeriodSeconds"), c["lifecycle"]["preStop"]["sleep"].update(seconds=10)))),
        ("grace", "long-drain", broken("StatefulSet", lambda s, c: c["env"][0].update(value="2m"))),
        ("grace", "short", broken("Pod", lambda s, c: s.update(terminationGracePeriodSeconds=29))),
        ("host", "network", broken("Deployment", lambda s, c: s.update(hostNetwork=True))),
        ("host", "path", broken("Deployment", lambda s, c: s["volumes"].append({"name": "host", "hostPath": {"path": "/var"}}))),
        ("host", "port", broken("Deployment", lambda s, c: c["ports"][0].update(hostPort=9080))),
        ("trying", "unsigned", broken("Deployment", env("OTTO_ALLOW_UNSIGNED_WEBHOOKS", value="callrail"))),
        ("trying", "private", broken("Pod", env("OTTO_PRIVATE_ADDRESSES", value="10.0.0.1:80"))),
        ("trying-config", "unsigned", _config(OTTO_ALLOW_UNSIGNED_WEBHOOKS="callrail")),
        ("trying-config", "private", _config(OTTO_PRIVATE_ADDRESSES="10.0.0.1:80")),
        ("config", "misspelt", _config(OTTO_LOG_LEVLE="debug")),
        ("config", "secret", _config(OTTO_SECRET_KEYS="k1:AAAA")),
        ("config", "of-the-manifests", _config(OTTO_LANES="8")),
    ]
    return out


def files(said: Stanzas, known: dict[str, Program]) -> dict[str, list]:
    made = policies(said, known)
    out: dict[str, list] = {f"policies/{n}.yaml": d for n, d in made.items()}
    label = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "otto", "labels": {"otto/policies": "enforced"}}}
    out["policies/patches/namespace.yaml"] = [label]
    out["policies/kustomization.yaml"] = ["What the API server refuses in namespaces that are labelled otto/policies: enforced; Otto's own is. tests/ has what passes and what must not.",
                                          {"apiVersion": "kustomize.config.k8s.io/v1alpha1", "kind": "Component", "resources": [f"{n}.yaml" for n in made],
                                           "patches": [{"path": "patches/namespace.yaml"}]}]
    for policy, name, manifest in cases(said):
        if policy:
            out[f"policies/tests/refused/{policy}.{name}.yaml"] = [f"Refused by otto-{policy}.", manifest]
        else:
            out[f"policies/tests/passes/{name}.yaml"] = [manifest]
    return out
