"""A call to one of our numbers, played as Twilio plays it: documents fetched and followed, callbacks signed and told, recordings made. Nobody waits: its seconds pass on a clock of its own."""

import collections
import datetime
import random
import re
import threading
import time
import typing
import urllib.parse
import uuid
import xml.etree.ElementTree as ET

import httpx

from ..commands import one_of, refuse, whole_number
from ..posting import otto_url
from ..state import Json, State, e164, trust
from .numbers import Numbers
from .texts import DEFAULT_ACCOUNT, Texts, as_form, place_of, rfc2822, sign
from .twiml import Refused, read

VOICE_PATH, STATUS_PATH = "/api/aloha/webhooks/incoming-call", "/api/aloha/webhooks/call-status"  # what a number's owner enters at Twilio
KEPT_CALLS = 20_000
MOST_REQUESTS = 100  # of one call's documents: a flow that asks for more goes round for ever
BUDGET = 15.0  # seconds that Twilio waits for an answer
DIALS = ("answered", "no-answer", "busy", "failed", "canceled")
STREAMS = ("started", "error", "breaks", "silent")
RECORDS = ("left", "hangs_up", "silence", "absent", "failed")
HANGS_UP = ("never", "ringing", "saying", "dialling", "beep")  # where whoever called gives up
STATUSES = ("queued", "initiated", "ringing", "in-progress", "completed", "busy", "failed", "no-answer", "canceled")
COMMAND = {"account_sid", "auth_token", "sid", "answer", "missed", "voicemail", "dials", "stream", "record", "hangs_up", "ends", "duration", "voicemail_seconds", "rings", "statuses", "shuffled", "times", "fields", "voice_url",
           "status_callback", "recording_fault", "recording_redirected", "hold", "wait", "fallback_url"}


class Over(Exception):
    """The call has ended: somebody hung up, or the document said so."""


def read_call(texts: Texts, numbers: Numbers, wanted: Json) -> Json:
    """The call that is to be played. By default somebody answers whatever rings, a stream starts, and whoever hears a beep leaves a voicemail."""
    base = otto_url(wanted)
    sid = str(wanted.get("sid") or "CA" + uuid.uuid4().hex)
    if not re.fullmatch(r"CA[0-9a-f]{32}", sid):
        refuse("sid must be CA and 32 hexadecimal digits")
    for name in ("answer", "missed", "voicemail", "recording_redirected", "wait"):
        if not isinstance(wanted.get(name, False), bool):
            refuse(f"{name} must be true or false")
    nobody = bool(wanted.get("missed") or wanted.get("voicemail"))
    dials = wanted.get("dials", ["no-answer" if nobody else "answered"])
    if isinstance(dials, str):
        dials = [dials]
    if not isinstance(dials, list) or not dials or not set(map(str, dials)) <= set(DIALS):
        refuse(f"dials must be a list of {', '.join(DIALS)}: what becomes of each <Dial>, the last one of all that follow")
    statuses = wanted.get("statuses", ["end"])
    if not isinstance(statuses, list) or not set(map(str, statuses)) <= {"end", *STATUSES}:
        refuse(f"statuses must be a list of end, {', '.join(STATUSES)}; an empty one for a number without a StatusCallback")
    if not isinstance(wanted.get("fields", {}), dict):
        refuse("fields must be a JSON object")
    account = str(wanted.get("account_sid") or texts.account_of_number(str(wanted["to"])) or DEFAULT_ACCOUNT)
    ours = numbers.find(account, e164(str(wanted["to"]))) or {}
    known = texts.account(account) or {}
    return {
        "sid": sid, "account_sid": account, "from": e164(str(wanted["from"])), "to": e164(str(wanted["to"])), "status": "ringing", "dials": [str(d) for d in dials],
        "stream": one_of(wanted, "stream", STREAMS, "error" if nobody else "started"), "record": one_of(wanted, "record", RECORDS, "hangs_up" if wanted.get("missed") else "left"),
        "hangs_up": one_of(wanted, "hangs_up", HANGS_UP, "never"), "ends": one_of(wanted, "ends", ("caller", "callee"), "caller"), "talks": whole_number(wanted, "duration", 30, 0), "voicemail_seconds": whole_number(wanted, "voicemail_seconds", 12, 0),
        "rings": whole_number(wanted, "rings", 8, 0), "statuses": [str(s) for s in statuses], "shuffled": whole_number(wanted, "shuffled", 0, 0), "times": whole_number(wanted, "times", 1, 1),
        "fields": wanted.get("fields", {}), "voice_url": str(wanted.get("voice_url") or ours.get("voice_url") or known.get("voice_url") or base + VOICE_PATH), "fallback_url": wanted.get("fallback_url"),
        "status_callback": str(wanted.get("status_callback") or ours.get("status_callback") or known.get("status_callback") or base + STATUS_PATH), "auth_token": wanted.get("auth_token"),
        "recording_fault": wanted.get("recording_fault"), "recording_redirected": bool(wanted.get("recording_redirected", True)), "hold": wanted.get("hold"), "requests": [], "documents": [], "recordings": [], "legs": [],
        "said": [], "error": None, "duration": None, "began": datetime.datetime.now(datetime.timezone.utc), "over": False,
    }


