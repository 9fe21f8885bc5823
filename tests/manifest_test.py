#!/usr/bin/env python3
"""deploy/manifest.py finds what is missing or said in two ways; and a manifest says of a program what the program says of itself.

usage: manifest_test.py FOLDER_OF_PROGRAMS
"""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

REPO = pathlib.Path(__file__).resolve().parent.parent
sys.path.append(str(REPO / "deploy"))
import manifest  # noqa: E402

PROGRAMS = pathlib.Path(sys.argv.pop())


def says(needs: list[str], consumes: dict[str, list[str]], *routes: str, **more: object) -> dict:
    sessions = {"each_lane": len(consumes), "others": int("database" in needs)}
    rest = {"produces": [], "peers": [], "sessions": sessions, **more}
    return {"needs": needs, "consumes": consumes, "routes": list(routes), **rest}


class Tree:
    """A small tree that is as it should be: two services, and what belongs to them."""

    def __init__(self) -> None:
        self.root = pathlib.Path(tempfile.mkdtemp())
        self.put("proto-schemas/events/a.proto", 'option (event) = {topic: "otto.calls"};')
        self.put("libs/schema/migrations/1_roles.sql", "ARRAY['otto_call_keeper', 'otto_reader']")
        folders = ("call-keeper", "reader", "all-in-one", "ottoctl")
        self.put("services/README.md", "".join(f"| [`{n}`]({n}/README.md) | |\n" for n in folders))
        self.put("services/all-in-one/CMakeLists.txt", "")
        self.put("services/ottoctl/main.cpp", "")
        keeper = says(["database"], {"call-keeper": ["otto.calls"]}, "!GET,HEAD /api/v1/calls", produces=["otto.calls"])
        self.service("call-keeper", keeper, 'rt::Consumer{"call-keeper"}')
        self.service("reader", says(["database"], {}, "* /"))
        self.routes()

    def put(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def service(self, name: str, manifest: object, code: str = "") -> None:
        self.put(f"services/{name}/service.json", manifest if isinstance(manifest, str) else json.dumps(manifest))
        self.put(f"services/{name}/CMakeLists.txt", f"otto_service({name} DEPS app)")
        self.put(f"services/{name}/README.md", f"# {name}")
        self.put(f"services/{name}/service.cpp", code)

    def routes(self) -> None:
        self.put("deploy/routes.txt", manifest.routes_text(manifest.services(self.root)))
        self.put("deploy/routes.json", manifest.routes_json(manifest.services(self.root), manifest.routes(self.root)))

    def faults(self, contract: dict | None = None) -> list[str]:
        return list(manifest.faults(self.root, contract))


def contract(*operations: str) -> dict:
    paths: dict[str, dict] = {}
    for operation in operations:
        method, path = operation.split()
        paths.setdefault(path, {})[method] = {}
    return {"paths": paths}


class Found(unittest.TestCase):
    def found(self, words: str, tree: Tree, of: dict | None = None) -> None:
        faults = tree.faults(of)
        self.assertTrue(any(words in f for f in faults), f"{words!r} is not in {faults}")

    def test_nothing_in_a_tree_as_it_should_be(self):
        self.assertEqual(Tree().faults(contract("get /api/v1/calls", "post /api/v1/calls")), [])

    def test_a_folder_that_is_nothing(self):
        tree = Tree()
        tree.put("services/texts/service.cpp", "")
        self.found("services/texts: has no service.json", tree)
        self.found("services/README.md: has no line for texts", tree)

    def test_a_service_that_is_missing_somewhere(self):
        for file in ("CMakeLists.txt", "README.md", "service.cpp"):
            tree = Tree()
            (tree.root / "services/reader" / file).unlink()
            self.found(f"services/reader: has no {file}", tree)
        for path, text, words in (
            ("services/reader/CMakeLists.txt", "otto_service(other DEPS app)", "makes no otto_service(reader"),
            ("libs/schema/migrations/1_roles.sql", "ARRAY['otto_call_keeper']", "no migration makes its role otto_reader"),
            ("deploy/routes.txt", "* / reader\n", "deploy/routes.txt: is not what the manifests say"),
            ("deploy/routes.json", "{}", "deploy/routes.json: is not what deploy/routes.txt says"),
        ):
            tree = Tree()
            tree.put(path, text)
            self.found(words, tree)

    def test_a_manifest_that_is_none(self):
        for text, words in (
            ("{", "service.json: "),
            ("[]", "it has needs, consumes, produces"),
            ({"needs": [], "consumes": {}}, "it has needs, consumes, produces"),
            (says([], {}, sessions={"lanes": 1}), "each_lane and others"),
            (says([], {}, "GET ^/x"), "no literal prefix"),
            (says([], {}, "GET /x/"), "no literal prefix"),
            (says([], {}, "FETCH /x"), "methods that there are not"),
            (says([], {}, "/x"), "service.json: "),
        ):
            tree = Tree()
            tree.service("reader", text)
            self.found(words, tree)

    def test_a_manifest_that_is_not_so(self):
        reads = 'rt::Consumer{"reader"}'
        for manifest_, code, words in (
            (says(["databases"], {}), "", "needs are some of"),
            (says(["spool", "database"], {}), "", "in this order"),
            (says(["database"], {}), reads, "consumes as nobody; service.cpp as reader"),
            (says(["database"], {"other": ["otto.calls"]}), 'rt::Consumer{"other"}', "a consumer is named reader"),
            (says(["database"], {"reader": ["otto.cals"]}), reads, "there is no topic otto.cals"),
            (says([], {"reader": ["otto.calls"]}), reads, "a consumer needs the database"),
            (says(["database"], {}, produces=["otto.cals"]), "", "there is no topic otto.cals"),
            (says(["database"], {}, produces=["otto.calls", "otto.calls"]), "", "each topic once"),
            (says(["database"], {}, peers=["https://x.example"]), "", "a peer is a host"),
            (says(["database"], {}, peers=["b.example", "a.example"]), "", "peers stand in order"),
            (says(["database"], {}, sessions={"each_lane": 1, "others": 1}), "", "each of its 0 consumers"),
            (says(["database"], {}, sessions={"each_lane": 0, "others": 0}), "", "just if it needs the database"),
            (says(["changes", "database"], {}), "", "just if service.cpp owns a Stream"),
            (says(["database", "directory"], {}), "", "just if service.cpp owns a directory::Companies"),
            (says(["database", "members"], {}), "", "just if service.cpp owns an identity::Authenticator"),
            (says(["database"], {}, "POST /api/v1/calls"), "", "both take POST /api/v1/calls"),
        ):
            tree = Tree()
            tree.service("reader", manifest_, code)
            self.found(words, tree)

    def test_an_operation_that_goes_nowhere_and_a_route_by_which_none_goes(self):
        of = contract("post /api/v1/calls", "post /api/v1/texts", "get /x")
        self.found("POST /api/v1/texts: no service takes it", Tree(), of)
        self.found("no operation of the contract goes by !GET,HEAD /api/v1/calls", Tree(), contract("get /api/v1/calls"))


class Routes(unittest.TestCase):
    def test_a_prefix_ends_where_a_segment_ends(self):
        route = manifest.Route("!GET,HEAD", "/api/v1/calls", "x")
        fits = {("POST", "/api/v1/calls"), ("PATCH", "/api/v1/calls/1/analysis")}
        others = [("GET", "/api/v1/calls"), ("POST", "/api/v1/callsx"), ("POST", "/api/v1"), ("FETCH", "/api/v1/calls")]
        for method, path in [*fits, *others]:
            self.assertEqual(route.fits(method, path), (method, path) in fits, f"{method} {path}")

    def test_the_first_that_fits_is_the_longest_prefix(self):
        table = manifest.routes()
        for path in {r.prefix for r in table} | {r.prefix + "/x" for r in table}:
            for method in manifest.METHODS:
                fitting = [r for r in table if r.fits(method, path)]
                self.assertEqual(len(fitting[0].prefix), max(len(r.prefix) for r in fitting))
                self.assertEqual(sum(len(r.prefix) == len(fitting[0].prefix) for r in fitting), 1, f"{method} {path}")


class Programs(unittest.TestCase):
    def test_a_program_has_the_settings_of_what_its_service_needs(self):
        for name, service in manifest.services().items():
            page = subprocess.run([PROGRAMS / name, "--settings-page"], capture_output=True, text=True, check=True).stdout
            for need, setting in (("spool", "OTTO_SPOOL_DIR"), ("objects", "OTTO_OBJECT_STORE")):
                self.assertEqual(need in service.needs, f"`{setting}`" in page, f"{name}: {need}")
            if service.consumes:
                self.assertIn("`OTTO_LANES`", page, name)

    def test_a_program_describes_itself_as_its_manifest_does(self):
        for name in (*manifest.services(), *manifest.PROGRAMS):
            said = json.loads(subprocess.run([PROGRAMS / name, "--describe"], capture_output=True, check=True).stdout)
            self.assertEqual(said["program"], name)
            self.assertRegex(said["schema"], r"^\d{14}$")
            self.assertTrue(said["version"] and said["about"] and said["metrics"], name)
            settings = {s["name"]: s for s in said["settings"]}
            self.assertEqual(len(settings), len(said["settings"]), name)
            if name not in manifest.services():
                of = [] if name == "ottoctl" else sorted(manifest.services())
                self.assertEqual(sorted(s["name"] for s in said["services"]), of)
                continue
            self.assertEqual([s["name"] for s in said["services"]], [name])
            its, service = said["services"][0], manifest.services()[name]
            self.assertEqual({c["group"]: c["topics"] for c in its["consumers"]}, service.consumes)
            self.assertEqual([(r["methods"], r["prefix"]) for r in its["routes"]], [r[:2] for r in service.routes])
            for key in ("needs", "produces", "peers", "sessions"):
                self.assertEqual(its[key], getattr(service, key), f"{name}: {key}")
            # Whoever is called by a name of ours stands in a setting's default, and the other way round.
            addresses = {s["default"].partition("://")[2] for s in settings.values() if s["default"].startswith("https://")}
            self.assertEqual(addresses, {p for p in its["peers"] if "." in p}, f"{name}: peers")
            for peer in its["peers"]:
                if peer.startswith("OTTO_"):
                    self.assertIn(peer, settings, name)

    def test_all_in_one_has_all_of_them(self):
        page = subprocess.run([PROGRAMS / "all-in-one", "--help"], capture_output=True, text=True, check=True).stdout
        for name in manifest.services():
            self.assertIn(f"{name}: ", page)


unittest.main()
