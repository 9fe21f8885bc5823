#!/usr/bin/env python3
"""tools/openapi.py refuses sources that cannot be meant, and says where; of the sources themselves it makes what it should."""

import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent.parent
METHODS = ("get", "post", "put", "patch", "delete")


def joined(file: str = "", old: str = "", new: str = "", more: str = "") -> tuple[str, pathlib.Path]:
    """What the tool said, and where it wrote to; with `old` of one file replaced, or text put behind its end."""
    folder = pathlib.Path(tempfile.mkdtemp())
    shutil.copytree(HERE / "http", folder / "http")
    if file:
        path = folder / "http" / file
        text = path.read_text() if path.exists() else ""
        assert old in text, f"{file} has no {old!r}"
        path.write_text(text.replace(old, new, 1) + more)
    command = [sys.executable, HERE / "tools/openapi.py", folder / "http"]
    outputs = ["--json", folder / "openapi.json", "--words", folder / "words.hpp"]
    done = subprocess.run([*command, *outputs], capture_output=True, text=True)
    return done.stderr if done.returncode else "", folder


class Refused(unittest.TestCase):
    """Each case: words of the refusal, the file, what stands there, what stands there instead, what stands behind its end."""

    def refused(self, *cases: tuple[str, ...]) -> None:
        for words, *change in cases:
            said, _ = joined(*change)
            self.assertIn(words, said)

    def test_a_key_that_stands_twice(self):
        self.refused(
            ("'/docs' stands twice, in line", "meta.yaml", "  /openapi.json:\n", "  /docs:\n"),
            ("'title' stands twice", "api.yaml", "  title: Otto\n", "  title: Otto\n  title: Otto\n"),
            ("'/docs' stands in leads.yaml too", "leads.yaml", "paths:\n", "paths:\n  /docs: {same_as: /x, as: Too}\n"),
            ("meta.yaml: 'Task' stands in tasks.yaml too", "meta.yaml", "", "", "schemas:\n  Task: {type: object}\n"))

    def test_a_name_that_nothing_bears(self):
        self.refused(
            ("there is no schema 'Tasc'", "tasks.yaml", "takes: TaskFields", "takes: Tasc"),
            ("Lead.status: there is no schema 'Leed'", "leads.yaml", "      status: LeadStatus", "      status: Leed"),
            ("there is no parameter 'LeedId'", "leads.yaml", "[LeadId]", "[LeedId]"),
            ("there is no error 'Nowhere'", "calls.yaml", "errors: [NotFound,", "errors: [Nowhere,"),
            ("there is no path '/nowhere'", "meta.yaml", "", "", "  /docs2: {same_as: /nowhere, as: Too}\n"))

    def test_a_word_that_means_nothing(self):
        self.refused(
            ("'minimun' is no word of a schema", "api.yaml", "minimum: 0, description", "minimun: 0, description"),
            ("POST /api/v1/tasks: 'take' is no word of an operation", "tasks.yaml", "  takes: TaskFields", "  take: TaskFields"),
            ("GET /docs: 'descripton' is no word of an answer", "meta.yaml", "{description: A page.", "{descripton: A page."),
            ("has no operationId", "meta.yaml", "      operationId: getDocs\n", ""),
            ("'component' is neither paths nor parameters nor schemas", "meta.yaml", "", "", "component: {}\n"))

    def test_a_write_that_is_not_on_record(self):
        self.refused(
            ("POST /api/v1/tasks: has no x-audit", "tasks.yaml", "      x-audit: task.create\n", ""),
            ("POST /api/v1/tasks: has no x-audit", "tasks.yaml", "x-audit: task.create", "x-audit: made"),
            ("stands beside `x-audit: none`", "tasks.yaml", "x-audit: task.create", "x-audit: none"),
            ("stands beside `x-audit: none`", "tasks.yaml", "x-audit: task.create", "x-audit: task.create\n      x-audit-reason: x"),
            ("GET /docs: a read leaves no line", "meta.yaml", "      operationId: getDocs\n", "      operationId: getDocs\n      x-audit: docs.read\n"))

    def test_files_and_tags_that_do_not_fit(self):
        self.refused(
            ("has no file texts.yaml", "api.yaml", "  - {name: meta,", "  - {name: texts, description: T.}\n  - {name: meta,"),
            ("has no tag 'texts'", "texts.yaml", "", "", "paths: {}\n"))

    def test_what_nothing_uses(self):
        colour = "parameters:\n  Colour: {name: colour, in: query, schema: Text}\n"
        self.refused(
            ("schemas: 'Texts' is used by nothing", "meta.yaml", "", "", "schemas:\n  Texts: {type: object}\n"),
            ("parameters: 'Colour' is used by nothing", "meta.yaml", "", "", colour))

    def test_what_is_no_part_and_what_contains_itself(self):
        self.refused(
            ("'TaskStatusChange' has a word that TaskStatus has not", "tasks.yaml", "cancelled], part_of", "done], part_of"),
            ("contains itself", "tasks.yaml", "TaskItem: {with: Task,", "TaskItem: {with: TaskItem,"))


