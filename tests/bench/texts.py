"""Texts: Twilio's webhooks beside the bare server and CallRail's, lead-pipeline's texts beside its calls, threads and lists of a million."""

import itertools
import pathlib
import subprocess
import time
import typing
import uuid

from sandbox.twilio.texts import as_form, parameters, sign

from .flow import CONNECTIONS, DISTINCT, HALF_LOAD_S, WRK_S, caught_up, company_args, loaded, now_us, until_compiled, warm_up, wrk
from .harness import SEED, Bench, Company, Cpu, Row, limited_by, median, say, skip
from .reads import Reading, load

HERE = pathlib.Path(__file__).resolve().parent
PATH = "/sms/twilio-webhook"
# p99 of the bare server at half of an ingress's rate on a quiet machine. Where it is more than twice that, what else took place on the machine is measured, and the round is played again.
BARE_P99_MS = 2.3
PLAYED_AT_MOST = 4  # times the rounds that are to count


# ---- webhooks


def connected(bench: Bench, companies: list[Company]) -> None:
    """Each has a Twilio account whose token the ingress knows."""
    if all(hasattr(c, "twilio_account") for c in companies):
        return
    bench.keep_only()
    bench.all_up()
    for company in companies:
        company.connect_twilio()


def posted(bench: Bench, company: Company, path: str, form: typing.Mapping[str, str | list[str]], token: str | None = None) -> bytes:
    """A whole request as Twilio posts it, signed with the company's token."""
    body = as_form(form)
    head = (f"POST {path} HTTP/1.1\r\nHost: otto.example\r\nUser-Agent: TwilioProxy/1.1\r\nContent-Type: application/x-www-form-urlencoded; charset=UTF-8\r\n"
            f"X-Twilio-Signature: {sign(company.auth_token, bench.url + path, form)}\r\nI-Twilio-Idempotency-Token: {token or uuid.uuid4()}\r\nContent-Length: {len(body)}\r\n\r\n")
    return head.encode() + body


def make_requests(bench: Bench, companies: list[Company], file: pathlib.Path, count: int = DISTINCT) -> None:
    """Texts as Twilio posts them, about 600 bytes of form, each signed; no two alike."""
    ids = (uuid.UUID(int=SEED << 64 | n).hex for n in itertools.count())
    with file.open("wb") as out:
        for n, sid in zip(range(count), ids):
            company = companies[n % len(companies)]
            facts = {"sid": "SM" + sid, "account_sid": company.twilio_account, "from": f"+1602{2_000_000 + n % 5000}", "to": company.texts, "body": f"Is Monday at {n % 12} still good? The roof leaks again, number {n}.",
                     "media": [], "service": None, "opt_out_type": None}
            request = posted(bench, company, PATH, parameters(typing.cast(typing.Any, None), facts, "received"), sid)
            out.write(f"{len(request)}\n".encode() + request)


def timed(bench: Bench, port: int, requests: pathlib.Path, rate: float, seconds: int) -> dict[str, typing.Any]:
    out = bench.report("open-loop", "--port", port, "--requests", requests, "--rate", f"{rate:.0f}", "--seconds", seconds, "--connections", CONNECTIONS)
    if out["not_2xx"] or out["errors"]:
        raise RuntimeError(f"open loop: not every answer was good: {out}")
    return out


def webhooks(bench: Bench, companies: list[Company], rounds: int) -> list[Row]:
    connected(bench, companies)
    bench.keep_only("callrail-ingress", "twilio-ingress")
    texts, calls = bench.folder / "texts", bench.folder / "webhooks"
    make_requests(bench, companies, texts)
    subprocess.run(bench.program("make-webhooks", "--seed", SEED, "--count", DISTINCT, "--start-us", now_us(), "--out", calls, *company_args(companies)), check=True)
    ports = {name: int(bench.settings["OTTO_PORT_" + name.upper().replace("-", "_")]) for name in ("callrail-ingress", "twilio-ingress")}
    bare_port = bench.bare_server()
    warm_up(lambda: wrk(ports["twilio-ingress"], texts, 2)["requests"])
    ours, limit, beside = [], [], []
    for n in range(rounds):
        limit.append(loaded(bench, "bare-server", bare_port, texts))
        ours.append(loaded(bench, "twilio-ingress", ports["twilio-ingress"], texts))
        beside.append(loaded(bench, "callrail-ingress", ports["callrail-ingress"], calls))
        say(f"texts {n + 1}/{rounds}: bare {limit[-1]['requests_per_s']:.0f}/s {limit[-1]['cpu_us']:.1f} µs, twilio-ingress {ours[-1]['requests_per_s']:.0f}/s {ours[-1]['cpu_us']:.1f} µs {ours[-1]['cores']}, "
            f"callrail-ingress {beside[-1]['requests_per_s']:.0f}/s")
    both = [{"ours": o, "limit": li, "callrail": c} for o, li, c in zip(ours, limit, beside)]
    rows = [Row("texts: webhooks/s", median(ours, "requests_per_s"), "/s", median(limit, "requests_per_s"), 0.40, 0.45, "more", limited_by(ours, names={"load": "wrk"}), both)]
    rows.append(at_half_load(bench, {"twilio-ingress": (ports["twilio-ingress"], texts, median(ours, "requests_per_s") / 2), "callrail-ingress": (ports["callrail-ingress"], calls, median(beside, "requests_per_s") / 2)},
                             bare_port, rounds))
    bench.stop("bare-server")
    return rows


