"""Texts that the API is asked to send: what it answers, what becomes of them, and what a test wants to go wrong on the way."""

import asyncio
import collections
import contextlib
import datetime
import re
import time
import typing
import urllib.parse
import uuid

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from ..faults import reset
from ..posting import posting
from ..state import Json, e164
from .texts import FAILED, STATUSES, Texts, as_form, parameters, shown, sign

KEPT_ASKED = 100_000
NUMBER = re.compile(r"\+[1-9]\d{7,14}")

# What the API answers by its codes: the status, and its words.
REFUSALS: dict[int, tuple[int, str]] = {
    20003: (401, "Authenticate"),
    20429: (429, "Too Many Requests"),
    20500: (500, "An internal server error has occurred"),
    21211: (400, "Invalid 'To' Phone Number: {to}"),
    21266: (400, "'To' and 'From' number cannot be the same: {to}"),
    21408: (400, "Permission to send an SMS has not been enabled for the region indicated by the 'To' number: {to}"),
    21602: (400, "Message body is required."),
    21603: (400, "A 'From' phone number is required."),
    21604: (400, "A 'To' phone number is required."),
    21606: (400, "The From phone number {from} is not a valid, SMS-capable inbound phone number or short code for your account."),
    21608: (400, "The number {to} is unverified. Trial accounts cannot send messages to unverified numbers; verify {to} at twilio.com/user/account/phone-numbers/verified, or purchase a Twilio number to send"
                 " messages to unverified numbers"),
    21610: (400, "Attempt to send to unsubscribed recipient"),
    21611: (400, "This 'From' number {from} has exceeded the maximum number of queued messages"),
    21614: (400, "'To' number: {to}, is not a mobile number"),
    21617: (400, "The concatenated message body exceeds the 1600 character limit"),
    21635: (400, "'To' number cannot be a landline: {to}"),
}
# What carriers say of a text that was taken: in which status it ends, and the words.
FAILURES: dict[int, tuple[str, str]] = {
    30001: ("failed", "Queue overflow"),
    30002: ("failed", "Account suspended"),
    30003: ("undelivered", "Unreachable destination handset"),
    30004: ("undelivered", "Message blocked"),
    30005: ("undelivered", "Unknown destination handset"),
    30006: ("undelivered", "Landline or unreachable carrier"),
    30007: ("undelivered", "Carrier violation"),
    30008: ("undelivered", "Unknown error"),
    30022: ("failed", "US A2P 10DLC - Rate Limits Exceeded"),
    30034: ("undelivered", "US A2P 10DLC - Message from an Unregistered Number"),
}
RESETS, TAKES_AND_RESETS, TAKES_AND_FAILS, TAKES_AND_GARBLES, LISTS_LATE, BUSY, FAILS, SLOW = FAULTS = (
    "resets", "takes_and_resets", "takes_and_fails", "takes_and_garbles", "lists_late", "busy", "fails", "slow")
DEFAULT_EVENTS = ("sent", "delivered")


def problem(status: int, code: int, message: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"code": code, "message": message, "more_info": f"https://www.twilio.com/docs/errors/{code}", "status": status}, status, headers)


def refused(code: int, form: typing.Mapping[str, str], headers: dict[str, str] | None = None) -> Response:
    status, words = REFUSALS.get(code, (400, "An error that was asked for"))
    return problem(status, code, words.format(**{"to": form.get("To", ""), "from": form.get("From", "")}), headers)


