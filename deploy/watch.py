#!/usr/bin/env python3
"""What watches Otto: deploy/prometheus (rules and their tests), deploy/runbooks, deploy/grafana; read in one place.

usage: deploy/watch.py [--faster N FOLDER] [--against URL]
  no option   compares alerts, tests, runbooks, dashboards and deploy/metrics.md; a line a fault, exit 1 if any
  --faster    writes the rules into FOLDER with all durations divided by N, for trials
  --against   asks the Prometheus at URL for each expression of a rule or panel: exit 1 if one fails or names what nobody exposes
"""
import argparse
import dataclasses
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import typing
import urllib.parse
import urllib.request

import yaml

REPO = pathlib.Path(__file__).resolve().parent.parent
sys.path.append(str(REPO / "deploy"))
import manifest  # noqa: E402

TARGET_LABELS = {"app", "job", "instance", "pod", "namespace", "le"}  # what a scrape adds, and a bucket
# What the rules' own series carry, and metrics of others that the rules use.
OTHERS = {"up": set(), "ALERTS": {"alertname", "alertstate", "severity"},
          "kubelet_volume_stats_available_bytes": {"persistentvolumeclaim"}, "kubelet_volume_stats_capacity_bytes": {"persistentvolumeclaim"}}
# Used here, and not yet in deploy/metrics.md: empty but while they are being added.
TO_COME: dict[str, set[str]] = {}
NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
WEBHOOKS = re.compile(r'route=~"(/\(api[^"]*)"')
DURATION = re.compile(r"(?<![\w.])(\d+)(ms|[smhdwy])(?!\w)")
SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31536000}
WORDS = {"by", "without", "on", "ignoring", "group_left", "group_right", "and", "or", "unless", "offset", "bool", "inf", "nan"}
# A page's parts, in their order.
PAGE = re.compile(r"# (\w+)\n\n\*\*What is broken, and for whom\.\*\* .+?\n\n\*\*First\*\*\n\n```sh\n(.+?)\n```\n\n\*\*Cures\*\*\n\n- .+?\n\n\*\*Ends alone\.\*\* .+\n", re.S)


class Rule(typing.NamedTuple):
    file: str
    alert: bool
    name: str
    expr: str
    labels: dict[str, str]
    annotations: dict[str, str]


class Panel(typing.NamedTuple):
    dashboard: str
    title: str
    unit: str
    description: str
    exprs: list[str]


@dataclasses.dataclass
class Used:
    """What an expression names: metrics, with the labels that it asks of each; and labels that it groups by."""
    metrics: dict[str, set[str]]
    grouped: set[str]


def used(expr: str) -> Used:
    bare = re.sub(r'"(?:[^"\\]|\\.)*"', '""', expr)
    grouped = {label for part in re.findall(r"\b(?:by|on|without|ignoring|group_left|group_right)\s*\(([^)]*)\)", bare) for label in NAME.findall(part)}
    bare = re.sub(r"\b(by|on|without|ignoring|group_left|group_right)\s*\([^)]*\)", " ", bare)
    bare = re.sub(r"\[[^\]]*\]|\boffset\s+\S+", " ", bare)
    out: dict[str, set[str]] = {}
    for found in re.finditer(r"([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(\{[^}]*\}|\()?", re.sub(r"(?<![\w:])\d[\w.]*", " ", bare)):
        name, tail = found[1], found[2] or ""
        if tail == "(" or name.lower() in WORDS:
            continue
        out.setdefault(name, set()).update(re.findall(r"([a-zA-Z_]\w*)\s*(?:=~|!~|!=|=)", tail))
    return Used(out, grouped)


def rules(repo: pathlib.Path = REPO) -> list[Rule]:
    out = []
    for path in sorted((repo / "deploy/prometheus/rules").glob("*.yaml")):
        for group in yaml.safe_load(path.read_text())["groups"]:
            for r in group["rules"]:
                out.append(Rule(path.name, "alert" in r, r.get("alert") or r["record"], r["expr"], r.get("labels", {}), r.get("annotations", {})))
    return out


def panels(repo: pathlib.Path = REPO) -> list[Panel]:
    out = []
    for path in sorted((repo / "deploy/grafana").glob("*.json")):
        for p in json.loads(path.read_text())["panels"]:
            if p["type"] == "row":
                continue
            out.append(Panel(path.stem, p["title"], p.get("fieldConfig", {}).get("defaults", {}).get("unit", ""), p.get("description", ""),
                             [t["expr"] for t in p.get("targets", [])]))
    return out


def declared(repo: pathlib.Path = REPO) -> dict[str, set[str]]:
    """Each series' name of deploy/metrics.md, with its labels."""
    out = {}
    for name, kind, labels in re.findall(r"^\| `(\w+)` \| (\w+) \| ([^|]*) \|", (repo / "deploy/metrics.md").read_text(), re.M):
        has = set(re.findall(r"`(\w+)`", labels))
        for end in ("_bucket", "_count", "_sum") if kind == "histogram" else ("",):
            out[name + end] = has
    return out


