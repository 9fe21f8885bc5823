"""The objects of Kubernetes that follow from a stanza and from what its program says of itself."""

from .programs import Program
from .stanzas import Stanza, Stanzas, mebibytes

USER = 65532
SPOOL, OBJECTS = "/var/lib/otto/spool", "/var/lib/otto/objects"
DASHBOARD = "/usr/share/otto/dashboard"  # where the image has the web app (deploy/Dockerfile)
SPOOL_SHARE = 0.8  # of the volume; the rest is SQLite's log, the directory's snapshot, the file system
OUTLIVES = 30      # seconds after which a pod of a lost node is made anew elsewhere

# Which Secret, and which of its keys, holds a secret setting. One that a program has and that stands nowhere here ends the
# generator: a secret has a home before a program may ask for it.
SECRETS = {
    "OTTO_SECRET_KEYS": ("otto-keys", "secret-keys"),
    "OTTO_LOG_HASH_KEY": ("otto-keys", "log-hash-key"),
    "OTTO_CLERK_SECRET_KEY": ("otto-clerk", "secret-key"),
    "OTTO_CLERK_WEBHOOK_SECRET": ("otto-clerk", "webhook-secret"),
    "OTTO_SHUNYA_WEBHOOK_SECRET": ("otto-shunya", "webhook-secret"),
    "OTTO_SHUNYA_TOKEN_SECRET": ("otto-shunya", "token-secret"),
}
# What only some installations have: patches of a component put it in.
OPTIONAL = {
    "OTTO_MEDIA_KEYS": ("media-keys", "otto-media", "keys"),
    "OTTO_TWILIO_AUTH_TOKEN": ("twilio-account", "otto-twilio", "auth-token"),
    "OTTO_TWILIO_API_SECRET": ("twilio-account", "otto-twilio", "api-secret"),
}
# Kafka's, by component: files of the cluster's CA and of the service's own Secret, whose keys are named as Strimzi names them.
KAFKA_CA = {"OTTO_KAFKA_TLS_CA": ("otto-kafka-ca", "ca.crt")}
KAFKA_CERTIFICATE = {
    "OTTO_KAFKA_TLS_CERT": ("otto-kafka-{service}", "user.crt"),
    "OTTO_KAFKA_TLS_KEY": ("otto-kafka-{service}", "user.key"),
}
KAFKA_PASSWORD = {
    "OTTO_KAFKA_SASL_USERNAME": ("otto-kafka-{service}", "username"),
    "OTTO_KAFKA_SASL_PASSWORD": ("otto-kafka-{service}", "password"),
}
# Settings that follow from the manifests and that nobody may set in config.env.
OURS = {"OTTO_PORT", "OTTO_ADDRESS", "OTTO_ADMIN_PORT", "OTTO_ADMIN_ADDRESS", "OTTO_DRAIN", "OTTO_LANES", "OTTO_STRICT", "OTTO_SPOOL_DIR",
        "OTTO_SPOOL_MEGABYTES", "OTTO_OPEN_PER_SECOND", "OTTO_OPEN_EVENTS", "OTTO_OPEN_MEGABYTES", "OTTO_OBJECT_STORE", "OTTO_DASHBOARD_DIR", "OTTO_REPLICATION"}
# Parts of Postgres's address, for the manifests to put together; not settings of Otto's.
PLACES = ("PG_HOST", "PG_DATABASE", "PG_OPTIONS", "PG_OWNER", "PG_ADMIN")


def role(service: str) -> str:
    return "otto_" + service.replace("-", "_")


def labels(name: str) -> dict:
    return {"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": "otto"}


def pod_labels(s: Stanza, p: Program) -> dict:
    """Beside the name what network policies choose pods by."""
    out = {**labels(s.name), "otto/kind": s.kind}
    if "OTTO_KAFKA_BROKERS" in p.settings:
        out["otto/kafka"] = "client"
    if p.needs("database"):
        out["otto/database"] = "client"
    if p.service["peers"]:
        out["otto/outside"] = "client"
    if p.routed:
        out["otto/http"] = "server"
    if p.needs("objects"):
        out["otto/objects"] = "client"
    return out


def is_configured(setting: dict) -> bool:
    """Whether a setting comes from config.env."""
    name = setting["name"]
    return not (setting["secret"] or name in OURS or name.startswith("OTTO_PG_") or (name.startswith("OTTO_KAFKA_") and name != "OTTO_KAFKA_BROKERS"))


