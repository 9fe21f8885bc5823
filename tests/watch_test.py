#!/usr/bin/env python3
"""Rules, their tests, runbooks and dashboards are one set, of metrics that there are; and deploy/watch.py finds what is not.

usage: watch_test.py
"""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import typing
import unittest

REPO = pathlib.Path(__file__).resolve().parent.parent
sys.path.append(str(REPO / "deploy"))
import watch  # noqa: E402


class Here(unittest.TestCase):
    def test_one_set(self):
        self.assertEqual(list(watch.faults()), [])

    def test_promtool_takes_all_of_it_and_each_alert_fires_and_is_silent(self):
        self.assertEqual(watch.unparsable(), "")

    def test_dashboards_are_as_generated(self):
        done = subprocess.run([REPO / "deploy/grafana/generate", "--check"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_all_that_comes_to_the_spool_is_a_webhook(self):
        with_routes = [e for _, e in watch.expressions() if watch.WEBHOOKS.search(e)]
        self.assertEqual(len({watch.WEBHOOKS.search(e)[1] for e in with_routes}), 1)


class Found(unittest.TestCase):
    """Each fault is found in a tree that has it."""

    def found(self, words: str, spoil: typing.Callable[[pathlib.Path], None]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for part in ("deploy/prometheus", "deploy/runbooks", "deploy/grafana"):
                shutil.copytree(REPO / part, root / part)
            for file in ["deploy/metrics.md", *(str(p.relative_to(REPO)) for p in REPO.glob("services/*/service.json")), "services/ottoctl/README.md"]:
                (root / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(REPO / file, root / file)
            spoil(root)
            faults = list(watch.faults(root))
            self.assertTrue(any(words in f for f in faults), f"{words!r} is not in {faults}")

    def edited(self, words: str, file: str, old: str, new: str) -> None:
        def spoil(root: pathlib.Path) -> None:
            text = (root / file).read_text()
            self.assertIn(old, text)
            (root / file).write_text(text.replace(old, new, 1))
        self.found(words, spoil)

    def test_an_alert_without_its_page_or_test_and_the_other_way_round(self):
        self.found("DeadLetters: has no page", lambda root: (root / "deploy/runbooks/DeadLetters.md").unlink())
        self.found("DeadLetters: has no test", lambda root: (root / "deploy/prometheus/tests/DeadLetters.yaml").unlink())
        self.edited("DeadLetters is no alert", "deploy/prometheus/rules/pipeline.yaml", "alert: DeadLetters", "alert: DeadEvents")

    def test_a_test_that_never_is_silent(self):
        self.edited("has a case in which it fires", "deploy/prometheus/tests/DeadLetters.yaml", "exp_samples: []", "exp_samples: [{labels: '{}', value: 1}]")

    def test_what_nobody_exposes(self):
        rules = "deploy/prometheus/rules/pipeline.yaml"
        self.edited("nobody exposes otto_dead_letter ", rules, "max by (service) (otto_dead_letters)", "max by (service) (otto_dead_letter)")
        self.edited("otto_kafka_records_lost_total has no label consumer", rules, "otto_kafka_records_lost_total[1h]", 'otto_kafka_records_lost_total{consumer="x"}[1h]')
        self.edited("groups by provider, which nothing in it has", rules, "max by (service) (otto_dead_letters)", "max by (provider) (otto_dead_letters)")
        self.edited("tells of the label servise", rules, "that {{ $labels.service }} gave up", "that {{ $labels.servise }} gave up")
        self.edited("nobody exposes otto_dead_letter ", "deploy/grafana/pipeline.json", "otto_dead_letters)", "otto_dead_letter)")

    def test_what_says_too_little(self):
        rules = "deploy/prometheus/rules/pipeline.yaml"
        self.edited("severity is page, ticket or none", rules, "severity: ticket", "severity: minor")
        self.edited("annotations are summary, impact and runbook", rules, "impact: Csrs", "effect: Csrs")
        self.edited("its runbook is", rules, "runbook: deploy/runbooks/DeadLetters.md", "runbook: deploy/runbooks/LaneFails.md")
        self.edited("has no unit", "deploy/grafana/pipeline.json", '"unit": "ops"', '"unit": ""')
        self.edited("has no description", "deploy/grafana/pipeline.json", '"description": "What consumers have done."', '"description": ""')

    def test_a_page_that_helps_nobody(self):
        page = "deploy/runbooks/DeadLetters.md"
        self.edited("is not what is broken", page, "**Cures**", "**Advice**")
        self.edited("there is no ottoctl letters", page, "ottoctl dead-letters list", "ottoctl letters list")
        self.edited("there is no Nowhere.md", page, "**Cures**\n\n", "**Cures**\n\n- [x](Nowhere.md)\n")
        self.edited("there is no deploy/nothing", page, "**Cures**\n\n", "**Cures**\n\n- `deploy/nothing`\n")

    def test_a_route_that_is_taken_for_none(self):
        self.edited("does not tell webhooks from other routes", "services/callrail-ingress/service.json", "/sms/callrail-webhook", "/texts/callrail-webhook")
        self.edited("does not tell webhooks from other routes", "services/query-service/service.json", "* /", "* /sms")


class Expressions(unittest.TestCase):
    def test_what_one_names(self):
        used = watch.used('sum by (job) (rate(otto_a_total{x="y{z", b=~"c"}[5m])) / on (job) group_left (v) (otto:b:rate5m offset 1w > 1e3) or vector(0) unless up{app!="o"}')
        self.assertEqual(used.metrics, {"otto_a_total": {"x", "b"}, "otto:b:rate5m": set(), "up": {"app"}})
        self.assertEqual(used.grouped, {"job", "v"})

    def test_faster(self):
        text = '- record: otto:slo_burn:1h\n  expr: rate(a[5m]) and otto:slo_burn:1h and b offset 1w and c2h\n  for: 10m # 5m\n'
        self.assertEqual(watch.faster(text, 20), '- record: otto:slo_burn:1h\n  expr: rate(a[15s]) and otto:slo_burn:1h and b offset 30240s and c2h\n  for: 30s # 15s\n')

    def test_faster_leaves_rules_that_promtool_takes(self):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([REPO / "deploy/watch.py", "--faster", "20", folder], check=True)
            files = sorted(pathlib.Path(folder).glob("*.yaml"))
            done = subprocess.run(["promtool", "check", "rules", *files], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertFalse([m for f in files for m in re.findall(r"\[\d+[mhdw]\]", f.read_text())])


unittest.main()
