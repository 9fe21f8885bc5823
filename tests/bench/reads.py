"""Measures of query-service: flat from ten thousand calls to a million, and reads a second against libpq."""

import concurrent.futures
import datetime
import pathlib
import time
import typing
import urllib.parse

from .harness import Bench, Company, Cpu, Row, limited_by, median, say

HERE = pathlib.Path(__file__).resolve().parent
SIZES = {"bench_small": 10_000, "bench_search": 120_000, "bench_large": 1_000_000}  # the largest company has half of each
READ_S = 3
CONNECTIONS = 8  # of HTTP, and of libpq: enough to keep both cores busy
FIGURES = ("csr/overview", "csr/booking-trend", "csr/objections/top", "csr/missed-call-recovery", "exec/csr/overview", "exec/company-overview")
TABLES = ("contact_cards", "leads", "calls", "call_analyses", "call_facts", "appointments", "tasks")
# What people type: names in any order, accents more or less, numbers in any spelling or a part, few letters, words that all rows hold, few or none; of a note and its customer; the number that was called.
TYPED = ("maria lopez", "López Maria", "(480) 200-4711", "480-200", "2004711", "nair omar phoenix", "phoenix", "ka", "gutter", "maria gutter", "chimney 480", "zzzz", "(602) 900-0001")
LISTS = ("contacts", "calls", "leads", "appointments", "tasks")


def fill(bench: Bench, database: str, calls: int, now: datetime.datetime) -> None:
    """Otto's schema with so many calls. Indexes are made after the rows, foreign keys are not checked row by row: it is the same data, sooner."""
    import psycopg

    url = bench.make_database(database)
    with psycopg.connect(url) as db:
        db.execute("SET session_replication_role = replica")
        db.execute("SET maintenance_work_mem = '512MB'")
        names = db.execute("""SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid) FROM pg_index i LEFT JOIN pg_constraint c ON c.conindid = i.indexrelid
                               WHERE i.indrelid::regclass::text = ANY (%s) AND c.oid IS NULL""", [list(TABLES)]).fetchall()
        for name, _ in names:
            db.execute(typing.cast(typing.Any, f"DROP INDEX {name}"))
        for statement in (HERE / "fill.sql").read_text().format(calls=calls, now=now.isoformat()).split(";\n"):
            if statement.strip():
                db.execute(typing.cast(typing.Any, statement))
        for _, definition in names:
            db.execute(typing.cast(typing.Any, definition))
        # Triggers did not run: what they keep is made from the rows.
        db.execute("SELECT pending_leads_recount(), list_totals_recount(), call_facts_rebuild()")
    with psycopg.connect(url, autocommit=True) as db:
        db.execute("VACUUM (ANALYZE)")


class Reading:
    """A query-service for each of the two sets, and tokens of their companies."""

    _made: dict[int, "Reading"] = {}

    @classmethod
    def of(cls, bench: Bench, *databases: str) -> "Reading":
        if bench.pid("sandbox") is None:  # it gives the tokens; a measure before this one may have stopped it
            bench.all_up()
            bench.keep_only("sandbox")
        if id(bench) not in cls._made:
            cls._made[id(bench)] = cls(bench)
        made = cls._made[id(bench)]
        for database in databases:
            if database not in made.urls:
                start = time.monotonic()
                fill(bench, database, SIZES[database], made.now)
                say(f"{SIZES[database]} calls in {database} after {time.monotonic() - start:.0f} s")
                made.urls[database] = bench.settings["OTTO_PG_URL_QUERY_SERVICE"].rsplit("/", 1)[0] + "/" + database
            name = f"query-service-{database}"
            if bench.pid(name) is None:
                made.ports[database] = bench.start(name, "query-service", OTTO_PG_URL_QUERY_SERVICE=made.urls[database])
        return made

    def __init__(self, bench: Bench) -> None:
        self.now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
        self.window = (self.now - datetime.timedelta(days=60)).date(), (self.now - datetime.timedelta(days=51)).date()
        self.ports: dict[str, int] = {}
        self.urls: dict[str, str] = {}
        # The largest company in every second request, else one of the others.
        self.companies = [f"org_bench_{n:03d}" for pair in ((1, 2 + i * 7) for i in range(14)) for n in pair]
        self.tokens = {c: bench.token("manager", c, ttl_s=3600) for c in dict.fromkeys(self.companies)}


