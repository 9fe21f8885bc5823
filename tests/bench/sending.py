"""Texts that leave: drained at their pace with a kill on the way, asked soon after they are accepted, beside a company with ten thousand, and a call's way while Twilio is slow."""

import collections
import concurrent.futures
import itertools
import os
import signal
import statistics
import subprocess
import time
import typing

import confluent_kafka
import httpx

from conftest import new_number

from .flow import CONNECTIONS, company_args, now_us
from .harness import PARTITIONS, SEED, Bench, Company, Cpu, Row, eventually, limited_by, median, say, skip
from .texts import BARE_P99_MS, PLAYED_AT_MOST, connected, make_requests, timed

DRAINED, NUMBERS, RATE = 1_000, 10, 2.0
KILL_AFTER = 0.4      # of the drain
COUNTED = 0.99        # of the texts: the few that a killed process had in its hands are in doubt for a minute and more
WINDOW_S = 10
ASKED_PER_S, ASKED_S = 20, 15
BARE_RATE = 5_000     # requests a second of the bare server, which says whether the machine is busy
QUEUED = 10_000
SINGLES = 15
SLOW_S, CALLS_S, CALLS_PER_S = 15, 12, 60
Json = dict[str, typing.Any]

people = (f"+1602{n:07d}" for n in itertools.count(4_000_000))  # nobody is texted by two measures


def alone(bench: Bench, companies: list[Company]) -> None:
    """The whole stack, with a lead-pipeline that can be killed and started at once, behind the same port."""
    connected(bench, companies)
    bench.keep_only()
    skip(bench)
    bench.all_up()
    bench.stop("lead-pipeline")
    start_sender(bench)
    httpx.delete(bench.sandbox + "/sandbox/twilio/sends").raise_for_status()


def start_sender(bench: Bench) -> None:
    bench.start("lead-pipeline", OTTO_PORT=bench.settings["OTTO_PORT_LEAD_PIPELINE"])


class Desk:
    """Who texts for a company, from so many of its numbers at so many segments a second."""

    def __init__(self, bench: Bench, company: Company, numbers: int, rate: float) -> None:
        self.bench, self.company = bench, company
        self.token = bench.token("csr", company.id, ttl_s=3600)
        self.client = httpx.Client(base_url=bench.url, timeout=30, headers={"Authorization": f"Bearer {self.token}"})
        self.pace(rate)
        self.numbers = [company.texts, *(new_number() for _ in range(numbers - 1))]
        company.register_twilio(self.numbers)
        for number in self.numbers[1:]:
            company.post("/api/v1/numbers", json={"e164": number, "provider": "twilio", "purposes": ["text"]})
        for number in self.numbers:  # known to the sender, and so is the pace
            eventually(lambda: self.write("Is anybody there?", sender=number).status_code == 202, what=f"a text from {number}")

    def pace(self, rate: float) -> None:
        answer = self.bench.http.put(f"/api/v1/company/{self.company.id}", json={"workflow_config": {"text_rate_per_second": rate}}, headers={"Authorization": f"Bearer {self.company.manager}"})
        if answer.status_code != 200:
            raise RuntimeError(f"the pace was refused: {answer.text}")

    def write(self, body: str, sender: str | None = None) -> httpx.Response:
        return self.client.post("/api/v1/messages", json={"to": next(people), "body": body, "from": sender or self.numbers[0]})

    def write_many(self, words: str, count: int) -> None:
        """In turn from each number, four at once; each is accepted."""
        def one(n: int) -> int:
            return self.write(f"{words} {n}", self.numbers[n % len(self.numbers)]).status_code

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            answers = collections.Counter(pool.map(one, range(count)))
        if answers != {202: count}:
            raise RuntimeError(f"texts were answered {dict(answers)}")

    def taken(self, words: str, **only: str) -> list[Json]:
        """Those whose words begin so, as Twilio took them, in that order."""
        answer = httpx.get(self.bench.sandbox + "/sandbox/twilio/sent", params={"account_sid": self.company.twilio_account, **only}, timeout=60)
        return [said for said in answer.json() if said["body"].startswith(words + " ") and said["sid"]]

    def waiting(self) -> int:
        return int(self.bench.sql("SELECT count(*) FROM text_sends WHERE company_id = %s", self.company.id)[0][0])


