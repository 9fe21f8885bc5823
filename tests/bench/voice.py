"""Calls over Twilio: what a call is answered, how soon its end is seen, and the Aloha app's pages of a million calls."""

import itertools
import pathlib
import typing
import urllib.parse
import uuid

import httpx
from sandbox.twilio.texts import as_form

from .flow import HALF_LOAD_S, WRK_S, until_compiled, warm_up
from .harness import SEED, SERVICES, Bench, Company, Cpu, Row, eventually, limited_by, median, say, skip
from .reads import Reading, load
from .texts import BARE_P99_MS, PLAYED_AT_MOST, connected, posted, timed

INCOMING, STATUS = "/api/aloha/webhooks/incoming-call", "/api/aloha/webhooks/call-status"
CALLS_PER_S = 200
DISTINCT = 6_000
BARE_RATE = 5_000  # requests a second of the bare server, which says whether the machine is busy
Json = dict[str, typing.Any]

sids = (f"CA{uuid.UUID(int=SEED << 64 | 1 << 40 | n).hex}" for n in itertools.count())
callers = (f"+1602{n:07d}" for n in itertools.count(5_000_000))  # nobody calls twice


def a_call(company: Company, sid: str, caller: str, status: str, **more: str) -> dict[str, str]:
    """What Twilio says of a call that came in."""
    ours = company.texts
    ends = {f"{end}{what}": value for end in ("From", "Caller", "To", "Called") for what, value in (("City", "PHOENIX"), ("State", "AZ"), ("Zip", "85001"), ("Country", "US"))}
    return {"CallSid": sid, "AccountSid": company.twilio_account, "ApiVersion": "2010-04-01", "Direction": "inbound", "CallStatus": status, "From": caller, "Caller": caller, "To": ours, "Called": ours, **ends, **more}


def counting(bench: Bench, what: str, rounds: int, once: typing.Callable[[], Json]) -> tuple[list[Json], list[Json]]:
    """Rounds in which the bare server was not held up by others meanwhile, at most so many, and all that were played for them."""
    file = bench.folder / "requests-of-bare"
    with file.open("wb") as out:
        for n in range(500):
            body = as_form({"CallSid": next(sids), "Body": f"{n:0600d}"})
            request = f"POST /x HTTP/1.1\r\nHost: otto.example\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
            out.write(f"{len(request)}\n".encode() + request)
    port = bench.bare_server()
    played: list[Json] = []
    good: list[Json] = []
    while len(good) < rounds and len(played) < PLAYED_AT_MOST * rounds:
        bare = timed(bench, port, file, BARE_RATE, WRK_S)["p99_ms"]
        played.append(once() | {"bare_p99_ms": bare, "counts": bare <= 2 * BARE_P99_MS})
        good += [played[-1]] if played[-1]["counts"] else []
        say(f"{what} {len(good)}/{rounds}: p99 {played[-1]['p99_ms']:.1f} ms, bare {bare:.1f} ms" + ("" if played[-1]["counts"] else ": the machine is busy"))
    bench.stop("bare-server")
    return good, played


def row(measure: str, must: float, aim: float, rounds: int, good: list[Json], played: list[Json]) -> Row:
    counted = good or played
    names = {name: name.replace("-bench_large", "") for name in counted[0]["cores"]}
    return Row(measure, median(counted, "p99_ms"), "ms", None, must, aim, "less", limited_by(counted, names=names), played, busy=len(good) < rounds)


# ---- what a call is answered

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
FLOW: Json = {"consent_notice": "This call may be recorded for quality.", "hours": {day: [["00:00", "12:00"], ["12:00", "24:00"]] for day in DAYS}, "open": [{"stream": "wss://agent.example/stream"}],
              "closed": [{"voicemail": {"greeting": "We are closed. Please leave a message.", "max_s": 120}}], "no_answer": [{"voicemail": {"greeting": "Please leave a message.", "max_s": 120}}]}


def answered(bench: Bench, company: Company) -> str:
    form = a_call(company, next(sids), next(callers), "ringing")
    head, _, body = posted(bench, company, INCOMING, form).partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:] if not line.startswith(("Host", "Content-Length")))
    answer = httpx.post(bench.url + INCOMING, content=body, headers=headers, timeout=20)
    return answer.text if answer.status_code == 200 else ""


