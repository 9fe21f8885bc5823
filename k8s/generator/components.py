"""What components hold of each service: patches, scalers, network policies, Kafka's users, the list of Secrets."""

import manifest
import yaml

from . import objects
from .objects import labels
from .programs import REPO, Program
from .stanzas import Stanza, Stanzas

NAMESPACE = "otto"


def _kustomization(resources: list[str], patches: list[dict]) -> dict:
    out = {"apiVersion": "kustomize.config.k8s.io/v1alpha1", "kind": "Component"}
    if resources:
        out["resources"] = resources
    if patches:
        out["patches"] = patches
    return out


def _patch(s: Stanza, spec: dict) -> dict:
    return {"apiVersion": "apps/v1", "kind": "StatefulSet" if s.kind == "ingress" else "Deployment", "metadata": {"name": s.name}, "spec": spec}


def _container(s: Stanza, more: dict, spec: dict | None = None) -> dict:
    return {"template": {"spec": {"containers": [{"name": s.name, **more}], **(spec or {})}}}


def _target(s: Stanza) -> dict:
    return {"apiVersion": "apps/v1", "kind": "StatefulSet" if s.kind == "ingress" else "Deployment", "name": s.name}


# ---- scaling
def keda(said: Stanzas, known: dict[str, Program]) -> dict[str, list[dict]]:
    scaled, patches = [], {}
    for s in _scaled(said, "lag"):
        triggers = [
            {"type": "kafka", "metadata": {
                "bootstrapServersFromEnv": "OTTO_KAFKA_BROKERS", "consumerGroup": c["group"], "topic": t, "lagThreshold": str(s.scale["lag"]),
                # Of a group that has committed nothing yet all that is there is still to be done.
                "offsetResetPolicy": "earliest", "scaleToZeroOnInvalidOffset": "false"}}
            for c in known[s.name].consumers for t in c["topics"]]
        scaled.append({"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": {"name": s.name, "labels": labels(s.name)}, "spec": {
            "scaleTargetRef": _target(s), "minReplicaCount": s.replicas, "maxReplicaCount": s.scale["max"], "pollingInterval": 10,
            # Lag that nobody can read any more changes nothing.
            "fallback": {"failureThreshold": 3, "replicas": s.replicas, "behavior": "currentReplicasIfHigher"},
            "advanced": {"horizontalPodAutoscalerConfig": {"behavior": {
                "scaleUp": {"stabilizationWindowSeconds": 0, "policies": [{"type": "Pods", "value": 2, "periodSeconds": 15}]},
                "scaleDown": {"stabilizationWindowSeconds": 600, "policies": [{"type": "Pods", "value": 1, "periodSeconds": 120}]}}}},
            "triggers": triggers}})
        patches[s.name] = _patch(s, {"replicas": None})
    return _files("keda", "Consumers by lag: KEDA (2.17 or newer) counts the pods, not the Deployment. Whoever shares a volume of one node cannot be among them: objects-rwx comes first.",
                  {"scaledobjects.yaml": scaled}, patches)


def keda_kafka_auth(said: Stanzas, known: dict[str, Program]) -> dict[str, list[dict]]:
    """KEDA asks by the certificate of the service that it scales: which may read its own groups and topics."""
    authentications, patches = [], {}
    for s in _scaled(said, "lag"):
        authentications.append({"apiVersion": "keda.sh/v1alpha1", "kind": "TriggerAuthentication", "metadata": {"name": s.name, "labels": labels(s.name)}, "spec": {
            "secretTargetRef": _keda_files(s.name, KEDA_CERTIFICATE)}})
        for i in range(sum(len(c["topics"]) for c in known[s.name].consumers)):
            patches.setdefault(s.name, []).extend([
                {"op": "add", "path": f"/spec/triggers/{i}/authenticationRef", "value": {"name": s.name}},
                {"op": "add", "path": f"/spec/triggers/{i}/metadata/tls", "value": "enable"}])
    out = _files("keda-kafka-auth", "KEDA's way into a Kafka with kafka-auth: by the certificate of the service that it scales. After keda and kafka-auth.", {"authentications.yaml": authentications}, {})
    kustomization = out["components/keda-kafka-auth/kustomization.yaml"][1]
    kustomization["patches"] = [{"path": f"patches/{n}.yaml", "target": {"kind": "ScaledObject", "name": n}} for n in patches]
    return out | {f"components/keda-kafka-auth/patches/{n}.yaml": [operations] for n, operations in patches.items()}