def at_half_load(bench: Bench, each: dict[str, tuple[int, pathlib.Path, float]], bare_port: int, rounds: int) -> Row:
    """p99 of texts over CallRail's, each at half of its own rate, in turn. A round counts if the bare server was not held up by others meanwhile."""
    port, requests, rate = each["twilio-ingress"]
    until_compiled(bench, lambda: timed(bench, port, requests, rate, WRK_S))
    played: list[dict[str, typing.Any]] = []
    good: list[dict[str, typing.Any]] = []
    while len(good) < rounds and len(played) < PLAYED_AT_MOST * rounds:
        bare = timed(bench, bare_port, requests, rate, WRK_S)
        cpu = Cpu(bench, "twilio-ingress", "kafka")
        late = timed(bench, port, requests, rate, HALF_LOAD_S) | {"cores": cpu.shares()}
        calls = timed(bench, *each["callrail-ingress"], HALF_LOAD_S)
        played.append({"ours": late, "limit": calls, "bare_p99_ms": bare["p99_ms"], "counts": bare["p99_ms"] <= 2 * BARE_P99_MS, "cores": late["cores"]})
        good += [played[-1]] if played[-1]["counts"] else []
        say(f"texts at half load {len(good)}/{rounds}: p99 {late['p99_ms']:.1f} ms at {rate:.0f}/s, CallRail's {calls['p99_ms']:.1f} ms at {each['callrail-ingress'][2]:.0f}/s, bare {bare['p99_ms']:.1f} ms"
            + ("" if played[-1]["counts"] else ": the machine is busy"))
    counted = good or played
    return Row(f"texts: p99 at half load ({rate:.0f}/s) over CallRail's", median([p["ours"] for p in counted], "p99_ms"), "ms", median([p["limit"] for p in counted], "p99_ms"), 1.2, 1.0, "less",
               limited_by(counted), played, busy=len(good) < rounds)


# ---- lead-pipeline

PIPELINE = 33_334  # of each: calls with three reports; texts that came in, and as many that were sent, with two


def pipeline(bench: Bench, companies: list[Company], rounds: int) -> list[Row]:
    """A backlog of texts and one of calls on otto.routed, in turn."""
    bench.keep_only()
    skip(bench)
    ours, limit = [], []
    for n in range(rounds):
        same = ["--seed", SEED + 5, "--calls", PIPELINE, "--numbers", 10_000, "--first-call", 50_000_000 + n * PIPELINE, "--first-number", 2_000_000 + n * 10_000, "--spread-s", 30,
                "--start-us", now_us() - 300_000_000, *company_args(companies)]
        limit.append(caught_up(bench, [*same, "--recorded", 0]))
        ours.append(caught_up(bench, [*same, "--texts", 1], "lead-pipeline/messages"))
        say(f"texts of the pipeline {n + 1}/{rounds}: {ours[-1]['events_per_s']:.0f}/s {ours[-1]['cpu_us']:.1f} µs + Postgres {ours[-1]['postgres_us']:.1f} µs {ours[-1]['cores']}, calls {limit[-1]['events_per_s']:.0f}/s")
    both = [{"ours": o, "limit": li} for o, li in zip(ours, limit)]
    return [Row("lead-pipeline: texts/s from a backlog, over its calls", median(ours, "events_per_s"), "/s", median(limit, "events_per_s"), 0.8, 1.0, "more", limited_by(ours), both)]


# ---- reads

