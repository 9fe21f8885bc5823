#!/usr/bin/env python3
"""k8s/ without a cluster: what is generated is committed, every overlay builds and keeps the rules (rules.py), each rule is
missed by an overlay that breaks it, and the generator says of each bad stanza where and how to mend it.

usage: static_test.py FOLDER_OF_PROGRAMS
"""
import contextlib
import copy
import http.server
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
REPO = HERE.parent.parent
K8S = REPO / "k8s"
PROGRAMS = pathlib.Path(sys.argv.pop()).resolve()
os.environ["OTTO_BIN"] = str(PROGRAMS)
sys.dont_write_bytecode = True
sys.path[:0] = [str(HERE), str(K8S), str(REPO / "deploy")]
import kustomize  # noqa: E402
import manifest  # noqa: E402
import rules  # noqa: E402
from generator import programs, stanzas  # noqa: E402

KNOWN = programs.programs()
TEXT = (K8S / "services.yaml").read_text()
SAID = stanzas.read(TEXT, KNOWN)
OVERLAYS = sorted(p.parent.name for p in (K8S / "overlays").glob("*/kustomization.yaml"))
APART = ("cnpg", "strimzi", "kafka-plain", "twilio-account", "media-keys")  # what only some installations have
BUILT = {o: kustomize.build(K8S / "overlays" / o) for o in OVERLAYS}


def facts(overlay: str) -> rules.Facts:
    return rules.Facts(SAID, KNOWN, overlay, tags=overlay in ("kind", "test"), secrets=overlay == "kind", zones=overlay == "large")


class Committed(unittest.TestCase):
    def test_what_is_generated_is_committed(self):
        done = subprocess.run([sys.executable, K8S / "generate", "--check"], capture_output=True, text=True, check=False)
        self.assertEqual((done.stdout + done.stderr, done.returncode), ("", 0))

    def test_base_holds_every_service(self):
        names = {o["metadata"]["name"] for o in kustomize.build(K8S / "base") if o["kind"] in ("Deployment", "StatefulSet")}
        self.assertEqual(names, set(manifest.services()))


class Overlays(unittest.TestCase):
    def test_each_keeps_the_rules(self):
        for overlay, objects in BUILT.items():
            with self.subTest(overlay):
                self.assertEqual(list(rules.faults(objects, facts(overlay))), [])

    def test_kubectl_builds_the_same(self):
        program = kustomize.kubectl()
        if program is None:
            self.skipTest("there is no kubectl on this machine")
        for overlay, objects in BUILT.items():
            with self.subTest(overlay):
                theirs = kustomize.plain(kustomize.built_by_kubectl(program, K8S / "overlays" / overlay))
                ours = kustomize.plain(objects)
                self.assertEqual(set(theirs), set(ours))
                for name, o in theirs.items():
                    self.assertEqual(ours[name], o)

    def test_kubectl_adds_the_same_components(self):
        program = kustomize.kubectl()
        if program is None:
            self.skipTest("there is no kubectl on this machine")
        with tempfile.TemporaryDirectory() as folder:
            for part in ("k8s", "deploy/grafana"):
                shutil.copytree(REPO / part, pathlib.Path(folder) / part)
            large = pathlib.Path(folder) / "k8s" / "overlays" / "large"
            for component in APART:
                with self.subTest(component):
                    kustomization = kustomize.load(K8S / "overlays" / "large" / "kustomization.yaml")[0]
                    kustomization["components"].append(f"../../components/{component}")
                    (large / "kustomization.yaml").write_text(kustomize.yaml.safe_dump(kustomization))
                    theirs, ours = (kustomize.plain(o) for o in (kustomize.built_by_kubectl(program, large), kustomize.build(large)))
                    self.assertEqual(set(theirs), set(ours))
                    for name, o in theirs.items():
                        self.assertEqual(ours[name], o)

    def test_every_component_is_in_some_overlay_or_stands_by_itself(self):
        used = {pathlib.Path(c).name for o in OVERLAYS for c in kustomize.load(K8S / "overlays" / o / "kustomization.yaml")[0].get("components", [])}
        self.assertEqual({p.parent.name for p in (K8S / "components").glob("*/kustomization.yaml")}, used - {"policies"} | set(APART))

    def test_components_apart_keep_the_rules_on_large(self):
        for component in APART:
            with self.subTest(component):
                objects = kustomize.build(K8S / "overlays" / "large", (component,))
                self.assertEqual(list(rules.faults(objects, facts("large"))), [])


def pod(overlay: list, name: str) -> dict:
    return rules.template_of(find(overlay, name))["spec"]


def find(overlay: list, name: str, kind: str = "") -> dict:
    kinds = (kind,) if kind else ("Deployment", "StatefulSet", "Job")
    return next(o for o in overlay if o["kind"] in kinds and o["metadata"]["name"] == name)


def container(overlay: list, name: str) -> dict:
    return pod(overlay, name)["containers"][0]


def env(overlay: list, name: str, key: str) -> dict:
    return next(e for e in container(overlay, name)["env"] if e["name"] == key)


def without(overlay: list, name: str, key: str) -> None:
    container(overlay, name)["env"] = [e for e in container(overlay, name)["env"] if e["name"] != key]


