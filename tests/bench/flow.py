"""Measures of the way of an event: ingress, tenant-router, lead-pipeline."""

import itertools
import json
import os
import pathlib
import subprocess
import time
import typing

from .harness import SEED, SERVICES, Bench, Company, Cpu, Ends, Row, compilers_cpu, eventually, follow, limited_by, median, pss_mb, say, skip

CONNECTIONS = 256
WRK_S = 4
HALF_LOAD_S = 12  # the broker collects its young heap each 15 s at that rate, for 40 ms: of 4 s that would be 1 %, and p99 the length of a collection
DISTINCT = 40_000
HERE = pathlib.Path(__file__).resolve().parent


def company_args(companies: list[Company]) -> list[str]:
    return [word for c in companies for word in ("--company", f"{c.id},{c.number},{c.key}")]


def now_us() -> int:
    return int(time.time() * 1e6)


def warm_up(once: typing.Callable[[], float], most: int = 12) -> None:
    """Until the rate no longer rises, twice: a broker that has just started still compiles its own code, and costs several times what it will."""
    best, level = once(), 0
    for _ in range(most - 1):
        now = once()
        level = level + 1 if now < best * 1.05 else 0
        best = max(best, now)
        if level == 2:
            return


def until_compiled(bench: Bench, once: typing.Callable[[], object], most: int = 15) -> None:
    """Until the compilers of the broker's JVM have kept less than 2 % of a core busy, twice: while they work they take a core of the two for a tenth of a second at a time."""
    kafka, level = typing.cast(int, bench.pid("kafka")), 0
    for _ in range(most):
        before, began = compilers_cpu(kafka), time.monotonic()
        once()
        level = level + 1 if compilers_cpu(kafka) - before < 0.02 * (time.monotonic() - began) else 0
        if level == 2:
            return
    say(f"the broker still compiles after {most} windows")


# ---- ingress


def wrk(port: int, requests: pathlib.Path, seconds: float) -> dict[str, typing.Any]:
    done = subprocess.run(["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds:.0f}s", "--timeout", "10s", "-s", str(HERE / "src" / "webhooks.lua"), f"http://127.0.0.1:{port}", "--", str(requests)],
                          capture_output=True, text=True, timeout=120)
    line = next((li for li in done.stdout.splitlines() if li.startswith("JSON ")), None)
    if line is None:
        raise RuntimeError(f"wrk failed: {done.stdout[-1000:]}{done.stderr[-1000:]}")
    out = dict(json.loads(line[5:]))
    if out["not_2xx"] or out["socket_errors"]:
        raise RuntimeError(f"wrk: not every answer was good: {out}")
    return out


def loaded(bench: Bench, name: str, port: int, requests: pathlib.Path) -> dict[str, typing.Any]:
    """wrk against one server: requests a second, and the server's CPU per request."""
    cpu = Cpu(bench, name, "kafka")
    with bench.profiled(name):
        out = wrk(port, requests, WRK_S)
    used = cpu.used()
    return out | {"requests_per_s": out["requests"] / out["seconds"], "cpu_us": used[name] / out["requests"] * 1e6, "cores": cpu.shares()}


