"""Measures of the way of an event: ingress, tenant-router, lead-pipeline."""

import json
import os
import pathlib
import subprocess
import time
import typing

from .harness import SEED, Bench, Company, Cpu, Ends, Row, cpu_of, eventually, follow, free_port, limited_by, median, running, say

CONNECTIONS = 256
WRK_S = 4
DISTINCT = 40_000
HERE = pathlib.Path(__file__).resolve().parent


def company_args(companies: list[Company]) -> list[str]:
    return [word for c in companies for word in ("--company", f"{c.id},{c.number},{c.key}")]


def now_us() -> int:
    return int(time.time() * 1e6)


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
    bare_port = free_port()
    bench.extra["bare-server"] = subprocess.Popen(bench.program("bare-server", "--port", bare_port))
    wrk(ours_port, requests, 2)  # connections, topic metadata and caches are warm
    ours, limit = [], []
    for n in range(rounds):
        limit.append(loaded(bench, "bare-server", bare_port, requests))
        ours.append(loaded(bench, "callrail-ingress", ours_port, requests))
        say(f"ingress {n + 1}/{rounds}: bare {limit[-1]['requests_per_s']:.0f}/s {limit[-1]['cpu_us']:.1f} µs, ingress {ours[-1]['requests_per_s']:.0f}/s {ours[-1]['cpu_us']:.1f} µs {ours[-1]['cores']}")
    bench.stop("bare-server")
    both = [{"ours": o, "limit": li} for o, li in zip(ours, limit)]
    held = limited_by(ours, names={"load": "wrk"})
    rows = [
        Row("ingress: CPU per webhook", median(ours, "cpu_us"), "µs", median(limit, "cpu_us"), 3.0, 1.8, "less", "parse, HMAC, Protobuf, log line, produce and report; see README", both),
        Row("ingress: webhooks/s", median(ours, "requests_per_s"), "/s", median(limit, "requests_per_s"), 0.35, 0.45, "more", held, both),
    ]
    if (bench.programs / "bench-open-loop").exists():
        rate = median(ours, "requests_per_s") / 2
        late = []
        for n in range(rounds):
            cpu = Cpu(bench, "callrail-ingress", "kafka")
            late.append(bench.report("open-loop", "--port", ours_port, "--requests", requests, "--rate", f"{rate:.0f}", "--seconds", WRK_S, "--connections", CONNECTIONS) | {"cores": cpu.shares()})
            say(f"ingress at half load {n + 1}/{rounds}: {late[-1]}")
            if late[-1]["not_2xx"] or late[-1]["errors"]:
                raise RuntimeError(f"open loop: not every answer was good: {late[-1]}")
        rows.append(Row(f"ingress: p99 at half load ({rate:.0f}/s, open loop)", median(late, "p99_ms"), "ms", None, 15, 8, "less", limited_by(late), late))
    return rows


# ---- tenant-router

ROUTER_CALLS = 100_000


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

    # What the ingress measure has left is not part of it.
    bench.start("tenant-router")
    relay_on()
    settled(bench, "tenant-router", "otto.inbound")
    settled(bench, "bench-relay", "otto.inbound")
    bench.stop("tenant-router", "relay")
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
    import confluent_kafka

    consumer = confluent_kafka.Consumer({"bootstrap.servers": bench.brokers, "group.id": group, "enable.auto.commit": False})
    partitions = [confluent_kafka.TopicPartition(topic, p) for p in range(12)]

    def lag() -> int:
        ends = [consumer.get_watermark_offsets(p, timeout=10) for p in partitions]
        return sum(max(0, end - max(at.offset, low)) for at, (low, end) in zip(consumer.committed(partitions, timeout=10), ends))

    try:
        eventually(lambda: lag() == 0, within=240, what=f"{group} at the end of {topic}")
    finally:
        consumer.close()


# ---- lead-pipeline

PIPELINE_CALLS = 66_667
PIPELINE_NUMBERS = 20_000


def pipeline(bench: Bench, companies: list[Company], rounds: int) -> list[Row]:
    """The backlog of the issue, from otto.routed; and the same rows by set-based libpq batches into a database of the same schema."""
    bench.keep_only()
    limit_url = bench.make_database("bench_limit")
    lanes = min(len(os.sched_getaffinity(0)), 12)

    def done() -> int:
        return int(bench.sql("SELECT coalesce(sum(next_offset), 0) FROM lanes WHERE consumer = 'lead-pipeline'")[0][0])

    # Others' events on the topic are worked off first, so that the counted ones are the only ones.
    bench.start("lead-pipeline")
    caught_up(bench, done)
    bench.stop("lead-pipeline")
    ours, limit = [], []
    for n in range(rounds):
        load = ["--seed", SEED + 2, "--calls", PIPELINE_CALLS, "--numbers", PIPELINE_NUMBERS, "--first-call", 10_000_000 + n * PIPELINE_CALLS, "--first-number", 100_000 + n * PIPELINE_NUMBERS,
                "--spread-s", 30, "--start-us", now_us() - 300_000_000, *company_args(companies)]
        for database in ("otto", "bench_limit"):
            bench.sql_as_owner("ANALYZE", database)
        bench.sql_as_owner("CHECKPOINT")
        cpu = Cpu(bench, "postgres")
        limit.append(bench.report("pipeline-limit", "--url", limit_url, "--connections", lanes, "--batch", 250, *load) | {"cores": cpu.shares()})
        events = bench.report("backlog", "--brokers", bench.brokers, "--topic", "otto.routed", *load)["events"]
        bench.sql_as_owner("CHECKPOINT")
        before = done()
        bench.start("lead-pipeline")
        cpu = Cpu(bench, "lead-pipeline", "kafka", "postgres")
        with bench.profiled("lead-pipeline"):
            seconds, counted = follow(done, before, events, 0.05, 240, "lead-pipeline")
        ours.append({"events_per_s": counted / seconds, "seconds": seconds, "cores": cpu.shares(), "cpu_us": cpu.used()["lead-pipeline"] / events * 1e6, "postgres_us": cpu.used()["postgres"] / events * 1e6})
        bench.stop("lead-pipeline")
        say(f"pipeline {n + 1}/{rounds}: libpq {limit[-1]['events_per_s']:.0f}/s {limit[-1]['cores']}, lead-pipeline {ours[-1]['events_per_s']:.0f}/s {ours[-1]['cpu_us']:.1f} µs {ours[-1]['cores']}")
    both = [{"ours": o, "limit": li} for o, li in zip(ours, limit)]
    return [Row("lead-pipeline: events/s from a backlog", median(ours, "events_per_s"), "/s", median(limit, "events_per_s"), 0.4, 0.6, "more", limited_by(ours), both)]


def caught_up(bench: Bench, done: typing.Callable[[], int], within: float = 300) -> None:
    end = bench.end_of("otto.routed")
    eventually(lambda: end == 0 or done() >= end, within=within, what="lead-pipeline at the end of otto.routed")
