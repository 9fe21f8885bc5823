"""Webhooks as CallRail sends them: calls with all their events in random order, repeated, delayed, some forged, some for numbers that nobody owns.

Every webhook goes out on a connection of its own when it is due, never again on our own account (CallRail does not retry); every answer is kept.
"""

import asyncio
import dataclasses
import datetime
import heapq
import itertools
import json
import random
import threading
import time
import typing

from conftest import Company
from sandbox.callrail.calls import payload, sign

PATHS = {"incoming": "call.incoming", "answered": "call.answered", "completed": "call.completed", "missed": "call.missed", "modified": "call.modified"}
ZONE = datetime.timezone(datetime.timedelta(hours=-7))


@dataclasses.dataclass(eq=False)
class Call:
    """What one call should end as."""

    id: int
    kind: str  # good, forged, unknown
    company: Company | None
    tracking: str
    customer: str
    missed: bool
    webhooks: list["Webhook"] = dataclasses.field(default_factory=list)

    @property
    def taken(self) -> list["Webhook"]:
        return [w for w in self.webhooks if w.event_id]

    @property
    def perhaps(self) -> list["Webhook"]:
        """Sent, with no 2xx: Otto may have them or not."""
        return [w for w in self.webhooks if not w.event_id and w.sends]


@dataclasses.dataclass(eq=False)
class Webhook:
    """One body; sent once or several times."""

    call: Call
    event: str
    note: str
    body: bytes
    signature: str
    event_id: str = ""
    sends: list["Send"] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(eq=False)
class Send:
    at: float
    seconds: float
    status: int  # 0: no answer
    error: str


class Load:
    """Sends at `rate` a second from start() to stop(), in a thread of its own."""

    def __init__(self, port: int, companies: list[Company], seed: int, rate: float, customers: int = 5_000) -> None:
        self.port, self.companies, self.rate = port, companies, rate
        self.random = random.Random(seed)
        self.customers = [f"+1{self.random.randrange(201, 990)}{self.random.randrange(200, 1000):03d}{n:04d}" for n in range(customers)]
        self.unowned = [f"+1{self.random.randrange(201, 990)}{self.random.randrange(200, 1000):03d}{9000 + n}" for n in range(20)]
        self.ids = itertools.count(700_000_000 + self.random.randrange(1_000_000) * 100_000)
        self.calls: list[Call] = []
        self.sends: list[Send] = []
        self.queue: list[tuple[float, int, Webhook]] = []
        self.turn = itertools.count()
        self.running = False
        self.flying = 0
        self.thread: threading.Thread | None = None
        self.paused = False

    # -- what is sent

    def webhook(self, call: Call, event: str, started: datetime.datetime, number: int) -> Webhook:
        note = f"note {call.id} {event} {number}"
        facts = {"call": call.id, "answered": not call.missed, "voicemail": False, "duration": 0 if call.missed else 20 + call.id % 300, "started": started, "recording": "", "to": call.tracking,
                 "from": call.customer, "name": "Kaylah Mills", "company": 155920786, "account": None}
        body = payload(facts, "completed" if event == "missed" else event)
        if event == "modified":
            body["note"] = note
        body["custom"] = note  # two different webhooks never have one body
        raw = json.dumps(body, separators=(",", ":")).encode()
        key = call.company.key if call.company and call.kind == "good" else "somebody else's key"
        return Webhook(call, event, note if event == "modified" else "", raw, sign(str(key), raw))

    def new_call(self, due: float) -> int:
        """Plans a call's webhooks from `due` on; returns how many sends that are."""
        r = self.random
        fate = r.random()
        kind = "forged" if fate < 0.03 else "unknown" if fate < 0.06 else "good"
        company = None if kind == "unknown" else r.choice(self.companies)
        call = Call(next(self.ids), kind, company, company.number if company else r.choice(self.unowned), r.choice(self.customers), r.random() < 0.2)
        self.calls.append(call)
        events = ["incoming", *([] if call.missed else ["answered"]), "missed" if call.missed else "completed", *["modified"] * r.choice((0, 0, 1, 2))]
        started = datetime.datetime.now(ZONE) - datetime.timedelta(seconds=r.randrange(3600))
        call.webhooks = [self.webhook(call, event, started, n) for n, event in enumerate(events)]
        order = call.webhooks if r.random() < 0.5 else r.sample(call.webhooks, len(call.webhooks))
        sends = 0
        for n, hook in enumerate(order):
            at = due + n * r.choice((0.0, 0.001, 0.05, 1.0)) + (r.random() * 8 if r.random() < 0.2 else 0)
            for again in range(r.choice((1, 1, 1, 1, 1, 1, 1, 2, 2, 3))):
                heapq.heappush(self.queue, (at + again * r.random() * 10, next(self.turn), hook))
                sends += 1
        return sends

    # -- sending

    async def send(self, hook: Webhook) -> None:
        self.flying += 1
        begun = time.time()
        clock = time.monotonic()
        status, error, event_id = 0, "", ""
        writer = None
        try:
            async with asyncio.timeout(20):
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                head = (f"POST /api/v1/callrail/{PATHS[hook.event]} HTTP/1.1\r\nHost: otto.example\r\nConnection: close\r\nContent-Type: application/json\r\n"
                        f"Signature: {hook.signature}\r\nContent-Length: {len(hook.body)}\r\n\r\n")
                writer.write(head.encode() + hook.body)
                answer = await reader.read(-1)
                status = int(answer[9:12])
                if status // 100 == 2:
                    event_id = json.loads(answer.partition(b"\r\n\r\n")[2])["data"]["event_id"]
        except (OSError, ValueError, TimeoutError, KeyError) as e:
            error = f"{type(e).__name__} {e}"
        finally:
            if writer:
                writer.close()
            self.flying -= 1
        send = Send(begun, time.monotonic() - clock, status, error)
        hook.sends.append(send)
        self.sends.append(send)
        if event_id:
            hook.event_id = event_id

    async def run(self) -> None:
        tasks: set[asyncio.Task[None]] = set()
        due = time.monotonic()
        while self.running or self.queue:
            now = time.monotonic()
            if self.paused:
                due = now
            while self.running and not self.paused and due <= now:  # the rate counts sends, repeats included
                due += self.new_call(due) / self.rate
            while self.queue and (self.queue[0][0] <= now or not self.running) and self.flying < 2_000:
                hook = heapq.heappop(self.queue)[2]
                task = asyncio.create_task(self.send(hook))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
                if not self.running:
                    await asyncio.sleep(1 / self.rate)
            await asyncio.sleep(0.002)
        await asyncio.gather(*tasks)

    def start(self) -> None:
        self.running = True
        self.thread = threading.Thread(target=lambda: asyncio.run(self.run()))
        self.thread.start()

    def stop(self) -> None:
        """What is planned still goes out."""
        self.running = False
        typing.cast(threading.Thread, self.thread).join()

    def during(self, since: float, until: float) -> list[Send]:
        return [s for s in self.sends if since <= s.at <= until]