def load(bench: Bench, reading: Reading, database: str, targets: list[str], companies: list[str], connections: int, seconds: float = READ_S) -> dict[str, typing.Any]:
    name = f"query-service-{database}"
    cpu = Cpu(bench, name, "postgres")
    args = [w for t in targets for w in ("--target", t)] + [w for c in companies for w in ("--token", reading.tokens[c])]
    with bench.profiled(name):
        out = bench.report("reads", "--port", reading.ports[database], "--connections", connections, "--seconds", seconds, *args)
    if out["not_2xx"] or out["errors"]:
        raise RuntimeError(f"reads of {targets}: not every answer was good: {out}")
    return out | {"cpu_us": cpu.used()[name] / out["requests"] * 1e6, "postgres_us": cpu.used()["postgres"] / out["requests"] * 1e6, "cores": cpu.shares()}


def growth(bench: Bench, _: list[Company], rounds: int) -> list[Row]:
    bench.keep_only("sandbox", *[n for n in bench.extra if n.startswith("query-service-")])
    reading = Reading.of(bench, "bench_small", "bench_large")
    first, last = reading.window
    asked = {
        "calls": ["/api/v1/calls", "/api/v1/calls?limit=200", "/api/v1/calls?sort=started_at"],
        "leads": ["/api/v1/leads", "/api/v1/leads?limit=200", "/api/v1/leads?sort=created_at"],
        "metrics/csr/overview": [f"/api/v1/metrics/csr/overview?date_from={first}&date_to={last}"],
        "metrics/…": [f"/api/v1/metrics/{m}?date_from={first}&date_to={last}" for m in FIGURES],
    }
    rows = []
    for what, targets in asked.items():
        companies = ["org_bench_001"] if what.startswith("metrics") else reading.companies
        small, large = [], []
        for database in ("bench_small", "bench_large"):
            load(bench, reading, database, targets, companies, 2, 1)  # plans and pages are there
        for n in range(rounds):
            small.append(load(bench, reading, "bench_small", targets, companies, 2))
            large.append(load(bench, reading, "bench_large", targets, companies, 2))
            say(f"{what} {n + 1}/{rounds}: p99 {small[-1]['p99_ms']:.2f} ms at 10⁴ ({small[-1]['requests_per_s']:.0f}/s), {large[-1]['p99_ms']:.2f} ms at 10⁶ ({large[-1]['requests_per_s']:.0f}/s)")
        both = [{"ours": o, "limit": li} for o, li in zip(large, small)]
        rows.append(Row(f"GET /{what}: p99 at 10⁶ calls over 10⁴", median(large, "p99_ms"), "ms", median(small, "p99_ms"), 3, 1.5, "less", limited_by(large, names={n: n.replace("-bench_large", "") for n in large[0]["cores"]}), both))
    # The default window of the largest company, a month, has 150,000 calls.
    month = [f"/api/v1/metrics/{m}" for m in FIGURES]
    load(bench, reading, "bench_large", month, ["org_bench_001"], 1, 1)
    wide = [load(bench, reading, "bench_large", month, ["org_bench_001"], 1) for _ in range(rounds)]
    say(f"metrics of 150,000 calls: p99 {median(wide, 'p99_ms'):.0f} ms")
    rows.append(Row("GET /metrics/… of 150,000 calls: p99", median(wide, "p99_ms"), "ms", None, 150, 100, "less", limited_by(wide, names={n: n.replace("-bench_large", "") for n in wide[0]["cores"]}), [{"ours": w} for w in wide]))
    return rows