def from_config(name: str, optional: bool = True, config: str = "otto-config") -> dict:
    ref = {"name": config, "key": name}
    if optional:
        ref["optional"] = True
    return {"name": name, "valueFrom": {"configMapKeyRef": ref}}


def secrets_of(p: Program, service: str) -> list[tuple[str, str, str]]:
    """Secret, key, setting, of what every installation has."""
    out = []
    for name, setting in p.settings.items():
        if name in SECRETS:
            out.append((*SECRETS[name], name))
        elif setting["secret"] and name not in OPTIONAL and not name.startswith(("OTTO_PG_", "OTTO_KAFKA_")):
            raise SystemExit(f"k8s/generate: {p.name} has a secret setting {name}, and no Secret holds it; name one in SECRETS of k8s/generator/objects.py")
    if p.needs("database"):
        out.append((f"otto-pg-{service}", "password", "OTTO_PG_PASSWORD"))
    return out


def secret_env(secrets: list[tuple[str, str, str]]) -> list[dict]:
    return [{"name": f"{setting}_FILE", "value": f"{secret_path(secret)}/{key}"} for secret, key, setting in secrets]


def secret_path(secret: str) -> str:
    return "/run/otto/" + secret.removeprefix("otto-")


def secret_volumes(secrets: list[tuple[str, str, str]], waits: bool = True) -> tuple[list[dict], list[dict]]:
    """Each Secret as a folder that holds just the keys which are asked for. Whoever waits for them by itself, and says what they
    should hold, is started without them too; others the kubelet holds back."""
    volumes, mounts = [], []
    for name in dict.fromkeys(s for s, _, _ in secrets):
        items = [{"key": k, "path": k} for s, k, _ in secrets if s == name]
        volumes.append({"name": name, "secret": {"secretName": name, "defaultMode": 0o440, **({"optional": True} if waits else {}), "items": items}})
        mounts.append({"name": name, "mountPath": secret_path(name), "readOnly": True})
    return volumes, mounts


def pg_env(login: str) -> list[dict]:
    """The address without a password: that is a file."""
    return [from_config("PG_HOST", optional=False), from_config("PG_DATABASE", optional=False), from_config("PG_OPTIONS", optional=False),
            {"name": "OTTO_PG_URL", "value": f"postgresql://{login}@$(PG_HOST)/$(PG_DATABASE)?$(PG_OPTIONS)"}]


def env(all_: dict, s: Stanza, p: Program) -> list[dict]:
    ours = {"OTTO_STRICT": "1", "OTTO_ADDRESS": "::", "OTTO_ADMIN_ADDRESS": "::", "OTTO_DRAIN": f"{all_['drain']}s"}
    if s.kind == "consumer":
        ours["OTTO_LANES"] = str(s.lanes)
    if s.kind == "ingress":
        ours["OTTO_SPOOL_DIR"] = SPOOL
        ours["OTTO_SPOOL_MEGABYTES"] = str(int(mebibytes(s.spool) * SPOOL_SHARE))
    ours |= open_limits(all_, p, s.replicas)
    if p.needs("objects"):
        ours["OTTO_OBJECT_STORE"] = f"file:{OBJECTS}"
    if "OTTO_DASHBOARD_DIR" in p.settings:
        ours["OTTO_DASHBOARD_DIR"] = DASHBOARD
    out = [{"name": n, "value": v} for n, v in ours.items()]
    out += [from_config(n) for n, setting in sorted(p.settings.items()) if is_configured(setting)]
    if p.needs("database"):
        out += pg_env(role(s.name))
    return out + secret_env(secrets_of(p, s.name))


