"""What a test asks of CallRail's stand-in: accounts, placed calls, their recordings, texts."""

import asyncio
import typing

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .. import attachments
from ..commands import read_command, refuse, whole_number
from ..posting import otto_url, posting
from ..state import KEPT_CALLS, Json, State, resource_id
from . import recordings as sounds
from . import texts
from .calls import DEFAULT_SIGNING_KEY, account_of_number, as_json, payload, read_facts, sign

EVENTS = ("incoming", "answered", "completed", "missed", "modified")

# Members of a placed call that are another stand-in's: each is read at once, and told of the call's number when it has one.
WithCall = typing.Mapping[str, typing.Callable[[typing.Any], typing.Callable[[int], None]]]

HELP = """<dt>POST /sandbox/callrail/accounts</dt>
<dd>account_id, api_key?, signing_key?, company_id?, numbers?, integrations? ("none"): from then on this account has only that API key, signs with
that key, owns those numbers. An account that nobody registered takes any API key and signs with CallRail's published one.</dd>
<dt>POST /sandbox/callrail/place-call</dt>
<dd>to, from, otto_url, missed?, voicemail?, events? (incoming, answered, completed, missed, modified; an empty list: webhooks that never come), signing_key?, callrail_company_id?, name?,
duration? (seconds), recording? (address, or false), start_time?, id? (that of a call already placed keeps its start, so the same command sends the same bytes), fields? (members to replace),
paths? (event to path), agent_email? (told by the API only), listed? (members that the API tells otherwise than the webhook; false: the API does not know the call),
sound = wav (or mp3), recording_bytes?, recording_fault?, shunya? (an outcome, or a script for this call) &rarr; id, resource_id, events: event, path, status (0: no answer), body.</dd>
<dt>GET, POST /sandbox/callrail/recordings</dt>
<dd>GET ?call=: call, customer, url, sound, content_type, bytes, sha256 of each recording as it is without its fault. POST: call, sound?, recording_bytes?, recording_fault? changes it. A fault is "none", a kind, or
an object {kind, seconds?, times?, to?, at?}. Kinds: """ + ", ".join(sounds.FAULTS) + """. Redirects lead to another host (elsewhere) and to a private one (private), or to `to`; with at = api already from
recording.json.</dd>
<dt>POST /sandbox/callrail/place-text</dt>
<dd>to, from, otto_url, body?, media? (a number of pictures, or a list of {content_type?, bytes?, fault?}), direction = received (or sent), signing_key?, timestamp?, id? (that of a text already placed keeps its time),
agent?, seed_names? (true: under the names of Otto's first integration), fields? (members to replace), path? &rarr; id, resource_id, events: event, path, status (0: no answer), body.</dd>
<dt>GET, POST /sandbox/callrail/media</dt>
<dd>GET ?text=: url, content_type, bytes, sha256 of each attachment. POST: text, n?, fault changes it.</dd>
"""


def path_of(wanted: Json, event: str) -> str:
    """Otto's path for an event, as its owner would enter it in CallRail's settings."""
    if event in wanted.get("paths", {}):
        return str(wanted["paths"][event])
    missed = bool(wanted.get("missed")) and not wanted.get("voicemail")
    return "call.missed" if event == "completed" and missed else f"call.{event}"


def read_place_call(wanted: Json) -> Json:
    wanted["otto_url"] = otto_url(wanted)
    missed = bool(wanted.get("missed")) and not wanted.get("voicemail")
    events = wanted.setdefault("events", ["incoming", "missed"] if missed else ["incoming", "completed"] if wanted.get("voicemail") else ["incoming", "answered", "completed"])
    if not isinstance(events, list) or not set(map(str, events)) <= set(EVENTS):
        refuse(f"events must be a list of {', '.join(EVENTS)}; an empty one for webhooks that never come")
    for name in ("fields", "paths"):
        if not isinstance(wanted.get(name, {}), dict):
            refuse(f"{name} must be a JSON object")
    return wanted


def key_for(state: State, wanted: Json, ours: str) -> str:
    return str(wanted.get("signing_key") or (account_of_number(state, ours) or {}).get("signing_key") or DEFAULT_SIGNING_KEY)


def headers_of(key: str, body: bytes) -> dict[str, str]:
    return {"Content-Type": "application/json", "Signature": sign(key, body), "User-Agent": "CallRail sandbox"}


