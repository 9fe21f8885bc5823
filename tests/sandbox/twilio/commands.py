"""What a test asks of Twilio's stand-in: accounts, texts in both directions, their attachments."""

import asyncio
import re
import threading
import typing

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .. import attachments, downloads
from ..commands import one_of, read_command, refuse, whole_number
from ..posting import otto_url, posting
from ..state import Json
from . import calls as played
from . import numbers as bought
from . import recordings as sounds
from .calls import Calls
from .numbers import Numbers
from .recordings import Recordings
from .sending import FAILURES, FAULTS, REFUSALS, Sending
from .texts import DEFAULT_AUTH_TOKEN, FAILED, STATUSES, Texts, as_form, media_mark, media_url, parameters, read_facts, sign

# Members of a placed call that are another stand-in's (callrail/commands.py): each is told of every recording's number.
WithCall = typing.Mapping[str, typing.Callable[[typing.Any], typing.Callable[[int], None]]]
# What the number's owner enters at Twilio.
TEXT_PATH, STATUS_PATH = "/sms/twilio-webhook", "/api/aloha/webhooks/message-status"

HELP = """<dt>POST /sandbox/twilio/accounts</dt>
<dd>account_sid, auth_token?, numbers?, sms_url?, voice_url?, status_callback? (what they are set to), api_key?, api_secret?, status? (suspended): from then on this account has only that token, signs with it, and owns those numbers. An account that nobody registered takes
any token, and signs with the one that it was asked with last, else with """ + DEFAULT_AUTH_TOKEN + """.</dd>
<dt>POST /sandbox/twilio/place-text</dt>
<dd>to, from, otto_url, body?, media? (a number of pictures, or a list of {content_type?, bytes?, fault?}), direction = inbound (or outbound), events? (received; of an outbound one, by default: queued, sent, delivered;
""" + ", ".join(STATUSES) + """; an empty list: webhooks that never come), account_sid?, auth_token? (that it is signed with), sid? (that of a text already placed keeps its time), sent_at?, opt_out_type?,
messaging_service_sid?, fields? (parameters to replace; null: to leave out; a list: several times), path? (for all events), signed_url? (another address that is signed), listed? (members that the API tells otherwise;
false: the API does not know the text) &rarr; sid, account_sid, events: event, path, status (0: no answer), content_type, body.</dd>
<dt>GET, POST /sandbox/twilio/media</dt>
<dd>GET ?sid=: url, content_type, bytes, sha256 of each attachment as it is without its fault. POST: sid, n?, fault changes it. A fault is "none", a kind, or an object {kind, seconds?, times?, to?}. Kinds:
""" + ", ".join(downloads.FAULTS) + """.</dd>
<dt>GET, POST, DELETE /sandbox/twilio/sends</dt>
<dd>What becomes of texts that the API is asked to send. Whose: account_sid?, from?, to?, body?, word? (part of the body), times?; the first script that fits counts. What: fault? (""" + ", ".join(FAULTS) + """),
seconds? (slow: 20; lists_late: 30), retry_after? (busy), code? (""" + ", ".join(map(str, [*REFUSALS, *FAILURES])) + """: below 30000 the answer, from 30000 how it ends), events? (by default sent, delivered; an empty
list: it stays queued), callbacks? (false: nobody is told), pause_ms? (20, before each), callback_first? (all are posted before the answer), hold? (before, after: the request stands still before or after it was taken,
until it is released).</dd>
<dt>GET /sandbox/twilio/sent?account_sid=&amp;from=&amp;to=&amp;body=</dt>
<dd>What it was asked to send: account_sid, from, to, body, callback, at, sid and status (null: not taken). With counts=1 and account_sid: asked, taken, and both by bodies.</dd>
<dt>GET, POST /sandbox/twilio/held</dt><dd>The requests that stand still; POST: all of them go on.</dd>
<dt>POST /sandbox/twilio/place-call</dt>
<dd>to, from, otto_url, missed? or voicemail? (nobody takes it: whoever called hangs up at the beep, or leaves a message), dials? (what becomes of each &lt;Dial&gt;, the last one of all that follow: """ + ", ".join(played.DIALS) + """),
stream? (""" + ", ".join(played.STREAMS) + """), record? (""" + ", ".join(played.RECORDS) + """), hangs_up? (""" + ", ".join(played.HANGS_UP) + """), ends? (caller, callee: who ends a talk), duration? (of a talk, 30),
rings? (8), voicemail_seconds? (12), statuses? (of which the number's StatusCallback is told; by default the end alone), shuffled? (a seed: callbacks come after the end, in any order), times? (each callback), fields?
(parameters to replace; null: to leave out), account_sid?, auth_token? (that it is signed with), sid?, voice_url?, status_callback?, fallback_url?, recording_fault?, recording_redirected = true (false: served where it
is), shunya? (an outcome, or a script for the voicemail or recording), hold? (incoming, action, redirect: it stands still before such a request), wait = true (false: answered at once) &rarr; sid, status, duration, error {code, message}
(Twilio's own, such as 12300, 12200 and 11750), said, documents, legs, recordings, requests: kind, url, form, status, content_type, body, ms.</dd>
<dt>GET, POST /sandbox/twilio/calls</dt><dd>GET ?sid=: that call, also while it lasts. POST: sid?: those that stand still go on.</dd>
<dt>GET, POST /sandbox/twilio/recordings</dt><dd>GET ?sid= (a call's or a recording's): what a client must get: sid, call_sid, url, source, duration, bytes, sha256 of the MP3. POST: sid, fault changes it.</dd>
<dt>GET, POST, DELETE /sandbox/twilio/purchases</dt>
<dd>GET ?account_sid=&amp;phone_number=: asked, taken, record of purchases. POST: what becomes of them: account_sid?, phone_number?, times?, fault? (""" + ", ".join(FAULTS) + """), code? (""" + ", ".join(map(str, bought.REFUSALS)) + """),
seconds?, hold? (before, after). DELETE: drops all that was set.</dd>
<dt>POST /sandbox/twilio/tell</dt><dd>sid, status, code?, post? (true): a further status of a text that was sent &rarr; status, body of Otto's answer.</dd>
"""


