#!/usr/bin/env python3
"""deploy/network.md is what the NetworkPolicies of k8s/ come to, and they let through what services need and nothing else."""
import copy
import pathlib
import sys
import unittest

REPO = pathlib.Path(__file__).resolve().parent.parent
sys.path.append(str(REPO / "deploy"))
import manifest  # noqa: E402
import network  # noqa: E402
from network import DNS, GATEWAY, METADATA, MONITORING, PRIVATE, PUBLIC, PUBLIC6, STRANGER, End, allowed  # noqa: E402

SERVICES = manifest.services()
DOCUMENTS = network.documents()
RULES, PODS = network.policies(DOCUMENTS), {p.name: p for p in network.pods(DOCUMENTS)}


def faults(rules: list[dict]) -> list[str]:
    """Where policies let through what nobody needs, or not what somebody does; said of the services' manifests, without a look at labels."""
    out = []

    def must(what: str, want: bool, *connection, protocol: str = "TCP") -> None:
        if allowed(rules, *connection, protocol) != want:
            out.append(f"{what} {'is refused' if want else 'is let through'}")

    edge = PODS["edge"]
    stray = End("a pod that carries no label", network.OTTO)
    must("a pod that carries no label to the internet", False, stray, PUBLIC, 443)
    must("anybody else in the cluster to a pod that carries no label", False, STRANGER, stray, 80)
    for name, pod in PODS.items():
        service = SERVICES.get(name)
        job = name.endswith("-VERSION")
        must(f"{name} to DNS", True, pod, DNS, 53, protocol="UDP")
        must(f"{name} to DNS", True, pod, DNS, 53)
        must(f"{name} to another port of DNS", False, pod, DNS, 8080)
        if not job:
            must(f"{name} to Postgres", "database" in service.needs if service else name == "ottoctl", pod, PRIVATE, 5432)
            must(f"{name} to Kafka", bool(service.consumes or service.produces or {"changes", "members", "spool"} & set(service.needs)) if service else name == "ottoctl", pod, PRIVATE, 9092)
        must(f"{name} to the internet", bool(service and service.peers), pod, PUBLIC, 443)
        must(f"{name} to the internet by IPv6", bool(service and service.peers), pod, PUBLIC6, 443)
        for port in (22, 25, 80, 6443, 8080):
            must(f"{name} to port {port} of the internet", False, pod, PUBLIC, port)
            must(f"{name} to port {port} of a private address", False, pod, PRIVATE, port)
        for private in ("10.0.0.1", "172.20.1.1", "192.168.1.1", "100.64.1.1", "127.0.0.1", "fc00::1", "::1", "fe80::1"):
            must(f"{name} to {private}", False, pod, End("private", address=private), 443)
        must(f"{name} to the metadata", False, pod, METADATA, 80)
        must(f"{name} to the metadata", False, pod, METADATA, 443)
        for source in (GATEWAY, MONITORING, STRANGER, PUBLIC, *PODS.values()):
            if source is pod:
                continue
            if "http" in pod.ports:
                entry = pod is edge or (bool(service and service.routes) and source in (GATEWAY, edge))
                must(f"{source.name} to {name}", entry and not (source.ours and source is not edge), source, pod, pod.ports["http"])
            if "admin" in pod.ports:
                must(f"{source.name} to the admin port of {name}", source is MONITORING, source, pod, pod.ports["admin"])
            must(f"{source.name} to another port of {name}", False, source, pod, 5005)
    return out