def config(overlay: list, **values: str) -> None:
    find(overlay, "otto-config", "ConfigMap")["data"] |= values


def scaler(overlay: list, name: str) -> dict:
    return find(overlay, name, "HorizontalPodAutoscaler" if any(o["kind"] == "HorizontalPodAutoscaler" and o["metadata"]["name"] == name for o in overlay) else "ScaledObject")["spec"]


# What is broken, in which overlay, how, and what is said of it. The traps of operating Otto are among them by their names in k8s/README.md.
BROKEN = [
    ("root", "large", lambda o: pod(o, "lead-pipeline")["securityContext"].update(runAsNonRoot=False), "runs as root"),
    ("seccomp", "large", lambda o: pod(o, "lead-pipeline")["securityContext"].pop("seccompProfile"), "no seccomp profile"),
    ("host network", "large", lambda o: pod(o, "tenant-router").update(hostNetwork=True), "something of the host (hostNetwork)"),
    ("host path", "large", lambda o: pod(o, "tenant-router")["volumes"].append({"name": "x", "hostPath": {"path": "/"}}), "something of the host (volume x)"),
    ("token", "large", lambda o: pod(o, "query-service").update(automountServiceAccountToken=True), "has a token"),
    ("account's token", "large", lambda o: find(o, "query-service", "ServiceAccount").update(automountServiceAccountToken=True), "hands out a token"),
    ("no account", "large", lambda o: pod(o, "query-service").pop("serviceAccountName"), "no ServiceAccount of its own"),
    ("service links", "large", lambda o: pod(o, "query-service").pop("enableServiceLinks"), "service links"),
    ("privileges", "large", lambda o: container(o, "query-service")["securityContext"].update(allowPrivilegeEscalation=True), "may get privileges"),
    ("root file system", "large", lambda o: container(o, "query-service")["securityContext"].pop("readOnlyRootFilesystem"), "may write its root file system"),
    ("capabilities", "large", lambda o: container(o, "query-service")["securityContext"]["capabilities"].update(add=["NET_RAW"]), "has capabilities"),
    ("no requests", "large", lambda o: container(o, "query-service")["resources"].pop("requests"), "asks for no CPU"),
    ("no memory limit", "large", lambda o: container(o, "query-service")["resources"].pop("limits"), "no limit of memory"),
    ("CPU limit", "large", lambda o: container(o, "query-service")["resources"]["limits"].update(cpu="1"), "has a limit of CPU"),
    ("tag", "large", lambda o: container(o, "query-service").update(image="otto:latest"), "named by no digest"),
    ("envFrom", "large", lambda o: container(o, "query-service").update(envFrom=[{"configMapRef": {"name": "otto-config"}}]), "(envFrom)"),
    ("secretKeyRef", "large", lambda o: container(o, "query-service")["env"].append(
        {"name": "OTTO_SECRET_KEYS", "valueFrom": {"secretKeyRef": {"name": "otto-keys", "key": "secret-keys"}}}), "secret in its environment"),
    ("password in a URL", "large", lambda o: env(o, "query-service", "OTTO_PG_URL").update(value="postgresql://otto:hunter2@db/otto"), "secret in its environment (OTTO_PG_URL)"),
    ("strict", "large", lambda o: without(o, "lead-pipeline", "OTTO_STRICT"), "(OTTO_STRICT)"),
    ("foreign setting", "large", lambda o: container(o, "tenant-router")["env"].append({"name": "OTTO_SHUNYA_API", "value": "x"}), "is no setting of tenant-router"),
    ("setting left out", "large", lambda o: without(o, "tenant-router", "OTTO_HELD_EVENTS"), "does not pass on OTTO_HELD_EVENTS"),
    ("address", "large", lambda o: env(o, "tenant-router", "OTTO_ADMIN_ADDRESS").update(value="0.0.0.0"), "OTTO_ADMIN_ADDRESS is not ::"),
    ("lanes", "large", lambda o: without(o, "lead-pipeline", "OTTO_LANES"), "OTTO_LANES is not set"),
    ("lanes over partitions", "large", lambda o: env(o, "lead-pipeline", "OTTO_LANES").update(value="3"), "3 lanes × 6 pods"),
    ("open limits", "large", lambda o: env(o, "callrail-ingress", "OTTO_OPEN_EVENTS").update(value="100000"), "all together may take 100000"),
    ("open limits of two", "small", lambda o: env(o, "callrail-ingress", "OTTO_OPEN_EVENTS").update(value="100000"), "all together may take 100000"),
    ("spool larger than its volume", "large", lambda o: env(o, "callrail-ingress", "OTTO_SPOOL_MEGABYTES").update(value="2048"), "on a volume of 2048"),
    ("file that nothing fills", "large", lambda o: pod(o, "query-service").update(volumes=[]), "which no Secret fills"),
    ("Secret that holds the pod back", "large", lambda o: [v["secret"].pop("optional") for v in pod(o, "query-service")["volumes"] if v["name"] == "otto-keys"], "and say what it should hold"),
    ("another's Secret", "large", lambda o: [v["secret"].update(secretName="otto-pg-lead-pipeline") for v in pod(o, "query-service")["volumes"] if v["name"] == "otto-pg-query-service"],
     "the Secret of another"),
    ("startup probe", "large", lambda o: container(o, "query-service")["startupProbe"].update(failureThreshold=3), "its startupProbe"),
    ("liveness asks Postgres", "large", lambda o: container(o, "query-service")["livenessProbe"]["httpGet"].update(path="/readyz"), "its livenessProbe"),
    ("gate in an init container", "large", lambda o: pod(o, "query-service").update(initContainers=[container(o, "query-service")]), "waits in an init container"),
    ("no readiness", "large", lambda o: container(o, "query-service").pop("readinessProbe"), "its readinessProbe"),
    ("preStop", "large", lambda o: container(o, "callrail-ingress").pop("lifecycle"), "(preStop)"),
    ("preStop of the edge", "small", lambda o: container(o, "otto-edge").pop("lifecycle"), "(preStop)"),
    ("grace", "large", lambda o: pod(o, "query-service").update(terminationGracePeriodSeconds=30), "is killed after 30 s, not 45"),
    ("an ingress's grace", "large", lambda o: pod(o, "callrail-ingress").update(terminationGracePeriodSeconds=45), "is killed after 45 s, not 90"),
    ("drain", "large", lambda o: env(o, "query-service", "OTTO_DRAIN").update(value="60s"), "drains for 60s"),
    ("spread", "large", lambda o: pod(o, "query-service").pop("topologySpreadConstraints"), "is spread over zones"),
    ("zones", "large", lambda o: pod(o, "callrail-ingress")["topologySpreadConstraints"][0].update(whenUnsatisfiable="ScheduleAnyway"), "may stand in one zone"),
    ("priority", "large", lambda o: pod(o, "callrail-ingress").update(priorityClassName="otto"), "not the highest priority"),
    ("no budget", "large", lambda o: o.remove(find(o, "query-service", "PodDisruptionBudget")), "no PodDisruptionBudget"),
    ("budget that blocks", "large", lambda o: find(o, "query-service", "PodDisruptionBudget").update(
        spec={"minAvailable": 2, "selector": {"matchLabels": {"app.kubernetes.io/name": "query-service"}}}), "may block a drain"),
    ("lost node", "large", lambda o: pod(o, "query-service").pop("tolerations"), "lost node"),
    ("Recreate", "small", lambda o: find(o, "shunya-orchestrator")["spec"].update(strategy={"type": "RollingUpdate"}), "one node has at a time"),
    ("a second pod at one node's volume", "small", lambda o: find(o, "lead-pipeline")["spec"].update(replicas=2), "one node has at a time"),
    ("update by less", "large", lambda o: find(o, "query-service")["spec"].update(strategy={"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 1}}), "one more and none less"),
    ("ordered pods", "large", lambda o: find(o, "callrail-ingress")["spec"].pop("podManagementPolicy"), "wait for each other"),
    ("spool deleted", "large", lambda o: find(o, "callrail-ingress")["spec"].pop("persistentVolumeClaimRetentionPolicy"), "loses its spool"),
    ("ingress scaled in", "large", lambda o: scaler(o, "callrail-ingress")["behavior"].update(scaleDown={}), "rows in its spool"),
    ("replicas set back", "large", lambda o: find(o, "query-service")["spec"].update(replicas=2), "each apply would set them back"),
    ("more pods than said", "large", lambda o: scaler(o, "query-service").update(maxReplicas=50), "may have 50 pods"),
    ("Job without version", "large", lambda o: find(o, "otto-migrate-none")["metadata"].update(name="otto-migrate-VERSION"), "its name has no version"),
    ("Job reads a hashed name", "large", lambda o: env(o, "otto-migrate-none", "PG_HOST")["valueFrom"]["configMapKeyRef"].update(name="otto-config"), "whose name changes"),
    ("Job gone at once", "large", lambda o: find(o, "otto-migrate-none")["spec"].update(ttlSecondsAfterFinished=0), "kept for a day"),
    ("Secret in an overlay", "large", lambda o: o.append({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "otto-keys"}}), "holds no Secrets"),
    ("rights", "large", lambda o: o.append({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "x"}}), "none of that kind"),
    ("Pod Security", "large", lambda o: find(o, "otto", "Namespace")["metadata"]["labels"].update({"pod-security.kubernetes.io/enforce": "baseline"}), "Pod Security restricted"),
    ("misspelt setting", "large", lambda o: config(o, OTTO_INBOX_DAY="3"), "is it OTTO_INBOX_DAYS?"),
    ("setting of the manifests", "large", lambda o: config(o, OTTO_LANES="8"), "OTTO_LANES follows from services.yaml"),
    ("secret in config.env", "large", lambda o: config(o, OTTO_CLERK_SECRET_KEY="sk"), "its place is a Secret"),
    ("proxies without a range", "large", lambda o: config(o, OTTO_TRUSTED_PROXIES="10.1.2.3"), "give a range"),
    ("unsigned webhooks", "large", lambda o: config(o, OTTO_ALLOW_UNSIGNED_WEBHOOKS="callrail"), "is for trying"),
    ("private addresses", "small", lambda o: config(o, OTTO_PRIVATE_ADDRESSES="10.0.0.1:80"), "is for trying"),
    ("Service to nobody", "large", lambda o: find(o, "query-service", "Service")["spec"].update(selector={"a": "b"}), "chooses no pod"),
    ("admin port outside", "large", lambda o: find(o, "query-service", "Service")["spec"]["ports"].append({"name": "admin", "port": 9080, "targetPort": "admin"}), "leads to the admin port"),
    ("route to the admin port", "large", lambda o: find(o, "otto", "HTTPRoute")["spec"]["rules"][0]["backendRefs"][0].update(port=9080), "leads to"),
    ("trigger left out", "large", lambda o: scaler(o, "lead-pipeline")["triggers"].pop(), "it consumes"),
    ("KEDA without a user", "large", lambda o: scaler(o, "lead-pipeline")["triggers"][0].pop("authenticationRef"), "without either"),
    ("KEDA as another", "large", lambda o: find(o, "lead-pipeline", "TriggerAuthentication")["spec"]["secretTargetRef"][0].update(name="otto-kafka-tenant-router"), "otherwise than the service"),
    ("another's certificate", "large", lambda o: [v["secret"].update(secretName="otto-kafka-lead-pipeline") for v in pod(o, "tenant-router")["volumes"] if v["name"] == "otto-kafka-tenant-router"],
     "the Secret of another"),
    ("half a certificate", "large", lambda o: without(o, "lead-pipeline", "OTTO_KAFKA_TLS_KEY_FILE"), "half of a client's certificate"),
    ("SCRAM", "large", lambda o: container(o, "lead-pipeline")["env"].append({"name": "OTTO_KAFKA_SASL_MECHANISM", "value": "SCRAM-SHA-512"}), "which Kafka 4 refuses"),
    ("Kafka's users without TLS", "large", lambda o: without(o, "lead-pipeline", "OTTO_KAFKA_TLS_CA_FILE"), "without TLS"),
    ("no fallback", "large", lambda o: scaler(o, "lead-pipeline").pop("fallback"), "without Kafka's word"),
    ("scaled in at once", "large", lambda o: scaler(o, "lead-pipeline")["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"].update(stabilizationWindowSeconds=0), "goes in otherwise"),
    ("sessions", "large", lambda o: [scaler(o, n).update(maxReplicas=6) if "maxReplicas" in scaler(o, n) else scaler(o, n).update(maxReplicaCount=12) for n in ("tenant-router", "company-service", "query-service")],
     "sessions at Postgres"),
    ("sessions of more workers", "large", lambda o: config(o, OTTO_HTTP_WORKERS="64"), "sessions at Postgres"),
]


class Stores(unittest.TestCase):
    TOPICS = {t for p in (REPO / "proto-schemas" / "events").rglob("*.proto") for t in re.findall(r'topic: "([^"]+)"', p.read_text())} | {"otto.directory"}

    def test_partitions_are_those_that_topics_are_made_with(self):
        declared = re.search(r"int partitions = (\d+);", (REPO / "libs/kafka/include/kafka/topics.hpp").read_text())
        self.assertEqual(SAID.all["partitions"], int(declared[1]))

    def test_topics_are_ottos(self):
        scaled = {t["metadata"]["topic"] for o in BUILT["large"] if o["kind"] == "ScaledObject" for t in o["spec"]["triggers"]}
        self.assertLessEqual(scaled, self.TOPICS)
        users = [o for o in kustomize.build(K8S / "overlays" / "large", ("strimzi",)) if o["kind"] == "KafkaUser"]
        allowed = {a["resource"]["name"] for o in users for a in o["spec"]["authorization"]["acls"] if a["resource"]["type"] == "topic" and a["resource"]["patternType"] == "literal"}
        self.assertEqual(allowed, self.TOPICS)

    def test_a_user_may_do_what_its_service_does_and_no_more(self):
        users = {o["metadata"]["name"]: o["spec"]["authorization"]["acls"] for o in kustomize.build(K8S / "overlays" / "large", ("strimzi",)) if o["kind"] == "KafkaUser"}
        self.assertEqual(set(users), {f"otto-kafka-{n}" for n, p in KNOWN.items() if "OTTO_KAFKA_BROKERS" in p.settings and n != "all-in-one"})
        for name in SAID.services:
            service, acls = KNOWN[name].service, users.get(f"otto-kafka-{name}", [])
            may = {(a["resource"]["type"], a["resource"]["name"], o) for a in acls for o in a["operations"] if o != "Describe"}
            does = {("topic", t, "Read") for c in service["consumers"] for t in c["topics"]} | {("group", c["group"], "Read") for c in service["consumers"]}
            does |= {("topic", t, "Write") for t in service["produces"]} | {("topic", topic, "Read") for need, topic in (("changes", "otto.changes"), ("directory", "otto.directory"), ("members", "otto.members")) if need in service["needs"]}
            self.assertEqual(may, does, name)

    def test_a_renewed_certificate_lies_there_for_months_before_the_former_ends(self):
        """Long enough for every pod to have been started anew, and before an alert calls it old."""
        said = find(kustomize.build(K8S / "overlays" / "large", ("strimzi",)), "otto", "Kafka")["spec"]
        old = next(r for d in (K8S / "components/monitoring/rules.yaml",) for o in kustomize.load(d) for g in o["spec"]["groups"] for r in g["rules"] if r.get("alert") == "SecretOld")
        for ca in ("clusterCa", "clientsCa"):
            self.assertGreaterEqual(said[ca]["renewalDays"], 180)
            self.assertLess((said[ca]["validityDays"] - said[ca]["renewalDays"]) * 86400, int(old["expr"].rpartition(" ")[2]))

    def test_kinds_postgres_has_room_for_all(self):
        used = sum(rules.Overlay(BUILT["kind"]).pods(find(BUILT["kind"], n))[1] * KNOWN[n].sessions(s.lanes) for n, s in SAID.services.items())
        most = next(int(a.removeprefix("max_connections=")) for a in container(BUILT["kind"], "postgres")["args"] if a.startswith("max_connections="))
        self.assertGreaterEqual(most, used * 1.3)

    def test_kinds_postgres_makes_every_login(self):
        sources = next(v for v in pod(BUILT["kind"], "postgres")["volumes"] if v["name"] == "roles")["projected"]["sources"]
        made = {s["secret"]["items"][0]["path"] for s in sources}
        self.assertEqual(made, {"owner", "maintenance", *(n for n in SAID.services if KNOWN[n].needs("database"))})


class Edge(unittest.TestCase):
    CONF = (K8S / "components" / "edge" / "nginx.conf").read_text()

    def test_webhooks_are_tried_twice_and_nothing_else(self):
        retried, others = self.CONF[self.CONF.index("location ~ ^("):].split("error_page", 1)[0], self.CONF[:self.CONF.index("location ~ ^(")]
        self.assertIn("proxy_next_upstream error timeout non_idempotent;", retried)
        self.assertIn("proxy_next_upstream off;", others)
        ingresses = {n for n, s in SAID.services.items() if s.kind == "ingress"}
        prefixes = re.search(r"location ~ \^\((.*)\)\(/\|\$\)", retried)[1].replace("[.]", ".").split("|")
        self.assertEqual(set(prefixes), {r.prefix for r in manifest.routes() if r.service in ingresses})
        for r in manifest.routes():
            self.assertEqual(self.CONF.count(f"server {r.service}:8080"), 2 if r.service in ingresses else 1)

    @unittest.skipUnless(shutil.which("nginx"), "there is no nginx on this machine")
    def test_it_answers_what_is_under_way_and_names_clients_as_they_are(self):
        """As the pod runs it, and is ended: SIGTERM."""
        asked, told, heard = threading.Event(), threading.Event(), []

        class Slow(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                heard.append(self.headers)
                asked.set()
                told.wait(20)
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        upstream = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow)
        threading.Thread(target=upstream.serve_forever, daemon=True).start()
        self.addCleanup(upstream.server_close)
        self.addCleanup(upstream.shutdown)
        with socket.socket() as one, socket.socket() as two:
            one.bind(("127.0.0.1", 0)), two.bind(("127.0.0.1", 0))
            port, admin = one.getsockname()[1], two.getsockname()[1]
        folder = self.enterContext(tempfile.TemporaryDirectory())
        conf = re.sub(r"server [a-z-]+:8080", f"server 127.0.0.1:{upstream.server_address[1]}", self.CONF)
        conf = re.sub(r"listen (\[::\]:)?8080", rf"listen \g<1>{port}", re.sub(r"listen (\[::\]:)?9080", rf"listen \g<1>{admin}", conf)).replace("/tmp/", folder + "/")
        (pathlib.Path(folder) / "nginx.conf").write_text(("user root;\n" if os.geteuid() == 0 else "") + conf)
        command = [part.replace("/etc/otto", folder) for part in container(BUILT["small"], "otto-edge")["command"]]
        edge = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        self.addCleanup(edge.kill)

        def open_() -> bool:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return True
            return False

        def until(what: bool) -> None:
            end = time.monotonic() + 20
            while open_() != what:
                self.assertLess(time.monotonic(), end)

        until(True)
        answers = []
        request = urllib.request.Request(f"http://127.0.0.1:{port}/api/v1/leads", headers={"X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example"})
        client = threading.Thread(target=lambda: answers.append(urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30).status))
        client.start()
        self.assertTrue(asked.wait(20))
        edge.terminate()
        until(False)
        told.set()
        client.join(30)
        self.assertEqual((answers, edge.wait(20)), ([204], 0))
        self.assertEqual((heard[0]["X-Forwarded-For"], heard[0]["X-Forwarded-Proto"], heard[0]["X-Forwarded-Host"]), ("127.0.0.1", None, None))


