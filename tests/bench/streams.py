"""Measures of the live stream: how soon a change that was committed is on the screens, and what streams on which nothing happens take."""

import contextlib
import json
import selectors
import socket
import statistics
import threading
import time
import typing
import uuid

import psycopg

from .harness import Bench, Company, Cpu, Row, eventually, limited_by, median, pss_mb, say

STREAMS, RATE, SECONDS = 1_000, 1_000, 20
IDLE = 5_000
OF_ADDRESS = 900  # a client address has a tenth of the connections: clients here come from several


class Watchers:
    """Streams of dashboards, on one thread: the first of each company is read frame by frame, the others are taken and thrown away."""

    def __init__(self, bench: Bench, port: int, companies: list[Company], count: int) -> None:
        self.seen: dict[str, float] = {}
        self.selector, self.open, self.told, self.stop = selectors.DefaultSelector(), [], 0, False
        tokens: dict[tuple[str, int], str] = {}
        for n in range(count):
            company = companies[n % len(companies)]
            turn = n // len(companies)
            token = tokens.setdefault((company.id, turn // 10), "") or bench.token("csr", company.id, user=f"user_watch{turn // 10}")
            tokens[company.id, turn // 10] = token
            s = socket.create_connection(("127.0.0.1", port), 30, source_address=(f"127.0.0.{2 + n // OF_ADDRESS}", 0))
            s.sendall(f"GET /api/v1/stream HTTP/1.1\r\nHost: otto\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
            head = s.recv(4096)
            if b" 200 " not in head.split(b"\r\n", 1)[0]:
                raise RuntimeError(f"stream {n} was answered {head[:300]!r}")
            s.setblocking(False)
            self.open.append(s)
            self.selector.register(s, selectors.EVENT_READ, bytearray() if n < len(companies) else None)
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self) -> None:
        while not self.stop:
            for key, _ in self.selector.select(0.2):
                got = typing.cast(socket.socket, key.fileobj).recv(1 << 16)
                if not got:
                    raise RuntimeError("a stream ended")
                self.told += len(got)
                if key.data is None:
                    continue
                now = time.monotonic()
                key.data.extend(got)
                *whole, rest = bytes(key.data).split(b"\n\n")
                key.data[:] = rest
                for frame in whole:
                    if b"event: change" in frame:
                        self.seen.setdefault(json.loads(frame.rsplit(b"data: ", 1)[1])["id"], now)

    def close(self) -> None:
        self.stop = True
        self.thread.join()
        for s in self.open:
            s.close()


def change(company: str, ident: str) -> tuple[bytes, str]:
    """A RowChanged as a service's outbox has it."""
    def text(number: int, value: str) -> bytes:
        return bytes([number << 3 | 2, len(value)]) + value.encode()

    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    headers = {"ce_specversion": "1.0", "ce_id": str(uuid.uuid4()), "ce_type": "otto.changes.v1.RowChanged", "ce_source": "/lead-pipeline", "ce_time": now, "content-type": "application/protobuf",
               "traceparent": f"00-{uuid.uuid4().hex}-{uuid.uuid4().hex[:16]}-00"}
    return text(1, company) + text(2, "call") + text(3, ident), json.dumps([[k, v] for k, v in headers.items()])


def told(bench: Bench, companies: list[Company], rounds: int) -> list[Row]:
    """1,000 changes a second, committed to lead-pipeline's outbox by fifty at a time, until they are at 1,000 streams of eight companies: from the commit's end to the frame, at one stream of each company."""
    bench.keep_only()
    bench.start("lead-pipeline")
    port = bench.start("query-service")
    watchers = Watchers(bench, port, companies, STREAMS)
    done: list[dict[str, typing.Any]] = []
    try:
        with psycopg.connect(bench.owner_url(), autocommit=False) as db:
            for turn in range(rounds):
                cpu, committed, step = Cpu(bench, "query-service", "lead-pipeline", "postgres", "kafka"), {}, 0.05
                begun = time.monotonic()
                for i in range(int(SECONDS / step)):
                    ids = [f"{turn}-{i}-{n}" for n in range(int(RATE * step))]
                    rows = [(companies[n % len(companies)].id, *change(companies[n % len(companies)].id, ident)) for n, ident in enumerate(ids)]
                    with db.cursor() as cursor:
                        cursor.executemany("INSERT INTO outbox (consumer, lane_topic, lane_partition, topic, key, value, headers) VALUES ('lead-pipeline', 'outbox', 0, 'otto.changes', %s, %s, %s::jsonb)", rows)
                        cursor.execute("SELECT pg_notify('otto_outbox', 'lead-pipeline')")
                    db.commit()
                    now = time.monotonic()
                    committed |= dict.fromkeys(ids, now)
                    time.sleep(max(0.0, begun + (i + 1) * step - time.monotonic()))
                eventually(lambda: committed.keys() <= watchers.seen.keys(), within=60, what="all changes at the streams")
                took = sorted(watchers.seen[k] - at for k, at in committed.items())
                done.append({"p99_ms": took[int(len(took) * 0.99)] * 1000, "p50_ms": statistics.median(took) * 1000, "rate": len(took) / (time.monotonic() - begun), "cores": cpu.shares()})
                say(f"streams, round {turn + 1}: p50 {done[-1]['p50_ms']:.0f} ms, p99 {done[-1]['p99_ms']:.0f} ms at {done[-1]['rate']:.0f} changes/s, cores {done[-1]['cores']}")
    finally:
        watchers.close()
    return [Row("commit to frame, 1,000 changes/s, 1,000 streams, p99", median(done, "p99_ms"), "ms", None, 250, 150, "less", limited_by(done), done)]


def idle(bench: Bench, companies: list[Company], rounds: int) -> list[Row]:
    """What query-service takes in all with 5,000 streams on which nothing happens."""
    bench.keep_only()
    port = bench.start("query-service")
    pid = bench.pid("query-service")
    assert pid
    before = pss_mb(pid)
    with contextlib.closing(Watchers(bench, port, companies, IDLE)):
        after = pss_mb(pid)
    say(f"streams: {before:.0f} MB before, {after:.0f} MB with {IDLE}")
    return [Row("query-service with 5,000 idle streams", after, "MB", None, 350, 200, "less", f"{(after - before) * 1024 / IDLE:.0f} KB a stream", [{"before_mb": before, "after_mb": after}])]