class Network(unittest.TestCase):
    def test_page_is_what_the_policies_come_to(self):
        self.assertEqual(network.PAGE.read_text(), network.page(), "deploy/network.py --write")

    def test_every_service_and_the_edge_are_there(self):
        self.assertLessEqual({*SERVICES, "edge", "ottoctl"}, set(PODS))

    def test_policies_let_through_what_is_needed_and_nothing_else(self):
        self.assertEqual(faults(RULES), [])

    def test_no_policy_can_be_left_out(self):
        for rule in RULES:
            if rule["metadata"]["name"] != "otto-traces":  # traces are nobody's need
                self.assertNotEqual(faults([r for r in RULES if r is not rule]), [], rule["metadata"]["name"])

    def test_a_policy_that_is_too_wide_is_found(self):
        def changed(name: str, change) -> list[dict]:
            rules = copy.deepcopy(RULES)
            change(next(r["spec"] for r in rules if r["metadata"]["name"] == name))
            return rules
        for name, change, words in (
            ("otto-http", lambda s: s["ingress"][0]["from"].append({"namespaceSelector": {}}), "anybody else in the cluster to query-service is let through"),
            ("otto-http", lambda s: s["ingress"][0].pop("ports"), "gateway to the admin port of query-service is let through"),
            ("otto-admin", lambda s: s["ingress"][0].pop("from"), "the internet to the admin port of tenant-router is let through"),
            ("otto-outside", lambda s: s["egress"][0]["to"][0]["ipBlock"].pop("except"), "company-service to the metadata is let through"),
            ("otto-outside", lambda s: s.update(podSelector={}), "tenant-router to the internet is let through"),
            ("otto-database", lambda s: s["egress"][0].pop("ports"), "query-service to port 22 of the internet is let through"),
            ("otto-kafka", lambda s: s["egress"][0]["ports"][0].update(endPort=65535, port=1), "lead-pipeline to port 25 of the internet is let through"),
            ("otto-default-deny", lambda s: s.update(policyTypes=["Ingress"]), "a pod that carries no label to the internet is let through"),
        ):
            self.assertTrue(any(words in f for f in faults(changed(name, change))), f"{name}: {words}")


class Kubernetes(unittest.TestCase):
    """What a policy means, by the examples of its documentation."""

    ours = End("a", network.OTTO, {"app": "a"}, ports={"http": 8080})
    other = End("b", network.OTTO, {"app": "b"})

    def policy(self, **spec) -> list[dict]:
        return [{"metadata": {"name": "x"}, "spec": spec}]

    def test_who_is_not_selected_is_free(self):
        self.assertTrue(allowed(self.policy(podSelector={"matchLabels": {"app": "c"}}, policyTypes=["Ingress"]), self.other, self.ours, 1))
        self.assertFalse(allowed(self.policy(podSelector={}, policyTypes=["Ingress"]), self.other, self.ours, 1))
        self.assertTrue(allowed(self.policy(podSelector={}, policyTypes=["Egress"]), STRANGER, self.ours, 1))

    def test_a_peer_of_both_selectors_is_both(self):
        both = [{"from": [{"namespaceSelector": {"matchLabels": {"otto/gateway": "true"}}, "podSelector": {"matchLabels": {"app": "b"}}}]}]
        rules = self.policy(podSelector={}, policyTypes=["Ingress"], ingress=both)
        self.assertFalse(allowed(rules, GATEWAY, self.ours, 1))
        self.assertFalse(allowed(rules, self.other, self.ours, 1))
        self.assertTrue(allowed(rules, End("x", {"otto/gateway": "true"}, {"app": "b"}), self.ours, 1))

    def test_pods_alone_are_of_this_namespace(self):
        rules = self.policy(podSelector={"matchLabels": {"app": "a"}}, policyTypes=["Ingress"], ingress=[{"from": [{"podSelector": {"matchLabels": {"app": "b"}}}]}])
        self.assertTrue(allowed(rules, self.other, self.ours, 1))
        self.assertFalse(allowed(rules, End("x", {"team": "x"}, {"app": "b"}), self.ours, 1))

    def test_ports_by_name_range_and_protocol(self):
        rules = self.policy(podSelector={}, policyTypes=["Ingress"], ingress=[{"ports": [{"port": "http"}, {"port": 100, "endPort": 200}, {"port": 53, "protocol": "UDP"}]}])
        for port, protocol, want in ((8080, "TCP", True), (8080, "UDP", False), (150, "TCP", True), (201, "TCP", False), (53, "UDP", True), (53, "TCP", False)):
            self.assertEqual(allowed(rules, STRANGER, self.ours, port, protocol), want, f"{port} {protocol}")


if __name__ == "__main__":
    unittest.main()