KEDA_CERTIFICATE = {"cert": "user.crt", "key": "user.key"}
KEDA_PASSWORD = {"username": "username", "password": "password"}


def _keda_files(name: str, keys: dict[str, str], ca: str = "otto-kafka-ca") -> list[dict]:
    """Of a TriggerAuthentication: parameters of the service's own Secret, and the CA."""
    return [*({"parameter": parameter, "name": f"otto-kafka-{name}", "key": key} for parameter, key in keys.items()), {"parameter": "ca", "name": ca, "key": "ca.crt"}]


def _scaled(said: Stanzas, by: str) -> list[Stanza]:
    return [s for s in said.services.values() if s.scale.get("by") == by and s.scale["max"] > 1]


def hpa(said: Stanzas, known: dict[str, Program]) -> dict[str, list[dict]]:
    scalers, patches = [], {}
    for s in _scaled(said, "cpu"):
        behavior = {"scaleUp": {"stabilizationWindowSeconds": 0, "policies": [{"type": "Pods", "value": 2, "periodSeconds": 15}]}}
        # Out only: what is in the spool of a pod that is gone would wait on its volume until somebody looks.
        behavior["scaleDown"] = {"selectPolicy": "Disabled"} if s.kind == "ingress" else {
            "stabilizationWindowSeconds": 600, "policies": [{"type": "Pods", "value": 1, "periodSeconds": 120}]}
        scalers.append({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": s.name, "labels": labels(s.name)}, "spec": {
            "scaleTargetRef": _target(s), "minReplicas": s.replicas, "maxReplicas": s.scale["max"],
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": s.scale["at"]}}}],
            "behavior": behavior}})
        spec: dict = {"replicas": None}
        limits = objects.open_limits(said.all, known[s.name], s.scale["max"])
        if limits:
            spec |= _container(s, {"env": [{"name": n, "value": v} for n, v in limits.items()]})
        patches[s.name] = _patch(s, spec)
    return _files("hpa", "Ingresses (out only) and query-service by CPU. What all replicas may take together is divided by as many as there can be.",
                  {"scalers.yaml": scalers}, patches)


# ---- recordings that several nodes read
def objects_rwx(said: Stanzas, known: dict[str, Program]) -> dict[str, list[dict]]:
    patches, budgets = {}, []
    for s in said.services.values():
        if known[s.name].needs("objects"):
            patches[s.name] = _patch(s, {"replicas": s.replicas, "strategy": objects.ROLLING, "template": {"spec": {"affinity": None}}})
            if s.replicas > 1:
                budgets.append(objects.budget(s.name))
    patches["otto-objects"] = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "otto-objects"}, "spec": {"accessModes": ["ReadWriteMany"]}}
    return _files("objects-rwx", "Recordings on a volume that all nodes can write (NFS, EFS, Filestore, CephFS): whoever stores them has as many pods as services.yaml says.",
                  {"budgets.yaml": budgets}, patches)


# ---- secrets that only some installations have
ALL_IN_ONE = Stanza("all-in-one", "ingress", 1, "", [], 0)
OTTOCTL = Stanza("ottoctl", "operator", 0, "", [], 0)


def optional_secrets(said: Stanzas, known: dict[str, Program]) -> dict[str, list[dict]]:
    about = {"twilio-account": "The deployment's own Twilio account (OTTO_TWILIO_ACCOUNT_SID and OTTO_TWILIO_API_KEY in config.env): Secret otto-twilio with auth-token and api-secret.",
             "media-keys": "Keys of the links under /media that do not follow from the key ring: Secret otto-media with keys."}
    out = {}
    for component in about:
        patches = {}
        for s in said.services.values():
            secrets = [(secret, key, n) for n, (c, secret, key) in objects.OPTIONAL.items() if c == component and n in known[s.name].settings]
            if secrets:
                patches[s.name] = _with_files(s, secrets)
        together = {(secret, key, n) for n, (c, secret, key) in objects.OPTIONAL.items() if c == component}
        patches["all-in-one"] = _with_files(ALL_IN_ONE, sorted(together))
        out |= _files(component, about[component], {}, patches, optional=True)
    return out


