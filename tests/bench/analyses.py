"""Measures of what follows a call: from Shunya's result to the appointment, and the recordings of many calls at once."""

import asyncio
import concurrent.futures
import itertools
import json
import threading
import time
import typing

import httpx

from sandbox.shunya.webhooks import headers_of

from .harness import Bench, Company, Cpu, Row, eventually, limited_by, median, pss_mb, say, skip

RATE = 50
ROUND_S = 10
RECORDINGS = 500
RECORDING_BYTES = 5_000_000
SERVICES = ("shunya-ingress", "tenant-router", "shunya-orchestrator", "appointment-service", "query-service")
_ids = itertools.count(8_000_000_000)


def waiting_calls(bench: Bench, company: str, count: int) -> list[int]:
    """Calls whose analysis Shunya is said to be at, with all rows that the way there leaves."""
    first = next(_ids)
    for _ in range(count - 1):
        next(_ids)
    ids = f"generate_series({first}, {first + count - 1}) i"
    uuid = "('00000000-0000-4000-8000-' || lpad(to_hex({}), 12, '0'))::uuid"
    card, lead = uuid.format("i"), uuid.format("i + 100000000000")
    phone = "'+1602' || lpad((i % 10000000)::text, 7, '0')"
    for statement in (
        f"INSERT INTO contact_cards (company_id, id, primary_phone) SELECT '{company}', {card}, {phone} FROM {ids}",
        f"INSERT INTO leads (company_id, id, contact_card_id) SELECT '{company}', {lead}, {card} FROM {ids}",
        f"INSERT INTO calls (company_id, call_id, provider, provider_call_id, phone_number, direction, status, missed_call, answered, duration, recording_url, started_at, contact_card_id, lead_id, received_at, merge_state)"
        f" SELECT '{company}', i, 'callrail', 'CALbench' || i, {phone}, 'inbound', 'completed', false, true, 60, 'https://example.com/' || i, now(), {card}, {lead}, now(), '{{}}' FROM {ids}",
        f"INSERT INTO recorded_calls (company_id, call_id, version, provider, provider_call_id, phone, status, contact_card_id, lead_id, recording_url, started_at, received_at)"
        f" SELECT '{company}', i, 1, 'callrail', 'CALbench' || i, {phone}, 'completed', {card}, {lead}, 'https://example.com/' || i, now(), now() FROM {ids}",
        f"INSERT INTO recordings (company_id, id, call_id, object_key, format, status) SELECT '{company}', {uuid.format('i + 200000000000')}, i, 'bench/' || i || '.wav', 'wav', 'stored' FROM {ids}",
        f"INSERT INTO shunya_jobs (company_id, id, step, job_type, job_status, shunya_job_id, call_id, posted_at, started_at, finished_at) SELECT '{company}', {uuid.format('i + 300000000000')}, 'transcription', 'csr_call', 'succeeded',"
        f" 't' || i, i, now(), now(), now() FROM {ids}",
        f"INSERT INTO shunya_jobs (company_id, id, step, job_type, job_status, shunya_job_id, call_id, posted_at, started_at) SELECT '{company}', {uuid.format('i + 400000000000')}, 'analysis', 'csr_call', 'running',"
        f" 'a' || i, i, now(), now() FROM {ids}",
        f"INSERT INTO provider_calls (provider, provider_call_id, company_id, phone) SELECT 'shunya', 'call:' || i, '{company}', {phone} FROM {ids}",
        f"INSERT INTO provider_calls (provider, provider_call_id, company_id, phone) SELECT 'shunya', 'job:a' || i, '{company}', {phone} FROM {ids}",
    ):
        bench.sql_as_owner(statement)
    return list(range(first, first + count))


def analysis(company: str, call: int) -> bytes:
    return json.dumps({"event_type": "call.analysis.complete", "task_id": f"a{call}", "call_id": call, "company_id": company, "status": "completed", "data": {
        "call_id": call, "status": "completed",
        "summary": {"summary": "The customer wants an estimate for a new roof and agreed to a visit.", "key_points": ["hail damage", "insurance"], "pending_actions": [], "sentiment_score": 0.8},
        "compliance": {"compliance_score": 0.85, "stages_followed": ["greeting", "qualification"], "stages_missed": [], "violations": []},
        "objections": {"objections": [{"id": 1, "category_id": 1, "category_text": "Price/Budget", "objection_text": "That is more than I thought.", "overcome": True, "severity": "low"}], "total_count": 1},
        "qualification": {"qualification_status": "hot", "booking_status": "booked", "call_outcome_category": "qualified_and_booked", "appointment_date": "2027-03-01T14:00:00", "service_requested": "roof estimate"},
        "entities": {"address": "123 Main St, Phoenix", "name": "Kaylah Mills"}}}).encode()