class Watching(unittest.TestCase):
    def test_dashboards_are_those_of_deploy_grafana(self):
        shown = set(find(BUILT["large"], "otto-dashboards", "ConfigMap")["data"])
        self.assertEqual(shown, {p.name for p in (REPO / "deploy" / "grafana").glob("*.json")})

    def test_metrics_come_from_every_service(self):
        monitor = find(BUILT["large"], "otto", "PodMonitor")["spec"]
        kinds = monitor["selector"]["matchExpressions"][0]["values"]
        for name in SAID.services:
            self.assertIn(rules.template_of(find(BUILT["large"], name))["metadata"]["labels"]["otto/kind"], kinds)
        # As deploy/prometheus/rules has it.
        self.assertEqual(monitor["podMetricsEndpoints"][0]["relabelings"], [{"targetLabel": "app", "replacement": "otto"}])


class Policies(unittest.TestCase):
    """What the API server says of these, tests/run k8s asks it."""

    def test_each_has_manifests_that_pass_and_that_must_not(self):
        policies = {o["metadata"]["name"].removeprefix("otto-") for p in (K8S / "policies").glob("*.yaml") if p.name != "kustomization.yaml"
                    for o in kustomize.load(p) if o["kind"] == "ValidatingAdmissionPolicy"}
        refused = [p.name.split(".")[0] for p in (K8S / "policies" / "tests" / "refused").glob("*.yaml")]
        self.assertEqual(set(refused), policies)
        self.assertGreaterEqual(len(refused), 20)
        kinds = {kustomize.load(p)[0]["kind"] for p in (K8S / "policies" / "tests" / "passes").glob("*.yaml")}
        self.assertEqual(kinds, {"Pod", "Deployment", "StatefulSet", "Job", "ConfigMap"})

    def test_a_secret_setting_is_refused_in_the_environment(self):
        from generator import policies

        secret = {n for p in KNOWN.values() for n, s in p.settings.items() if s["secret"] and not n.startswith("OTTO_PG_")}
        self.assertEqual(secret - set(policies.secret_settings()) - {"OTTO_KAFKA_TLS_CA"}, set())

    def test_each_denies_where_it_is_bound(self):
        objects = kustomize.build(K8S / "overlays" / "large")
        bound = {o["spec"]["policyName"] for o in objects if o["kind"] == "ValidatingAdmissionPolicyBinding" and o["spec"]["validationActions"] == ["Deny"]}
        self.assertEqual(bound, {o["metadata"]["name"] for o in objects if o["kind"] == "ValidatingAdmissionPolicy" and o["spec"]["failurePolicy"] == "Fail"})
        self.assertEqual(find(objects, "otto", "Namespace")["metadata"]["labels"]["otto/policies"], "enforced")


