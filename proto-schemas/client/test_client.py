"""Strangers' tools read the contract without a word of complaint: a validator, a strict linter, and the maker of a typed client, which then compiles."""

import json
import os
import pathlib
import subprocess

from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

HERE = pathlib.Path(__file__).resolve().parent
OPENAPI = pathlib.Path(os.environ["OTTO_OPENAPI"]).resolve()


def node(*words: object) -> str:
    """Node with the packages that package-lock.json pins; everything that it said."""
    done = subprocess.run([HERE.parent.parent / "tests" / "node", HERE, *map(str, words)], capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_it_is_valid_openapi_31_and_its_schemas_are_valid():
    document = json.loads(OPENAPI.read_text())
    assert document["openapi"] == "3.1.0"
    assert not list(OpenAPIV31SpecValidator(document).iter_errors())
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_the_strictest_linter_finds_nothing():
    assert node("lint.mjs", OPENAPI) == ""


def test_a_typed_client_is_made_without_a_warning_and_compiles():
    said = node("node_modules/openapi-typescript/bin/cli.js", OPENAPI, "--output", "contract.d.ts")
    assert "warn" not in said.lower() and "⚠" not in said, said
    assert node("node_modules/typescript/bin/tsc", "--project", "tsconfig.json") == ""