def open_limits(all_: dict, p: Program, replicas: int) -> dict:
    """What all replicas may take together, divided by them: each process counts for itself."""
    return {n: str(max(1, total // replicas)) for n, total in all_["open"].items() if n in p.settings}


def restricted() -> dict:
    return {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}


def pod_security() -> dict:
    return {"runAsNonRoot": True, "runAsUser": USER, "runAsGroup": USER, "fsGroup": USER, "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"}}


def spread(name: str, stateful: bool) -> list[dict]:
    out = []
    for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname"):
        one = {"maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": {"matchLabels": {"app.kubernetes.io/name": name}}}
        if not stateful:
            one["matchLabelKeys"] = ["pod-template-hash"]
        out.append(one)
    return out


def probes() -> dict:
    return {
        "startupProbe": {"httpGet": {"path": "/healthz", "port": "admin"}, "periodSeconds": 1, "timeoutSeconds": 1, "failureThreshold": 60},
        "livenessProbe": {"httpGet": {"path": "/healthz", "port": "admin"}, "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 6},
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": "admin"}, "periodSeconds": 1, "timeoutSeconds": 2, "failureThreshold": 2},
    }


def lost_node() -> list[dict]:
    return [{"key": f"node.kubernetes.io/{what}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": OUTLIVES}
            for what in ("not-ready", "unreachable")]


def pod(all_: dict, s: Stanza, p: Program) -> dict:
    volumes, mounts = secret_volumes(secrets_of(p, s.name))
    if s.kind == "ingress":
        mounts.append({"name": "spool", "mountPath": SPOOL})
    if p.needs("objects"):
        volumes.append({"name": "objects", "persistentVolumeClaim": {"claimName": "otto-objects"}})
        mounts.append({"name": "objects", "mountPath": OBJECTS})
    ports = [{"name": "http", "containerPort": 8080}] if p.routed else []
    container = {
        "name": s.name, "image": "otto", "command": [f"/usr/lib/otto/{s.name}"],
        "ports": [*ports, {"name": "admin", "containerPort": 9080}],
        "env": env(all_, s, p),
        "resources": {"requests": {"cpu": s.cpu, "memory": s.memory[0]}, "limits": {"memory": s.memory[1]}},
        **probes(),
        "lifecycle": {"preStop": {"sleep": {"seconds": all_["sleep"]}}},
        "securityContext": restricted(),
    }
    if mounts:
        container["volumeMounts"] = mounts
    spec = {
        "serviceAccountName": s.name, "automountServiceAccountToken": False, "enableServiceLinks": False,
        "priorityClassName": "otto-ingress" if s.kind == "ingress" else "otto",
        "terminationGracePeriodSeconds": s.grace,
        "securityContext": pod_security(),
        "tolerations": lost_node(),
        "topologySpreadConstraints": spread(s.name, s.kind == "ingress"),
    }
    if p.needs("objects"):
        # A volume that one node has at a time: whoever reads it runs where the others do.
        spec["affinity"] = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
            {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"otto/objects": "client"}}}]}}
    spec["containers"] = [container]
    if volumes:
        spec["volumes"] = volumes
    return {"metadata": {"labels": pod_labels(s, p)}, "spec": spec}


ROLLING = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}


def workload(all_: dict, s: Stanza, p: Program) -> dict:
    selector = {"matchLabels": {"app.kubernetes.io/name": s.name}}
    meta = {"name": s.name, "labels": labels(s.name)}
    if s.kind == "ingress":
        claim = {"metadata": {"name": "spool", "labels": labels(s.name)},
                 "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": s.spool}}}}
        return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": meta, "spec": {
            "replicas": s.replicas, "serviceName": s.name, "podManagementPolicy": "Parallel", "revisionHistoryLimit": 5,
            "updateStrategy": {"type": "RollingUpdate"},
            "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
            "selector": selector, "template": pod(all_, s, p), "volumeClaimTemplates": [claim]}}
    # A volume that one pod has at a time: the former pod goes before the next comes.
    alone = p.needs("objects")
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": {
        "replicas": 1 if alone else s.replicas, "revisionHistoryLimit": 5, "strategy": {"type": "Recreate"} if alone else ROLLING,
        "selector": selector, "template": pod(all_, s, p)}}


def budget(name: str) -> dict:
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name, "labels": labels(name)}, "spec": {
        "maxUnavailable": 1, "unhealthyPodEvictionPolicy": "AlwaysAllow", "selector": {"matchLabels": {"app.kubernetes.io/name": name}}}}


def account(name: str) -> dict:
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "labels": labels(name)}, "automountServiceAccountToken": False}


def service(name: str) -> dict:
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "labels": labels(name)}, "spec": {
        "ipFamilyPolicy": "PreferDualStack", "selector": {"app.kubernetes.io/name": name},
        "ports": [{"name": "http", "port": 8080, "targetPort": "http"}]}}


def of_service(stanzas: Stanzas, s: Stanza, p: Program) -> list[dict]:
    """base/<service>.yaml."""
    out = [account(s.name), workload(stanzas.all, s, p)]
    if p.routed:
        out.append(service(s.name))
    if s.replicas > 1 and not p.needs("objects"):
        out.append(budget(s.name))
    return out