def _with_files(s: Stanza, secrets: list[tuple[str, str, str]], more: list[dict] = ()) -> dict:
    volumes, mounts = objects.secret_volumes(secrets, waits=s is not OTTOCTL)
    return _patch(s, _container(s, {"env": [*more, *objects.secret_env(secrets)], "volumeMounts": mounts}, {"volumes": volumes}))


def kafka_auth(said: Stanzas, known: dict[str, Program]) -> dict[str, list[dict]]:
    """TLS, and a client's certificate of each service's own."""
    return _files("kafka-auth", "Kafka by TLS, each service by a certificate of its own (CN=otto-kafka-<service>): Secrets otto-kafka-ca with ca.crt, otto-kafka-<service> with user.crt and user.key. After ottoctl.",
                  {}, _kafka_clients(said, known, objects.KAFKA_CA | objects.KAFKA_CERTIFICATE), optional=True)


def kafka_plain(said: Stanzas, known: dict[str, Program]) -> dict[str, list[dict]]:
    """Name and password where kafka-auth has a certificate: of pods, of KEDA, of the Secrets from outside."""
    gone = [{"name": f"{setting}_FILE", "$patch": "delete"} for setting in objects.KAFKA_CERTIFICATE]
    patches = _kafka_clients(said, known, objects.KAFKA_PASSWORD, [{"name": "OTTO_KAFKA_SASL_MECHANISM", "value": "PLAIN"}, *gone])
    lists: dict[str, tuple[dict, list[dict]]] = {}
    for s in _scaled(said, "lag"):
        patches[f"keda-{s.name}"] = {"apiVersion": "keda.sh/v1alpha1", "kind": "TriggerAuthentication", "metadata": {"name": s.name}, "spec": {
            "secretTargetRef": _keda_files(s.name, KEDA_PASSWORD)}}
        lists[f"scaled-{s.name}"] = ({"kind": "ScaledObject", "name": s.name}, [
            {"op": "add", "path": f"/spec/triggers/{i}/metadata/sasl", "value": "plaintext"} for i in range(sum(len(c["topics"]) for c in known[s.name].consumers))])
    for name in kafka_secrets(said, known):
        if name != "otto-kafka-ca":
            lists[f"secret-{name.removeprefix('otto-kafka-')}"] = ({"kind": "ExternalSecret", "name": name}, [
                {"op": "replace", "path": "/spec/data", "value": [{"secretKey": k, "remoteRef": {"key": name, "property": k}} for _, k in objects.KAFKA_PASSWORD.values()]}])
    out = _files("kafka-plain", "A Kafka that takes no clients' certificates: PLAIN over TLS, Secrets otto-kafka-<service> with username and password. After kafka-auth, keda-kafka-auth and external-secrets; never with strimzi.",
                 {}, patches, optional=True)
    out["components/kafka-plain/kustomization.yaml"][1]["patches"] += [{"path": f"patches/{n}.yaml", "target": target} for n, (target, _) in lists.items()]
    return out | {f"components/kafka-plain/patches/{n}.yaml": [operations] for n, (_, operations) in lists.items()}


def _kafka_clients(said: Stanzas, known: dict[str, Program], files: dict[str, tuple[str, str]], more: list[dict] = ()) -> dict[str, dict]:
    """A patch for each client of Kafka's: files of `files`, and `more` in its environment."""
    def of(name: str) -> list[tuple[str, str, str]]:
        return [(secret.format(service=name), key, setting) for setting, (secret, key) in files.items()]

    clients = [*(s for s in said.services.values() if "OTTO_KAFKA_BROKERS" in known[s.name].settings), ALL_IN_ONE, OTTOCTL]
    patches = {s.name: _with_files(s, of(s.name), more) for s in clients}
    volumes, mounts = objects.secret_volumes(of("ottoctl"), waits=False)
    container = {"name": "topics", "env": [*more, *objects.secret_env(of("ottoctl"))], "volumeMounts": mounts}
    patches["jobs-topics"] = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "otto-topics-VERSION"},
                              "spec": {"template": {"spec": {"containers": [container], "volumes": volumes}}}}
    return patches