FILL = """
INSERT INTO messages (company_id, id, provider, provider_message_id, direction, from_number, to_number, body, segments, status, contact_card_id, lead_id, sent_at, merge_state, created_at, updated_at)
SELECT company_id, md5('text' || call_id)::uuid, CASE WHEN call_id % 2 = 0 THEN 'twilio' ELSE 'callrail' END, 'SM' || md5(call_id::text), CASE WHEN call_id % 3 = 0 THEN 'outbound' ELSE 'inbound' END,
       CASE WHEN call_id % 3 = 0 THEN tracking_number ELSE phone_number END, CASE WHEN call_id % 3 = 0 THEN phone_number ELSE tracking_number END,
       'Is Monday still good? The roof leaks again behind the chimney, and the gutter too. ' || call_id, 1, CASE WHEN call_id % 3 > 0 THEN 'received' WHEN call_id % 1500 = 0 THEN 'undelivered' ELSE 'delivered' END,
       -- A hundredth of each company's texts are of one customer: somebody's thread is long.
       CASE WHEN call_id % 100 = 0 THEN first_value(contact_card_id) OVER w ELSE contact_card_id END, CASE WHEN call_id % 100 = 0 THEN first_value(lead_id) OVER w ELSE lead_id END,
       started_at + interval '1 hour', repeat('x', 120), started_at + interval '1 hour', started_at + interval '1 hour'
  FROM calls WINDOW w AS (PARTITION BY company_id ORDER BY call_id) ORDER BY started_at
"""


def fill(bench: Bench, database: str) -> None:
    """As many texts as there are calls, of the same people."""
    import psycopg

    with psycopg.connect(bench.owner_url(database)) as db:
        if db.execute("SELECT 1 FROM messages LIMIT 1").fetchone():
            return
        db.execute("SET session_replication_role = replica")
        names = db.execute("""SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid) FROM pg_index i LEFT JOIN pg_constraint c ON c.conindid = i.indexrelid
                               WHERE i.indrelid = 'messages'::regclass AND c.oid IS NULL""").fetchall()
        for name, _ in names:
            db.execute(typing.cast(typing.Any, f"DROP INDEX {name}"))
        db.execute(FILL)
        for _, definition in names:
            db.execute(typing.cast(typing.Any, definition))
        db.execute("SELECT list_totals_recount()")
    with psycopg.connect(bench.owner_url(database), autocommit=True) as db:
        db.execute("VACUUM (ANALYZE) messages")


def reads(bench: Bench, _: list[Company], rounds: int) -> list[Row]:
    bench.keep_only("sandbox", *[n for n in bench.extra if n.startswith("query-service-")])
    reading = Reading.of(bench, "bench_large")
    start = time.monotonic()
    fill(bench, "bench_large")
    say(f"as many texts in bench_large after {time.monotonic() - start:.0f} s")
    company = "org_bench_001"
    contacts = [str(c) for (c,) in bench.sql_as_owner(f"(SELECT contact_card_id FROM messages WHERE company_id = '{company}' GROUP BY 1 ORDER BY count(*) DESC LIMIT 1)"
                                                      f" UNION ALL (SELECT id FROM contact_cards WHERE company_id = '{company}' ORDER BY id LIMIT 20)", "bench_large")]
    asked = {
        "contacts/{id}/messages": [f"/api/v1/contacts/{c}/messages{size}" for c in contacts for size in ("", "?limit=200")] + [f"/api/v1/contacts/{contacts[0]}/messages"] * 10,
        "messages": ["/api/v1/messages", "/api/v1/messages?limit=200", "/api/v1/messages?sort=sent_at", "/api/v1/messages?direction=inbound", "/api/v1/messages?status=delivered", "/api/v1/messages?status=failed,undelivered",
                     f"/api/v1/messages?contact_card_id={contacts[1]}", f"/api/v1/messages?contact_card_id={contacts[0]}&direction=outbound",
                     f"/api/v1/messages?date_from={reading.window[0]}&date_to={reading.window[1]}"],
    }
    rows = []
    for what, targets in asked.items():
        alone = {t: load(bench, reading, "bench_large", [t], [company], 1, 0.3)["p99_ms"] for t in dict.fromkeys(targets)}  # plans and pages are there afterwards
        say("the slowest: " + ", ".join(f"{t} {ms:.0f} ms" for t, ms in sorted(alone.items(), key=lambda x: -x[1])[:4]))
        ours = []
        for n in range(rounds):
            ours.append(load(bench, reading, "bench_large", targets, [company], 2))
            say(f"GET /{what} {n + 1}/{rounds}: p99 {ours[-1]['p99_ms']:.1f} ms, {ours[-1]['requests_per_s']:.0f}/s")
        rows.append(Row(f"GET /{what} at 10⁶ texts: p99", median(ours, "p99_ms"), "ms", None, 50, 25, "less", limited_by(ours, names={n: n.replace("-bench_large", "") for n in ours[0]["cores"]}),
                        [{"ours": o, "alone": alone} for o in ours]))
    return rows
