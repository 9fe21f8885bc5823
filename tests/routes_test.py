#!/usr/bin/env python3
"""Every gateway sends each request where deploy/routes.txt says: nginx on one machine and in a cluster, the Gateway API, and whoever
reads deploy/routes.json; those of the HTTP contract, and 100,000 made up.

usage: routes_test.py OPENAPI.JSON
"""
import collections
import json
import os
import pathlib
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import typing
import unittest

import yaml

REPO = pathlib.Path(__file__).resolve().parent.parent
sys.path.append(str(REPO / "deploy"))
import manifest  # noqa: E402

CONTRACT = json.loads(pathlib.Path(sys.argv.pop()).read_text())
TABLE = manifest.routes()
WEBHOOKS = {s.name for s in manifest.services().values() if "spool" in s.needs}
METHODS = (*manifest.METHODS, "GET", "GET", "POST", "POST", "TRACE", "PROPFIND")
ROUTES = [r for r in yaml.safe_load_all((REPO / "k8s/components/gateway/route.yaml").read_text()) if r["kind"] == "HTTPRoute"]
EDGE = (REPO / "k8s/components/edge/nginx.conf").read_text()


def local() -> str:
    """nginx's configuration for one machine."""
    ports = {f"{kind}_{s.replace('-', '_').upper()}": "1" for s in manifest.services() for kind in ("OTTO_PORT", "OTTO_ADMIN_PORT")}
    return subprocess.run([sys.executable, REPO / "deploy/nginx_conf.py"], capture_output=True, text=True, check=True,
                          env={**os.environ, **ports, "OTTO_PORT": "1", "OTTO_ADMIN_PORT": "2"}).stdout


class Request(typing.NamedTuple):
    method: str
    target: str  # as it came: with its query, nothing decoded

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]


# ---- the four, each read by a reader of its own
Sends = typing.Callable[[Request], str | None]


def by_text(request: Request) -> str | None:
    """deploy/routes.txt: the first line that fits."""
    return next((r.service for r in TABLE if r.fits(request.method, request.path)), None)


def by_json() -> Sends:
    rows = json.loads((REPO / "deploy/routes.json").read_text())["routes"]

    def sends(request: Request) -> str | None:
        for row in rows:
            prefix = row["prefix"].rstrip("/")
            if (row["methods"] is None or request.method in row["methods"]) and (request.path + "/").startswith(prefix + "/"):
                return row["service"]
        return None
    return sends


def by_nginx(conf: str) -> Sends:
    """The map of a configuration, as nginx reads it: the first pattern that is found."""
    block = re.search(r'map "\$request_method \$request_uri" \$otto_service \{(.*?)\n  \}', conf, re.DOTALL)
    assert block
    rows = [(re.compile(pattern), to.replace("_", "-")) for pattern, to in re.findall(r'^    "~(.*)" (\S+);$', block[1], re.MULTILINE)]

    def sends(request: Request) -> str | None:
        line = f"{request.method} {request.target}"
        return next((to for pattern, to in rows if pattern.search(line)), None)
    return sends


def by_gateway(routes: list[dict]) -> Sends:
    """HTTPRoutes by the precedence that the Gateway API asks for over all rules of all routes: an exact path, the longest prefix, a
    method named; then the older route, the first by name, the first rule."""
    candidates: dict[str, list[tuple[bool, str, int, str | None, str]]] = collections.defaultdict(list)
    for route in routes:
        for i, rule in enumerate(route["spec"]["rules"]):
            (backend,) = rule["backendRefs"]
            for match in rule["matches"]:
                assert match["path"]["type"] == "PathPrefix" and set(match) <= {"path", "method"}
                candidates[match["path"]["value"].rstrip("/")].append((match.get("method") is None, route["metadata"]["name"], i, match.get("method"), backend["name"]))
    ranked = {prefix: sorted(of, key=lambda c: c[:3]) for prefix, of in candidates.items()}

    def sends(request: Request) -> str | None:
        path = request.path.rstrip("/") if request.path.endswith("/") else request.path
        while True:  # whole segments are compared: from the whole path to "/"
            for _, _, _, method, backend in ranked.get(path, ()):
                if method in (None, request.method):
                    return backend
            if not path:
                return None
            path = path.rpartition("/")[0]
    return sends


# ---- requests
def of_contract() -> typing.Iterator[Request]:
    for path, item in CONTRACT["paths"].items():
        for method in item:
            if method != "parameters":
                yield Request(method.upper(), re.sub(r"\{[^}]*\}", "0190-aB", path))