# ---- the network
def network(said: Stanzas, known: dict[str, Program]) -> dict[str, list[dict]]:
    everybody = {"matchLabels": {"app.kubernetes.io/part-of": "otto"}}
    gateways = [{"podSelector": {"matchLabels": {"otto/kind": "edge"}}}, {"namespaceSelector": {"matchLabels": {"otto/gateway": "true"}}}]
    private4 = ["10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"]
    private6 = ["::1/128", "fc00::/7", "fe80::/10"]

    def policy(name: str, who: dict, ingress: list | None = None, egress: list | None = None) -> dict:
        spec: dict = {"podSelector": who, "policyTypes": [t for t, of in (("Ingress", ingress), ("Egress", egress)) if of is not None]}
        if ingress:
            spec["ingress"] = ingress
        if egress:
            spec["egress"] = egress
        return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": name, "labels": labels(name)}, "spec": spec}

    def port(*numbers: int | str, protocol: str = "TCP") -> list[dict]:
        return [{"protocol": protocol, "port": n} for n in numbers]

    def label(name: str, value: str = "client") -> dict:
        return {"matchLabels": {f"otto/{name}": value}}

    out = [
        policy("otto-default-deny", {}, [], []),
        policy("otto-dns", everybody, None, [{"to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}],
                                              "ports": [*port(53, protocol="UDP"), *port(53)]}]),
        policy("otto-http", label("http", "server"), [{"from": gateways, "ports": port("http")}]),
        policy("otto-admin", everybody, [{"from": [{"namespaceSelector": {"matchLabels": {"otto/monitoring": "true"}}}], "ports": port("admin")}]),
        policy("otto-kafka", label("kafka"), None, [{"ports": port(9092, 9093, 9094)}]),
        policy("otto-database", label("database"), None, [{"ports": port(5432)}]),
        policy("otto-outside", label("outside"), None, [{"to": [
            {"ipBlock": {"cidr": "0.0.0.0/0", "except": private4}}, {"ipBlock": {"cidr": "::/0", "except": private6}}], "ports": port(443)}]),
        policy("otto-traces", everybody, None, [{"to": [{"namespaceSelector": {"matchLabels": {"otto/monitoring": "true"}}}], "ports": port(4318)}]),
        policy("otto-edge", label("kind", "edge"), [{"ports": port("http")}], [{"to": [{"podSelector": label("http", "server")}], "ports": port("http")}]),
    ]
    return _files("network", "Who may talk to whom: nobody to anybody, but for these. Namespaces of a gateway and of monitoring carry the labels otto/gateway and otto/monitoring: \"true\".",
                  {"policies.yaml": out}, {})