def ingress(bench: Bench, companies: list[Company], rounds: int) -> list[Row]:
    bench.keep_only("callrail-ingress")
    ours_port = int(bench.settings["OTTO_PORT_CALLRAIL_INGRESS"])
    requests = bench.folder / "webhooks"
    subprocess.run(bench.program("make-webhooks", "--seed", SEED, "--count", DISTINCT, "--start-us", now_us(), "--out", requests, *company_args(companies)), check=True)
    bare_port = bench.bare_server()
    warm_up(lambda: wrk(ours_port, requests, 2)["requests"])
    ours, limit = [], []
    for n in range(rounds):
        limit.append(loaded(bench, "bare-server", bare_port, requests))
        ours.append(loaded(bench, "callrail-ingress", ours_port, requests))
        say(f"ingress {n + 1}/{rounds}: bare {limit[-1]['requests_per_s']:.0f}/s {limit[-1]['cpu_us']:.1f} µs, ingress {ours[-1]['requests_per_s']:.0f}/s {ours[-1]['cpu_us']:.1f} µs {ours[-1]['cores']}")
    both = [{"ours": o, "limit": li} for o, li in zip(ours, limit)]
    held = limited_by(ours, names={"load": "wrk"})
    rows = [
        Row("ingress: CPU per webhook", median(ours, "cpu_us"), "µs", median(limit, "cpu_us"), 3.0, 1.8, "less", "parse, HMAC, Protobuf, log line, produce and report; see README", both),
        Row("ingress: webhooks/s", median(ours, "requests_per_s"), "/s", median(limit, "requests_per_s"), 0.35, 0.45, "more", held, both),
    ]
    if (bench.programs / "bench-open-loop").exists():
        rate = median(ours, "requests_per_s") / 2

        def timed(port: int, seconds: int) -> dict[str, typing.Any]:
            return bench.report("open-loop", "--port", port, "--requests", requests, "--rate", f"{rate:.0f}", "--seconds", seconds, "--connections", CONNECTIONS)

        until_compiled(bench, lambda: timed(ours_port, WRK_S))
        late = []
        for n in range(rounds):
            bare = timed(bare_port, WRK_S)
            cpu = Cpu(bench, "callrail-ingress", "kafka")
            late.append(timed(ours_port, HALF_LOAD_S) | {"cores": cpu.shares(), "bare_p99_ms": bare["p99_ms"], "bare_max_ms": bare["max_ms"]})
            say(f"ingress at half load {n + 1}/{rounds}: {late[-1]}")
            if late[-1]["not_2xx"] or late[-1]["errors"]:
                raise RuntimeError(f"open loop: not every answer was good: {late[-1]}")
        rows.append(Row(f"ingress: p99 at half load ({rate:.0f}/s, open loop)", median(late, "p99_ms"), "ms", None, 15, 8, "less", limited_by(late), late))
    bench.stop("bare-server")
    return rows


# ---- tenant-router

ROUTER_CALLS = 60_000


def router(bench: Bench, companies: list[Company], rounds: int) -> list[Row]:
    """A backlog on otto.inbound, through tenant-router to otto.routed; and through the bare relay to a topic beside it."""
    bench.keep_only()
    topic = "bench.relay"
    bench.make_topic(topic)
    lanes = min(len(os.sched_getaffinity(0)), 12)

    def timed(to: str, events: int, starting: typing.Callable[[], None], process: str) -> dict[str, typing.Any]:
        with Ends(bench.brokers, to) as ends:
            before = ends.total()
            starting()
            cpu = Cpu(bench, process, "kafka", "postgres")
            with bench.profiled(process):
                seconds, counted = follow(ends.total, before, events, 0.02, 180, process)
        return {"events_per_s": counted / seconds, "seconds": seconds, "cores": cpu.shares(), "cpu_us": cpu.used()[process] / events * 1e6}

    def relay_on() -> None:
        bench.extra["relay"] = subprocess.Popen(bench.program("relay", "--brokers", bench.brokers, "--from", "otto.inbound", "--to", topic, "--group", "bench-relay", "--threads", lanes))

    skip(bench)
    with Ends(bench.brokers, "otto.inbound", "bench-relay") as ends:
        ends.commit_all()
    ours, limit = [], []
    for n in range(rounds):
        events = bench.report("backlog", "--brokers", bench.brokers, "--topic", "otto.inbound", "--seed", SEED + 1, "--calls", ROUTER_CALLS, "--numbers", 20_000, "--first-call", n * ROUTER_CALLS,
                              "--start-us", now_us() - 300_000_000, *company_args(companies))["events"]
        limit.append(timed(topic, events, relay_on, "relay"))
        settled(bench, "bench-relay", "otto.inbound")
        bench.stop("relay")
        ours.append(timed("otto.routed", events, lambda: bench.start("tenant-router") and None, "tenant-router"))
        settled(bench, "tenant-router", "otto.inbound")
        bench.stop("tenant-router")
        say(f"router {n + 1}/{rounds}: relay {limit[-1]['events_per_s']:.0f}/s, tenant-router {ours[-1]['events_per_s']:.0f}/s {ours[-1]['cpu_us']:.1f} µs {ours[-1]['cores']}")
    both = [{"ours": o, "limit": li} for o, li in zip(ours, limit)]
    return [Row("tenant-router: events/s", median(ours, "events_per_s"), "/s", median(limit, "events_per_s"), 0.5, 0.7, "more", limited_by(ours), both)]


