"""tests/chaos/run: the scenarios, one after another, and the report."""

import argparse
import collections
import contextlib
import functools
import json
import os
import pathlib
import signal
import sys
import time
import traceback
import typing

from conftest import SERVICES, Company, eventually

from . import faults, resources, texts
from .analyses import Analyses
from .checker import check
from .cluster import Cluster, NotRun
from .leaver import Leaver
from .load import Load
from .reader import Reader

Fault = typing.Callable[[faults.World], faults.Seen]

KILLS: list[tuple[str, Fault]] = [(f"kill -9 of {name}", functools.partial(faults.kill9, name=name)) for name in SERVICES]
ROLLS: list[tuple[str, Fault]] = [(f"SIGTERM of {name}, a new one beside it", functools.partial(faults.rolling, name=name)) for name in SERVICES]
REBALANCES: list[tuple[str, Fault]] = [(f"a second {name} joins and leaves", functools.partial(faults.rebalance, name=name)) for name in ("tenant-router", "lead-pipeline", "company-service")]

SCENARIOS: dict[str, list[tuple[str, Fault]]] = {
    "processes": [*KILLS, *ROLLS, *REBALANCES, ("a partition of poison on otto.routed", faults.poison), ("a partition of poison on otto.inbound", functools.partial(faults.poison, topic="otto.inbound"))],
    "kafka": [
        ("Kafka stopped for 60 s", functools.partial(faults.kafka_away, seconds=60, how=signal.SIGTERM)),
        ("Kafka killed", functools.partial(faults.kafka_away, seconds=10, how=signal.SIGKILL)),
        ("Kafka's disk full", faults.kafka_disk_full),
        ("the spool's disk full", faults.spool_disk_full),
        ("resets and stalls between services and Kafka", faults.kafka_network),
    ],
    "postgres": [
        ("Postgres stopped for 60 s", functools.partial(faults.postgres_away, seconds=60, killed=False)),
        ("Postgres killed", functools.partial(faults.postgres_away, seconds=5, killed=True)),
        ("Postgres out of connections", faults.postgres_out_of_connections),
        ("Postgres failing over, 10 s read-only", faults.postgres_failover),
        ("Postgres by two hosts, the primary moves", faults.postgres_two_hosts),
    ],
    "time": [
        ("lead-pipeline stopped by SIGSTOP in a transaction, resumed after 30 s", functools.partial(faults.zombie, name="lead-pipeline")),
        ("the clock steps by an hour", faults.clock_steps),
        ("Kafka, Postgres and every service killed together", faults.mixed),
    ],
    "resources": resources.CLIENTS,
    "greedy": resources.GREEDY,
    "backlog": resources.BACKLOG,
    "texts": texts.SCENARIO,
}
# Scenarios in which the load is there for what stands beside it, and which take longer: webhooks a second at most, and seconds.
RATES, LIMITS = {"texts": 50.0}, {"texts": 1_500.0}
# Seconds are promises of the full scenarios, which have the machine for themselves; what runs within a build, with whatever neighbours, is there for the rest.
SHORT_SLACK = 4.0
SHORT: list[tuple[str, Fault]] = [
    *KILLS,
    ROLLS[SERVICES.index("callrail-ingress")],
    ROLLS[SERVICES.index("query-service")],
    REBALANCES[1],
    ("a partition of poison on otto.routed", functools.partial(faults.poison, n=300)),
    ("Kafka killed", functools.partial(faults.kafka_away, seconds=3, how=signal.SIGKILL)),
    ("Postgres killed", functools.partial(faults.postgres_away, seconds=3, killed=True)),
    ("lead-pipeline stopped by SIGSTOP in a transaction, resumed after 15 s", functools.partial(faults.zombie, name="lead-pipeline", frozen_for=15)),
]


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


def settle(cluster: Cluster) -> list[str]:
    """Waits until nothing is on its way; what is after 90 s is a fault."""
    try:
        eventually(lambda: not any((standing := cluster.standing()).values()) or print("          on its way:", standing, flush=True), within=90, what="the end of all that was on its way")
    except AssertionError as e:
        return [str(e)]
    return []