def made_up(seed: int, count: int) -> list[Request]:
    """Around what is routed: longer, shorter, misspelt, doubled slashes, encoded letters, dots, queries that look like paths."""
    dice = random.Random(seed)
    prefixes = sorted({r.prefix for r in TABLE} | {r.path for r in of_contract()})
    segments = ["x", "0190ab", "self", "analysis", "", "..", ".", "a%2Fb", "%2e%2e", "sms", "company", "webhook", "calls", "CALLS", "é".encode().hex(), "a;b", "a=b&c"]
    queries = ["", "?", "?a=1", "?/api/v1/calls", "?a=/media/x", "?x?y"]
    out = []
    for _ in range(count):
        path = dice.choice(prefixes)
        for _ in range(dice.choice((0, 0, 1, 1, 2))):
            kind = dice.randrange(9)
            at = dice.randrange(len(path))
            if kind <= 2:
                path = path.rstrip("/") + "/" + dice.choice(segments)
            elif kind == 3:
                path += dice.choice("x/.-%_")
            elif kind == 4:
                path = path[:max(at, 1)]
            elif kind == 5:
                path = path[:at] + "/" + path[at:]
            elif kind == 6:
                path = path[:at] + path[at].swapcase() + path[at + 1:]
            elif kind == 7:
                path = path[:at] + f"%{ord(path[at]):02x}" + path[at + 1:] if at and path[at] != "/" else path
            else:
                path = "/" + dice.choice(segments) + path
        out.append(Request(dice.choice(METHODS), ("/" + path.lstrip("/") if dice.random() < 0.9 else path) + dice.choice(queries)))
    return out


ALL = {r: by_text(r) for r in [*of_contract(), *made_up(20261130, 100_000)]}


class Alike(unittest.TestCase):
    def alike(self, sends: Sends) -> None:
        """As deploy/routes.txt says, for all of them."""
        for request, service in ALL.items():
            if sends(request) != service:
                self.assertEqual(sends(request), service, f"{request.method} {request.target}")

    def test_requests_go_to_everybody(self):
        to = collections.Counter(ALL.values())
        self.assertEqual(set(to), {r.service for r in TABLE})
        self.assertGreater(min(to.values()), 300)

    def test_json(self):
        self.alike(by_json())

    def test_nginx_on_one_machine(self):
        self.alike(by_nginx(local()))

    def test_nginx_in_a_cluster(self):
        self.alike(by_nginx(EDGE))

    def test_gateway_api(self):
        self.alike(by_gateway(ROUTES))

    def test_a_table_that_differs_is_found(self):
        """What the others must see: a method and a prefix too many, too few, or in another order."""
        names = next(r for r in ROUTES[0]["spec"]["rules"] if "method" in r["matches"][0])
        without = [{**ROUTES[0], "spec": {"rules": [{**r, "matches": r["matches"][1:]} if r is names else r for r in ROUTES[0]["spec"]["rules"]]}}, *ROUTES[1:]]
        for sends in (by_nginx(EDGE.replace("(?:PATCH|POST) ", "[A-Z]+ ")), by_nginx(EDGE.replace("(/|[?]|$)", "")), by_gateway(without)):
            with self.assertRaises(AssertionError):
                self.alike(sends)


