"""What a test asks of CallRail's stand-in: accounts, placed calls, their recordings."""

import asyncio
import re
import typing

import httpx
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..commands import read_command, refuse, whole_number
from ..state import Json, State, resource_id, trust
from . import recordings as sounds
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
"""


def path_of(wanted: Json, event: str) -> str:
    """Otto's path for an event, as its owner would enter it in CallRail's settings."""
    if event in wanted.get("paths", {}):
        return str(wanted["paths"][event])
    missed = bool(wanted.get("missed")) and not wanted.get("voicemail")
    return "call.missed" if event == "completed" and missed else f"call.{event}"


def read_place_call(wanted: Json) -> Json:
    if not re.match(r"https?://[^/]", str(wanted["otto_url"])):
        refuse("otto_url must be Otto's public address, such as http://127.0.0.1:8080")
    missed = bool(wanted.get("missed")) and not wanted.get("voicemail")
    events = wanted.setdefault("events", ["incoming", "missed"] if missed else ["incoming", "completed"] if wanted.get("voicemail") else ["incoming", "answered", "completed"])
    if not isinstance(events, list) or not set(map(str, events)) <= set(EVENTS):
        refuse(f"events must be a list of {', '.join(EVENTS)}; an empty one for webhooks that never come")
    for name in ("fields", "paths"):
        if not isinstance(wanted.get(name, {}), dict):
            refuse(f"{name} must be a JSON object")
    return wanted


def place(state: State, with_call: WithCall, wanted: Json) -> Json:
    """Posts the webhooks one after another, as CallRail does: once each, whatever is answered."""
    told = [read(wanted[name]) for name, read in with_call.items() if name in wanted]
    call = state.next_call(whole_number(wanted, "id", 0, 1) if "id" in wanted else None)
    facts = read_facts(state, wanted, call)
    state.remember_call(call, facts)
    for tell in told:
        tell(call)
    key = str(wanted.get("signing_key") or (account_of_number(state, facts["to"]) or {}).get("signing_key") or DEFAULT_SIGNING_KEY)
    posted = []
    with httpx.Client(timeout=30, trust_env=False, verify=trust()) as client:
        for event in wanted["events"]:
            body = as_json({**payload(facts, event), **wanted.get("fields", {})})
            path = path_of(wanted, event)
            url = str(wanted["otto_url"]).rstrip("/") + "/api/v1/callrail/" + path
            headers = {"Content-Type": "application/json", "Signature": sign(key, body), "User-Agent": "CallRail sandbox"}
            try:
                answer = client.post(url, content=body, headers=headers)
                status, text = answer.status_code, answer.text
            except httpx.HTTPError as error:
                status, text = 0, f"no answer from {url}: {error}"
            state.note("sent", "callrail", "POST", url, headers, body, status, text.encode())
            posted.append({"event": event, "path": path, "status": status, "body": text})
    return {"id": call, "resource_id": resource_id("CAL", call), "events": posted}


def routes(state: State, with_call: WithCall) -> list[Route]:
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

    return [
        Route("/sandbox/callrail/accounts", register, methods=["POST"]), Route("/sandbox/callrail/place-call", place_call, methods=["POST"]),
        Route("/sandbox/callrail/recordings", recordings, methods=["GET", "POST"]),
    ]
