#!/usr/bin/env python3
"""The services of this tree: services/*/service.json, read in one place.

usage: deploy/manifest.py [--write] [--contract OPENAPI.JSON]
  no option    checks each manifest, and what is made of them or says the same in other words: a line a fault, exit 1 if any
  --write      writes deploy/routes.txt and deploy/routes.json anew
  --contract   checks too that the operations of the HTTP contract go where they are served

services/README.md says what a manifest holds.
"""
import argparse
import dataclasses
import json
import pathlib
import re
import sys
import typing

REPO = pathlib.Path(__file__).resolve().parent.parent
NEEDS = ("changes", "database", "directory", "members", "objects", "spool")
KEYS = {"needs", "consumes", "produces", "routes", "peers", "sessions"}
PEER = re.compile(r"\*|OTTO_[A-Z0-9_]+|([a-z0-9-]+\.)+[a-z]{2,}")  # any public host; the host of a setting; this one
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
PROGRAMS = ("all-in-one", "ottoctl")  # folders beside the services
NO_PROGRAM = ("dashboard",)  # what browsers run
HEAD = """\
# Which service answers what, for nginx on one machine and for Kubernetes: methods (*: all; !…: all but these), a literal prefix
# that ends where a segment of the path ends, service. The first line that fits counts; a longer prefix stands before a shorter
# one. Made of services/*/service.json by deploy/manifest.py --write.
"""


class Route(typing.NamedTuple):
    methods: str
    prefix: str
    service: str

    def takes(self) -> set[str]:
        listed = set(self.methods.lstrip("!").split(","))
        return set(METHODS) if self.methods == "*" else set(METHODS) - listed if self.methods.startswith("!") else listed

    def fits(self, method: str, path: str) -> bool:
        """Of a method that stands in no list (PROPFIND), only those that take all."""
        return (self.methods == "*" or method in self.takes()) and (self.prefix == "/" or path == self.prefix or path.startswith(self.prefix + "/"))

    def pattern(self) -> str:
        """As nginx matches "$request_method $request_uri", the request as it came, so that nothing is decoded twice. Methods are named,
        as the Gateway API names them, and not excluded: both send the same everywhere."""
        method = "[A-Z]+" if self.methods == "*" else f"(?:{'|'.join(sorted(self.takes()))})"
        return f"~^{method} " + ("/" if self.prefix == "/" else self.prefix.replace(".", "[.]") + "(/|[?]|$)")

    def matches(self) -> list[dict]:
        """As an HTTPRoute of the Gateway API matches."""
        prefix = {"path": {"type": "PathPrefix", "value": self.prefix}}
        return [prefix] if self.methods == "*" else [{**prefix, "method": m} for m in sorted(self.takes())]


@dataclasses.dataclass
class Service:
    name: str
    needs: list[str]                 # of NEEDS
    consumes: dict[str, list[str]]   # consumer -> topics
    produces: list[str]              # topics
    routes: list[Route]
    peers: list[str]                 # of PEER
    sessions: dict[str, int]         # at Postgres: each_lane, others

    @property
    def variable(self) -> str:
        """As its name stands in names of settings and roles: lead_pipeline."""
        return self.name.replace("-", "_")


def services(repo: pathlib.Path = REPO) -> dict[str, Service]:
    """By name. Raises ValueError for a manifest that is none."""
    out = {}
    for path in sorted(repo.glob("services/*/service.json")):
        name = path.parent.name
        try:
            manifest = json.loads(path.read_text())
            if set(manifest) != KEYS:
                raise ValueError("it has needs, consumes, produces, routes, peers and sessions, and nothing else")
            if not isinstance(manifest["sessions"], dict) or set(manifest["sessions"]) != {"each_lane", "others"}:
                raise ValueError("sessions are each_lane and others")
            routes = []
            for line in manifest["routes"]:
                methods, prefix = line.split()
                if methods != "*" and not set(methods.removeprefix("!").split(",")) <= set(METHODS):
                    raise ValueError(f"the route '{line}' names methods that there are not")
                if not re.fullmatch(r"/|(/[A-Za-z0-9._-]+)+", prefix):
                    raise ValueError(f"the route '{line}' has no literal prefix that ends with a segment")
                routes.append(Route(methods, prefix, name))
            out[name] = Service(name, manifest["needs"], manifest["consumes"], manifest["produces"], routes, manifest["peers"],
                                manifest["sessions"])
        except ValueError as e:
            raise ValueError(f"services/{name}/service.json: {e}") from None
    return out