def play(name: str, acts: list[tuple[str, Fault]], seed: int, rate: float, limit: float, slack: float, analysed: bool) -> dict[str, typing.Any]:
    """One scenario: a fresh stack, the load, the faults, and what is there at the end."""
    began = time.monotonic()
    say(f"== {name}")
    report: dict[str, typing.Any] = {"scenario": name, "faults": [], "check": {}, "broken": [], "tables": []}
    cluster = Cluster()
    load = reads = analyses = None
    try:
        cluster.up()
        companies = [Company(cluster) for _ in range(4)]
        for company in companies:
            company.connect_twilio()
        load = Load(int(cluster.env["OTTO_PORT"]), companies, seed, rate)
        reads = Reader(cluster.url, cluster.token("csr", companies[0].id, ttl_s=86_400))
        world = faults.World(cluster, load, reads, [], slack, report["tables"])
        load.start()
        reads.start()
        if analysed:
            analyses = Analyses(cluster, seed, pause=1.0)
            analyses.start()
        eventually(lambda: cluster.rows_applied() > rate, what="the first rows")
        for title, act in acts:
            row: dict[str, typing.Any] = {"fault": title}
            report["faults"].append(row)
            if time.monotonic() - began > limit:
                row |= {"verdict": "not run", "why": f"the scenario's time ({limit:.0f} s) was over"}
                continue
            leaver = Leaver(cluster, companies[-1])
            since = time.time()
            leaver.start()
            try:
                row["seen"] = act(world)
                row["verdict"] = "ok"
            except NotRun as e:
                row |= {"verdict": "not run", "why": str(e)}
            except Exception as e:  # noqa: BLE001  what broke is the report's business
                row |= {"verdict": "FAILED", "why": f"{type(e).__name__}: {e}"}
                if not isinstance(e, AssertionError) or os.environ.get("OTTO_CHAOS_TRACE"):
                    traceback.print_exc()
                report["broken"].append(title)
            sends = load.during(since, time.time())
            answered = sorted(s.seconds for s in sends if s.status // 100 == 2)
            if strange := collections.Counter(s.status for s in sends if s.status not in (0, 200, 204, 401, 503)):
                row["seen"] = row.get("seen", {}) | {"other answers": dict(strange)}
            row |= {"seconds": round(time.time() - since, 1), "webhooks": len(sends), "2xx": len(answered), "401": sum(s.status == 401 for s in sends), "503": sum(s.status == 503 for s in sends),
                    "other": sum(s.status // 100 != 2 and s.status not in (0, 401, 503) for s in sends), "no answer": sum(s.status == 0 for s in sends),
                    "p99 ms": round(answered[int(len(answered) * 0.99)] * 1000) if answered else 0, "max ms": round(answered[-1] * 1000) if answered else 0}
            say(f"{row['verdict']:8} {title}: " + ", ".join(f"{k} {v}" for k, v in row.items() if k not in ("fault", "verdict", "seen", "why")) + "".join(f"; {k} {v}" for k, v in row.get("seen", {}).items())
                + (f"\n          {row['why']}" if "why" in row else ""))
            report["broken"] += [f"{title}: {name} ended by itself" for name in SERVICES for i in cluster.instances[name] if not i.alive()]
            if not recover(cluster):
                report["broken"].append(f"{title}: the stack did not come back")
                break
            report["broken"] += [f"{title}: {broken}" for broken in leaver.broken("Kafka" in title)]
        load.stop()
        reads.stop()
        if analyses:
            analyses.stop()
        begun = time.monotonic()
        report["broken"] += settle(cluster)
        settled = f"{time.monotonic() - begun:.1f} s"
        of_analyses: dict[str, int] = {}
        if analyses:
            of_analyses, broken = analyses.check()
            report["broken"] += broken + settle(cluster)  # the last analyses came after the last webhooks were through
        findings = check(cluster, load, world.orderless)
        report["check"] = findings.counts | {"settled after": settled} | of_analyses
        report["broken"] += findings.faults
    except Exception as e:  # noqa: BLE001
        traceback.print_exc()
        report["broken"].append(f"{type(e).__name__}: {e}")
    finally:
        for part in (load, reads):
            if part:
                part.running = False
        if report["broken"] and os.environ.get("OTTO_KEEP_LOGS"):
            import shutil

            shutil.copytree(cluster.folder / "logs", pathlib.Path(os.environ["OTTO_KEEP_LOGS"]) / name, dirs_exist_ok=True)
        if load and load.running:
            load.stop()
        if analyses:
            analyses.stop()
        cluster.down()
    report["seconds"] = round(time.monotonic() - began, 1)
    say(f"check: {', '.join(f'{k} {v}' for k, v in report['check'].items())}")
    for broken in report["broken"]:
        say(f"BROKEN   {broken}")
    say(f"== {name}: {'ok' if not report['broken'] else 'FAILED'} after {report['seconds']} s")
    return report


def recover(cluster: Cluster) -> bool:
    """Whatever a fault that failed has left lying goes up again, so that the next one has something to break."""
    try:
        for name in SERVICES:
            for instance in list(cluster.instances[name]):
                if not instance.alive():
                    cluster.gone(instance)
            while len(cluster.instances[name]) > 1:
                cluster.stop(cluster.instances[name][0])
            if not cluster.instances[name]:
                cluster.restart(name)
            cluster.wait_ready(cluster.one(name))
        return True
    except Exception as e:  # noqa: BLE001
        say(f"recovery failed: {e}")
        return False


def table(reports: list[dict[str, typing.Any]]) -> str:
    lines = [f"{'fault':66} {'verdict':8} {'s':>6} {'webhooks':>8} {'2xx':>7} {'401':>5} {'503':>6} {'other':>5} {'none':>5} {'p99 ms':>6} {'max ms':>6}"]
    for r in reports:
        for f in r["faults"]:
            lines.append(f"{f['fault']:66} {f['verdict']:8} " + (f"{f['seconds']:6} {f['webhooks']:8} {f['2xx']:7} {f['401']:5} {f['503']:6} {f['other']:5} {f['no answer']:5} {f['p99 ms']:6} {f['max ms']:6}" if "seconds" in f else f.get("why", "")))
        lines.append(f"  {r['scenario']}: " + ", ".join(f"{k} {v}" for k, v in r["check"].items()))
        lines += [f"  BROKEN {b}" for b in r["broken"]]
        lines += [f"\n{t}\n" for t in r["tables"]]
    return "\n".join(lines)


def main() -> int:
    options = argparse.ArgumentParser(prog="tests/chaos/run", description="Faults made to happen against a running stack under load, and the proof that nothing was lost or doubled.")
    options.add_argument("--short", action="store_true", help="one scenario of at most 4 minutes")
    options.add_argument("--only", action="append", choices=SCENARIOS, help="this scenario (may be repeated)")
    options.add_argument("--fault", help="only faults whose name holds this")
    options.add_argument("--seed", type=int, default=20261121)
    options.add_argument("--rate", type=float, help="webhooks a second (300; short: 100)")
    options.add_argument("--report", type=pathlib.Path, help="the report as JSON")
    given = options.parse_args()
    with contextlib.suppress(OSError):  # who sends and watches is no competitor of what is watched: a starved one would see time-outs that nobody else does
        pathlib.Path("/proc/self/autogroup").write_text("-10")
    given.rate = given.rate or (100 if given.short else 300)
    say(f"seed {given.seed}, {given.rate:.0f} webhooks/s, load average {os.getloadavg()[0]:.1f}")
    plays = {"short": SHORT} if given.short else {k: v for k, v in SCENARIOS.items() if not given.only or k in given.only}
    if given.fault:
        plays = {k: [a for a in v if given.fault in a[0] or a in texts.ENDS] for k, v in plays.items() if any(given.fault in a[0] for a in v)}
    reports = [play(name, acts, given.seed, min(given.rate, RATES.get(name, given.rate)), 190 if given.short else LIMITS.get(name, 660), SHORT_SLACK if given.short else 1.0,
                    analysed=not given.short and name != "texts") for name, acts in plays.items() if acts]
    if given.report:
        given.report.write_text(json.dumps({"seed": given.seed, "rate": given.rate, "scenarios": reports}, indent=1, default=str))
    print(table(reports))
    faults_ = [f for r in reports for f in r["faults"]]
    count = lambda verdict: sum(f["verdict"] == verdict for f in faults_)  # noqa: E731
    broken = sum(len(r["broken"]) for r in reports)
    print(f"\nchaos: {count('ok')} faults survived, {count('FAILED')} failed, {count('not run')} not run; {broken} promises broken")
    return 1 if broken or count("FAILED") else 0


sys.exit(main())