SHOWN = ("sid", "account_sid", "from", "to", "status", "duration", "over", "error", "said", "documents", "legs", "recordings", "requests")


def shown(facts: Json) -> Json:
    """A call for assertions. `requests`: kind, url, form, status, content_type, body and ms of each that was sent, in their order."""
    return {name: facts[name] for name in SHOWN}


def as_resource(facts: Json) -> Json:
    """As the REST API tells it."""
    return {"sid": facts["sid"], "account_sid": facts["account_sid"], "from": facts["from"], "to": facts["to"], "status": facts["status"], "direction": "inbound", "api_version": "2010-04-01",
            "duration": None if facts["duration"] is None else str(facts["duration"]), "start_time": rfc2822(facts["began"]), "date_created": rfc2822(facts["began"]), "date_updated": rfc2822(facts["began"])}


class Calls:
    """The calls that were played; they last as long as the process."""

    def __init__(self, texts: Texts, numbers: Numbers, keep_recording: typing.Callable[[Json], None]) -> None:
        self.texts, self.numbers, self.keep_recording = texts, numbers, keep_recording
        self.by_sid: collections.OrderedDict[str, Json] = collections.OrderedDict()
        self.lock = threading.RLock()
        self.held: list[tuple[Json, threading.Event]] = []
        self.stopped = False

    @property
    def state(self) -> State:
        return self.texts.state

    def find(self, sid: str) -> Json | None:
        with self.lock:
            return self.by_sid.get(sid)

    def remember(self, facts: Json) -> None:
        with self.lock:
            self.by_sid[facts["sid"]] = facts
            while len(self.by_sid) > KEPT_CALLS:
                self.by_sid.popitem(last=False)

    def hold(self, facts: Json, kind: str) -> None:
        """Until somebody releases it: once a call, before the first request of that kind."""
        if facts["hold"] != kind or self.stopped:
            return
        facts["hold"] = None
        released = threading.Event()
        with self.lock:
            self.held.append(({"sid": facts["sid"], "where": kind}, released))
        released.wait()

    def release(self, sid: str = "") -> list[Json]:
        with self.lock:
            freed = [(said, event) for said, event in self.held if sid in ("", said["sid"])]
            self.held = [h for h in self.held if h not in freed]
        for _, event in freed:
            event.set()
        return [said for said, _ in freed]

    def stands_still(self, sid: str) -> str | None:
        """Before which request it does."""
        with self.lock:
            return next((said["where"] for said, _ in self.held if said["sid"] == sid), None)

    def stop(self) -> None:
        self.stopped = True
        self.release()

    def play(self, facts: Json) -> Json:
        self.remember(facts)
        with httpx.Client(timeout=BUDGET, trust_env=False, verify=trust()) as client:
            Player(self, facts, client).run()
        return facts


