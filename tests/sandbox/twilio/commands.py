"""What a test asks of Twilio's stand-in: accounts, texts in both directions, their attachments."""

import asyncio
import re
import typing

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .. import attachments, downloads
from ..commands import read_command, refuse
from ..posting import otto_url, posting
from ..state import Json
from .texts import DEFAULT_AUTH_TOKEN, FAILED, STATUSES, Texts, as_form, media_mark, media_url, parameters, read_facts, sign

# What the number's owner enters at Twilio.
TEXT_PATH, STATUS_PATH = "/sms/twilio-webhook", "/api/aloha/webhooks/message-status"

HELP = """<dt>POST /sandbox/twilio/accounts</dt>
<dd>account_sid, auth_token?, numbers?, sms_url? (where their texts are posted), api_key?, api_secret?, status? (suspended): from then on this account has only that token, signs with it, and owns those numbers. An account that nobody registered takes
any token, and signs with the one that it was asked with last, else with """ + DEFAULT_AUTH_TOKEN + """.</dd>
<dt>POST /sandbox/twilio/place-text</dt>
<dd>to, from, otto_url, body?, media? (a number of pictures, or a list of {content_type?, bytes?, fault?}), direction = inbound (or outbound), events? (received; of an outbound one, by default: queued, sent, delivered;
""" + ", ".join(STATUSES) + """; an empty list: webhooks that never come), account_sid?, auth_token? (that it is signed with), sid? (that of a text already placed keeps its time), sent_at?, opt_out_type?,
messaging_service_sid?, fields? (parameters to replace; null: to leave out; a list: several times), path? (for all events), signed_url? (another address that is signed), listed? (members that the API tells otherwise;
false: the API does not know the text) &rarr; sid, account_sid, events: event, path, status (0: no answer), content_type, body.</dd>
<dt>GET, POST /sandbox/twilio/media</dt>
<dd>GET ?sid=: url, content_type, bytes, sha256 of each attachment as it is without its fault. POST: sid, n?, fault changes it. A fault is "none", a kind, or an object {kind, seconds?, times?, to?}. Kinds:
""" + ", ".join(downloads.FAULTS) + """.</dd>
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


def routes(texts: Texts) -> list[Route]:
    async def register(request: Request) -> Response:
        body = await read_command(request, {"account_sid"}, {"auth_token", "numbers", "api_key", "api_secret", "status", "sms_url"})
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

    return [Route("/sandbox/twilio/accounts", register, methods=["POST"]), Route("/sandbox/twilio/place-text", place_text, methods=["POST"]), Route("/sandbox/twilio/media", media, methods=["GET", "POST"])]