def routes(repo: pathlib.Path = REPO) -> list[Route]:
    """deploy/routes.txt, in its order."""
    lines = (repo / "deploy" / "routes.txt").read_text().splitlines()
    return [Route(*line.split()) for line in lines if line and not line.startswith("#")]


def routes_text(all_services: dict[str, Service]) -> str:
    """Those of all services, so that the first that fits is the longest prefix, as gateways choose it."""
    every = [r for s in all_services.values() for r in s.routes]
    every.sort(key=lambda r: (-r.prefix.rstrip("/").count("/"), r.prefix, r.methods))
    return HEAD + "".join(f"{r.methods:<15} {r.prefix:<35} {r.service}\n" for r in every)


def routes_json(all_services: dict[str, Service], table: list[Route]) -> str:
    """The same for whatever else stands before services: methods (null: all), how long an answer may take (0: a live stream has no
    end), and whether a request may be sent twice."""
    webhooks = {s.name for s in all_services.values() if "spool" in s.needs}
    rows = [{"methods": None if r.methods == "*" else sorted(r.takes()), "prefix": r.prefix, "service": r.service, "port": 8080,
             "timeout_s": 15 if r.service in webhooks else 0, "tries": 2 if r.service in webhooks else 1} for r in table]
    return json.dumps({"body_bytes": 33 << 20, "routes": rows}, indent=1) + "\n"


def http_routes(table: list[Route], webhooks: set[str]) -> list[dict]:
    """HTTPRoute objects. Which rule stands first says nothing there: the longest prefix wins, then who names the method. An object holds
    16 rules, and a rule 8 matches under the older versions of the API."""
    rules = []
    for service in sorted({r.service for r in table}):
        matches = [m for r in table if r.service == service for m in r.matches()]
        rules += [{"matches": matches[i:i + 8], "timeouts": {"request": "15s" if service in webhooks else "0s"}, "backendRefs": [{"name": service, "port": 8080}]}
                  for i in range(0, len(matches), 8)]
    return [{"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": "otto" if i == 0 else f"otto-{i // 16 + 1}"},
             "spec": {"parentRefs": [{"name": "otto"}], "rules": rules[i:i + 16]}} for i in range(0, len(rules), 16)]