class Rules(unittest.TestCase):
    def test_each_is_missed_by_what_breaks_it(self):
        for name, overlay, break_it, words in BROKEN:
            with self.subTest(name):
                objects = copy.deepcopy(BUILT[overlay])
                break_it(objects)
                found = list(rules.faults(objects, facts(overlay)))
                self.assertTrue(any(words in f for f in found), f"{words!r} is not in {found}")


class Readme(unittest.TestCase):
    def test_traps_name_cases_that_there_are(self):
        text = (K8S / "README.md").read_text()
        named = set(re.findall(r"static: ([^;|`]+?) *(?=[;|])", text[text.index("## Traps"):].partition("|---|---|")[2]))
        self.assertGreater(len(named), 20)
        self.assertEqual(named - {b[0] for b in BROKEN}, set())
        for policy in re.findall(r"policy `([a-z-]+)`", text):
            self.assertTrue((K8S / "policies" / f"{policy}.yaml").exists(), policy)

    def test_components_and_overlays_are_listed(self):
        text = (K8S / "README.md").read_text()
        for name in [*OVERLAYS, *(p.parent.name for p in (K8S / "components").glob("*/kustomization.yaml"))]:
            self.assertIn(f"`{name}`", text)


class Secrets(unittest.TestCase):
    GIVEN = {"PG_ADMIN_PASSWORD": "a", "PG_OWNER_PASSWORD": "b", "OTTO_CLERK_SECRET_KEY": "c", "OTTO_CLERK_WEBHOOK_SECRET": "whsec_c29tZSBzZWNyZXQgb2YgQ2xlcms=", "OTTO_SHUNYA_WEBHOOK_SECRET": "d", "OTTO_SHUNYA_TOKEN_SECRET": "e",
             "OTTO_KAFKA_USERNAME": "u", "OTTO_KAFKA_PASSWORD": "f", "OTTO_KAFKA_CA_FILE": str(K8S / "README.md")}

    def printed(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
        return subprocess.run([sys.executable, K8S / "secrets", *arguments], capture_output=True, text=True, check=False, env={"PATH": os.environ["PATH"], **environment})

    def certificates(self, *names: str) -> str:
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        for name in ("ca.crt", *(f"{n}.{end}" for n in names for end in ("crt", "key"))):
            (pathlib.Path(folder) / name).write_text(f"it is {name}\n")
        return folder

    def test_they_fill_every_file_of_small(self):
        clients = [n for n, p in KNOWN.items() if "OTTO_KAFKA_BROKERS" in p.settings and n != "all-in-one"]
        self.fill(kustomize.build(K8S / "overlays" / "small"), self.printed("--kafka", OTTO_KAFKA_CERTS=self.certificates(*clients), **self.GIVEN))

    def test_they_fill_every_file_of_small_with_plain(self):
        self.fill(kustomize.build(K8S / "overlays" / "small", ("kafka-plain",)), self.printed("--kafka-plain", **self.GIVEN))

    def test_they_fill_every_file_of_all_in_one(self):
        self.fill(BUILT["all-in-one"], self.printed("--kafka", "--all-in-one", OTTO_KAFKA_CERTS=self.certificates("all-in-one", "ottoctl"), **self.GIVEN))

    def test_each_service_gets_its_own_certificate(self):
        clients = [n for n, p in KNOWN.items() if "OTTO_KAFKA_BROKERS" in p.settings and n != "all-in-one"]
        made = kustomize.yaml.safe_load_all(self.printed("--kafka", OTTO_KAFKA_CERTS=self.certificates(*clients), **self.GIVEN).stdout)
        held = {d["metadata"]["name"]: d["stringData"] for d in made if d["metadata"]["name"].startswith("otto-kafka-")}
        self.assertEqual(held, {"otto-kafka-ca": {"ca.crt": "it is ca.crt\n"},
                                **{f"otto-kafka-{n}": {"user.crt": f"it is {n}.crt\n", "user.key": f"it is {n}.key\n"} for n in clients}})

    def test_a_certificate_that_is_not_there_is_named(self):
        done = self.printed("--kafka", "--all-in-one", OTTO_KAFKA_CERTS=self.certificates("ottoctl"), **self.GIVEN)
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertRegex(done.stderr, "there is no .*/all-in-one.crt, .*/all-in-one.key; certificates and keys as PEM")

    def fill(self, objects: list, printed: subprocess.CompletedProcess) -> None:
        self.assertEqual((printed.returncode, printed.stderr), (0, ""))
        made = {d["metadata"]["name"]: set(d["stringData"]) for d in kustomize.yaml.safe_load_all(printed.stdout)}
        used: dict[str, set] = {}
        for o in objects:
            template = rules.template_of(o)
            for volume in template["spec"].get("volumes", []) if template else []:
                for secret in [volume.get("secret", {}), *(s.get("secret", {}) for s in volume.get("projected", {}).get("sources", []))]:
                    if secret:
                        used.setdefault(secret.get("secretName") or secret["name"], set()).update(i["key"] for i in secret["items"])
        for name, keys in used.items():
            self.assertLessEqual(keys, made[name], name)
        self.assertEqual(set(made), set(used))

    def test_external_secrets_fill_every_file_of_large(self):
        made = {o["metadata"]["name"] for o in BUILT["large"] if o["kind"] == "ExternalSecret"}
        self.assertEqual(made, self.used("large"))
        # Strimzi's own operator makes those of Kafka.
        self.assertEqual({n for n in made if not n.startswith("otto-kafka-")}, {o["metadata"]["name"] for o in kustomize.build(K8S / "overlays" / "large", ("strimzi",)) if o["kind"] == "ExternalSecret"})

    def used(self, overlay: str) -> set[str]:
        out = set()
        for o in BUILT[overlay]:
            for volume in rules.template_of(o)["spec"].get("volumes", []) if rules.template_of(o) else []:
                out |= {volume["secret"]["secretName"]} if "secret" in volume else {s["secret"]["name"] for s in volume.get("projected", {}).get("sources", [])}
        return out

    def test_what_others_have_made_is_asked_for(self):
        done = self.printed(**{n: v for n, v in self.GIVEN.items() if n != "PG_OWNER_PASSWORD"})
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("not set: PG_OWNER_PASSWORD;", done.stderr)

    def test_kinds_are_all_that_are_used(self):
        made = {o["metadata"]["name"] for o in BUILT["kind"] if o["kind"] == "Secret"}
        self.assertEqual(made, self.used("kind"))


# A stanza or line of services.yaml as it is, as it should not be, which line is named, and what is said.
BAD = [
    ("replicas: 2, cpu: 150m, memory: [64Mi, 512Mi],  lanes: 2", "replica: 2, cpu: 150m, memory: [64Mi, 512Mi],  lanes: 2", "tenant-router", "has no replicas"),
    ("lanes: 2, scale: {by: lag, max: 6, lag: 2000}}\nlead", "lanes: 2, colour: red}\nlead", "tenant-router", "a key 'colour' that there is not; keys are kind,"),
    ("query-service:  ", "query-servant:  ", "query-servant", "query-servant has no program; programs are"),
    (None, "query-service", "", "query-service has no stanza; add one, such as  query-service: {kind: http"),
    ("lanes: 2, scale: {by: lag, max: 6", "lanes: 3, scale: {by: lag, max: 6", "tenant-router", "3 lanes × 6 pods, and a topic has 12 partitions: 6 lanes would have nothing to do; lanes: 2, or max: 4"),
    ("  sessions: 500", "  sessions: 100", "", "sessions at Postgres are more than 100; take lanes or max down"),
    ("  sessions: 500", "  sessions: 5000", "  sessions", "all.sessions is 5000; it takes 1 to 500"),
    ("{kind: http,     replicas: 2", "{kind: http, grace: 20, replicas: 2", "query-service", "is killed after 20 s, while it still serves for 5 s and drains for 25 s; grace: 45"),
    ("query-service:       {kind: http", "query-service:       {kind: ingress", "query-service", "query-service is no ingress: it neither consumes nor needs a spool; kind: http"),
    ("query-service:       {kind: http,     replicas: 2", "query-service:       {kind: http, lanes: 2, replicas: 2", "query-service", "has lanes, and is a http; take out lanes"),
    ("spool: 2Gi, scale: {by: cpu, max: 4", "scale: {by: cpu, max: 4", "shunya-ingress", "has no spool, and is a ingress; add spool"),
    ("memory: [96Mi, 768Mi]", "memory: [96Mi]", "query-service", "query-service.memory has 1 members; it takes 2"),
    ("memory: [96Mi, 768Mi]", "memory: [768Mi, 96Mi]", "query-service", "limit of memory is under what it asks for"),
    ("memory: [96Mi, 768Mi]", "memory: [96M, 768Mi]", "query-service", "query-service.memory.0 is '96M'; it takes what fits"),
    ("scale: {by: cpu, max: 6, at: 70}", "scale: {by: lag, max: 6, lag: 70}", "query-service", "is a http and scales by lag; scale: {by: cpu, …}"),
    ("scale: {by: cpu, max: 6, at: 70}", "scale: {by: cpu, max: 6}", "query-service", "says not just at"),
    ("scale: {by: cpu, max: 6, at: 70}", "scale: {by: cpu, max: 1, at: 70}", "query-service", "may have 1 replicas and begins with 2"),
    ("query-service:       {kind: http,     replicas: 2", "query-service:       {kind: http,     replicas: two", "query-service", "query-service.replicas is 'two'; it takes a whole number"),
    ("  drain: 25", "  drain: 25\n  drain: 26", "  drain: 26", "'drain' stands there twice; keep one"),
    ("  sleep: 5", "  sleep: [", "", "is no YAML"),
]


class Generator(unittest.TestCase):
    def test_bad_input_is_named_with_its_line_and_the_cure(self):
        for former, bad, at, words in BAD:
            with self.subTest(words):
                if former is None:
                    text = "".join(line for line in TEXT.splitlines(keepends=True) if not line.startswith(bad + ":"))
                else:
                    self.assertIn(former, TEXT)
                    text = TEXT.replace(former, bad, 1)
                with self.assertRaises(stanzas.Fault) as raised:
                    stanzas.read(text, KNOWN)
                said = str(raised.exception)
                self.assertIn(words, said)
                if at:
                    line = next(i for i, one in enumerate(text.splitlines(), 1) if one.startswith(at))
                    self.assertTrue(said.startswith(f"k8s/services.yaml:{line}: "), said)

    def test_nothing_at_all(self):
        for text in ("", "# nothing\n", "[]", "all: {}\n", "lead-pipeline: {}\n"):
            with self.subTest(text), self.assertRaises(stanzas.Fault):
                stanzas.read(text, KNOWN)

    def test_a_program_without_a_manifest_says_how_to_build_it(self):
        done = subprocess.run([sys.executable, K8S / "generate", "--check"], capture_output=True, text=True, check=False, env={**os.environ, "OTTO_BIN": "/nowhere"})
        self.assertEqual(done.returncode, 1)
        self.assertIn("no built programs", done.stderr)

    def test_sums_are_shown(self):
        done = subprocess.run([sys.executable, K8S / "generate", "--sums"], capture_output=True, text=True, check=True)
        self.assertIn(f"max_connections = {SAID.max_connections(KNOWN)}", done.stdout)

    def test_an_unknown_option(self):
        done = subprocess.run([sys.executable, K8S / "generate", "--chek"], capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, "unknown option '--chek'" in done.stderr), (2, True))


