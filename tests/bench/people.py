"""Measures of who belongs to a company: Clerk's webhooks as fast as they come, and how soon everybody knows of a removal."""

import base64
import hashlib
import hmac
import json
import time
import typing

import httpx

from .flow import WRK_S, warm_up, wrk
from .harness import Bench, Company, Cpu, Row, limited_by, median, say

DISTINCT = 20_000   # webhooks of a round: each is taken once
PEOPLE = 2_000
REMOVALS = 200
# A request to each process that people talk to.
PROBES = (("query-service", "GET", "/api/v1/calls?limit=1"), ("lead-pipeline", "POST", "/api/v1/tasks"), ("appointment-service", "POST", "/api/v1/appointments"), ("company-service", "POST", "/api/v1/numbers"),
          ("shunya-orchestrator", "POST", "/api/v1/calls/1/analysis/retry"))


def signed(bench: Bench, svix_id: str, body: bytes) -> dict[str, str]:
    """The headers of a webhook of Clerk's, signed now."""
    at = str(int(time.time()))
    key = base64.b64decode(bench.settings["OTTO_CLERK_WEBHOOK_SECRET"].split(",")[0].removeprefix("whsec_"))
    proof = base64.b64encode(hmac.digest(key, f"{svix_id}.{at}.".encode() + body, hashlib.sha256)).decode()
    return {"Content-Type": "application/json", "svix-id": svix_id, "svix-timestamp": at, "svix-signature": "v1," + proof}


def membership(company: str, user: str, role: str, end: str, at: int) -> bytes:
    return json.dumps({"object": "event", "type": f"organizationMembership.{end}", "timestamp": at, "instance_id": "ins_bench", "data": {
        "object": "organization_membership", "id": f"orgmem_{user}", "role": role, "permissions": [], "public_metadata": {}, "created_at": at, "updated_at": at,
        "organization": {"object": "organization", "id": company, "name": "Roofers & Sons", "slug": company.lower(), "created_at": at, "updated_at": at},
        "public_user_data": {"user_id": user, "identifier": f"{user}@roof.example", "first_name": "Maria", "last_name": "Lopez", "image_url": "", "has_image": False}}}).encode()


def webhooks(bench: Bench, companies: list[Company], rounds: int) -> list[Row]:
    """Memberships of 2,000 people in all companies, made and changed in turn: each webhook proven, written with its id, put on record and told."""
    bench.keep_only()
    port = bench.start("company-service")
    moment, file = [int(time.time() * 1000)], bench.folder / "clerk.requests"

    def write(turn: int, count: int) -> None:
        with file.open("wb") as out:
            for n in range(count):
                moment[0] += 1
                company, user = companies[n % len(companies)].id, f"user_bench{n % PEOPLE}"
                body = membership(company, user, ("org:csr", "org:sales_rep")[n // PEOPLE % 2], "updated", moment[0])
                head = "".join(f"{k}: {v}\r\n" for k, v in signed(bench, f"msg_{turn}_{n}_{moment[0]}", body).items())
                request = f"POST /api/v1/clerk/webhook HTTP/1.1\r\nHost: otto\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
                out.write(f"{len(request)}\n".encode() + request)

    done: list[dict[str, typing.Any]] = []
    write(-1, DISTINCT)
    warm_up(lambda: wrk(port, file, 2)["requests"])
    for turn in range(rounds):
        write(turn, DISTINCT)
        cpu = Cpu(bench, "company-service", "postgres", "kafka")
        out = wrk(port, file, WRK_S)
        done.append({"rate": out["requests"] / out["seconds"], "p99_ms": out["p99_ms"], "cores": cpu.shares(), "repeated": max(0, out["requests"] - DISTINCT)})
        say(f"clerk, round {turn + 1}: {done[-1]['rate']:.0f} webhooks/s, p99 {out['p99_ms']:.0f} ms, {done[-1]['repeated']} of them repeated")
    return [Row("Clerk's webhooks/s", median(done, "rate"), "/s", None, 500, 1000, "more", limited_by(done, names={"load": "wrk"}), done)]


def removals(bench: Bench, companies: list[Company], rounds: int) -> list[Row]:
    """From a webhook's 2xx until each of the processes that people talk to refuses who was removed, asked in turn; the p99 of 200."""
    bench.keep_only()
    bench.all_up()
    company = companies[0]
    ports = {name: bench.settings.get("OTTO_PORT_" + name.upper().replace("-", "_")) for name, _, _ in PROBES}
    took: list[float] = []
    with httpx.Client(base_url=bench.url, timeout=30) as client, httpx.Client(timeout=30) as direct:
        def tell(user: str, end: str) -> None:
            body = membership(company.id, user, "org:admin", end, int(time.time() * 1000))
            answer = client.post("/api/v1/clerk/webhook", content=body, headers=signed(bench, f"msg_{user}_{end}", body))
            if answer.status_code != 200:
                raise RuntimeError(f"the webhook was answered {answer.status_code}: {answer.text[:200]}")

        def status(name: str, method: str, path: str, token: str) -> int:
            return direct.request(method, f"http://127.0.0.1:{ports[name]}{path}", headers={"Authorization": f"Bearer {token}"}, **({"json": {}} if method == "POST" else {})).status_code

        tokens = {user: bench.token("manager", company.id, user=user) for user in (f"user_leaver{time.time_ns()}_{n}" for n in range(REMOVALS))}
        for user in tokens:
            tell(user, "created")
        for user, token in tokens.items():
            tell(user, "deleted")
            began, waiting = time.monotonic(), list(PROBES)
            while waiting:
                waiting = [probe for probe in waiting if status(*probe, token) != 403]
                if time.monotonic() - began > 10:
                    raise RuntimeError(f"{', '.join(name for name, _, _ in waiting)} let a removed member in for 10 s")
            took.append((time.monotonic() - began) * 1e3)
    took.sort()
    say(f"removals: p50 {took[len(took) // 2]:.0f} ms, p99 {took[int(len(took) * 0.99) - 1]:.0f}, the latest {took[-1]:.0f}")
    return [Row("removed → refused by every process: p99 of 200", took[int(len(took) * 0.99) - 1], "ms", None, 1000, 500, "less", f"the latest after {took[-1]:.0f} ms", [{"ms": took}])]


def tokens(bench: Bench, companies: list[Company], rounds: int) -> list[Row]:
    """A session token proven and looked up among 100,000 members, in one thread."""
    done = [bench.report("tokens") for _ in range(rounds)]
    say("tokens: " + ", ".join(f"{d['us']:.1f}" for d in done) + " µs a check")
    return [Row("who asks: token and membership", median(done, "us"), "µs", None, 30, 25, "less", "RSA: a signature's proof", done)]
