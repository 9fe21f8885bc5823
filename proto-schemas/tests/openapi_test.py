#!/usr/bin/env python3
"""openapi_to_cpp.py refuses a document in which a key stands twice, and names both places; of the document itself it makes what it should."""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent.parent


def convert(text: str) -> tuple[subprocess.CompletedProcess, pathlib.Path]:
    folder = pathlib.Path(tempfile.mkdtemp())
    (folder / "openapi.yaml").write_text(text)
    out = folder / "openapi.json"
    return subprocess.run([sys.executable, HERE / "tools/openapi_to_cpp.py", folder / "openapi.yaml", folder / "openapi.cpp", out], capture_output=True, text=True), out


class Openapi(unittest.TestCase):
    text = (HERE / "openapi.yaml").read_text()

    def test_a_path_that_stands_twice_is_refused(self):
        done, _ = convert(self.text.replace("  /docs:\n", "  /openapi.json:\n"))
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("'/openapi.json' stands twice, in line", done.stderr)

    def test_so_is_any_other_key(self):
        done, _ = convert(self.text.replace("  title: Otto\n", "  title: Otto\n  title: Otto\n"))
        self.assertIn("'title' stands twice", done.stderr)

    def test_every_list_takes_the_four_parameters_and_nothing_else_takes_one(self):
        done, out = convert(self.text)
        self.assertEqual(done.returncode, 0, done.stderr)
        document = json.loads(out.read_text())
        pages = {"limit", "offset", "cursor", "sort"}
        for path, item in document["paths"].items():
            operation = item.get("get")
            if not operation:
                continue
            parameters = [document["components"]["parameters"][p["$ref"].rsplit("/", 1)[1]] if "$ref" in p else p for p in operation.get("parameters", [])]
            takes = {p["name"] for p in parameters} & pages
            is_list = "components/schemas/List'" in str(operation["responses"].get("200"))
            # How many of a ranking are wanted is no page of a list.
            ranked = path.endswith(("/objections/top", "/missed-call-recovery"))
            self.assertEqual(takes, pages if is_list else {"limit"} if ranked else set(), path)
            if operation["x-roles"] != ["nobody"]:
                self.assertIn("422", operation["responses"], f"{path}: what it does not take is refused")


unittest.main()