# ---- jobs
def job(name: str, command: list[str], login: str, secret: str, more: list[dict] = (), kafka: bool = False) -> dict:
    # Not from the hashed otto-config: a Job's template cannot change, and the hash would change it.
    config = "otto-jobs"
    full = f"otto-{name}-VERSION"
    settings = []
    volumes, mounts = ([], [])
    env_ = [{"name": "OTTO_STRICT", "value": "1"}]
    if kafka:
        settings += [from_config("OTTO_KAFKA_BROKERS", optional=False, config=config), *more]
    if secret:
        for one in pg_env(login):
            if "valueFrom" in one:
                one["valueFrom"]["configMapKeyRef"]["name"] = config
            settings.append(one)
        settings.insert(0, from_config(login.strip("$()"), optional=False, config=config))
        secrets = [(secret, "password", "OTTO_PG_PASSWORD")]
        settings += secret_env(secrets)
        volumes, mounts = secret_volumes(secrets, waits=False)
    container = {"name": name, "image": "otto", "command": command, "env": env_ + settings,
                 "resources": {"requests": {"cpu": "50m", "memory": "32Mi"}, "limits": {"memory": "256Mi"}},
                 "securityContext": restricted()}
    spec = {"serviceAccountName": "otto-jobs", "automountServiceAccountToken": False, "enableServiceLinks": False, "priorityClassName": "otto",
            "restartPolicy": "OnFailure", "terminationGracePeriodSeconds": 30, "securityContext": pod_security(), "containers": [container]}
    if mounts:
        container["volumeMounts"] = mounts
        spec["volumes"] = volumes
    client = {"otto/kafka": "client"} if kafka else {"otto/database": "client"}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": full, "labels": labels(f"otto-{name}")}, "spec": {
        "backoffLimit": 1000, "ttlSecondsAfterFinished": 86400, "template": {
            "metadata": {"labels": {**labels(f"otto-{name}"), "otto/kind": "job", **client}}, "spec": spec}}}


def jobs(logins: list[str]) -> list[dict]:
    """Roles with the passwords of their Secrets, topics, schema."""
    ottoctl = "/usr/lib/otto/ottoctl"
    roles = job("roles", [ottoctl, "roles", "apply", "--passwords", "/run/otto/roles"], "$(PG_ADMIN)", "otto-pg-admin")
    pod_spec = roles["spec"]["template"]["spec"]
    sources = [{"secret": {"name": f"otto-pg-{n}", "items": [{"key": "password", "path": role(n)}]}} for n in [*logins, "maintenance"]]
    pod_spec["volumes"].append({"name": "roles", "projected": {"defaultMode": 0o440, "sources": sources}})
    pod_spec["containers"][0]["volumeMounts"].append({"name": "roles", "mountPath": "/run/otto/roles", "readOnly": True})
    replication = [from_config("OTTO_REPLICATION", optional=True, config="otto-jobs")]
    return [
        account("otto-jobs"), roles,
        job("topics", [ottoctl, "topics", "apply"], "", "", replication, kafka=True),
        job("migrate", [ottoctl, "migrate"], "$(PG_OWNER)", "otto-pg-owner"),
    ]


# ---- what is of no single service
def namespace(volume: bool = True) -> list[dict]:
    out = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "otto", "labels": {
            **{f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}}}},
        # Webhooks are not repeated by those who send them: whoever takes them comes first.
        {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "otto-ingress"}, "value": 1000000,
         "description": "takes webhooks, which nobody repeats"},
        {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "otto"}, "value": 100000,
         "description": "Otto, but for what takes webhooks"},
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "otto-objects", "labels": labels("otto-objects")}, "spec": {
            "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "20Gi"}}}},
    ]
    return out if volume else out[:-1]


def base_kustomization(names: list[str]) -> dict:
    return {
        "apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "namespace": "otto",
        "resources": ["otto.yaml", "jobs.yaml", *(f"{n}.yaml" for n in names)],
        "configMapGenerator": [
            {"name": "otto-config", "envs": ["config.env"]},
            {"name": "otto-jobs", "envs": ["config.env"], "options": {"disableNameSuffixHash": True}},
            {"name": "otto-release", "envs": ["release.env"], "options": {"disableNameSuffixHash": True}},
        ],
    }