class Reset(Response):
    """No answer, and the connection's end by a TCP reset."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with contextlib.suppress(ConnectionResetError):  # whoever asked may be gone already
            await reset(scope, receive)


class Sending:
    """Sends what the API is asked to send, by the scripts of `twilio/sends`; keeps on record what it was asked and what it took."""

    def __init__(self, texts: Texts) -> None:
        self.texts = texts
        self.scripts: list[Json] = []
        self.record: collections.deque[Json] = collections.deque(maxlen=KEPT_ASKED)
        self.held: list[tuple[Json, asyncio.Event]] = []
        self.on_their_way: set[asyncio.Task[None]] = set()

    def script_of(self, said: Json) -> Json:
        """The first one that fits counts; `times` used up, it fits none any more."""
        for script in self.scripts:
            if all(script[name] == said[name] for name in ("account_sid", "from", "to", "body") if name in script) and script.get("word", "") in said["body"] and script.get("times") != 0:
                if "times" in script:
                    script["times"] -= 1
                return script
        return {}

    async def asked(self, request: Request, account: str) -> Response:
        """POST Messages.json."""
        form = {name: values[0] for name, values in urllib.parse.parse_qs((await request.body()).decode("utf-8", "replace"), keep_blank_values=True).items()}
        said: Json = {"account_sid": account, "from": form.get("From", ""), "to": form.get("To", ""), "body": form.get("Body", ""), "callback": form.get("StatusCallback"), "at": time.time(), "sid": None}
        with self.texts.lock:
            self.record.append(said)
        if code := self.wrong(account, form):
            return refused(code, form)
        script = self.script_of(said)
        fault, code = script.get("fault"), script.get("code", 0)
        await self.hold(script, "before", said)
        if fault in (RESETS, BUSY, FAILS) or 0 < code < 30000:
            return Reset() if fault == RESETS else refused(20500 if fault == FAILS else 20429 if fault == BUSY else code, form, {"Retry-After": str(script["retry_after"])} if "retry_after" in script else None)
        facts = self.take(account, form, script)
        said["sid"] = facts["sid"]
        answer = shown(facts)
        if script.get("callback_first"):
            await self.go_on(facts, script)
        else:
            task = asyncio.create_task(self.go_on(facts, script))
            self.on_their_way.add(task)
            task.add_done_callback(self.on_their_way.discard)
        await self.hold(script, "after", said)
        if fault in (TAKES_AND_RESETS, LISTS_LATE):
            return Reset()
        if fault == TAKES_AND_FAILS:
            return refused(20500, form)
        if fault == TAKES_AND_GARBLES:
            return PlainTextResponse("<html>It works!</html>", 200, media_type="text/html")
        if fault == SLOW:
            await asyncio.sleep(script.get("seconds", 20))
        return JSONResponse(answer, 201)

    def wrong(self, account: str, form: typing.Mapping[str, str]) -> int:
        """The code of what Twilio refuses at once; 0: nothing."""
        to, sender, body, known = form.get("To", ""), form.get("From", ""), form.get("Body", ""), self.texts.account(account)
        if not to:
            return 21604
        if not (sender or form.get("MessagingServiceSid")):
            return 21603
        if not (body or form.get("MediaUrl")):
            return 21602
        if len(body) > 1600:
            return 21617
        if not NUMBER.fullmatch(to):
            return 21211
        if to == sender:
            return 21266
        if sender and known and "numbers" in known and sender not in map(e164, known["numbers"]):
            return 21606
        return 21610 if (sender, to) in self.texts.blocked else 0

    def take(self, account: str, form: typing.Mapping[str, str], script: Json) -> Json:
        late = script.get("seconds", 30) if script.get("fault") == LISTS_LATE else 0
        facts = {"sid": "SM" + uuid.uuid4().hex, "account_sid": account, "from": form.get("From", ""), "to": form["To"], "direction": "outbound-api", "body": form.get("Body", ""), "media": [],
                 "created_at": datetime.datetime.now(datetime.timezone.utc), "sent_at": None, "listed": {}, "listed_from": time.monotonic() + late, "status": "queued", "error_code": None, "error_message": None,
                 "opt_out_type": None, "service": form.get("MessagingServiceSid"), "callback": form.get("StatusCallback")}
        self.texts.remember(facts)
        return facts

    async def hold(self, script: Json, where: str, said: Json) -> None:
        """Until somebody releases it."""
        if script.get("hold") != where:
            return
        released = asyncio.Event()
        self.held.append(({**said, "where": where}, released))
        await released.wait()

    def release(self) -> list[Json]:
        released, self.held = self.held, []
        for _, event in released:
            event.set()
        return [said for said, _ in released]

    async def go_on(self, facts: Json, script: Json) -> None:
        code = script.get("code", 0)
        events = script.get("events", ("sent", FAILURES[code][0]) if code in FAILURES else DEFAULT_EVENTS)
        await asyncio.sleep(max(0.0, facts["listed_from"] - time.monotonic()))
        for event in events:
            await asyncio.sleep(script.get("pause_ms", 20) / 1000)
            await self.tell(facts, event, code or None, script.get("callbacks", True))

    async def tell(self, facts: Json, event: str, code: int | None = None, posted: bool = True) -> Json | None:
        """A text's next status, and what Otto answers if it is told."""
        words = FAILURES[code][1] if code in FAILURES else FAILED[event][1] if event in FAILED else ""
        failed = {event: (str(code), words)} if code and event in FAILED else FAILED
        with self.texts.lock:
            if STATUSES.index(event) >= STATUSES.index(facts["status"]):  # the list tells the furthest, whatever the order of the callbacks
                facts["status"] = event
                facts["error_code"], facts["error_message"] = (int(failed[event][0]), failed[event][1]) if event in failed else (None, None)
                if event not in ("accepted", "scheduled", "queued", "canceled"):
                    facts["sent_at"] = facts["sent_at"] or datetime.datetime.now(datetime.timezone.utc)
        if not (posted and facts["callback"]):
            return None
        form = parameters(self.texts, facts, event, failed)
        headers = {"Content-Type": "application/x-www-form-urlencoded; charset=UTF-8", "X-Twilio-Signature": sign(self.texts.token(facts["account_sid"]), facts["callback"], form), "User-Agent": "TwilioProxy/1.1",
                   "I-Twilio-Idempotency-Token": facts["sid"] + event, "Accept": "*/*"}

        def post() -> Json:
            with posting(self.texts.state, "twilio") as poster:
                return poster.post(facts["callback"], headers, as_form(form))

        return await run_in_threadpool(post)

    def seen(self, **wanted: str) -> list[Json]:
        """What it was asked to send, with its SID and status if it took it."""
        with self.texts.lock:
            asked = [said for said in self.record if all(value in ("", said[name]) for name, value in wanted.items())]
        return [{**said, "status": (self.texts.find(said["sid"]) or {}).get("status") if said["sid"] else None} for said in asked]

    def counts(self, account: str) -> Json:
        bodies: dict[str, Json] = {}
        for said in self.seen(account_sid=account):
            count = bodies.setdefault(said["body"], {"asked": 0, "taken": 0})
            count["asked"] += 1
            count["taken"] += said["sid"] is not None
        return {"asked": sum(c["asked"] for c in bodies.values()), "taken": sum(c["taken"] for c in bodies.values()), "bodies": bodies}