def reads(bench: Bench, _: list[Company], rounds: int) -> list[Row]:
    bench.keep_only("sandbox", *[n for n in bench.extra if n.startswith("query-service-")])
    reading = Reading.of(bench, "bench_large")
    ours, limit = [], []
    target, company = "/api/v1/calls?limit=50", "org_bench_001"
    load(bench, reading, "bench_large", [target], [company], CONNECTIONS, 1)
    for n in range(rounds):
        cpu = Cpu(bench, "postgres")
        limit.append(bench.report("reads-limit", "--url", reading.urls["bench_large"], "--company", company, "--connections", CONNECTIONS, "--seconds", READ_S) | {"cores": cpu.shares()})
        ours.append(load(bench, reading, "bench_large", [target], [company], CONNECTIONS))
        say(f"reads {n + 1}/{rounds}: libpq {limit[-1]['reads_per_s']:.0f}/s {limit[-1]['cores']}, query-service {ours[-1]['requests_per_s']:.0f}/s {ours[-1]['cpu_us']:.0f} µs + Postgres {ours[-1]['postgres_us']:.0f} µs {ours[-1]['cores']}")
    both = [{"ours": o, "limit": li} for o, li in zip(ours, limit)]
    return [Row("GET /calls?limit=50 at 10⁶ calls: reads/s", median(ours, "requests_per_s"), "/s", median(limit, "reads_per_s"), 0.5, 0.8, "more", limited_by(ours), both)]


def search(bench: Bench, _: list[Company], rounds: int) -> list[Row]:
    """Somebody of the largest company searches every list."""
    bench.keep_only("sandbox", *[n for n in bench.extra if n.startswith("query-service-")])
    reading = Reading.of(bench, "bench_large")
    company = ["org_bench_001"]
    alone = {}
    for typed in TYPED:  # each by itself, for whoever wants to know which it is; plans and pages are there afterwards
        for name in LISTS:
            target = f"/api/v1/{name}?search={urllib.parse.quote(typed)}"
            alone[f"{name} {typed}"] = load(bench, reading, "bench_large", [target], company, 1, 0.3)["p99_ms"]
    say("the slowest: " + ", ".join(f"{what} {ms:.0f} ms" for what, ms in sorted(alone.items(), key=lambda x: -x[1])[:5]))
    targets = [f"/api/v1/{name}?search={urllib.parse.quote(typed)}" for typed in TYPED for name in LISTS]
    asked = []
    for n in range(rounds):
        asked.append(load(bench, reading, "bench_large", targets, company, 2, 2 * READ_S))
        say(f"search {n + 1}/{rounds}: p99 {asked[-1]['p99_ms']:.0f} ms, {asked[-1]['requests_per_s']:.0f}/s")
    return [Row("GET /…?search= at 10⁶ calls: p99", median(asked, "p99_ms"), "ms", None, 100, 50, "less", limited_by(asked, names={n: n.replace("-bench_large", "") for n in asked[0]["cores"]}), [{"ours": a, "alone": alone} for a in asked])]


def searches(bench: Bench, _: list[Company], rounds: int) -> list[Row]:
    """Somebody searches the largest company's 60,000 calls with all that 32 connections can ask; somebody of another company looks at a list."""
    bench.keep_only("sandbox", *[n for n in bench.extra if n.startswith("query-service-")])
    reading = Reading.of(bench, "bench_search")
    database, words = "bench_search", ["zzzz", "kaylah", "4802", "a" * 100, "nair"]
    load(bench, reading, database, ["/api/v1/calls"], ["org_bench_002"], 1, 1)
    others, asked = [], []
    with concurrent.futures.ThreadPoolExecutor() as pool:
        for n in range(rounds):
            many = [w for word in words for w in ("--target", f"/api/v1/calls?search={word}")] + ["--token", reading.tokens["org_bench_001"]]
            searching = pool.submit(bench.report, "reads", "--port", reading.ports[database], "--connections", 32, "--seconds", READ_S + 1, *many)
            others.append(load(bench, reading, database, ["/api/v1/calls?limit=1"], ["org_bench_002"], 1))
            asked.append(searching.result())
            say(f"searches {n + 1}/{rounds}: another company's list p99 {others[-1]['p99_ms']:.0f} ms beside {asked[-1]['requests_per_s']:.0f} searches/s ({asked[-1]['not_2xx']} of {asked[-1]['requests']} not answered with a page)")
    both = [{"ours": o, "searches": a} for o, a in zip(others, asked)]
    return [Row("GET /calls of a company beside 32 searches of another: p99", median(others, "p99_ms"), "ms", None, 250, 100, "less", limited_by(others), both)]