# ---- all of them in one process
def all_in_one(stanzas: Stanzas, p: Program) -> list[dict]:
    """One pod with one volume; under each service's name, so that an edge or a gateway finds it there."""
    name, of = "all-in-one", stanzas.all["all-in-one"]
    logins = [s["name"] for s in p.services if "database" in s["needs"]]
    secrets = [(*SECRETS[n], n) for n in p.settings if n in SECRETS]
    secrets += [(f"otto-pg-{n}", "password", "OTTO_PG_PASSWORD_" + n.upper().replace("-", "_")) for n in logins]
    volumes, mounts = secret_volumes(secrets)
    ours = {"OTTO_STRICT": "1", "OTTO_ADDRESS": "::", "OTTO_ADMIN_ADDRESS": "::", "OTTO_DRAIN": f"{stanzas.all['drain']}s", "OTTO_LANES": str(of["lanes"]),
            "OTTO_SPOOL_DIR": SPOOL, "OTTO_SPOOL_MEGABYTES": str(int(mebibytes(of["volume"]) * 0.1)), **open_limits(stanzas.all, p, 1), "OTTO_OBJECT_STORE": f"file:{OBJECTS}", "OTTO_DASHBOARD_DIR": DASHBOARD}
    urls = [{"name": "OTTO_PG_URL_" + n.upper().replace("-", "_"), "value": f"postgresql://{role(n)}@$(PG_HOST)/$(PG_DATABASE)?$(PG_OPTIONS)"} for n in logins]
    env_ = [*({"name": n, "value": v} for n, v in ours.items()), *(from_config(n) for n, s in sorted(p.settings.items()) if is_configured(s)), *pg_env("")[:3], *urls, *secret_env(secrets)]
    container = {"name": name, "image": "otto", "command": [f"/usr/lib/otto/{name}"], "ports": [{"name": "http", "containerPort": 8080}, {"name": "admin", "containerPort": 9080}],
                 "env": env_, "resources": {"requests": {"cpu": of["cpu"], "memory": of["memory"][0]}, "limits": {"memory": of["memory"][1]}}, **probes(),
                 "lifecycle": {"preStop": {"sleep": {"seconds": stanzas.all["sleep"]}}}, "securityContext": restricted(), "volumeMounts": [*mounts, {"name": "data", "mountPath": "/var/lib/otto"}]}
    spec = {"serviceAccountName": name, "automountServiceAccountToken": False, "enableServiceLinks": False, "priorityClassName": "otto-ingress", "terminationGracePeriodSeconds": 90,
            "securityContext": pod_security(), "tolerations": lost_node(), "topologySpreadConstraints": spread(name, True), "containers": [container], "volumes": volumes}
    chosen = {**labels(name), "otto/kind": "ingress", "otto/kafka": "client", "otto/database": "client", "otto/outside": "client", "otto/http": "server"}
    claim = {"metadata": {"name": "data", "labels": labels(name)}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": of["volume"]}}}}
    out = [account(name), {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": name, "labels": labels(name)}, "spec": {
        "replicas": 1, "serviceName": name, "podManagementPolicy": "Parallel", "revisionHistoryLimit": 5, "updateStrategy": {"type": "RollingUpdate"},
        "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"}, "selector": {"matchLabels": {"app.kubernetes.io/name": name}},
        "template": {"metadata": {"labels": chosen}, "spec": spec}, "volumeClaimTemplates": [claim]}}]
    for n in [name, *(s["name"] for s in p.services if s["routes"])]:
        out.append(service(n))
        out[-1]["spec"]["selector"] = {"app.kubernetes.io/name": name}
    return out