def seconds_of(text: str) -> int:
    return max(1, len(text) // 15)


class Player:
    """Follows one call. `clock` is how many of its seconds have passed."""

    def __init__(self, calls: Calls, facts: Json, client: httpx.Client) -> None:
        self.calls, self.facts, self.client = calls, facts, client
        self.token = str(facts["auth_token"] or calls.texts.token(facts["account_sid"]))
        self.clock = 0
        self.url = facts["voice_url"]  # of the document that is followed
        self.dialled, self.fetched, self.sequence = 0, 0, 0
        self.waiting: list[typing.Callable[[], None]] = []
        self.recording_whole: ET.Element | None = None

    # -- what is sent

    def common(self) -> dict[str, str]:
        f = self.facts
        said = {"CallSid": f["sid"], "AccountSid": f["account_sid"], "From": f["from"], "To": f["to"], "Caller": f["from"], "Called": f["to"], "CallStatus": f["status"], "ApiVersion": "2010-04-01", "Direction": "inbound",
                **place_of(f["from"], "From"), **place_of(f["to"], "To"), **place_of(f["from"], "Caller"), **place_of(f["to"], "Called")}
        return {name: value for name, value in {**said, **f["fields"]}.items() if value is not None}

    def post(self, kind: str, url: str, form: typing.Mapping[str, str], method: str = "POST") -> Json:
        """One signed request, once; what came of it stands in `requests`."""
        full = urllib.parse.urljoin(self.url, url)
        if method == "GET":
            full += ("&" if "?" in full else "?") + as_form(form).decode()
        headers = {"X-Twilio-Signature": sign(self.token, full, {} if method == "GET" else form), "User-Agent": "TwilioProxy/1.1", "Accept": "*/*", "I-Twilio-Idempotency-Token": str(uuid.uuid4())}
        body = b"" if method == "GET" else as_form(form)
        if method == "POST":
            headers["Content-Type"] = "application/x-www-form-urlencoded; charset=UTF-8"
        status, text, media_type, began = 0, "", "", time.monotonic()
        try:
            answer = self.client.request(method, full, content=body, headers=headers)
            status, text, media_type = answer.status_code, answer.text, answer.headers.get("content-type", "")
        except httpx.HTTPError as error:
            text = f"no answer from {full}: {error}"
        self.calls.state.note("sent", "twilio", method, full, headers, body, status, text.encode())
        said = {"kind": kind, "url": full, "form": dict(form), "status": status, "content_type": media_type, "body": text, "ms": round((time.monotonic() - began) * 1000)}
        with self.calls.lock:
            self.facts["requests"].append(said)
        return said

    def tell(self, kind: str, url: str | None, form: typing.Mapping[str, str], method: str | None = None) -> None:
        """A callback, whose answer nobody reads: at once, or after the end in any order if the call is `shuffled`; as often as `times` says."""
        if not url:
            return
        whole = urllib.parse.urljoin(self.url, url)
        for _ in range(self.facts["times"]):
            if self.facts["shuffled"]:
                self.waiting.append(lambda: void(self.post(kind, whole, form, method or "POST")))
            else:
                self.post(kind, whole, form, method or "POST")

    def fetch(self, kind: str, url: str, form: typing.Mapping[str, str] | None = None, method: str | None = None) -> ET.Element:
        """A document. Whoever cannot be reached is asked twice; then, and for an answer that is none, the number's fallback."""
        self.fetched += 1
        if self.fetched > MOST_REQUESTS:
            raise Refused(12100, f"the call asked for {MOST_REQUESTS} documents and would go round for ever")
        self.calls.hold(self.facts, kind)
        form = {**self.common(), **(form or {})}
        said = self.post(kind, url, form, method or "POST")
        if said["status"] == 0:
            said = self.post(kind, url, form, method or "POST")
        try:
            if said["status"] // 100 != 2:
                raise Refused(11205 if said["status"] == 0 else 11200, f"{said['url']} answered {said['status'] or 'nothing'}")
            document = read(said["body"].encode(), said["content_type"])
        except Refused as error:
            if not self.facts["fallback_url"]:
                raise
            form = {**form, "ErrorCode": str(error.code), "ErrorUrl": said["url"]}
            said = self.post("fallback", self.facts["fallback_url"], form)
            document = read(said["body"].encode(), said["content_type"])
        self.url = said["url"]
        self.facts["documents"].append(said["body"])
        return document

    # -- the call

    def run(self) -> None:
        facts = self.facts
        try:
            self.status("initiated")
            self.status("ringing")
            if facts["hangs_up"] == "ringing":
                facts["status"] = "canceled"
                raise Over
            document = self.fetch("incoming", facts["voice_url"])
            if len(document) > 0 and document[0].tag == "Reject":
                facts["status"] = "busy" if document[0].get("reason") == "busy" else "no-answer"
                raise Over
            facts["status"] = "in-progress"
            self.status("in-progress")
            following: ET.Element | None = document
            while following is not None:
                following = self.follow(following)
        except Over:
            pass
        except Refused as error:
            facts["error"] = {"code": error.code, "message": error.words}
        if self.recording_whole is not None:
            self.recorded(self.recording_whole, "StartCallRecordingTwiML", self.clock, 2)
        self.end()
        random.Random(facts["shuffled"]).shuffle(self.waiting)
        for callback in self.waiting:
            callback()
        facts["over"] = True

    def status(self, name: str) -> None:
        """What only a number of a test is told of: Twilio tells a number's StatusCallback of the end alone."""
        if name in self.facts["statuses"]:
            self.tell("status", self.facts["status_callback"], {**self.common(), "CallStatus": name, **self.progress()})

    def progress(self) -> dict[str, str]:
        self.sequence += 1
        return {"Timestamp": rfc2822(datetime.datetime.now(datetime.timezone.utc)), "CallbackSource": "call-progress-events", "SequenceNumber": str(self.sequence - 1)}

    def end(self) -> None:
        facts = self.facts
        if facts["status"] in ("ringing", "in-progress"):
            facts["status"] = "completed"
        facts["duration"] = self.clock
        if "end" not in facts["statuses"] and facts["status"] not in facts["statuses"]:
            return
        whole = [r for r in facts["recordings"] if r["source"] == "StartCallRecordingTwiML" and r["status"] == "completed"][-1:]
        self.tell("status", facts["status_callback"], {
            **self.common(), **self.progress(), **lasted(self.clock),
            **({"RecordingSid": whole[0]["sid"], "RecordingUrl": whole[0]["url"], "RecordingDuration": str(whole[0]["duration"])} if whole else {})})

    def follow(self, document: ET.Element) -> ET.Element | None:
        for verb in document:
            play = getattr(self, "verb_" + verb.tag.lower(), None)
            if play is None:
                raise Refused(12200, f"the sandbox cannot play <{verb.tag}>")
            if (next_one := play(verb)) is not None:
                return typing.cast(ET.Element, next_one)
        return None

    def verb_say(self, verb: ET.Element) -> None:
        text = "".join(verb.itertext())
        self.facts["said"].append(text)
        self.clock += seconds_of(text) * int(verb.get("loop") or 1)
        if self.facts["hangs_up"] == "saying":
            raise Over

    def verb_play(self, verb: ET.Element) -> None:
        self.facts["said"].append(f"({verb.text})")
        self.clock += 5

    def verb_pause(self, verb: ET.Element) -> None:
        self.clock += int(verb.get("length") or 1)

    def verb_hangup(self, _: ET.Element) -> None:
        raise Over

    def verb_reject(self, _: ET.Element) -> None:
        raise Over

    def verb_redirect(self, verb: ET.Element) -> ET.Element:
        return self.fetch("redirect", (verb.text or "").strip() or self.url, None, verb.get("method"))

    def verb_gather(self, verb: ET.Element) -> None:
        """Whoever calls here presses nothing."""
        self.follow(verb)
        self.clock += int(verb.get("timeout") or 5)

    def verb_start(self, verb: ET.Element) -> None:
        for noun in verb:
            if noun.tag == "Recording":
                self.recording_whole = noun
            elif noun.tag == "Stream":
                self.stream_event(noun, "MZ" + uuid.uuid4().hex, "stream-started")

    # -- dialling

    def verb_dial(self, verb: ET.Element) -> ET.Element | None:
        facts = self.facts
        caller = verb.get("callerId") or facts["from"]
        if caller != facts["from"] and caller != facts["to"] and not self.calls.numbers.find(facts["account_sid"], caller):
            raise Refused(13214, f"Dial: invalid callerId {caller}")
        wanted = [(verb, (verb.text or "").strip())] if (verb.text or "").strip() else [(n, (n.text or "").strip()) for n in verb]
        for noun, number in wanted:
            if noun.tag not in ("Dial", "Number") or not re.fullmatch(r"\+[1-9]\d{7,14}", number):
                raise Refused(13224, f"Dial: <{noun.tag}> cannot be called at {number or 'nothing'}")
        if not 1 <= len(wanted) <= 10:
            raise Refused(13241, "Dial: one to ten numbers ring at once")
        result = facts["dials"][min(self.dialled, len(facts["dials"]) - 1)]
        self.dialled += 1
        left = facts["hangs_up"] == "dialling"
        result = "canceled" if left else result
        legs = [{"sid": "CA" + uuid.uuid4().hex, "to": number, "from": caller, "noun": noun, "sequence": 0} for noun, number in wanted]
        facts["legs"] += [{name: leg[name] for name in ("sid", "to", "from")} for leg in legs]
        for leg in legs:
            self.leg(leg, "initiated", "initiated")
            self.leg(leg, "ringing", "ringing")
        said = {"DialCallSid": legs[0]["sid"], "DialCallStatus": "completed" if result == "answered" else result, "DialBridged": "true" if result == "answered" else "false"}
        if result == "answered":
            self.clock += facts["rings"]
            self.leg(legs[0], "answered", "in-progress")
            for leg in legs[1:]:
                self.leg(leg, "completed", "canceled", 0)
            began = self.clock
            self.clock += facts["talks"]
            self.leg(legs[0], "completed", "completed", self.clock - began)
            said["DialCallDuration"] = str(self.clock - began)
            if verb.get("record", "do-not-record") not in ("do-not-record", "false"):
                made = self.recorded(verb, "DialVerb", self.clock - began, 2 if verb.get("record", "").endswith("dual") else 1)
                said |= {"RecordingUrl": made["url"], "RecordingSid": made["sid"], "RecordingDuration": str(made["duration"])}
            left = facts["ends"] == "caller"
        else:
            self.clock += int(verb.get("timeout") or 30) if result == "no-answer" else 2
            for leg in legs:
                self.leg(leg, "completed", result, 0)
        if left:
            facts["status"] = "completed"
        if action := verb.get("action"):
            if left:  # told all the same, and what is answered is not heard
                self.post("action", action, {**self.common(), **said}, verb.get("method") or "POST")
                raise Over
            return self.fetch("action", action, said, verb.get("method"))
        if left:
            raise Over
        return None

    def leg(self, leg: Json, event: str, status: str, seconds: int | None = None) -> None:
        """A status of one end that is dialled, to the callback of its <Number> if that wants the event."""
        noun = leg["noun"]
        leg["sequence"] += 1
        if noun.tag == "Number" and event in (noun.get("statusCallbackEvent") or "completed").split():
            self.tell("leg", noun.get("statusCallback"), {
                "CallSid": leg["sid"], "ParentCallSid": self.facts["sid"], "AccountSid": self.facts["account_sid"], "From": leg["from"], "To": leg["to"], "Caller": leg["from"], "Called": leg["to"], "CallStatus": status,
                "Direction": "outbound-dial", "ApiVersion": "2010-04-01", "CallbackSource": "call-progress-events", "SequenceNumber": str(leg["sequence"] - 1),
                "Timestamp": rfc2822(datetime.datetime.now(datetime.timezone.utc)), **(lasted(seconds) if seconds is not None else {})}, noun.get("statusCallbackMethod"))

    # -- recording

    def verb_record(self, verb: ET.Element) -> ET.Element | None:
        facts, outcome = self.facts, self.facts["record"]
        if facts["hangs_up"] == "beep" or outcome == "hangs_up":
            self.clock += 1
            facts["status"] = "completed"
            raise Over
        if outcome == "silence":  # nothing was recorded: no action
            self.clock += int(verb.get("timeout") or 5)
            return None
        seconds = min(facts["voicemail_seconds"], int(verb.get("maxLength") or 3600))
        self.clock += seconds
        facts["status"] = "completed"  # whoever leaves a message hangs up after it
        made = self.recorded(verb, "RecordVerb", seconds, 1, "completed" if outcome == "left" else outcome)
        said = {"RecordingUrl": made["url"], "RecordingSid": made["sid"], "RecordingDuration": str(seconds), "Digits": "hangup"}
        if outcome == "left":
            self.post("action", verb.get("action") or self.url, {**self.common(), **said}, verb.get("method") or "POST")
        raise Over

    def recorded(self, of: ET.Element, source: str, seconds: int, channels: int, status: str = "completed") -> Json:
        facts, sid = self.facts, "RE" + uuid.uuid4().hex
        base = f"{self.calls.state.base}/2010-04-01/Accounts/{facts['account_sid']}/Recordings/{sid}"
        made = {"sid": sid, "call_sid": facts["sid"], "account_sid": facts["account_sid"], "url": base, "source": source, "duration": seconds, "channels": channels, "status": status, "from": facts["from"],
                "fault": facts["recording_fault"], "redirected": facts["recording_redirected"], "told": facts["told"]}
        self.calls.keep_recording(made)
        facts["recordings"].append({name: made[name] for name in ("sid", "url", "source", "duration", "channels", "status")})
        events = (of.get("recordingStatusCallbackEvent") or "completed").split()
        form = {"AccountSid": facts["account_sid"], "CallSid": facts["sid"], "RecordingSid": sid, "RecordingUrl": base, "RecordingStatus": status, "RecordingChannels": str(channels), "RecordingSource": source,
                "RecordingTrack": "both" if channels == 2 else "inbound", "RecordingStartTime": rfc2822(datetime.datetime.now(datetime.timezone.utc)), "ErrorCode": "0" if status == "completed" else "12400"}
        if "in-progress" in events:
            self.tell("recording", of.get("recordingStatusCallback"), {**form, "RecordingStatus": "in-progress"}, of.get("recordingStatusCallbackMethod"))
        if status in (*events, "failed"):
            self.tell("recording", of.get("recordingStatusCallback"), {**form, **({"RecordingDuration": str(seconds)} if status == "completed" else {})}, of.get("recordingStatusCallbackMethod"))
        return made

    # -- streams

    def verb_connect(self, verb: ET.Element) -> ET.Element | None:
        noun, facts = verb[0], self.facts
        if noun.tag != "Stream":
            raise Refused(12200, f"the sandbox cannot connect to <{noun.tag}>")
        sid, how = "MZ" + uuid.uuid4().hex, facts["stream"]
        if how in ("error", "silent"):
            self.clock += 2
            if how == "error":
                self.stream_event(noun, sid, "stream-error", {"StreamError": "31920 - Stream - WebSocket - Handshake Error"})
        else:
            self.stream_event(noun, sid, "stream-started")
            self.clock += facts["talks"]
            self.stream_event(noun, sid, *(("stream-error", {"StreamError": "31921 - Stream - WebSocket - Close Error"}) if how == "breaks" else ("stream-stopped", {})))
            if how == "started" and facts["ends"] == "caller":
                facts["status"] = "completed"
                if action := verb.get("action"):
                    self.post("action", action, self.common(), verb.get("method") or "POST")
                raise Over
        if action := verb.get("action"):
            return self.fetch("action", action, None, verb.get("method"))
        return None

    def stream_event(self, noun: ET.Element, sid: str, event: str, more: dict[str, str] | None = None) -> None:
        name = {"StreamName": noun.get("name", "")} if noun.get("name") else {}
        self.tell("stream", noun.get("statusCallback"), {"AccountSid": self.facts["account_sid"], "CallSid": self.facts["sid"], "StreamSid": sid, **name, "StreamEvent": event, **(more or {}),
                                                        "Timestamp": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")}, noun.get("statusCallbackMethod"))


def lasted(seconds: int) -> dict[str, str]:
    """Seconds, and beside them the minutes that are billed."""
    return {"CallDuration": str(seconds), "Duration": str(-(-seconds // 60))}


def void(_: object) -> None:
    pass