def results(bench: Bench, companies: list[Company], rounds: int) -> list[Row]:
    """50 analyses a second arrive as Shunya posts them; how long until the newest page of the company's appointments shows each."""
    bench.keep_only()
    skip(bench)
    bench.all_up()
    company = companies[0].id
    token = bench.token("csr", company, ttl_s=3600)
    secret, variant = bench.settings["OTTO_SHUNYA_WEBHOOK_SECRET"], bench.settings.get("OTTO_SHUNYA_SIGNATURE", "timestamp_dot_body")

    def once(seconds: float) -> dict[str, typing.Any]:
        calls = waiting_calls(bench, company, int(RATE * seconds))
        due: dict[int, float] = {}
        seen: dict[int, float] = {}
        refused: list[str] = []
        running = True

        def look() -> None:
            with httpx.Client(base_url=bench.url, headers={"Authorization": f"Bearer {token}"}, timeout=30) as client:
                while running:
                    answer = client.get("/api/v1/appointments", params={"sort": "-created_at", "limit": 200})
                    at = time.perf_counter()
                    for item in answer.json()["data"]["items"]:
                        seen.setdefault(item["call_id"], at)
                    time.sleep(0.04)

        async def send() -> None:
            async with httpx.AsyncClient(base_url=bench.url, timeout=30) as client:
                async def one(call: int) -> None:
                    body = analysis(company, call)
                    answer = await client.post("/api/v1/shunya/webhook", content=body, headers=headers_of(variant, secret, body, None))
                    if answer.status_code != 200:
                        refused.append(answer.text)

                begun = time.perf_counter()
                tasks = []
                for n, call in enumerate(calls):
                    at = begun + n / RATE
                    await asyncio.sleep(max(0.0, at - time.perf_counter()))
                    due[call] = at
                    tasks.append(asyncio.create_task(one(call)))
                await asyncio.gather(*tasks)

        cpu = Cpu(bench, *SERVICES, "nginx", "kafka", "postgres")
        looker = threading.Thread(target=look)
        looker.start()
        try:
            asyncio.run(send())
            eventually(lambda: set(calls) <= set(seen), within=60, what="every appointment")
        finally:
            running = False
            looker.join()
        if refused:
            raise RuntimeError(f"{len(refused)} results were refused, such as {refused[0]}")
        took = sorted((seen[c] - due[c]) * 1000 for c in calls)
        return {"p50_ms": round(took[len(took) // 2], 1), "p99_ms": round(took[int(len(took) * 0.99)], 1), "max_ms": round(took[-1], 1), "cores": cpu.shares()}

    once(3)
    bench.sql_as_owner("ANALYZE")
    once(3)
    ours = []
    for n in range(rounds):
        ours.append(once(ROUND_S))
        say(f"results {n + 1}/{rounds}: {ours[-1]}")
    return [Row("Shunya's result → appointment visible at 50/s: p99", median(ours, "p99_ms"), "ms", None, 500, 250, "less", limited_by(ours), ours)]


def recordings(bench: Bench, _companies: list[Company], _rounds: int) -> list[Row]:
    """The recordings of 500 calls, 5 MB each, all due at once: what the orchestrator holds in memory, and whether each was kept as it was."""
    bench.keep_only()
    skip(bench)
    bench.all_up()
    company = Company(bench)  # one that has no calls of other measures
    bench.stop("shunya-orchestrator")

    def place(n: int) -> str:
        body = {"to": company.number, "from": f"+1480{5_550_000 + n}", "otto_url": bench.url, "signing_key": company.key, "events": ["completed"], "recording_bytes": RECORDING_BYTES}
        answer = httpx.post(bench.sandbox + "/sandbox/callrail/place-call", json=body, timeout=120).json()
        if answer["events"][0]["status"] != 200:
            raise RuntimeError(f"a call was not taken: {answer}")
        return str(answer["resource_id"])

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        calls = list(pool.map(place, range(RECORDINGS)))
    eventually(lambda: bench.sql("SELECT count(*) FROM calls WHERE company_id = %s AND recording_url IS NOT NULL", company.id)[0][0] == RECORDINGS, within=120, what="the calls")
    begun = time.monotonic()
    bench.all_up()  # the orchestrator is what was missing
    pid = typing.cast(int, bench.pid("shunya-orchestrator"))
    most = 0.0

    def stored() -> int:
        nonlocal most
        most = max(most, pss_mb(pid))
        return int(bench.sql("SELECT count(*) FROM recordings WHERE company_id = %s AND status = 'stored'", company.id)[0][0])

    eventually(lambda: stored() == RECORDINGS, within=900, what="all recordings")
    took = time.monotonic() - begun
    found = dict(bench.sql("SELECT c.provider_call_id, r.sha256 FROM recordings r JOIN calls c USING (company_id, call_id) WHERE r.company_id = %s", company.id))
    provided = {c: httpx.get(bench.sandbox + "/sandbox/callrail/recordings", params={"call": c}, timeout=60).json() for c in calls}
    wrong = [c for c in calls if found.get(c) not in {r["sha256"] for r in provided[c]}]
    if wrong:
        raise RuntimeError(f"{len(wrong)} recordings are not what the provider has, such as {wrong[0]}")
    say(f"recordings: all stored, hashes right, after {took:.0f} s, at most {most:.0f} MB")
    return [Row(f"orchestrator's memory (PSS), {RECORDINGS} recordings of {RECORDING_BYTES // 1_000_000} MB at once", most, "MB", None, 120, 60, "less", f"all stored in {took:.0f} s", [{"mb": round(most, 1), "seconds": round(took, 1)}])]
