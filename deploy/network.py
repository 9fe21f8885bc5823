#!/usr/bin/env python3
"""Who may talk to whom on Kubernetes: deploy/network.md, computed from the NetworkPolicies and pods of k8s/.

usage: deploy/network.py [--write]
  no option   says whether the page is what the policies come to; exit 1 if not
  --write     writes it anew
"""
import argparse
import dataclasses
import ipaddress
import pathlib
import sys
import typing

import yaml

REPO = pathlib.Path(__file__).resolve().parent.parent
PAGE = REPO / "deploy" / "network.md"
SOURCES = ("base", "components/edge", "components/network", "components/ottoctl")
OTTO = {"kubernetes.io/metadata.name": "otto"}


@dataclasses.dataclass
class End:
    """One end of a connection: a pod of a namespace with these labels, or an address outside the cluster."""

    name: str
    namespace: dict[str, str] | None = None  # its labels; None: an address
    labels: dict[str, str] = dataclasses.field(default_factory=dict)
    address: str = "10.0.0.1"  # pods' lie in a private range, as a rule
    ports: dict[str, int] = dataclasses.field(default_factory=dict)

    @property
    def ours(self) -> bool:
        return self.namespace == OTTO


# What is not Otto's. Kafka, Postgres and other private addresses are external in `large`: an address of the operator's network.
GATEWAY = End("gateway", {"otto/gateway": "true"})
MONITORING = End("monitoring", {"otto/monitoring": "true"})
STRANGER = End("anybody else in the cluster", {"kubernetes.io/metadata.name": "other"})
DNS = End("DNS", {"kubernetes.io/metadata.name": "kube-system"}, {"k8s-app": "kube-dns"})
PRIVATE = End("private addresses", address="10.20.30.40")
METADATA = End("the cloud's metadata", address="169.254.169.254")
PUBLIC = End("the internet", address="198.51.100.7")
PUBLIC6 = End("the internet by IPv6", address="2001:db8::7")
OUTER = (GATEWAY, MONITORING, STRANGER, PUBLIC)


def documents(repo: pathlib.Path = REPO) -> list[dict]:
    out = []
    for source in SOURCES:
        for path in sorted((repo / "k8s" / source).glob("*.yaml")):
            out += [d for d in yaml.safe_load_all(path.read_text()) if d]
    return out


def pods(of: list[dict]) -> list[End]:
    out = []
    for d in of:
        if d["kind"] in ("Deployment", "StatefulSet", "Job"):
            template = d["spec"]["template"]
            ports = {p["name"]: p["containerPort"] for c in template["spec"]["containers"] for p in c.get("ports", [])}
            out.append(End(d["metadata"]["name"].removeprefix("otto-"), OTTO, template["metadata"]["labels"], ports=ports))
    return out


def policies(of: list[dict]) -> list[dict]:
    return [d for d in of if d["kind"] == "NetworkPolicy"]


# ---- what Kubernetes makes of NetworkPolicies
def selected(selector: dict | None, labels: dict[str, str]) -> bool:
    if selector is None:
        return False
    for e in selector.get("matchExpressions", []):
        has, value = e["key"] in labels, labels.get(e["key"])
        if not {"In": value in e.get("values", []), "NotIn": value not in e.get("values", []), "Exists": has, "DoesNotExist": not has}[e["operator"]]:
            return False
    return selector.get("matchLabels", {}).items() <= labels.items()


def is_peer(peer: dict, end: End) -> bool:
    if "ipBlock" in peer:
        address, block = ipaddress.ip_address(end.address), peer["ipBlock"]
        return address in ipaddress.ip_network(block["cidr"]) and not any(address in ipaddress.ip_network(e) for e in block.get("except", []))
    if end.namespace is None:
        return False
    # Without a selector of namespaces: the policy's own, which is Otto's.
    there = selected(peer["namespaceSelector"], end.namespace) if "namespaceSelector" in peer else end.ours
    return there and ("podSelector" not in peer or selected(peer["podSelector"], end.labels))


def has_port(ports: list[dict] | None, to: End, port: int, protocol: str) -> bool:
    if not ports:
        return True
    for p in ports:
        if p.get("protocol", "TCP") == protocol:
            at = p.get("port", port)
            at = to.ports.get(at) if isinstance(at, str) else at
            if at is not None and at <= port <= p.get("endPort", at):
                return True
    return False