def faults(repo: pathlib.Path, contract: dict | None = None) -> typing.Iterator[str]:
    try:
        all_services = services(repo)
    except ValueError as e:
        yield str(e)
        return
    protos = (repo / "proto-schemas" / "events").rglob("*.proto")
    topics = {t for p in protos for t in re.findall(r'topic: "([^"]+)"', p.read_text())}
    migrations = "\n".join(p.read_text() for part in ("libs", "services") for p in (repo / part).glob("*/migrations/*.sql"))
    readme = (repo / "services" / "README.md").read_text()
    for folder in sorted(p.name for p in (repo / "services").iterdir() if p.is_dir()):
        if folder not in all_services and folder not in (*PROGRAMS, *NO_PROGRAM):
            yield f"services/{folder}: has no service.json"
        if f"| [`{folder}`]({folder}/README.md) |" not in readme:
            yield f"services/README.md: has no line for {folder}"
    for name, s in all_services.items():
        folder = repo / "services" / name
        for file in ("CMakeLists.txt", "README.md", "service.cpp"):
            if not (folder / file).exists():
                yield f"services/{name}: has no {file}"
                return
        if f"otto_service({name} " not in (folder / "CMakeLists.txt").read_text():
            yield f"services/{name}/CMakeLists.txt: makes no otto_service({name} …)"
        if s.needs != sorted(set(s.needs) & set(NEEDS)):
            yield f"services/{name}/service.json: needs are some of {', '.join(NEEDS)}, in this order"
        code = "\n".join(p.read_text() for p in folder.rglob("*.cpp") if "tests" not in p.relative_to(folder).parts)
        made = set(re.findall(r'Consumer\{"([^"]+)"\}', code))
        if made != set(s.consumes):
            says, does = (", ".join(sorted(names)) or "nobody" for names in (s.consumes, made))
            yield f"services/{name}/service.json: consumes as {says}; service.cpp as {does}"
        for consumer, of in s.consumes.items():
            if consumer.split("/")[0] != name:
                yield f"services/{name}/service.json: a consumer is named {name} or {name}/…, not {consumer}"
            for topic in sorted(set(of) - topics):
                yield f"services/{name}/service.json: there is no topic {topic}"
        if s.produces != sorted(set(s.produces)):
            yield f"services/{name}/service.json: what it produces stands in order, each topic once"
        for topic in sorted(set(s.produces) - topics):
            yield f"services/{name}/service.json: there is no topic {topic}"
        if s.peers != sorted(set(s.peers)):
            yield f"services/{name}/service.json: peers stand in order, each once"
        for peer in s.peers:
            if not PEER.fullmatch(peer):
                yield f"services/{name}/service.json: a peer is a host, a setting that names one, or *; not {peer}"
        if s.sessions["each_lane"] != len(s.consumes):
            yield f"services/{name}/service.json: a lane of each of its {len(s.consumes)} consumers has a session: each_lane"
        if (s.sessions["others"] > 0) != ("database" in s.needs):
            yield f"services/{name}/service.json: it has other sessions just if it needs the database"
        if ("changes" in s.needs) != ("own<Stream>(" in code):
            yield f"services/{name}/service.json: needs the changes just if service.cpp owns a Stream"
        if ("directory" in s.needs) != ("directory::Companies>(" in code):
            yield f"services/{name}/service.json: needs the directory just if service.cpp owns a directory::Companies"
        if ("members" in s.needs) != ("identity::Authenticator>(" in code):
            yield f"services/{name}/service.json: needs the members just if service.cpp owns an identity::Authenticator"
        if "database" in s.needs and f"otto_{s.variable}'" not in migrations:
            yield f"services/{name}: no migration makes its role otto_{s.variable}"
        if s.consumes and "database" not in s.needs:
            yield f"services/{name}/service.json: a consumer needs the database"
    made_by = {t for s in all_services.values() for t in s.produces}
    for name, s in all_services.items():
        for topic in sorted({t for of in s.consumes.values() for t in of} & topics - made_by):
            yield f"services/{name}/service.json: nobody produces {topic}"
    every = [r for s in all_services.values() for r in s.routes]
    for i, a in enumerate(every):
        for b in every[i + 1:]:
            if a.prefix == b.prefix and a.takes() & b.takes():
                both = ",".join(sorted(a.takes() & b.takes()))
                yield f"services/{a.service} and services/{b.service}: both take {both} {a.prefix}"
    if (repo / "deploy" / "routes.txt").read_text() != routes_text(all_services):
        yield "deploy/routes.txt: is not what the manifests say; deploy/manifest.py --write"
    if (repo / "deploy" / "routes.json").read_text() != routes_json(all_services, routes(repo)):
        yield "deploy/routes.json: is not what deploy/routes.txt says; deploy/manifest.py --write"
    if contract is not None:
        yield from strays(routes(repo), contract)


def strays(table: list[Route], contract: dict) -> typing.Iterator[str]:
    """Operations of the contract that go nowhere or where nobody writes, and routes by which none goes."""
    used = set()
    for path, item in contract["paths"].items():
        for method in item:
            if method == "parameters":
                continue
            route = next((r for r in table if r.fits(method.upper(), path)), None)
            used.add(route)
            if route is None or (route.prefix == "/" and method != "get"):
                yield f"{method.upper()} {path}: no service takes it; name its prefix in the service.json of one"
    for route in table:
        if route not in used:
            yield f"services/{route.service}/service.json: no operation of the contract goes by {route.methods} {route.prefix}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="deploy/manifest.py", usage=(__doc__ or "").partition("usage: ")[2])
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--contract", type=pathlib.Path)
    args = parser.parse_args()
    if args.write:
        (REPO / "deploy" / "routes.txt").write_text(routes_text(services()))
        (REPO / "deploy" / "routes.json").write_text(routes_json(services(), routes()))
        return 0
    found = list(faults(REPO, json.loads(args.contract.read_text()) if args.contract else None))
    print("\n".join(found) or f"{len(services())} services")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