def known(repo: pathlib.Path = REPO) -> dict[str, set[str]]:
    """What an expression may name: declared metrics, those of others, and what the rules record."""
    out = {**{k: v for k, v in OTHERS.items()}, **declared(repo)}
    for name, labels in TO_COME.items():
        out[name] = out.get(name, set()) | labels
    for rule in rules(repo):
        if not rule.alert:
            labels = out.setdefault(rule.name, set())
            labels |= set(rule.labels)
    for _ in range(3):  # a rule's series has the labels of what it is made of, at most
        for rule in rules(repo):
            if not rule.alert:
                for name in used(rule.expr).metrics:
                    out[rule.name] |= out.get(name, set())
    return out


def expressions(repo: pathlib.Path = REPO) -> list[tuple[str, str]]:
    return [(f"{r.file}: {r.name}", r.expr) for r in rules(repo)] + [(f"{p.dashboard}: {p.title}", e) for p in panels(repo) for e in p.exprs]


def seeds_alerts() -> set[str]:
    """Of seed 002's five, those whose service exists."""
    return {"SignaturesFail", "RecordingsFail", "TranscriptionFails", "AnalysisLate"}


def faults(repo: pathlib.Path = REPO) -> typing.Iterator[str]:
    every = rules(repo)
    alerts = {r.name for r in every if r.alert}
    series = known(repo)
    for where, expr in expressions(repo):
        uses = used(expr)
        if not uses.metrics and "vector(" not in expr:
            yield f"{where}: names no metric"
        for name, labels in uses.metrics.items():
            if name not in series:
                yield f"{where}: nobody exposes {name} (deploy/metrics.md)"
                continue
            for label in sorted(labels - series[name] - TARGET_LABELS):
                yield f"{where}: {name} has no label {label}"
        have = TARGET_LABELS.union(*(series.get(n, set()) for n in uses.metrics)) if uses.metrics else TARGET_LABELS
        for label in sorted(uses.grouped - have):
            yield f"{where}: groups by {label}, which nothing in it has"
    for rule in every:
        if rule.alert:
            where = f"{rule.file}: {rule.name}"
            if rule.labels.get("severity") not in ("page", "ticket", "none"):
                yield f"{where}: severity is page, ticket or none"
            if set(rule.annotations) != {"summary", "impact", "runbook"}:
                yield f"{where}: annotations are summary, impact and runbook"
            elif rule.annotations["runbook"] != f"deploy/runbooks/{rule.name}.md":
                yield f"{where}: its runbook is deploy/runbooks/{rule.name}.md"
            for label in re.findall(r"\$labels\.(\w+)", " ".join(rule.annotations.values())):
                if not any(label in series.get(n, set()) | TARGET_LABELS for n in used(rule.expr).metrics):
                    yield f"{where}: tells of the label {label}, which it does not have"
    for folder, what in (("prometheus/tests", "test"), ("runbooks", "page")):
        there = {p.stem for p in (repo / "deploy" / folder).iterdir() if p.stem != "README"}
        for name in sorted(alerts - there):
            yield f"{name}: has no {what} in deploy/{folder}"
        for name in sorted(there - alerts):
            yield f"deploy/{folder}: {name} is no alert"
    yield from faults_of_tests(repo)
    yield from faults_of_pages(repo)
    for name in sorted(seeds_alerts() - alerts):
        yield f"{name}: seed 002 asks for it"
    for panel in panels(repo):
        for what in ("title", "unit", "description"):
            if not getattr(panel, what):
                yield f"{panel.dashboard}: {panel.title}: has no {what}"
    services = manifest.services(repo)
    for where, expr in expressions(repo):
        for pattern in WEBHOOKS.findall(expr):
            for service in services.values():
                for route in service.routes:
                    if bool(re.fullmatch(pattern, route.prefix)) != ("spool" in service.needs):
                        yield f"{where}: {pattern} does not tell webhooks from other routes: {route.prefix} of {service.name}"


def faults_of_tests(repo: pathlib.Path) -> typing.Iterator[str]:
    for path in sorted((repo / "deploy/prometheus/tests").glob("*.yaml")):
        fires = silent = False
        for group in yaml.safe_load(path.read_text())["tests"]:
            for t in group.get("promql_expr_test", []):
                if f'alertname="{path.stem}"' in t["expr"] and "firing" in t["expr"]:
                    fires = fires or bool(t.get("exp_samples"))
                    silent = silent or not t.get("exp_samples")
        if not fires or not (silent or path.stem == "Watchdog"):
            yield f"deploy/prometheus/tests/{path.name}: has a case in which it fires, and one in which it is silent"


