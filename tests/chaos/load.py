"""Webhooks as CallRail and Twilio send them: calls with all their events and voicemails, texts in both directions and their statuses, in random order, repeated, delayed, some forged, some for numbers that nobody owns.

Every webhook goes out on a connection of its own when it is due, never again on our own account (neither repeats what was answered); every answer is kept. A fifth is about texts, a tenth about calls over Twilio.
"""

import asyncio
import dataclasses
import datetime
import email.utils
import functools
import heapq
import itertools
import json
import random
import threading
import time
import typing
import uuid

from conftest import Company
from sandbox.callrail.calls import payload, sign
from sandbox.state import resource_id
from sandbox.twilio.texts import as_form
from sandbox.twilio.texts import sign as sign_form

PATHS = {"incoming": "call.incoming", "answered": "call.answered", "completed": "call.completed", "missed": "call.missed", "modified": "call.modified"}
ZONE = datetime.timezone(datetime.timedelta(hours=-7))


TEXTS, VOICE = 0.2, 0.1  # of what is sent
STATUSES = ("queued", "sent", "delivered")


@dataclasses.dataclass(eq=False, kw_only=True)
class Thing:
    """What webhooks are about."""

    kind: str  # good, forged, unknown
    company: Company | None
    customer: str
    webhooks: list["Webhook"] = dataclasses.field(default_factory=list)

    @property
    def taken(self) -> list["Webhook"]:
        return [w for w in self.webhooks if w.event_id]

    @property
    def perhaps(self) -> list["Webhook"]:
        """Sent, with no 2xx: Otto may have them or not."""
        return [w for w in self.webhooks if not w.event_id and w.sends]


@dataclasses.dataclass(eq=False, kw_only=True)
class Call(Thing):
    """What one call should end as."""

    id: int
    tracking: str
    missed: bool


@dataclasses.dataclass(eq=False, kw_only=True)
class Text(Thing):
    """What one text should end as; `body` None: only its statuses are told."""

    id: str  # at its provider
    provider: str
    direction: str
    body: str | None
    sent_at: datetime.datetime | None  # None: the provider does not say


@dataclasses.dataclass(eq=False, kw_only=True)
class Voice(Thing):
    """What one call over Twilio should end as."""

    id: str  # CallSid
    outcome: str  # answered, missed, voicemail
    duration: int
    recording: str | None  # RecordingSid of its voicemail