# ---- Kafka by Strimzi
def strimzi(said: Stanzas, known: dict[str, Program]) -> dict[str, list[dict]]:
    strimzi_cluster = {"strimzi.io/cluster": "otto"}

    def user(name: str, acls: list[dict]) -> dict:
        return {"apiVersion": "kafka.strimzi.io/v1", "kind": "KafkaUser", "metadata": {"name": f"otto-kafka-{name}", "labels": {**labels(name), **strimzi_cluster}}, "spec": {
            "authentication": {"type": "tls"}, "authorization": {"type": "simple", "acls": acls}}}

    def acl(kind: str, name: str, *operations: str) -> dict:
        return {"resource": {"type": kind, "name": name, "patternType": "literal"}, "operations": list(operations)}

    users = []
    for s in said.services.values():
        p = known[s.name]
        if "OTTO_KAFKA_BROKERS" not in p.settings:
            continue
        reads = {t for c in p.consumers for t in c["topics"]} | {topic for need, topic in (("changes", "otto.changes"), ("directory", "otto.directory"), ("members", "otto.members")) if p.needs(need)}
        writes = {t for one in p.services for t in one["produces"]}
        acls = [acl("topic", t, *(["Describe", "Read"] if t in reads else []), *((["Write"] if t in reads else ["Describe", "Write"]) if t in writes else []))
                for t in sorted(reads | writes)]
        acls += [acl("group", c["group"], "Describe", "Read") for c in p.consumers]
        users.append(user(s.name, acls))
    users.append(user("ottoctl", [
        {"resource": {"type": "topic", "name": "otto.", "patternType": "prefix"}, "operations": ["Alter", "AlterConfigs", "Create", "Describe", "DescribeConfigs", "Read"]},
        {"resource": {"type": "group", "name": "*", "patternType": "literal"}, "operations": ["Describe"]},
        {"resource": {"type": "cluster"}, "operations": ["Describe", "DescribeConfigs"]}]))
    pool = {"apiVersion": "kafka.strimzi.io/v1", "kind": "KafkaNodePool", "metadata": {"name": "otto", "labels": {**labels("otto-kafka"), **strimzi_cluster}}, "spec": {
        "replicas": 3, "roles": ["controller", "broker"], "storage": {"type": "jbod", "volumes": [{"id": 0, "type": "persistent-claim", "size": "200Gi", "deleteClaim": False}]},
        "resources": {"requests": {"cpu": "500m", "memory": "2Gi"}, "limits": {"memory": "4Gi"}}}}
    kafka = {"apiVersion": "kafka.strimzi.io/v1", "kind": "Kafka", "metadata": {"name": "otto", "labels": labels("otto-kafka")}, "spec": {
        "kafka": {
            "rack": {"topologyKey": "topology.kubernetes.io/zone"},
            "listeners": [{"name": "tls", "port": 9093, "type": "internal", "tls": True, "authentication": {"type": "tls"}}],
            "authorization": {"type": "simple"},
            "config": {"auto.create.topics.enable": False, "default.replication.factor": 3, "min.insync.replicas": 2, "offsets.topic.replication.factor": 3,
                       "transaction.state.log.replication.factor": 3, "transaction.state.log.min.isr": 2},
            "template": {"pod": {"terminationGracePeriodSeconds": 120}}},
        # A client reads its certificate and the CA once, so a renewed one lies there for as long as any pod may run before the former ends; and before SecretOld asks for it.
        "clusterCa": {"validityDays": 365, "renewalDays": 200}, "clientsCa": {"validityDays": 365, "renewalDays": 200},
        # Topics are the Job's alone: no topic operator.
        "entityOperator": {"userOperator": {}}}}
    # The operator makes the Secrets: of the users by their names, of the CA by the cluster's.
    ca = {"template": {"spec": {"volumes": [{"name": "otto-kafka-ca", "secret": {"secretName": "otto-cluster-ca-cert"}}]}}}
    names = [n for n in said.services if "OTTO_KAFKA_BROKERS" in known[n].settings]
    patches = {f"ca-{s.name}": _patch(s, ca) for s in (*(said.services[n] for n in names), OTTOCTL)}
    patches["ca-topics"] = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "otto-topics-VERSION"}, "spec": ca}
    for s in _scaled(said, "lag"):
        patches[f"ca-keda-{s.name}"] = {"apiVersion": "keda.sh/v1alpha1", "kind": "TriggerAuthentication", "metadata": {"name": s.name}, "spec": {
            "secretTargetRef": _keda_files(s.name, KEDA_CERTIFICATE, "otto-cluster-ca-cert")}}
    for name in ("ca", "ottoctl", *names):
        patches[f"secret-{name}"] = {"$patch": "delete", "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "metadata": {"name": f"otto-kafka-{name}"}}
    return _files("strimzi", "Kafka by Strimzi (0.49 or newer): 3 brokers over the zones, replication 3, TLS, a certificate and ACLs for each service. After kafka-auth and external-secrets; OTTO_KAFKA_BROKERS=otto-kafka-bootstrap:9093.",
                  {"kafka.yaml": [kafka, pool], "users.yaml": users}, patches, optional=True)


# ---- Postgres by CloudNativePG
def cnpg(said: Stanzas, known: dict[str, Program]) -> dict[str, list[dict]]:
    def managed(name: str, secret: str, **more: object) -> dict:
        return {"name": name, "ensure": "present", "login": True, "superuser": False, "createdb": False, "createrole": False, **more, "passwordSecret": {"name": secret}}

    logins = [s.name for s in said.services.values() if known[s.name].needs("database")]
    cluster = {"apiVersion": "postgresql.cnpg.io/v1", "kind": "Cluster", "metadata": {"name": "otto-pg", "labels": labels("otto-pg")}, "spec": {
        "instances": 3, "imageName": "ghcr.io/cloudnative-pg/postgresql:15", "primaryUpdateStrategy": "unsupervised",
        # What was answered is on two machines; with one of three away Otto writes on.
        "postgresql": {"parameters": {"max_connections": str(said.max_connections(known)), "shared_buffers": "2GB", "max_wal_size": "8GB"},
                       "synchronous": {"method": "any", "number": 1, "dataDurability": "required"}},
        "bootstrap": {"initdb": {"database": "otto", "owner": "otto_owner", "secret": {"name": "otto-pg-owner"}, "encoding": "UTF8", "localeCType": "C.UTF-8", "localeCollate": "C",
                                 "dataChecksums": True}},
        "managed": {"roles": [*(managed(objects.role(n), f"otto-pg-{n}", bypassrls=False) for n in logins), managed("otto_maintenance", "otto-pg-maintenance", bypassrls=True)]},
        "storage": {"size": "200Gi"}, "walStorage": {"size": "20Gi"},
        "affinity": {"enablePodAntiAffinity": True, "topologyKey": "topology.kubernetes.io/zone", "podAntiAffinityType": "preferred"},
        "resources": {"requests": {"cpu": "2", "memory": "8Gi"}, "limits": {"memory": "8Gi"}},
        "backup": {"retentionPolicy": "30d", "barmanObjectStore": {"destinationPath": "s3://otto-backups/", "wal": {"compression": "gzip"}, "data": {"compression": "gzip"},
                   "s3Credentials": {"accessKeyId": {"name": "otto-pg-backup", "key": "access-key-id"}, "secretAccessKey": {"name": "otto-pg-backup", "key": "secret-access-key"}}}}}}
    schedule = {"apiVersion": "postgresql.cnpg.io/v1", "kind": "ScheduledBackup", "metadata": {"name": "otto-pg", "labels": labels("otto-pg")},
                "spec": {"schedule": "0 0 3 * * *", "backupOwnerReference": "self", "cluster": {"name": "otto-pg"}}}
    # The operator makes the roles; nobody who may make any logs in from here.
    gone = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "otto-roles-VERSION"}, "$patch": "delete"}
    return _files("cnpg", "Postgres by CloudNativePG: 3 instances, what was committed is on two, roles and backups. PG_HOST=otto-pg-rw:5432. Secrets otto-pg-<service> hold username and password.",
                  {"postgres.yaml": [cluster, schedule]}, {"roles": gone})