def faults_of_pages(repo: pathlib.Path) -> typing.Iterator[str]:
    ottoctl = set(re.findall(r"^\| `([a-z-]+)", (repo / "services/ottoctl/README.md").read_text(), re.M))
    for path in sorted((repo / "deploy/runbooks").glob("*.md")):
        text = path.read_text()
        page = PAGE.fullmatch(text)
        if path.stem != "README" and (not page or page[1] != path.stem):
            yield f"deploy/runbooks/{path.name}: is not what is broken, first command, cures, when it ends alone"
        for command in re.findall(r"\bottoctl ([a-z][a-z-]+)", text):
            if command not in ottoctl:
                yield f"deploy/runbooks/{path.name}: there is no ottoctl {command}"
        for link in re.findall(r"\]\((\w+\.md)\)", text):
            if not (path.parent / link).exists():
                yield f"deploy/runbooks/{path.name}: there is no {link}"
        for file in re.findall(r"(?<![\w/.])((?:deploy|k8s|services|tests)/[\w./-]+\w)", text):
            if not (repo / file).exists():
                yield f"deploy/runbooks/{path.name}: there is no {file}"


def unparsable(repo: pathlib.Path = REPO) -> str:
    """What promtool says against the rules, their tests, and the dashboards' expressions; "" if nothing."""
    with tempfile.TemporaryDirectory() as folder:
        of_panels = pathlib.Path(folder) / "panels.yaml"
        of_panels.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": [
            {"record": f"panel:{i}", "expr": expr} for i, expr in enumerate(e for p in panels(repo) for e in p.exprs)]}]}))
        files = [str(p) for p in sorted((repo / "deploy/prometheus/rules").glob("*.yaml"))]
        tests = [str(p) for p in sorted((repo / "deploy/prometheus/tests").glob("*.yaml"))]
        for command in (["check", "rules", *files, str(of_panels)], ["test", "rules", *tests]):
            done = subprocess.run(["promtool", *command], capture_output=True, text=True)
            if done.returncode != 0:
                return done.stdout + done.stderr
    return ""


def faster(text: str, by: float) -> str:
    """The rules, with all durations divided; none below a second."""
    def divided(found: re.Match) -> str:
        ms = int(found[1]) * SECONDS[found[2]] * 1000 / by
        return f"{max(1, round(ms / 1000))}s"
    out = []
    for line in text.splitlines(keepends=True):
        name = re.match(r"\s*(- )?(record|alert|name|summary|impact|runbook):", line)
        # Names of windows stand in names of series too: otto:slo_burn:1h.
        out.append(line if name or line.lstrip().startswith("#") else re.sub(r"(?<!:)" + DURATION.pattern, divided, line))
    return "".join(out)


def ask(url: str, path: str, **args: str) -> typing.Any:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{url}/api/v1/{path}?{urllib.parse.urlencode(args)}", timeout=30) as answer:
            return json.load(answer)["data"]
    except urllib.error.HTTPError as e:
        raise ValueError(json.load(e).get("error", str(e))) from None


class Answer(typing.NamedTuple):
    where: str
    what: str  # data, silent (an alert), empty, not yet (a counter that has not moved), unknown (nobody exposes it), fails
    detail: str = ""


def answers(url: str) -> list[Answer]:
    """What a real Prometheus says to each expression."""
    there, says, out = set(ask(url, "label/__name__/values")), declared(), []
    alerts = {f"{r.file}: {r.name}" for r in rules() if r.alert}
    for where, expr in expressions():
        try:
            result = ask(url, "query", query=expr)["result"]
        except ValueError as e:
            out.append(Answer(where, "fails", str(e)))
            continue
        missing = sorted(n for n in used(expr).metrics if n not in there and n not in OTHERS and ":" not in n)
        unknown = [n for n in missing if n not in says]
        what = "unknown" if unknown else "not yet" if missing else "data" if result else "silent" if where in alerts else "empty"
        out.append(Answer(where, what, ", ".join(unknown or missing) or ("" if result else expr)))
    return out


def against(url: str) -> int:
    every = answers(url)
    for a in every:
        if a.what not in ("data", "silent"):
            print(f"{a.what:<8} {a.where}: {a.detail}")
    count = {what: sum(a.what == what for a in every) for what in ("data", "silent", "empty", "not yet", "unknown", "fails")}
    print(", ".join(f"{n} {what}" for what, n in count.items()))
    return 1 if count["unknown"] or count["fails"] else 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="deploy/watch.py", usage=(__doc__ or "").partition("usage: ")[2])
    parser.add_argument("--faster", nargs=2, metavar=("N", "FOLDER"))
    parser.add_argument("--against", metavar="URL")
    args = parser.parse_args()
    if args.faster:
        folder = pathlib.Path(args.faster[1])
        folder.mkdir(parents=True, exist_ok=True)
        for path in sorted((REPO / "deploy/prometheus/rules").glob("*.yaml")):
            (folder / path.name).write_text(faster(path.read_text(), float(args.faster[0])))
        return 0
    if args.against:
        return against(args.against.rstrip("/"))
    found = list(faults())
    print("\n".join(found) or f"{len({r.name for r in rules() if r.alert})} alerts, {len(panels())} panels")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