def allowed(rules: list[dict], source: End, to: End, port: int, protocol: str = "TCP") -> bool:
    """Whether a connection is let out where it begins and in where it ends."""
    for end, other, direction, key in ((source, to, "Egress", "to"), (to, source, "Ingress", "from")):
        if not end.ours:
            continue
        of = [p["spec"] for p in rules if selected(p["spec"]["podSelector"], end.labels) and direction in p["spec"].get("policyTypes", ["Ingress"])]
        if of and not any((key not in rule or any(is_peer(peer, other) for peer in rule[key])) and has_port(rule.get("ports"), to, port, protocol)
                          for spec in of for rule in spec.get(direction.lower(), [])):
            return False
    return True


# ---- the page
KAFKA, POSTGRES = (9092, 9093, 9094), 5432


def reaches(rules: list[dict], source: End, to: End, ports: typing.Iterable[int], protocol: str = "TCP") -> bool:
    return all(allowed(rules, source, to, p, protocol) for p in ports)


def page(repo: pathlib.Path = REPO) -> str:
    of = documents(repo)
    rules, ours = policies(of), pods(of)
    yes = {True: "yes", False: ""}
    out = ["""# Network

Who may talk to whom where `k8s/components/network` is used: nobody to anybody, but for what stands here. Computed from the policies and pods of `k8s/` by `deploy/network.py --write`; a test
(ctest `services.network`) computes it again, and holds it against what the services need. Whether policies are enforced is the cluster's network plugin's to say.

## Out of a pod

| from | DNS 53 | Kafka 9092–9094 | Postgres 5432 | internet 443 | traces 4318, to monitoring | private addresses 443 | metadata 80 | pods of Otto |
|---|---|---|---|---|---|---|---|---|
"""]
    for pod in ours:
        others = sorted({f"{to.name} {name}" for to in ours for name, port in to.ports.items() if to is not pod and allowed(rules, pod, to, port)})
        names = "all that have a public port" if others and set(others) == {f"{to.name} http" for to in ours if to.ports and to is not pod and "otto/http" in to.labels} else ", ".join(others)
        cells = [yes[reaches(rules, pod, DNS, (53,)) and reaches(rules, pod, DNS, (53,), "UDP")], yes[reaches(rules, pod, PRIVATE, KAFKA)], yes[reaches(rules, pod, PRIVATE, (POSTGRES,))],
                 yes[reaches(rules, pod, PUBLIC, (443,)) and reaches(rules, pod, PUBLIC6, (443,))], yes[reaches(rules, pod, MONITORING, (4318,))], yes[reaches(rules, pod, PRIVATE, (443,))], yes[reaches(rules, pod, METADATA, (80,))], names]
        out.append(f"| {pod.name} | {' | '.join(cells)} |\n")
    out.append("""
Kafka's and Postgres's ports are open to any address, since only the operator knows theirs: an overlay narrows `otto-kafka` and `otto-database` by a `to`. An object store at a private address needs a policy
of its own; one outside is reached by 443.

## Into a pod

| to | edge | gateway | monitoring | pods of Otto but edge | anybody else in the cluster | the internet |
|---|---|---|---|---|---|---|
""")
    edge = next(p for p in ours if p.name == "edge")
    for pod in ours:
        if not pod.ports:
            continue

        def ports(*sources: End, pod: End = pod) -> str:
            return ", ".join(sorted({name for name, port in pod.ports.items() for s in sources if s is not pod and allowed(rules, s, pod, port)}))
        out.append(f"| {pod.name} | {ports(edge)} | {ports(GATEWAY)} | {ports(MONITORING)} | {ports(*(p for p in ours if p is not edge))} | {ports(STRANGER)} | {ports(PUBLIC)} |\n")
    out.append("""
`gateway` and `monitoring` are all pods of namespaces with the label `otto/gateway: "true"` or `otto/monitoring: "true"`. The kubelet's probes come from the node, which no policy keeps out.
""")
    return "".join(out)


def main() -> int:
    parser = argparse.ArgumentParser(prog="deploy/network.py", usage=(__doc__ or "").partition("usage: ")[2])
    parser.add_argument("--write", action="store_true")
    if parser.parse_args().write:
        PAGE.write_text(page())
        return 0
    if not PAGE.exists() or PAGE.read_text() != page():
        print("deploy/network.md: is not what the policies come to; deploy/network.py --write", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