def place_text(state: State, placed: dict[int, Json], wanted: Json) -> Json:
    url = otto_url(wanted)
    if not isinstance(wanted.get("fields", {}), dict):
        refuse("fields must be a JSON object")
    facts = texts.read_facts(state, placed, wanted)
    placed[facts["text"]] = facts
    while len(placed) > KEPT_CALLS:
        placed.pop(next(iter(placed)))
    event, path = "received" if facts["received"] else "sent", str(wanted.get("path", "/sms/callrail-webhook"))
    said = texts.payload(state, facts)
    body = as_json({**(texts.seed_names(said, facts["received"]) if wanted.get("seed_names") else said), **wanted.get("fields", {})})
    key = key_for(state, wanted, facts["to"] if facts["received"] else facts["from"])
    with posting(state, "callrail") as poster:
        answer = poster.post(url + path, headers_of(key, body), body)
    return {"id": facts["text"], "resource_id": resource_id("SCI", facts["text"]), "events": [{"event": event, "path": path, **answer}]}


def place(state: State, with_call: WithCall, wanted: Json) -> Json:
    """Posts the webhooks one after another, as CallRail does: once each, whatever is answered."""
    told = [read(wanted[name]) for name, read in with_call.items() if name in wanted]
    call = state.next_call(whole_number(wanted, "id", 0, 1) if "id" in wanted else None)
    facts = read_facts(state, wanted, call)
    state.remember_call(call, facts)
    for tell in told:
        tell(call)
    key = key_for(state, wanted, facts["to"])
    posted = []
    with posting(state, "callrail") as poster:
        for event in wanted["events"]:
            body = as_json({**payload(facts, event), **wanted.get("fields", {})})
            path = path_of(wanted, event)
            answer = poster.post(wanted["otto_url"] + "/api/v1/callrail/" + path, headers_of(key, body), body)
            posted.append({"event": event, "path": path, **answer})
    return {"id": call, "resource_id": resource_id("CAL", call), "events": posted}


def routes(state: State, with_call: WithCall, placed: dict[int, Json]) -> list[Route]:
    async def register(request: Request) -> Response:
        body = await read_command(request, {"account_id"}, {"api_key", "signing_key", "company_id", "numbers", "integrations"})
        if body.get("integrations", "none") != "none":
            refuse('integrations takes "none" (the account has no webhook integration) or is left out')
        if not isinstance(body.get("numbers", []), list):
            refuse("numbers must be a list of phone numbers")
        body["account_id"] = str(body["account_id"])
        with state.lock:
            state.data["accounts"].pop(body["account_id"], None)
            state.data["accounts"][body["account_id"]] = body
            state.save()
        return JSONResponse(body)

    async def place_call(request: Request) -> Response:
        wanted = await read_command(request, {"to", "from", "otto_url"}, {"missed", "voicemail", "signing_key", "callrail_company_id", "name", "duration", "recording", "events", "id", "start_time", "fields", "paths",
                                             "agent_email", "listed", "sound", "recording_bytes", "recording_fault", *with_call})
        return JSONResponse(await run_in_threadpool(place, state, with_call, read_place_call(wanted)))

    async def recordings(request: Request) -> Response:
        if request.method == "GET":
            wanted = request.query_params.get("call", "")
            with state.lock:
                found = [f for f in state.calls.values() if f["recording"]]
            if wanted:
                facts = state.find_call(wanted)
                found = [facts] if facts is not None and facts["recording"] else []
            return JSONResponse(await asyncio.to_thread(lambda: [sounds.shown(f) for f in found]))
        body = await read_command(request, {"call"}, {"sound", "recording_bytes", "recording_fault"})
        facts = state.find_call(str(body["call"]))
        if facts is None:
            refuse(f"call {body['call']} was not placed here")
        read = sounds.read_sound({"sound": facts["sound"], **body})
        facts.update({name: read[name] for name in read if name in body})
        return JSONResponse(sounds.shown(facts))

    async def text(request: Request) -> Response:
        wanted = await read_command(request, {"to", "from", "otto_url"}, {"body", "media", "direction", "signing_key", "timestamp", "id", "agent", "seed_names", "fields", "path"})
        return JSONResponse(await run_in_threadpool(place_text, state, placed, wanted))

    async def media(request: Request) -> Response:
        body = await read_command(request, {"text", "fault"}, {"n"}) if request.method == "POST" else {"text": request.query_params.get("text", "")}
        facts = next((f for f in placed.values() if str(body["text"]) in (str(f["text"]), resource_id("SCI", f["text"]))), None)
        if facts is None:
            refuse(f"text {body['text']} was not placed here")
        if request.method == "POST":
            attachments.change(facts, body)
        return JSONResponse([attachments.shown(item, texts.mark_of(facts, n), texts.url_of(state, facts, n)) for n, item in enumerate(facts["media"])])

    return [
        Route("/sandbox/callrail/place-text", text, methods=["POST"]), Route("/sandbox/callrail/media", media, methods=["GET", "POST"]), Route("/sandbox/callrail/accounts", register, methods=["POST"]), Route("/sandbox/callrail/place-call", place_call, methods=["POST"]),
        Route("/sandbox/callrail/recordings", recordings, methods=["GET", "POST"]),
    ]