class Release(unittest.TestCase):
    DIGEST = "sha256:" + "1f" * 32

    def run_in(self, *arguments: str) -> tuple[subprocess.CompletedProcess, pathlib.Path]:
        folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        for part in ("k8s", "deploy/grafana"):
            shutil.copytree(REPO / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        return subprocess.run([sys.executable, folder / "k8s" / "release", *arguments], capture_output=True, text=True, check=False), folder / "k8s"

    def test_it_names_the_image_and_the_jobs(self):
        done, folder = self.run_in("v1.4.0", self.DIGEST, "--image", "registry.example.org/otto")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for overlay in OVERLAYS:
            objects = kustomize.build(folder / "overlays" / overlay)
            image = container(objects, "all-in-one" if overlay == "all-in-one" else "tenant-router")["image"]
            if overlay in ("kind", "test"):
                self.assertEqual(objects, BUILT[overlay])
            else:
                self.assertEqual(image, f"registry.example.org/otto@{self.DIGEST}")
                find(objects, "otto-migrate-v1.4.0-1f1f1f1f", "Job")

    def test_what_it_refuses(self):
        for arguments, words in (
            ((), "usage"), (("v1",), "usage"), (("V1 ", self.DIGEST), "TAG"), (("v1-", self.DIGEST), "TAG"), (("v" * 41, self.DIGEST), "TAG"),
            (("v1", "sha256:12"), "DIGEST"), (("v1", "latest"), "DIGEST"), (("v1", "sha256:" + "0" * 64), "DIGEST"), (("v1", self.DIGEST, "--imag", "x"), "--imag"),
        ):
            with self.subTest(arguments):
                done, folder = self.run_in(*arguments)
                self.assertEqual(done.returncode, 2)
                self.assertIn(words, done.stderr)
                self.assertEqual((folder / "overlays" / "large" / "release.env").read_text(), (K8S / "overlays" / "large" / "release.env").read_text())


unittest.main()