def read_place_text(wanted: Json) -> Json:
    wanted["otto_url"] = otto_url(wanted)
    events = wanted.setdefault("events", ["received"] if wanted.get("direction", "inbound") == "inbound" else ["queued", "sent", "delivered"])
    if not isinstance(events, list) or not set(map(str, events)) <= {"received", *STATUSES}:
        refuse(f"events must be a list of received, {', '.join(STATUSES)}; an empty one for webhooks that never come")
    if not isinstance(wanted.get("fields", {}), dict):
        refuse("fields must be a JSON object")
    return wanted


def place(texts: Texts, wanted: Json) -> Json:
    """Posts the webhooks one after another, as Twilio does: once each, whatever is answered."""
    facts = read_facts(texts, wanted)
    if facts["direction"] != "inbound" and wanted["events"]:
        facts["status"] = wanted["events"][-1]
        facts["error_code"], facts["error_message"] = FAILED.get(facts["status"], (None, None))
        facts["error_code"] = facts["error_code"] and int(facts["error_code"])
    texts.remember(facts)
    token = str(wanted.get("auth_token") or texts.token(facts["account_sid"]))
    posted = []
    with posting(texts.state, "twilio") as poster:
        for event in wanted["events"]:
            form = {k: v for k, v in {**parameters(texts, facts, event), **wanted.get("fields", {})}.items() if v is not None}
            path = str(wanted.get("path") or (TEXT_PATH if event == "received" else STATUS_PATH))
            url = wanted["otto_url"] + path
            headers = {"Content-Type": "application/x-www-form-urlencoded; charset=UTF-8", "X-Twilio-Signature": sign(token, str(wanted.get("signed_url") or url), form), "User-Agent": "TwilioProxy/1.1",
                       "I-Twilio-Idempotency-Token": facts["sid"] + event, "Accept": "*/*"}
            posted.append({"event": event, "path": path, **poster.post(url, headers, as_form(form))})
    return {"sid": facts["sid"], "account_sid": facts["account_sid"], "events": posted}


def read_script(wanted: Json) -> Json:
    if "fault" in wanted:
        one_of(wanted, "fault", FAULTS)
    if "hold" in wanted:
        one_of(wanted, "hold", ("before", "after"))
    for name in ("seconds", "times", "retry_after", "code", "pause_ms"):
        if name in wanted:
            wanted[name] = whole_number(wanted, name, 0, 0)
    if not isinstance(wanted.get("events", []), list) or not set(map(str, wanted.get("events", []))) <= set(STATUSES):
        refuse(f"events must be a list of {', '.join(STATUSES)}; an empty one for a text that stays queued")
    for name in ("callbacks", "callback_first"):
        if not isinstance(wanted.get(name, False), bool):
            refuse(f"{name} must be true or false")
    return wanted