# ---- edge: nginx pods for clusters without the Gateway API
def edge_conf(routes: list, ingresses: set[str]) -> str:
    """nginx.conf, of deploy/routes.txt."""
    services = sorted({r.service for r in routes})
    rest = next(r.service for r in routes if r.prefix == "/")
    # A webhook's path is tried twice (a repeat has the same id), so its service stands there twice: the other time is another connection, and another pod as a rule.
    upstreams = "\n".join(f"  upstream {s} {{ server {s}:8080 max_fails=0;{f' server {s}:8080 max_fails=0;' if s in ingresses else ''} }}" for s in services)
    mapping = "\n".join(f'    "{r.pattern()}" {r.service};' for r in routes)
    webhooks = "|".join(r.prefix.replace(".", "[.]") for r in routes if r.service in ingresses)
    away = '{"type":"about:blank","title":"Service Unavailable","status":503,"detail":"The service behind this path does not answer; try again."}'
    common = """\
      proxy_pass http://$otto_service;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $remote_addr;
      # Whoever chose these would choose what a signature is held against: there is OTTO_PUBLIC_URL.
      proxy_set_header X-Forwarded-Proto "";
      proxy_set_header X-Forwarded-Host "";
      proxy_connect_timeout 2s;"""
    return f"""daemon off;
error_log stderr emerg;
pid /tmp/nginx.pid;
worker_processes 1;
worker_shutdown_timeout 25s;
events {{ worker_connections 4096; }}
http {{
  # No log holds a request's query or a link under /media: below emerg, which is about no request, each line of nginx's error log repeats both.
  access_log off;
  server_tokens off;
  client_max_body_size 33m;
  client_body_buffer_size 1m;
  large_client_header_buffers 8 32k;
  merge_slashes off;
  keepalive_timeout 75s;
  client_body_temp_path /tmp/body; proxy_temp_path /tmp/proxy; fastcgi_temp_path /tmp/fastcgi; uwsgi_temp_path /tmp/uwsgi; scgi_temp_path /tmp/scgi;
  # No connections are kept to services: a kept one leads to a pod that is on its way out.
{upstreams}
  map "$request_method $request_uri" $otto_service {{
{mapping}
    default {rest};
  }}
  server {{
    # Two sockets: at one for both, an IPv4 client would be ::ffff:1.2.3.4 in X-Forwarded-For.
    listen 8080 backlog=4096;
    listen [::]:8080 backlog=4096;
    location / {{
{common}
      proxy_next_upstream off;
      # A live stream is silent for as long as nothing happens.
      proxy_read_timeout 1h;
      proxy_buffering off;
      proxy_request_buffering on;
    }}
    location ~ ^({webhooks})(/|$) {{
{common}
      proxy_read_timeout 15s;
      proxy_request_buffering on;
      proxy_next_upstream error timeout non_idempotent;
      proxy_next_upstream_tries 2;
      proxy_next_upstream_timeout 14s;
    }}
    # A service that is away, or too slow: as Otto says it, so that providers try again.
    error_page 502 504 =503 @away;
    location @away {{
      internal;
      default_type application/problem+json;
      add_header Retry-After 1 always;
      return 503 '{away}';
    }}
  }}
  server {{
    listen 9080;
    listen [::]:9080;
    location = /healthz {{ return 200 "ok\\n"; }}
    location = /readyz {{ return 200 "ok\\n"; }}
  }}
}}
"""


# SIGTERM, which is what a pod gets, has nginx drop what is under way; SIGQUIT has it answer first.
QUITS = "trap 'kill -QUIT $nginx' TERM; nginx -e stderr -c /etc/otto/nginx.conf & nginx=$!; wait $nginx; wait $nginx"


def edge(stanzas: Stanzas) -> list[dict]:
    name = "otto-edge"
    sleep, drain = stanzas.all["sleep"], stanzas.all["drain"]
    container = {
        "name": "nginx", "image": "nginx", "command": ["/bin/sh", "-c", QUITS],
        "ports": [{"name": "http", "containerPort": 8080}, {"name": "admin", "containerPort": 9080}],
        "resources": {"requests": {"cpu": "50m", "memory": "32Mi"}, "limits": {"memory": "256Mi"}},
        **probes(), "lifecycle": {"preStop": {"sleep": {"seconds": sleep}}}, "securityContext": restricted(),
        "volumeMounts": [{"name": "conf", "mountPath": "/etc/otto", "readOnly": True}, {"name": "tmp", "mountPath": "/tmp"}],
    }
    spec = {"serviceAccountName": name, "automountServiceAccountToken": False, "enableServiceLinks": False, "priorityClassName": "otto-ingress",
            "terminationGracePeriodSeconds": sleep + drain + 15, "securityContext": pod_security(), "tolerations": lost_node(),
            "topologySpreadConstraints": spread(name, False), "containers": [container],
            "volumes": [{"name": "conf", "configMap": {"name": "otto-edge"}}, {"name": "tmp", "emptyDir": {"sizeLimit": "1Gi"}}]}
    out = service(name)
    out["spec"] |= {"type": "LoadBalancer", "externalTrafficPolicy": "Local", "ports": [{"name": "http", "port": 80, "targetPort": "http"}]}
    return [account(name), {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "labels": labels(name)}, "spec": {
        "replicas": 2, "revisionHistoryLimit": 5, "strategy": ROLLING, "selector": {"matchLabels": {"app.kubernetes.io/name": name}},
        "template": {"metadata": {"labels": {**labels(name), "otto/kind": "edge"}}, "spec": spec}}}, out, budget(name)]
