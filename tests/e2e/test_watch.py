"""What watches Otto, on a stack that runs: no expression of a rule or a panel that could never have data, no command of a runbook that the database refuses."""

import json
import re
import subprocess

import pytest
import watch
from conftest import REPO, eventually


@pytest.fixture(scope="module")
def prometheus(stack):
    stack.run("deploy/up", *stack.options, "--observe")
    url = f"http://127.0.0.1:{stack.env['OTTO_PROMETHEUS_PORT']}"

    def all_read() -> bool:  # each has its own moment within the first interval
        targets = watch.ask(url, "targets")["activeTargets"]
        up = watch.ask(url, "query", query="up")["result"]
        return len(targets) > 0 and [t["value"][1] for t in up] == ["1"] * len(targets)

    eventually(all_read, what="every target's metrics")
    return url


def test_all_of_otto_is_watched(stack, prometheus):
    components = {c["name"]: c["running"] for c in json.loads(stack.run("deploy/status", "--json").stdout)}
    assert components.pop("prometheus")
    otto = components.keys() - {"kafka", "postgres", "sandbox", "nginx"}
    assert {(t["metric"]["app"], t["metric"]["job"]) for t in watch.ask(prometheus, "query", query="up")["result"]} == {("otto", name) for name in otto}
    assert {r["name"] for g in watch.ask(prometheus, "rules")["groups"] for r in g["rules"]} == {r.name for r in watch.rules()}


def test_each_expression_is_answered_and_names_what_is_exposed(prometheus):
    answers = watch.answers(prometheus)
    assert [a for a in answers if a.what == "fails" or (a.what == "unknown" and not set(a.detail.split(", ")) <= watch.TO_COME.keys())] == []


def test_the_runbooks_statements_are_taken_by_the_database(stack):
    asked = [c for p in sorted((REPO / "deploy/runbooks").glob("*.md")) for c in re.findall(r'^deploy/psql -c "(.+)"$', p.read_text(), re.M)]
    assert len(asked) > 4
    for statement in asked:
        done = subprocess.run(["deploy/psql", "-qAtX", "-v", "ON_ERROR_STOP=1", "-c", statement], cwd=REPO, env=stack.env, capture_output=True, text=True)
        assert done.returncode == 0, f"{statement}: {done.stderr}"