def routes(texts: Texts, sending: Sending, numbers: Numbers, calls: Calls, recordings: Recordings, with_call: WithCall) -> list[Route]:
    async def register(request: Request) -> Response:
        body = await read_command(request, {"account_sid"}, {"auth_token", "numbers", "api_key", "api_secret", "status", "sms_url", "voice_url", "status_callback"})
        if not re.fullmatch(r"AC[0-9a-f]{32}", str(body["account_sid"])):
            refuse("account_sid must be AC and 32 hexadecimal digits")
        if not isinstance(body.get("numbers", []), list):
            refuse("numbers must be a list of phone numbers")
        texts.register(body)
        return JSONResponse(body)

    async def place_text(request: Request) -> Response:
        wanted = await read_command(request, {"to", "from", "otto_url"}, {"body", "media", "direction", "events", "account_sid", "auth_token", "sid", "sent_at", "opt_out_type", "messaging_service_sid", "fields", "path",
                                                                          "signed_url", "listed"})
        return JSONResponse(await run_in_threadpool(place, texts, read_place_text(wanted)))

    def known(sid: typing.Any) -> Json:
        return texts.find(str(sid)) or refuse(f"text {sid} was not placed here")

    async def media(request: Request) -> Response:
        if request.method == "POST":
            body = await read_command(request, {"sid", "fault"}, {"n"})
            facts = known(body["sid"])
            attachments.change(facts, body)
        else:
            facts = known(request.query_params.get("sid", ""))
        return JSONResponse(await asyncio.to_thread(lambda: [attachments.shown(item, media_mark(facts, n), media_url(texts, facts, n)) for n, item in enumerate(facts["media"])]))

    async def sends(request: Request) -> Response:
        if request.method == "DELETE":
            sending.scripts.clear()
        elif request.method == "POST":
            sending.scripts.append(read_script(await read_command(request, set(), {"account_sid", "from", "to", "body", "word", "times", "fault", "seconds", "retry_after", "code", "events", "callbacks", "pause_ms",
                                                                                   "callback_first", "hold"})))
        return JSONResponse(sending.scripts)

    async def sent(request: Request) -> Response:
        wanted = {name: request.query_params.get(name, "") for name in ("account_sid", "from", "to", "body")}
        return JSONResponse(sending.counts(wanted["account_sid"]) if request.query_params.get("counts") else sending.seen(**wanted))

    async def held(request: Request) -> Response:
        return JSONResponse(sending.release() if request.method == "POST" else [said for said, _ in sending.held])

    async def tell(request: Request) -> Response:
        body = await read_command(request, {"sid", "status"}, {"code", "post"})
        facts = known(body["sid"])
        if "callback" not in facts:
            refuse(f"text {body['sid']} was placed, not sent: place it again with the events that it lacks")
        return JSONResponse(await sending.tell(facts, one_of(body, "status", STATUSES), whole_number(body, "code", 0, 0) or None, bool(body.get("post", True))))

    async def place_call(request: Request) -> Response:
        wanted = await read_command(request, {"to", "from", "otto_url"}, {*played.COMMAND, *with_call})
        downloads.read_fault(wanted.get("recording_fault"), "recording_fault")
        facts = played.read_call(texts, numbers, wanted)
        facts["told"] = [read(wanted[name]) for name, read in with_call.items() if name in wanted]
        if wanted.get("wait", True):
            return JSONResponse(played.shown(await run_in_threadpool(calls.play, facts)))
        calls.remember(facts)
        threading.Thread(target=calls.play, args=(facts,), daemon=True).start()
        return JSONResponse(played.shown(facts))

    async def placed_calls(request: Request) -> Response:
        if request.method == "POST":
            return JSONResponse(calls.release(str((await read_command(request, set(), {"sid"})).get("sid", ""))))
        facts = calls.find(request.query_params.get("sid", "")) or refuse("sid: no such call was placed here")
        return JSONResponse({**played.shown(facts), "stands_still": calls.stands_still(facts["sid"])})

    async def made_recordings(request: Request) -> Response:
        if request.method == "POST":
            body = await read_command(request, {"sid", "fault"}, set())
            return JSONResponse(sounds.shown(recordings.change(str(body["sid"]), body["fault"])))
        return JSONResponse(await asyncio.to_thread(lambda: [sounds.shown(made) for made in recordings.of_call(request.query_params.get("sid", ""))]))

    async def purchases(request: Request) -> Response:
        if request.method == "DELETE":
            numbers.scripts.clear()
        elif request.method == "POST":
            numbers.scripts.append(numbers.read_script(await read_command(request, set(), {"account_sid", "phone_number", "times", "fault", "code", "seconds", "hold"})))
        if request.method != "GET":
            return JSONResponse(numbers.scripts)
        found = numbers.seen(request.query_params.get("account_sid", ""), request.query_params.get("phone_number", ""))
        return JSONResponse({"asked": len(found), "taken": sum(said["sid"] is not None for said in found), "record": found})

    return [Route("/sandbox/twilio/place-call", place_call, methods=["POST"]), Route("/sandbox/twilio/calls", placed_calls, methods=["GET", "POST"]),
            Route("/sandbox/twilio/recordings", made_recordings, methods=["GET", "POST"]), Route("/sandbox/twilio/purchases", purchases, methods=["GET", "POST", "DELETE"]),
            Route("/sandbox/twilio/accounts", register, methods=["POST"]), Route("/sandbox/twilio/place-text", place_text, methods=["POST"]), Route("/sandbox/twilio/media", media, methods=["GET", "POST"]),
            Route("/sandbox/twilio/sends", sends, methods=["GET", "POST", "DELETE"]), Route("/sandbox/twilio/sent", sent), Route("/sandbox/twilio/held", held, methods=["GET", "POST"]),
            Route("/sandbox/twilio/tell", tell, methods=["POST"])]