@dataclasses.dataclass(eq=False)
class Webhook:
    """One body; sent once or several times."""

    of: Thing
    event: str
    note: str
    path: str
    body: bytes
    headers: dict[str, str]
    event_id: str = ""  # once it was taken; of Twilio's, whose answers say none, `named` until the topic tells it
    sends: list["Send"] = dataclasses.field(default_factory=list)

    @property
    def named(self) -> str:
        """As its body says of itself (checker.ABOUT), if its answer does not say the event's id."""
        if isinstance(self.of, Voice):
            return f"{self.of.id} {self.event}"
        return f"{typing.cast(Text, self.of).id} SmsStatus={self.event}" if isinstance(self.of, Text) and self.of.provider == "twilio" else ""


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
        self.url, self.sandbox = f"http://127.0.0.1:{port}", companies[0].stack.sandbox  # what Twilio signs; where recordings are said to be
        self.random = random.Random(seed)
        self.customers = [f"+1{self.random.randrange(201, 990)}{self.random.randrange(200, 1000):03d}{n:04d}" for n in range(customers)]
        self.unowned = [f"+1{self.random.randrange(201, 990)}{self.random.randrange(200, 1000):03d}{9000 + n}" for n in range(20)]
        self.ids = itertools.count(700_000_000 + self.random.randrange(1_000_000) * 100_000)
        self.calls: list[Call] = []
        self.texts: list[Text] = []
        self.voices: list[Voice] = []
        self.planned = {Call: 0, Text: 0, Voice: 0}
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
        return self.of_callrail(call, event, note if event == "modified" else "", f"/api/v1/callrail/{PATHS[event]}", raw)

    def of_callrail(self, of: Thing, event: str, note: str, path: str, raw: bytes) -> Webhook:
        key = of.company.key if of.company and of.kind == "good" else "somebody else's key"
        return Webhook(of, event, note, path, raw, {"Content-Type": "application/json", "Signature": sign(str(key), raw)})

    def of_twilio_voice(self, call: Voice, ours: str, event: str, path: str, said: dict[str, str], *, ends: bool = True) -> Webhook:
        """`event` is what the form says of itself first, behind its CallSid: the checker finds it by that."""
        name, value = event.split("=")
        form = {"CallSid": call.id, name: value, "AccountSid": call.company.twilio_account if call.company else f"AC{call.id[2:]}", "ApiVersion": "2010-04-01",
                **({"From": call.customer, "To": ours, "Direction": "inbound"} if ends else {}), **said}
        known = call.company if call.kind == "good" else None
        path = f"/api/aloha/webhooks/{path}"
        return Webhook(call, event, "", path, as_form(form), {"Content-Type": "application/x-www-form-urlencoded", "X-Twilio-Signature": sign_form(known.auth_token if known else "somebody else's token", self.url + path, form)})

    def of_twilio(self, text: Text, ours: str, event: str) -> Webhook:
        known = text.company if text.kind == "good" else None
        ends = {"From": text.customer, "To": ours} if text.direction == "inbound" else {"From": ours, "To": text.customer}
        said = {"Body": text.body or "", "NumMedia": "0"} if event == "received" else {"MessageStatus": event}
        form = {"MessageSid": text.id, "SmsStatus": event, "AccountSid": text.company.twilio_account if text.company else f"AC{text.id[2:]}", "ApiVersion": "2010-04-01", **ends, **said}
        path = "/sms/twilio-webhook" if event == "received" else "/api/aloha/webhooks/message-status"
        signature = sign_form(known.auth_token if known else "somebody else's token", self.url + path, form)
        return Webhook(text, event, "", path, as_form(form), {"Content-Type": "application/x-www-form-urlencoded", "X-Twilio-Signature": signature})

    def fate(self) -> tuple[str, Company | None]:
        fate = self.random.random()
        kind = "forged" if fate < 0.03 else "unknown" if fate < 0.06 else "good"
        return kind, None if kind == "unknown" else self.random.choice(self.companies)

    def new_call(self, due: float) -> int:
        """Plans a call's webhooks from `due` on; returns how many sends that are."""
        r = self.random
        kind, company = self.fate()
        call = Call(id=next(self.ids), kind=kind, company=company, tracking=company.number if company else r.choice(self.unowned), customer=r.choice(self.customers), missed=r.random() < 0.2)
        self.calls.append(call)
        events = ["incoming", *([] if call.missed else ["answered"]), "missed" if call.missed else "completed", *["modified"] * r.choice((0, 0, 1, 2))]
        started = datetime.datetime.now(ZONE) - datetime.timedelta(seconds=r.randrange(3600))
        call.webhooks = [self.webhook(call, event, started, n) for n, event in enumerate(events)]
        return self.plan(call, due)

    def new_text(self, due: float) -> int:
        """The same of a text: one that came in, or one that was sent, of which Twilio tells its statuses and CallRail its words."""
        r = self.random
        kind, company = self.fate()
        number, provider, inbound = next(self.ids), r.choice(("callrail", "twilio")), r.random() < 0.5
        body = f"text {number} {'é' * r.randrange(3)}{'🏠' * r.randrange(2)}"
        ours = r.choice(self.unowned) if company is None else company.number if provider == "callrail" else company.texts
        same = {"kind": kind, "company": company, "customer": r.choice(self.customers), "provider": provider, "direction": "inbound" if inbound else "outbound"}
        if provider == "twilio":
            text = Text(**same, id=f"SM{uuid.UUID(int=r.getrandbits(128)).hex}", body=body if inbound else None, sent_at=None)
            statuses = STATUSES if r.random() < 0.8 else ("queued", "sending", "undelivered")
            text.webhooks = [self.of_twilio(text, ours, event) for event in (("received",) if inbound else r.sample(statuses, r.randrange(1, 4)))]
        else:
            at = (datetime.datetime.now(ZONE) - datetime.timedelta(seconds=r.randrange(3600))).replace(microsecond=0)
            text = Text(**same, id=resource_id("SCI", number), body=body, sent_at=at)
            ends = (text.customer, ours) if inbound else (ours, text.customer)
            said = {"id": number, "resource_id": text.id, "source_number": ends[0], "destination_number": ends[1], "content": body, "message_type": "sms", "media_urls": [], "timestamp": at.isoformat(),
                    **({} if inbound else {"agent": "Omar"})}
            text.webhooks = [self.of_callrail(text, "received" if inbound else "sent", "", "/sms/callrail-webhook", json.dumps(said, separators=(",", ":")).encode())]
        self.texts.append(text)
        return self.plan(text, due)

    def new_voice(self, due: float) -> int:
        """The same of a call over Twilio: somebody answers it, or the caller leaves a voicemail, or not."""
        r = self.random
        kind, company = self.fate()
        outcome = r.choices(("answered", "missed", "voicemail"), (60, 15, 25))[0] if kind == "good" else "missed"
        recording = f"RE{uuid.UUID(int=r.getrandbits(128)).hex}" if outcome == "voicemail" else None
        call = Voice(kind=kind, company=company, customer=r.choice(self.customers), id=f"CA{uuid.UUID(int=r.getrandbits(128)).hex}", outcome=outcome, duration=r.randrange(5, 300), recording=recording)
        ours = company.texts if company else r.choice(self.unowned)
        hook = functools.partial(self.of_twilio_voice, call, ours)
        call.webhooks = [hook("CallStatus=ringing", "incoming-call", {})]
        if outcome != "missed":
            dialled = "completed" if outcome == "answered" else "no-answer"
            call.webhooks.append(hook(f"DialCallStatus={dialled}", "next-step?flow=open&step=0", {"CallStatus": "in-progress", "DialCallSid": f"CA{uuid.UUID(int=r.getrandbits(128)).hex}"}))
        if recording:
            url = f"{self.sandbox}/2010-04-01/Accounts/{company.twilio_account if company else ''}/Recordings/{recording}"
            call.webhooks.append(hook("RecordingStatus=completed", "voicemail-recorded", {"RecordingSid": recording, "RecordingUrl": url, "RecordingDuration": "1", "RecordingSource": "RecordVerb", "RecordingChannels": "1"}, ends=False))
        call.webhooks.append(hook("CallStatus=completed", "call-status", {"CallDuration": str(call.duration), "Duration": str(-(-call.duration // 60)), "SequenceNumber": "0", "CallbackSource": "call-progress-events",
                                                                         "Timestamp": email.utils.formatdate()}))
        self.voices.append(call)
        return self.plan(call, due)

    def plan(self, thing: Thing, due: float) -> int:
        r = self.random
        order = thing.webhooks if r.random() < 0.5 else r.sample(thing.webhooks, len(thing.webhooks))
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
                headers = "".join(f"{name}: {value}\r\n" for name, value in hook.headers.items())
                head = f"POST {hook.path} HTTP/1.1\r\nHost: otto.example\r\nConnection: close\r\n{headers}Content-Length: {len(hook.body)}\r\n\r\n"
                writer.write(head.encode() + hook.body)
                answer = await reader.read(-1)
                status = int(answer[9:12])
                if status // 100 == 2:
                    event_id = hook.named or json.loads(answer.partition(b"\r\n\r\n")[2])["data"]["event_id"]
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
                what = next((kind for kind, share in ((Text, TEXTS), (Voice, VOICE)) if self.planned[kind] < share * sum(self.planned.values())), Call)
                sends = {Text: self.new_text, Voice: self.new_voice, Call: self.new_call}[what](due)
                self.planned[what] += sends
                due += sends / self.rate
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