@unittest.skipUnless(shutil.which("nginx"), "there is no nginx here")
class Nginx(unittest.TestCase):
    """What nginx itself makes of both maps: its patterns are Perl's."""

    def answers(self, conf: str, requests: list[Request]) -> list[str]:
        block = re.search(r'  map "\$request_method.*?\n  \}', conf, re.DOTALL)
        assert block
        folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        temporary = " ".join(f"{k}_temp_path {folder}/{k};" for k in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        (folder / "nginx.conf").write_text(f"""daemon off; pid {folder}/pid; error_log stderr emerg; {'user root;' if os.geteuid() == 0 else ''}
events {{ }}
http {{ access_log off; merge_slashes off; keepalive_requests 1000000; {temporary}
{block[0]}
  server {{ listen unix:{folder}/socket; location / {{ return 200 "$otto_service\\n"; }} }} }}""")
        server = subprocess.Popen(["nginx", "-e", "stderr", "-p", folder, "-c", folder / "nginx.conf"])
        client = self.enterContext(socket.socket(socket.AF_UNIX))
        client.settimeout(20)
        try:
            until = time.monotonic() + 20
            while True:  # it says nothing when it listens
                try:
                    client.connect(f"{folder}/socket")
                    break
                except OSError:
                    if time.monotonic() > until:
                        raise
            out = []
            with client.makefile("rb") as stream:
                for at in range(0, len(requests), 200):
                    some = requests[at:at + 200]
                    client.sendall(b"".join(f"{r.method} {r.target} HTTP/1.1\r\nHost: a\r\n\r\n".encode() for r in some))
                    for r in some:
                        length = 0
                        while (line := stream.readline().strip()):
                            if line.lower().startswith(b"content-length:"):
                                length = int(line.split(b":")[1])
                        out.append(stream.read(0 if r.method == "HEAD" else length).decode().strip().replace("_", "-"))
            return out
        finally:
            server.terminate()
            server.wait()

    def test_sends_as_the_table_says(self):
        # HEAD has no body to say it in; nginx refuses TRACE, what leads above the root, and what no hexadecimal number follows.
        refused = re.compile(r"(?:\.|%2e){2}|%(?![0-9a-f]{2})|%00", re.IGNORECASE)
        asked = [r for r in [*ALL][:10_000] if r.method not in ("HEAD", "TRACE") and not refused.search(r.path)]
        self.assertGreater(len(asked), 5000)
        for conf in (local(), EDGE):
            for request, service in zip(asked, self.answers(conf, asked)):
                self.assertEqual(service, ALL[request], f"{request.method} {request.target}")


class Rules(unittest.TestCase):
    """What stands beside the table: bodies, times, tries, and who is never reached."""

    def test_objects_keep_the_limits_of_the_gateway_api(self):
        for route in ROUTES:
            rules = route["spec"]["rules"]
            self.assertLessEqual(len(rules), 16)
            self.assertLessEqual(sum(len(r["matches"]) for r in rules), 128)
            for rule in rules:
                self.assertLessEqual(len(rule["matches"]), 8)
                for match in rule["matches"]:
                    self.assertIn(match.get("method", "GET"), ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"))

    def test_twenty_services_more_still_fit(self):
        table = [*TABLE, *(manifest.Route("!GET,HEAD", f"/api/v2/{i}", f"service-{i}") for i in range(20))]
        made = manifest.http_routes(table, WEBHOOKS)
        self.assertGreater(len(made), 1)
        self.assertEqual(len({r["metadata"]["name"] for r in made}), len(made))
        for route in made:
            self.assertLessEqual(len(route["spec"]["rules"]), 16)
        self.assertEqual(by_gateway(made)(Request("PUT", "/api/v2/19/x")), "service-19")
        self.assertEqual(by_gateway(made)(Request("GET", "/api/v2/19/x")), "query-service")

    def test_webhooks_have_15_seconds_and_all_else_no_end(self):
        for route in ROUTES:
            for rule in route["spec"]["rules"]:
                (backend,) = rule["backendRefs"]
                self.assertEqual(rule["timeouts"], {"request": "15s" if backend["name"] in WEBHOOKS else "0s"})
                self.assertEqual(backend["port"], 8080)  # never the admin port
        for row in json.loads((REPO / "deploy/routes.json").read_text())["routes"]:
            self.assertEqual((row["timeout_s"], row["tries"], row["port"]), (15, 2, 8080) if row["service"] in WEBHOOKS else (0, 1, 8080))

    def test_edge_tries_webhooks_alone_twice(self):
        servers = dict(re.findall(r"upstream (\S+) \{ (.*) \}", EDGE))
        for service, of in servers.items():
            self.assertEqual(of.count("server "), 2 if service in WEBHOOKS else 1, service)
            self.assertEqual(set(re.findall(r"server (\S+)", of)), {f"{service}:8080"})
        everything, webhooks = re.findall(r"location (?:/|~ \S+) \{\n.*?proxy_pass.*?\n    \}", EDGE, re.DOTALL)
        self.assertIn("proxy_next_upstream off;", everything)
        self.assertIn("proxy_next_upstream error timeout non_idempotent;", webhooks)
        self.assertIn("proxy_read_timeout 15s;", webhooks)
        found = re.search(r"location ~ (\S+) \{", EDGE)
        assert found
        for prefix in {r.prefix for r in TABLE}:
            takes = bool(re.search(found[1], prefix + "/x")) and bool(re.search(found[1], prefix))
            self.assertEqual(takes, next(r for r in TABLE if r.prefix == prefix).service in WEBHOOKS, prefix)

    def test_both_take_the_bodies_that_the_services_take_and_pass_targets_as_they_came(self):
        for conf in (local(), EDGE):
            self.assertIn("client_max_body_size 33m;", conf)
            self.assertIn("merge_slashes off;", conf)
            for target in re.findall(r"proxy_pass ([^;]*);", conf):  # a path there would be put in the place of the request's, decoded
                self.assertRegex(target, r"^http://(\$otto_service|127\.0\.0\.1:\d+)$")
            self.assertNotIn("rewrite", conf)


unittest.main()
