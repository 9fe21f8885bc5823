"""Measures of what Kafka does not take: one record, for good; and everything, while it is away."""

import base64
import collections
import contextlib
import hashlib
import hmac
import json
import os
import random
import signal
import time
import typing

import confluent_kafka
import httpx
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from .harness import SEED, Bench, Company, Row, eventually, free_port, median, say, skip

RATE = 50
ROUND_S = 10
TAKES = 20_000    # bytes that otto.calls takes for these rounds: less than lead-pipeline knows of
AWAY_S = 60
ROWS = 40


@contextlib.contextmanager
def taking_less(bench: Bench, topic: str) -> typing.Iterator[None]:
    admin = AdminClient({"bootstrap.servers": bench.brokers})

    def set_to(value: str) -> None:
        entry = ConfigEntry("max.message.bytes", value, incremental_operation=AlterConfigOpType.SET)
        for done in admin.incremental_alter_configs([ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])]).values():
            done.result(20)

    before = next(iter(admin.describe_configs([ConfigResource(ResourceType.TOPIC, topic)]).values())).result(20)["max.message.bytes"].value
    set_to(str(TAKES))
    try:
        yield
    finally:
        set_to(before)


class Follower:
    """What comes on a topic from now on: when each call, and each event how many times."""

    def __init__(self, bench: Bench, topic: str) -> None:
        self.consumer = confluent_kafka.Consumer({"bootstrap.servers": bench.brokers, "group.id": "bench-follower", "enable.auto.commit": False})
        ends = [confluent_kafka.TopicPartition(topic, p) for p in range(12)]
        self.consumer.assign([confluent_kafka.TopicPartition(p.topic, p.partition, self.consumer.get_watermark_offsets(p, timeout=20)[1]) for p in ends])
        self.seen: dict[bytes, float] = {}
        self.copies: collections.Counter[bytes] = collections.Counter()

    def look(self, within: float, until: typing.Callable[[], bool] = lambda: False) -> None:
        end = time.monotonic() + within
        while time.monotonic() < end and not until():
            for m in self.consumer.consume(500, 0.02):
                if m.error():
                    continue
                self.seen.setdefault(m.key(), time.monotonic())
                self.copies[dict(m.headers() or [])["ce_id"]] += 1


def refused(bench: Bench, companies: list[Company], rounds: int) -> list[Row]:
    """One call in 50 a second has an address of its recording that makes its event larger than otto.calls takes. How often lead-pipeline tries, and how late the other calls' events are."""
    bench.keep_only()
    skip(bench)
    bench.all_up()
    bench.stop("lead-pipeline")
    admin = free_port()
    bench.start("lead-pipeline", OTTO_ADMIN_PORT=str(admin))
    company = companies[0]
    chance = random.Random(SEED)
    assert company.key

    def tries() -> float:
        text = httpx.get(f"http://127.0.0.1:{admin}/metrics", timeout=10).text
        return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(("otto_publish_failures_total", "otto_publish_refused_total")))

    def once(n: int, with_one: bool) -> dict[str, typing.Any]:
        dead = "SELECT count(*) FROM dead_letters WHERE unpublished"
        before = bench.sql(dead)[0][0]
        follower = Follower(bench, "otto.calls")
        sent: dict[bytes, float] = {}
        counts = [(time.monotonic(), tries())]
        begun = time.monotonic()
        with httpx.Client(base_url=bench.url, timeout=30) as client:
            for i in range(RATE * ROUND_S):
                phone = f"+1602{n:03d}{i:04d}"
                large = with_one and i == RATE * 3
                url = "https://example.com/" + ("".join(chance.choices("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_", k=60_000)) if large else str(i))
                body = json.dumps({"id": int(f"77{n:03d}{i:05d}"), "customer_phone_number": phone, "tracking_phone_number": company.number, "direction": "inbound", "answered": True, "duration": 30,
                                   "start_time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "recording_url": url}).encode()
                proof = base64.b64encode(hmac.new(company.key.encode(), body, hashlib.sha1).digest()).decode()
                answer = client.post("/api/v1/callrail/call.completed", content=body, headers={"Content-Type": "application/json", "Signature": proof})
                if answer.status_code != 200:
                    raise RuntimeError(f"a webhook was answered {answer.status_code}: {answer.text[:200]}")
                if not large:
                    sent[f"{company.id}:{phone}".encode()] = time.monotonic()
                follower.look(max(0.0, begun + (i + 1) / RATE - time.monotonic()))
                if time.monotonic() - counts[-1][0] > 0.2:
                    counts.append((time.monotonic(), tries()))
        follower.look(30, lambda: sent.keys() <= follower.seen.keys())
        if missing := sent.keys() - follower.seen.keys():
            raise RuntimeError(f"{len(missing)} of {len(sent)} other calls did not come through")
        if with_one:
            eventually(lambda: bench.sql(dead)[0][0] == before + 1, what="the dead letter of what Kafka refused")
        counts.append((time.monotonic(), tries()))
        most = max(b - a for at, a in counts for then, b in counts if at <= then <= at + 1)
        late = sorted(follower.seen[key] - at for key, at in sent.items())
        return {"tries": most, "in_all": counts[-1][1] - counts[0][1], "p50_ms": late[len(late) // 2] * 1e3, "last_ms": late[-1] * 1e3}

    once(999, False)  # the broker and the service are warm then
    done, beside = [], []
    with taking_less(bench, "otto.calls"):
        for n in range(rounds):
            beside.append(once(2 * n, False))
            done.append(once(2 * n + 1, True))
            say(f"refused, round {n + 1}: {done[-1]['in_all']:.0f} tries, {done[-1]['tries']:.0f} within a second; the latest of the others after {done[-1]['last_ms']:.0f} ms, without it {beside[-1]['last_ms']:.0f}")
    return [Row("one record refused for good: tries a second", median(done, "tries"), "/s", None, 2, 2, "less", "pauses of half a second", done),
            Row("the same: the latest of the other events", median(done, "last_ms"), "ms", None, 3000, 1500, "less", f"one pause; {median(beside, 'last_ms'):.0f} ms without the record", done)]


def away(bench: Bench, companies: list[Company], rounds: int) -> list[Row]:
    """Kafka stands still for a minute, which stands for ten: a relay's round takes a second in both. How often a row of the outbox was in company-service's queue: so many times it is on the topic."""
    bench.keep_only()
    bench.all_up()
    done = []
    for n in range(min(rounds, 2)):
        follower = Follower(bench, "otto.directory")
        broker = bench.pid("kafka")
        assert broker
        os.kill(broker, signal.SIGSTOP)
        try:
            end = time.monotonic() + AWAY_S
            for i in range(ROWS):
                bench.sql_as_owner(f"UPDATE companies SET name = 'Roofers {n} {i}' WHERE id = '{companies[i % len(companies)].id}'")
                time.sleep(max(0.0, (end - time.monotonic()) / (ROWS - i)))
        finally:
            os.kill(broker, signal.SIGCONT)
        eventually(lambda: bench.sql_as_owner("SELECT count(*) FROM outbox WHERE consumer = 'company-service'")[0][0] == 0, within=120, what="an empty outbox")
        follower.look(3)
        if not follower.copies:
            raise RuntimeError("nothing came on otto.directory")
        done.append({"copies": float(max(follower.copies.values())), "events": len(follower.copies)})
        say(f"away, round {n + 1}: {done[-1]['events']} rows, each at most {done[-1]['copies']:.0f} times on the topic")
    return [Row("Kafka away: times that a row was queued", max(r["copies"] for r in done), "", None, 1, 1, "less", "rows under way are not read again", done)]