# ---- Secrets from outside
def all_secrets(said: Stanzas, known: dict[str, Program]) -> dict[str, list[str]]:
    """Secret -> keys, of what base needs."""
    out: dict[str, list[str]] = {}
    for s in said.services.values():
        for secret, key, _ in objects.secrets_of(known[s.name], s.name):
            keys = out.setdefault(secret, [])
            if key not in keys:
                keys.append(key)
    for login in ("admin", "owner", "maintenance"):
        out[f"otto-pg-{login}"] = ["password"]
    return {n: sorted(out[n]) for n in sorted(out)}


def kafka_secrets(said: Stanzas, known: dict[str, Program]) -> dict[str, list[str]]:
    """Those of kafka-auth."""
    keys = [key for _, key in objects.KAFKA_CERTIFICATE.values()]
    return {"otto-kafka-ca": ["ca.crt"], **{f"otto-kafka-{n}": keys for n in ("ottoctl", *(n for n in said.services if "OTTO_KAFKA_BROKERS" in known[n].settings))}}


def external_secrets(said: Stanzas, known: dict[str, Program]) -> dict[str, list[dict]]:
    def secret(name: str, keys: list[str]) -> dict:
        target: dict = {"name": name, "creationPolicy": "Owner"}
        if name.startswith("otto-pg-"):  # as CloudNativePG takes them
            service = name.removeprefix("otto-pg-")
            target["template"] = {"type": "kubernetes.io/basic-auth", "data": {"username": objects.role(service), "password": "{{ .password }}"}}
        return {"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "metadata": {"name": name, "labels": labels(name)}, "spec": {
            "refreshInterval": "1m", "secretStoreRef": {"kind": "ClusterSecretStore", "name": "otto"}, "target": target,
            "data": [{"secretKey": k, "remoteRef": {"key": name, "property": k}} for k in keys]}}

    def many(of: dict[str, list[str]]) -> list[dict]:
        return [secret(name, keys) for name, keys in of.items()]

    return _files("external-secrets", "Secrets by External Secrets from a ClusterSecretStore `otto`, whose entries are named as the Secrets are and have their keys as properties.",
                  {"secrets.yaml": many(all_secrets(said, known)), "kafka.yaml": many(kafka_secrets(said, known))}, {})