def until(check: typing.Callable[[], bool], within: float, what: str) -> None:
    """Looks rarely: the stand-in of Twilio, which is asked, has the same cores."""
    end = time.monotonic() + within
    while not check():
        if time.monotonic() > end:
            raise RuntimeError(f"{what} did not come about within {within:.0f} s")
        time.sleep(1)


# ---- at the configured pace


def kill(bench: Bench) -> float:
    """lead-pipeline, killed and started; seconds that it was away."""
    began, pid = time.monotonic(), bench.pid("lead-pipeline")
    assert pid
    os.kill(pid, signal.SIGKILL)
    bench.extra.pop("lead-pipeline").wait(30)
    start_sender(bench)
    return time.monotonic() - began


def most_in_window(taken: list[Json]) -> int:
    """Of one number, the most that were taken within any window."""
    most = 0
    for number in {said["from"] for said in taken}:
        at = sorted(said["at"] for said in taken if said["from"] == number)
        first = 0
        for last, moment in enumerate(at):
            while at[first] <= moment - WINDOW_S:
                first += 1
            most = max(most, last - first + 1)
    return most


def drain(bench: Bench, companies: list[Company], rounds: int) -> list[Row]:
    """A number begins with what it may send in one second; from then on it keeps to its pace, which is what counts."""
    alone(bench, companies)
    desk, done = Desk(bench, companies[0], NUMBERS, RATE), []
    pace = NUMBERS * RATE
    for n in range(min(rounds, 3)):
        words = f"Drain {n}:"
        desk.write_many(words, DRAINED)
        cpu = Cpu(bench, "lead-pipeline", "postgres", "kafka")
        until(lambda: len(desk.taken(words)) >= KILL_AFTER * DRAINED, 2 * DRAINED / pace, "the first texts at Twilio")
        cores, away = cpu.shares(), kill(bench)
        counted = int(COUNTED * DRAINED)
        until(lambda: len(desk.taken(words)) >= counted, 2 * DRAINED / pace + 60, "the drain")
        at = [said["at"] for said in desk.taken(words)[:counted]]
        begin = at[0] + 1
        steady = sum(moment > begin for moment in at)
        done.append({"per_s": steady / (at[-1] - begin), "seconds": at[-1] - at[0], "away_s": away, "most": most_in_window(desk.taken(words)), "cores": cores})
        say(f"drain {n + 1}: {done[-1]['per_s']:.2f}/s of {pace:g}/s, lead-pipeline away for {away:.1f} s, at most {done[-1]['most']} of a number in {WINDOW_S} s")
    for n in range(len(done)):  # those in doubt too, and none twice
        until(lambda: len({said["body"] for said in desk.taken(f"Drain {n}:")}) == DRAINED, 400, "the last texts at Twilio")
        bodies = collections.Counter(said["body"] for said in desk.taken(f"Drain {n}:"))
        if twice := [body for body, times in bodies.items() if times > 1]:
            raise RuntimeError(f"Twilio took {len(twice)} texts twice, such as {twice[0]!r}")
    if (fastest := max(d["per_s"] for d in done)) > pace * 1.01:
        raise RuntimeError(f"{fastest:.2f} texts a second left where {pace:g} may")
    return [Row("texts out: 1,000 from 10 numbers, one kill: of the configured rate", median(done, "per_s"), "/s", pace, 0.95, 0.98, "more", limited_by(done), done),
            Row(f"the same: most of a number in {WINDOW_S} s", max(d["most"] for d in done), "", RATE * (WINDOW_S + 3), 1.05, 1.0, "less", "its pace, a second that it catches up on, two that may be on the way", done)]


# ---- soon


