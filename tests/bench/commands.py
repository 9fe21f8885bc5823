"""Measures of bodies that are made to be slow to read: what people send, and strangers."""

import collections
import hmac
import json
import pathlib
import statistics
import time
import typing

import httpx
import psycopg

from .harness import Bench, Company, Row, median, say

MEMBERS = 100_000
BODY = 1 << 20
ASKED = 20


def thread_cpu(pid: int) -> dict[int, tuple[bool, int]]:
    """Of each thread: whether it is one that waits in epoll, as those that do HTTP's reading and writing, and nanoseconds of CPU."""
    out = {}
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        try:
            out[int(task.name)] = "ep" in (task / "wchan").read_text(), int((task / "schedstat").read_text().split()[0])
        except OSError:
            pass
    return out


def members(bench: Bench, companies: list[Company], rounds: int) -> list[Row]:
    """1 MiB of JSON with 100,000 members, as the body of a command that anybody who is signed in may send; what company-service's threads spend on it."""
    bench.keep_only()
    bench.all_up()
    pid = bench.pid("company-service")
    assert pid
    text = "{" + ",".join(f'"{i:05}":1' for i in range(MEMBERS))
    body = (text + "," + json.dumps("note") + ":" + json.dumps("x" * (BODY - len(text) - 12)) + "}").encode()
    assert len(body) <= BODY
    head = {"Authorization": f"Bearer {bench.token('manager', user='user_with_many_members')}", "Content-Type": "application/json"}

    def once() -> dict[str, typing.Any]:
        before = thread_cpu(pid)
        with httpx.Client(base_url=bench.url, timeout=60) as client:
            answers = collections.Counter(client.post("/api/v1/company", content=body, headers=head).status_code for _ in range(ASKED))
        if set(answers) != {422}:
            raise RuntimeError(f"the answers were {dict(answers)}, not 422")
        spent = {tid: (io, (ns - before.get(tid, (io, 0))[1]) / 1e6 / ASKED) for tid, (io, ns) in thread_cpu(pid).items()}
        return {"all_ms": sum(ms for _, ms in spent.values()), "io_ms": max((ms for io, ms in spent.values() if io), default=0.0)}

    done = []
    for n in range(rounds):
        done.append(once())
        say(f"members, round {n + 1}: {done[-1]['all_ms']:.1f} ms of CPU a body, {done[-1]['io_ms']:.1f} of them on an I/O thread")
    return [Row("1 MiB of JSON, 100,000 members: CPU on an I/O thread", median(done, "io_ms"), "ms", None, 10, 5, "less", "company-service", done),
            Row("1 MiB of JSON, 100,000 members: CPU in all", median(done, "all_ms"), "ms", None, 50, 25, "less", "company-service", done)]


WRITES = 50  # in a row, with and without


def audited(bench: Bench, companies: list[Company], rounds: int) -> list[Row]:
    """A person's command over one connection: a task is given another priority. What it takes beside the same while a rule drops the lines of audit_log: row, indexes and log of the one, not the other."""
    bench.keep_only()
    bench.all_up()
    company = companies[0]
    head = {"Authorization": f"Bearer {company.manager}"}
    with httpx.Client(base_url=bench.url, timeout=60, headers=head) as client, psycopg.connect(bench.owner_url(), autocommit=True) as owner:
        task = client.post("/api/v1/tasks", json={"description": "Call back"}).json()["data"]["id"]

        def took(n: int) -> list[float]:
            out = []
            for i in range(n):
                began = time.perf_counter()
                answer = client.patch(f"/api/v1/tasks/{task}", json={"priority": ("high", "low")[i % 2]})
                out.append((time.perf_counter() - began) * 1e3)
                if answer.status_code != 200:
                    raise RuntimeError(f"the answer was {answer.status_code}: {answer.text}")
            return out[5:]  # the first ones plan anew

        done = []
        took(WRITES)
        try:
            for n in range(rounds):
                both: dict[str, list[float]] = {"with": [], "without": []}
                for _ in range(12):
                    for which in ("with", "without"):
                        owner.execute("CREATE OR REPLACE RULE bench_no_audit AS ON INSERT TO audit_log DO INSTEAD NOTHING" if which == "without" else "DROP RULE IF EXISTS bench_no_audit ON audit_log")
                        both[which] += took(WRITES)
                done.append({f"{which}_ms": statistics.median(ms) for which, ms in both.items()})
                say(f"audited, round {n + 1}: {done[-1]['with_ms']:.3f} ms a command, {done[-1]['without_ms']:.3f} without its line in audit_log")
        finally:
            owner.execute("DROP RULE IF EXISTS bench_no_audit ON audit_log")
    return [Row("a command beside one without its line in audit_log", median(done, "with_ms"), "ms", median(done, "without_ms"), 1.05, 1.02, "less", "lead-pipeline", done)]


def digest_ms(body: bytes) -> float:
    """CPU that the HMAC-SHA256 of a body takes by itself, with the same OpenSSL."""
    took = []
    for _ in range(5):
        begun = time.thread_time()
        hmac.digest(b"key", body, "sha256")
        took.append((time.thread_time() - begun) * 1e3)
    return min(took)


def strangers(bench: Bench, companies: list[Company], rounds: int) -> list[Row]:
    """What an ingress's threads spend on a body whose sender proves nothing: a form of a million fields, and 31 MiB that a wrong secret signed."""
    bench.keep_only()
    bench.all_up()

    def form(client: httpx.Client) -> int:
        body = b"tracking_phone_number=" + companies[0].number.replace("+", "%2B").encode() + b"&" + b"a&" * ((2 << 20) // 2 - 32)
        return client.post("/api/v1/callrail/call.completed", content=body, headers={"Content-Type": "application/x-www-form-urlencoded"}).status_code

    long = b'{"job_id":"x","status":"completed","text":"' + b"x" * (31 << 20) + b'"}'

    def report(client: httpx.Client) -> int:
        head = {"Content-Type": "application/json", "X-Shunya-Signature": "0" * 64, "X-Shunya-Timestamp": str(int(time.time() * 1000))}
        return client.post("/api/v1/shunya/webhook", content=long, headers=head).status_code

    rows = []
    for what, service, send, wanted, digest in (("2 MiB form without a signature", "callrail-ingress", form, {200, 401, 429}, 0.0), ("31 MiB under a wrong signature", "shunya-ingress", report, {401}, digest_ms(long))):
        pid = bench.pid(service)
        assert pid
        done: list[dict[str, typing.Any]] = []
        for n in range(rounds):
            before = thread_cpu(pid)
            with httpx.Client(base_url=bench.url, timeout=60) as client:
                answers = collections.Counter(send(client) for _ in range(ASKED))
            if not set(answers) <= wanted:
                raise RuntimeError(f"{what}: the answers were {dict(answers)}")
            spent = {tid: (io, (ns - before.get(tid, (io, 0))[1]) / 1e6 / ASKED) for tid, (io, ns) in thread_cpu(pid).items()}
            done.append({"all_ms": sum(ms for _, ms in spent.values()) - digest, "io_ms": max((ms for io, ms in spent.values() if io), default=0.0)})
            say(f"strangers, {what}, round {n + 1}: {done[-1]['all_ms']:.1f} ms of CPU a body and {digest:.1f} of the digest, {done[-1]['io_ms']:.1f} of them on an I/O thread")
        rows += [Row(f"{what}: CPU on an I/O thread", median(done, "io_ms"), "ms", None, 10, 5, "less", service, done),
                 Row(f"{what}: CPU in all{' but the digest' if digest else ''}", median(done, "all_ms"), "ms", None, 50, 25, "less", service, done)]
    return rows