# ---- operators
def ottoctl(said: Stanzas, known: dict[str, Program]) -> dict[str, list[dict]]:
    p = known["ottoctl"]
    name = "ottoctl"
    secrets = [("otto-pg-maintenance", "password", "OTTO_PG_PASSWORD"), ("otto-keys", "log-hash-key", "OTTO_LOG_HASH_KEY")]
    volumes, mounts = objects.secret_volumes(secrets, waits=False)
    env = [{"name": "OTTO_STRICT", "value": "1"}, *(objects.from_config(n) for n, s in sorted(p.settings.items()) if objects.is_configured(s)),
           *objects.pg_env("otto_maintenance"), *objects.secret_env(secrets)]
    container = {"name": name, "image": "otto", "command": ["sleep", "infinity"], "env": env,
                 "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "512Mi"}}, "securityContext": objects.restricted(),
                 "volumeMounts": [*mounts, {"name": "tmp", "mountPath": "/tmp"}]}
    spec = {"serviceAccountName": name, "automountServiceAccountToken": False, "enableServiceLinks": False, "priorityClassName": "otto",
            "terminationGracePeriodSeconds": 5, "securityContext": objects.pod_security(), "containers": [container],
            "volumes": [*volumes, {"name": "tmp", "emptyDir": {"sizeLimit": "1Gi"}}]}
    # No otto/database: its policy is its own.
    pod = {"metadata": {"labels": {**labels(name), "otto/kind": "operator"}}, "spec": spec}
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "labels": labels(name)}, "spec": {
        "replicas": 0, "revisionHistoryLimit": 2, "strategy": {"type": "Recreate"}, "selector": {"matchLabels": {"app.kubernetes.io/name": name}}, "template": pod}}
    policy = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": name, "labels": labels(name)}, "spec": {
        "podSelector": {"matchLabels": {"app.kubernetes.io/name": name}}, "policyTypes": ["Ingress", "Egress"],
        "egress": [{"ports": [{"protocol": "TCP", "port": n} for n in (5432, 9092, 9093, 9094)]},
                   {"to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}], "ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]}]}}
    return _files("ottoctl", "Where operators work: scaled to 1 for as long as they do.", {"ottoctl.yaml": [objects.account(name), deployment, policy]}, {})


# ---- the Gateway API
def gateway(said: Stanzas, routes: list) -> dict[str, list[dict]]:
    """The same table as nginx's map; a longer prefix wins there too, and of two as long the one that names a method."""
    ingresses = {n for n, s in said.services.items() if s.kind == "ingress"}
    made = manifest.http_routes(routes, ingresses)
    for route in made:
        route["metadata"]["labels"] = labels("otto-gateway")
    return _files("gateway", "For clusters with the Gateway API: a Gateway of the class that an overlay names, and the routes.", {"route.yaml": made}, {}, ["gateway.yaml"])


# ---- what Prometheus evaluates
def rules() -> dict[str, list[dict]]:
    """deploy/prometheus/rules as the Prometheus operator takes them."""
    return {"components/monitoring/rules.yaml": [
        {"apiVersion": "monitoring.coreos.com/v1", "kind": "PrometheusRule", "metadata": {"name": f"otto-{p.stem}", "labels": labels("otto-monitoring")}, "spec": yaml.safe_load(p.read_text())}
        for p in sorted((REPO / "deploy" / "prometheus" / "rules").glob("*.yaml"))]}


def _files(component: str, about: str, resources: dict[str, list[dict]], patches: dict[str, dict], by_hand: list[str] = (), optional: bool = False) -> dict[str, list]:
    """Path under k8s/ -> documents; the first of a kustomization is its head. Optional patches are of what an overlay may not have."""
    resources = {n: d for n, d in resources.items() if d}
    out: dict[str, list] = {f"components/{component}/{n}": d for n, d in resources.items()}
    named = []
    for name, patch in patches.items():
        one: dict = {"path": f"patches/{name}.yaml"}
        if optional:
            one["target"] = {"kind": patch["kind"], "name": patch["metadata"]["name"]}
        named.append(one)
        out[f"components/{component}/patches/{name}.yaml"] = [patch]
    out[f"components/{component}/kustomization.yaml"] = [about, _kustomization([*by_hand, *resources], named)]
    return out