class Joined(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        said, cls.folder = joined()
        assert not said, said
        cls.document = json.loads((cls.folder / "openapi.json").read_text())

    def operations(self):
        for path, item in self.document["paths"].items():
            for method in METHODS:
                if method in item:
                    yield path, method, item[method], item.get("parameters", [])

    def test_every_operation_has_an_id_of_its_own(self):
        ids = [operation["operationId"] for _, _, operation, _ in self.operations()]
        self.assertEqual(len(ids), len(set(ids)))

    def test_every_list_takes_the_four_parameters_and_nothing_else_takes_one(self):
        pages = {"limit", "offset", "cursor", "sort"}
        for path, method, operation, _ in self.operations():
            if method != "get":
                continue
            named = self.document["components"]["parameters"]
            parameters = [named[p["$ref"].rsplit("/", 1)[1]] if "$ref" in p else p for p in operation.get("parameters", [])]
            takes = {p["name"] for p in parameters} & pages
            # How many of a ranking are wanted is no page of a list.
            ranked = path.endswith(("/objections/top", "/missed-call-recovery"))
            is_list = "List'" in str(operation["responses"].get("200"))
            self.assertEqual(takes, pages if is_list else {"limit"} if ranked else set(), path)

    def test_every_operation_behind_a_token_names_the_errors_that_all_have(self):
        for path, method, operation, parameters in self.operations():
            if "security" in operation:
                continue
            errors = {code for code, r in operation["responses"].items() if "$ref" in r}
            named = {"401", "403", "422", "429", "503"} | ({"404"} if parameters else set())
            self.assertLessEqual(named | ({"409", "413", "415"} if method != "get" else set()), errors, f"{method} {path}")
            self.assertEqual("IdempotencyKey" in str(operation.get("parameters")), method != "get", f"{method} {path}")

    def test_every_write_behind_a_token_is_on_record(self):
        for path, method, operation, _ in self.operations():
            if method != "get" and "security" not in operation:
                self.assertNotEqual(operation["x-audit"], "none", f"{method} {path}: give the reason here if it has its own record")
            self.assertEqual("x-audit" in operation, method != "get", f"{method} {path}")

    def test_a_list_has_a_name_and_one_level(self):
        calls = self.document["components"]["schemas"]["CallList"]["properties"]["data"]
        self.assertEqual(calls["properties"]["items"], {"type": "array", "items": {"$ref": "#/components/schemas/CallItem"}})
        self.assertEqual(calls["required"], ["items", "total", "limit", "offset", "next_cursor"])
        self.assertNotIn("allOf", json.dumps(self.document))

    def test_required_all_leaves_out_what_is_optional(self):
        company = self.document["components"]["schemas"]["Company"]
        self.assertEqual(set(company["properties"]) - set(company["required"]), {"callrail_signing_key_former_until", "twilio_auth_token_former_until"})
        self.assertIn("call_id", self.document["components"]["schemas"]["CallDetail"]["required"])
        self.assertNotIn("optional", json.dumps(self.document))

    def test_words_are_constants(self):
        words = (self.folder / "words.hpp").read_text()
        self.assertIn('std::array<std::string_view, 4> pool_status{"in_pool", "assigned", "closed", "archived"};', words)
        self.assertIn('{"leads.pool_status", pool_status},', words)


unittest.main()