def settled(bench: Bench, group: str, topic: str) -> None:
    """Waits until the group has committed all of the topic."""
    with Ends(bench.brokers, topic, group) as ends:
        eventually(lambda: ends.lag() == 0, within=240, what=f"{group} at the end of {topic}")


# ---- lead-pipeline

PIPELINE_CALLS = 66_667
PIPELINE_NUMBERS = 20_000


def caught_up(bench: Bench, load: list[typing.Any], consumer: str = "lead-pipeline") -> dict[str, typing.Any]:
    """A backlog on otto.routed, then lead-pipeline: how fast that consumer of its takes it."""
    def done() -> int:
        return int(bench.sql("SELECT coalesce(sum(next_offset), 0) FROM lanes WHERE consumer = %s AND topic = 'otto.routed'", consumer)[0][0])

    events = bench.report("backlog", "--brokers", bench.brokers, "--topic", "otto.routed", *load)["events"]
    bench.sql_as_owner("CHECKPOINT")
    before = done()
    bench.start("lead-pipeline")
    cpu = Cpu(bench, "lead-pipeline", "kafka", "postgres")
    with bench.profiled("lead-pipeline"):
        seconds, counted = follow(done, before, events, 0.05, 240, "lead-pipeline")
    used = cpu.used()
    seen = {"events_per_s": counted / seconds, "seconds": seconds, "cores": cpu.shares(), "cpu_us": used["lead-pipeline"] / events * 1e6, "postgres_us": used["postgres"] / events * 1e6}
    bench.stop("lead-pipeline")
    return seen


def pipeline(bench: Bench, companies: list[Company], rounds: int) -> list[Row]:
    """A backlog on otto.routed; and the same rows by set-based libpq batches into a database of the same schema."""
    bench.keep_only()
    limit_url = bench.make_database("bench_limit")
    lanes = min(2 * len(os.sched_getaffinity(0)), 12)

    skip(bench)
    ours, limit = [], []
    for n in range(rounds):
        load = ["--seed", SEED + 2, "--calls", PIPELINE_CALLS, "--numbers", PIPELINE_NUMBERS, "--first-call", 10_000_000 + n * PIPELINE_CALLS, "--first-number", 100_000 + n * PIPELINE_NUMBERS,
                "--spread-s", 30, "--start-us", now_us() - 300_000_000, *company_args(companies)]
        for database in ("otto", "bench_limit"):
            bench.sql_as_owner("ANALYZE", database)
        bench.sql_as_owner("CHECKPOINT")
        cpu = Cpu(bench, "postgres")
        limit.append(bench.report("pipeline-limit", "--url", limit_url, "--connections", lanes, "--batch", 250, *load) | {"cores": cpu.shares()})
        ours.append(caught_up(bench, load))
        say(f"pipeline {n + 1}/{rounds}: libpq {limit[-1]['events_per_s']:.0f}/s {limit[-1]['cores']}, lead-pipeline {ours[-1]['events_per_s']:.0f}/s {ours[-1]['cpu_us']:.1f} µs {ours[-1]['cores']}")
    both = [{"ours": o, "limit": li} for o, li in zip(ours, limit)]
    return [Row("lead-pipeline: events/s from a backlog", median(ours, "events_per_s"), "/s", median(limit, "events_per_s"), 0.4, 0.6, "more", limited_by(ours), both)]


# ---- from webhook to dashboard

VISIBLE_COMPANIES = 5
VISIBLE_S = 5