def twiml(bench: Bench, companies: list[Company], rounds: int) -> list[Row]:
    """A call comes in, and Twilio waits for what to do with it; each call's receipt goes to Kafka before."""
    connected(bench, companies)
    bench.keep_only()
    bench.all_up()
    for company in companies:
        bench.http.put(f"/api/v1/company/{company.id}", json={"call_flow": FLOW}, headers={"Authorization": f"Bearer {company.manager}"}).raise_for_status()
    for company in companies:
        eventually(lambda: "agent.example" in answered(bench, company), what="the flow's way to the ingress")
    bench.keep_only("twilio-ingress")
    port = int(bench.settings["OTTO_PORT_TWILIO_INGRESS"])
    file = bench.folder / "calls"
    with file.open("wb") as out:
        for n in range(DISTINCT):
            company = companies[n % len(companies)]
            request = posted(bench, company, INCOMING, a_call(company, next(sids), f"+1602{2_000_000 + n % 5000}", "ringing"))
            out.write(f"{len(request)}\n".encode() + request)
    until_compiled(bench, lambda: timed(bench, port, file, CALLS_PER_S, WRK_S))

    def once() -> Json:
        cpu = Cpu(bench, "twilio-ingress", "kafka")
        return timed(bench, port, file, CALLS_PER_S, HALF_LOAD_S) | {"cores": cpu.shares()}

    return [row(f"TwiML of a call at {CALLS_PER_S}/s: p99", 20, 10, rounds, *counting(bench, "twiml", rounds, once))]


# ---- from a call's end to the app

ENDS_S = 5
ENDS_COMPANIES = 5
LAG = CALLS_PER_S // 2  # a call ends when so many have begun behind it: half a second, so that the newest page still has it


def ends(bench: Bench, companies: list[Company], rounds: int) -> list[Row]:
    """200 calls a second begin and as many end, through the gateway; how long until the newest page of their company's calls shows each as over."""
    connected(bench, companies)
    bench.keep_only()
    skip(bench)
    bench.all_up()
    some = companies[:ENDS_COMPANIES]
    tokens = [word for c in some for word in ("--token", bench.token("csr", c.id, ttl_s=3600))]

    def once(seconds: float = ENDS_S, strict: bool = True) -> Json:
        requests, marks = bench.folder / "call-ends", bench.folder / "call-ends-marks"
        begun: list[tuple[Company, str, str]] = []
        with requests.open("wb") as out, marks.open("w") as told:
            def put(path: str, at: int, mark: str, status: str, **more: str) -> None:
                company, sid, caller = begun[at]
                request = posted(bench, company, path, a_call(company, sid, caller, status, **more))
                out.write(f"{len(request)}\n".encode() + request)
                told.write(mark + "\n")

            for n in range(int(CALLS_PER_S * seconds) + LAG):
                begun.append((some[n % len(some)], next(sids), next(callers)))
                put(INCOMING, n, "", "ringing")
                if n >= LAG:
                    put(STATUS, n - LAG, begun[n - LAG][2], "completed", CallDuration="17", SequenceNumber="3", CallbackSource="call-progress-events")
        cpu = Cpu(bench, *SERVICES, "nginx", "kafka", "postgres")
        out_ = bench.report("ends", "--port", bench.env["OTTO_PORT"], "--requests", requests, "--marks", marks, "--rate", 2 * CALLS_PER_S, "--poll-ms", 40, "--page-size", 100, *tokens)
        if strict and (out_["not_2xx"] or out_["errors"] or out_["unseen"]):
            raise RuntimeError(f"not every webhook was answered 2xx and its call seen to end: {out_}")
        return out_ | {"cores": cpu.shares()}

    once(2, strict=False)  # the first rows, then statistics about them: on tables that were never analyzed the first plans are poor ones
    bench.sql_as_owner("VACUUM (ANALYZE)")
    warm_up(lambda: 1 / max(once(2, strict=False)["p99_ms"], 1), 4)
    return [row(f"a call's end → visible by GET /api/aloha/calls at {CALLS_PER_S}/s: p99", 500, 300, rounds, *counting(bench, "ends", rounds, once))]


# ---- a million calls

NUMBERS = ("4802004711", "(480) 200-4711", "+1 480 200 0815", "480-200-1234", "2004711", "200-47")


def aloha(bench: Bench, _: list[Company], rounds: int) -> list[Row]:
    """The app's first page, whole and by outcome, and its search for a number, of the largest company (half of all calls) and of the others."""
    bench.keep_only("sandbox", *[n for n in bench.extra if n.startswith("query-service-")])
    reading = Reading.of(bench, "bench_large")
    path = "/api/aloha/calls"
    asked = {"page 1": [path, f"{path}?pageSize=100"], "search by number": [f"{path}?search={urllib.parse.quote(number)}" for number in NUMBERS],
             **{f"outcome={o}": [f"{path}?outcome={o}", f"{path}?outcome={o}&pageSize=100"] for o in ("answered", "missed", "voicemail")}}
    rows = []
    for what, targets in asked.items():
        alone = {t: load(bench, reading, "bench_large", [t], ["org_bench_001"], 1, 0.3)["p99_ms"] for t in targets}  # plans and pages are there afterwards
        say(f"aloha, {what}: " + ", ".join(f"{t} {ms:.0f} ms" for t, ms in alone.items()))
        good, played = counting(bench, f"aloha, {what}", rounds, lambda: load(bench, reading, "bench_large", targets, reading.companies, 2))
        rows.append(row(f"GET /api/aloha/calls at 10⁶ calls, {what}: p99", 50, 25, rounds, good, [p | {"alone": alone} for p in played]))
    return rows


__all__ = ["aloha", "ends", "twiml"]