def asked(bench: Bench, companies: list[Company], rounds: int) -> list[Row]:
    """From when a text is accepted until the request is at Twilio, at twenty a second of four companies."""
    alone(bench, companies)
    desks = [Desk(bench, company, 1, 100) for company in companies[:4]]
    requests = bench.folder / "texts-of-bare"
    make_requests(bench, companies, requests, 5_000)
    bare_port = bench.bare_server()
    played: list[Json] = []
    good: list[Json] = []
    while len(good) < rounds and len(played) < PLAYED_AT_MOST * rounds:
        words = f"Asked {len(played)}:"
        bare = timed(bench, bare_port, requests, BARE_RATE, 4)
        cpu = Cpu(bench, "lead-pipeline", "postgres", "kafka", "sandbox")
        count = ASKED_PER_S * ASKED_S
        begin = time.monotonic() + 0.2

        def one(n: int) -> int:
            time.sleep(max(0.0, begin + n / ASKED_PER_S - time.monotonic()))
            return desks[n % len(desks)].write(f"{words} {n}").status_code

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = collections.Counter(pool.map(one, range(count)))
        if answers != {202: count}:
            raise RuntimeError(f"texts were answered {dict(answers)}")
        until(lambda: sum(len(d.taken(words)) for d in desks) >= count, 60, "all texts at Twilio")
        cores = cpu.shares()
        accepted = {body: at for body, at in bench.sql("SELECT body, extract(epoch FROM created_at)::float8 FROM messages WHERE body LIKE %s", words + " %")}
        late = sorted((said["at"] - accepted[said["body"]]) * 1e3 for d in desks for said in d.taken(words))
        played.append({"p50_ms": late[len(late) // 2], "p99_ms": late[int(len(late) * 0.99)], "max_ms": late[-1], "bare_p99_ms": bare["p99_ms"], "counts": bare["p99_ms"] <= 2 * BARE_P99_MS, "cores": cores})
        good += [played[-1]] if played[-1]["counts"] else []
        say(f"asked {len(good)}/{rounds}: p50 {played[-1]['p50_ms']:.0f} ms, p99 {played[-1]['p99_ms']:.0f}, bare {bare['p99_ms']:.1f}" + ("" if played[-1]["counts"] else ": the machine is busy"))
    bench.stop("bare-server")
    counted = good or played
    return [Row(f"texts out: accepted → asked at {ASKED_PER_S}/s: p99", median(counted, "p99_ms"), "ms", None, 300, 150, "less", limited_by(counted), played, busy=len(good) < rounds)]


# ---- beside a call's way


class Way:
    """How long each event of otto.routed takes to become one of otto.calls, by what Kafka says of both."""

    def __init__(self, bench: Bench) -> None:
        self.consumer = confluent_kafka.Consumer({"bootstrap.servers": bench.brokers, "group.id": "bench-way", "enable.auto.commit": False})
        ends = [confluent_kafka.TopicPartition(topic, p) for topic in ("otto.routed", "otto.calls") for p in range(PARTITIONS)]
        self.consumer.assign([confluent_kafka.TopicPartition(p.topic, p.partition, self.consumer.get_watermark_offsets(p, timeout=20)[1]) for p in ends])

    def of(self, count: int, within: float) -> list[float]:
        """Milliseconds of the next `count` calls."""
        routed: dict[bytes, int] = {}
        told: dict[bytes, int] = {}
        end = time.monotonic() + within
        while len(told.keys() & routed.keys()) < count:
            if time.monotonic() > end:
                raise RuntimeError(f"of {count} calls only {len(told.keys() & routed.keys())} came through")
            for m in self.consumer.consume(500, 0.2):
                if m.error():
                    continue
                head = dict(m.headers() or [])
                if m.topic() == "otto.routed":
                    routed.setdefault(head["ce_id"], m.timestamp()[1])
                elif cause := head.get("ce_causationid"):
                    told.setdefault(cause, m.timestamp()[1])
        return [float(told[e] - routed[e]) for e in told.keys() & routed.keys()]

    def close(self) -> None:
        self.consumer.close()


def slowed(bench: Bench, companies: list[Company], rounds: int) -> list[Row]:
    """Calls in turn while nothing leaves, and while every sender waits for Twilio, whose answers take 15 s."""
    alone(bench, companies)
    desks = [Desk(bench, company, 1, 100) for company in companies[:4]]
    port = int(bench.settings["OTTO_PORT_CALLRAIL_INGRESS"])
    count = CALLS_PER_S * CALLS_S
    fresh = itertools.count(60_000_000, count)

    def calls() -> Json:
        requests = bench.folder / "calls-beside-texts"
        subprocess.run(bench.program("make-webhooks", "--seed", SEED + 6, "--first", next(fresh), "--count", count, "--start-us", now_us(), "--out", requests, *company_args(companies)), check=True)
        way = Way(bench)
        cpu = Cpu(bench, "lead-pipeline", "postgres", "kafka")
        timed(bench, port, requests, CALLS_PER_S, CALLS_S)
        took = sorted(way.of(int(count * 0.98), 30))
        way.close()
        return {"mean_ms": statistics.fmean(took), "p50_ms": took[len(took) // 2], "p99_ms": took[int(len(took) * 0.99)], "cores": cpu.shares()}

    def slow(n: int) -> None:
        """As many texts as one company may have at the senders, of four: all of these wait."""
        words = f"Slow {n}:"
        for desk in desks:
            desk.write_many(words, 2)
        eventually(lambda: sum(len(d.taken(words)) for d in desks) == 2 * len(desks), what="all senders waiting for Twilio")

    calls()  # warm
    ours, limit = [], []
    for n in range(rounds):
        limit.append(calls())
        httpx.post(bench.sandbox + "/sandbox/twilio/sends", json={"fault": "slow", "seconds": SLOW_S}).raise_for_status()
        slow(n)
        ours.append(calls())
        httpx.delete(bench.sandbox + "/sandbox/twilio/sends").raise_for_status()
        say(f"slowed {n + 1}/{rounds}: a call's way {ours[-1]['mean_ms']:.1f} ms (p99 {ours[-1]['p99_ms']:.0f}), while nothing leaves {limit[-1]['mean_ms']:.1f} (p99 {limit[-1]['p99_ms']:.0f})")
    both = [{"ours": o, "limit": li} for o, li in zip(ours, limit)]
    return [Row("a call's way through lead-pipeline while Twilio takes 15 s an answer", median(ours, "mean_ms"), "ms", median(limit, "mean_ms"), 1.05, 1.0, "less", limited_by(ours), both)]


# ---- beside ten thousand


def queued(bench: Bench, companies: list[Company], rounds: int) -> list[Row]:
    """A company whose ten thousand texts keep its share of the senders busy, and another one that writes one now and then."""
    alone(bench, companies)
    many, other = Desk(bench, companies[0], NUMBERS, 0.1), Desk(bench, companies[1], 1, 1)
    many.write_many("Queued 0:", QUEUED)
    many.pace(100)
    began = many.waiting()
    until(lambda: many.waiting() < began - 100, 60, "the ten thousand on their way")
    done = []
    for n in range(rounds):
        words = f"Single {n}:"
        before, begun = many.waiting(), time.monotonic()
        late = []
        for i in range(SINGLES):
            at = time.time()
            if other.write(f"{words} {i}").status_code != 202:
                raise RuntimeError("a single text was refused")
            taken = eventually(lambda: other.taken(words, body=f"{words} {i}"), what="the single text at Twilio")
            late.append((taken[0]["at"] - at) * 1e3)
            time.sleep(max(0.0, 1.1 - (time.time() - at)))  # its number sends one a second
        waits = many.waiting()
        done.append({"p50_ms": statistics.median(late), "last_ms": max(late), "waiting": before, "others_per_s": (before - waits) / (time.monotonic() - begun)})
        say(f"queued {n + 1}/{rounds}: a single text after {done[-1]['p50_ms']:.0f} ms, the latest {done[-1]['last_ms']:.0f}, while {before} of another company wait and {done[-1]['others_per_s']:.0f}/s of them leave")
        many.write_many(f"Queued {n + 1}:", QUEUED - waits)
    bench.stop("lead-pipeline")
    for statement in ("DELETE FROM work WHERE queue LIKE 'lead-pipeline/text%%'", "DELETE FROM text_sends"):  # what still waits is nobody's work
        bench.sql(statement)
    return [Row("texts out: another company's text beside 10,000 that wait: the latest", max(d["last_ms"] for d in done), "ms", None, 3000, 1000, "less", "a quarter of the senders is the most of one company", done)]