def visible(bench: Bench, companies: list[Company], rounds: int) -> list[Row]:
    """500 webhooks a second through the gateway; how long until the newest page of their company's calls shows each."""
    bench.keep_only()
    skip(bench)
    bench.all_up()
    some = companies[:VISIBLE_COMPANIES]
    tokens = [word for c in some for word in ("--token", bench.token("csr", c.id, ttl_s=3600))]

    fresh = itertools.count(20_000_000, 100_000)  # no call is sent twice

    def once(seconds: float, strict: bool = True) -> dict[str, typing.Any]:
        cpu = Cpu(bench, *SERVICES, "nginx", "kafka", "postgres")
        out = bench.report("visible", "--port", bench.env["OTTO_PORT"], "--seed", SEED + 3, "--first", next(fresh), "--rate", 500, "--seconds", seconds, "--poll-ms", 40, "--limit", 100,
                           "--start-us", now_us(), *company_args(some), *tokens)
        if strict and (out["not_2xx"] or out["errors"] or out["unseen"]):
            raise RuntimeError(f"not every webhook was answered 2xx and seen: {out}")
        return out | {"cores": cpu.shares()}

    # The first rows, then statistics about them: on tables that were never analyzed the first plans are poor ones.
    once(2, strict=False)
    bench.sql_as_owner("VACUUM (ANALYZE)")  # and what autovacuum would do meanwhile, if other measures have left a million rows
    warm_up(lambda: 1 / max(once(2, strict=False)["p99_ms"], 1), 4)
    ours = []
    for n in range(rounds):
        ours.append(once(VISIBLE_S))
        say(f"visible {n + 1}/{rounds}: {ours[-1]}")
    return [Row("webhook sent → visible by GET /calls at 500/s: p99", median(ours, "p99_ms"), "ms", None, 400, 200, "less", limited_by(ours), ours)]


# ---- memory

MEMORY_CALLS = 333_334


def level(bench: Bench) -> bool:
    """Whether every consumer with rows stands where its topics end, and nothing waits in the outbox."""
    for topic, at in bench.sql("SELECT topic, min(at) FROM (SELECT topic, sum(next_offset) AS at FROM lanes WHERE topic <> 'otto.inbound' GROUP BY consumer, topic) l GROUP BY topic"):
        with Ends(bench.brokers, topic) as ends:
            if at != ends.total():
                return False
    return bench.sql("SELECT count(*) FROM outbox WHERE not_before IS NULL")[0][0] == 0


def memory(bench: Bench, companies: list[Company], _: int) -> list[Row]:
    """A million events from otto.routed, then quiet; what Otto's processes hold then. Once for each way of running."""
    rows = []
    for n, (what, must, aim) in enumerate((("--split", 300, 150), ("all-in-one", 120, 60))):
        bench.keep_only("sandbox")
        skip(bench)
        if what == "--split":
            bench.all_up()
            names: tuple[str, ...] = SERVICES
        else:
            bench.start("all-in-one")
            names = ("all-in-one",)
        # Calls without recordings: nobody has these, and whoever asks for one again and again is not idle.
        events = bench.report("backlog", "--brokers", bench.brokers, "--topic", "otto.routed", "--seed", SEED + 4, "--calls", MEMORY_CALLS, "--numbers", 100_000, "--first-call", 30_000_000 + n * MEMORY_CALLS,
                              "--first-number", 1_000_000 + n * 100_000, "--start-us", now_us() - 1_200_000_000, "--recorded", 0, *company_args(companies), timeout=600)["events"]
        eventually(lambda: level(bench), within=900, what="the end of a million events and of what followed from them")
        time.sleep(10)  # idle: what is given back is given back by then
        each = {name: round(pss_mb(typing.cast(int, bench.pid(name))), 1) for name in names}
        say(f"memory, {what}: {each}")
        rows.append(Row(f"memory (PSS), idle after {events} events, {what}", sum(each.values()), "MB", None, must, aim, "less", ", ".join(f"{k} {v:.0f}" for k, v in sorted(each.items(), key=lambda x: -x[1])), [each]))
    return rows
