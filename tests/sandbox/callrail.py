"""CallRail: its API as far as Otto asks it, and the webhooks of a placed call with their real signature. Payloads follow the published sample."""

import base64
import datetime
import hashlib
import hmac
import json
import re
import typing

import httpx
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from . import recordings
from .commands import read_command, read_object, refuse, whole_number
from .recordings import ACCESS_KEY
from .shunya_scripts import Scripts, read_script
from .state import DEFAULT_SIGNING_KEY, Json, State, e164, resource_id, trust

EVENTS = ("incoming", "answered", "completed", "missed", "modified")
RESOURCES = ("calls", "recordings", "trackers", "companies", "integrations")
DEFAULT_COMPANY = "COM8154748ae6bd4e278a7cddd38a662f4f"
ZONE = datetime.timezone(datetime.timedelta(hours=-7))  # America/Phoenix, which has no summer time
RETENTION = datetime.timedelta(days=25 * 31)

# What the API tells of a call that names no `fields`.
DEFAULT_FIELDS = ("answered", "business_phone_number", "customer_city", "customer_country", "customer_name", "customer_phone_number", "customer_state", "direction", "duration", "id", "recording",
                  "recording_duration", "recording_player", "start_time", "tracking_phone_number", "voicemail", "agent_email")
# What it may be asked for on top.
MORE_FIELDS = ("call_type", "campaign", "company_id", "company_name", "company_time_zone", "created_at", "device_type", "first_call", "formatted_call_type", "formatted_customer_phone_number",
               "formatted_duration", "formatted_tracking_phone_number", "gclid", "keywords", "landing_page_url", "last_requested_url", "lead_status", "medium", "note", "prior_calls", "referrer_domain",
               "referring_url", "source", "source_name", "tags", "total_calls", "tracker_id", "transcription", "utm_campaign", "utm_content", "utm_medium", "utm_source", "utm_term", "value")
# Not known before the call is over, so a webhook that comes earlier lacks them.
LATE_FIELDS = ("recording", "recording_duration", "recording_player", "transcription", "conversational_transcript", "call_highlights", "keywords_spotted", "speaker_percent", "formatted_duration",
               "note", "tags", "tag", "value", "formatted_value", "score", "lead_status", "good_lead_call_id", "good_lead_call_time")


def sign(key: str, body: bytes) -> str:
    """CallRail's header `Signature`."""
    return base64.b64encode(hmac.new(key.encode(), body, hashlib.sha1).digest()).decode()


def as_json(body: typing.Any) -> bytes:
    """Compact and in UTF-8, except where that cannot say it: half a surrogate pair, which a text may hold as an escape."""
    try:
        return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return json.dumps(body, separators=(",", ":")).encode()


def dashed(number: str) -> str:
    digits = re.sub(r"\D", "", number)
    return f"{digits[-10:-7]}-{digits[-7:-4]}-{digits[-4:]}" if re.fullmatch(r"\+1\d{10}", number) else number


def spoken(seconds: int) -> str:
    return f"{seconds // 60}m {seconds % 60}s" if seconds >= 60 else f"{seconds}s"


# -- a placed call ----------------------------------------------------------------------------------------------------


def read_facts(state: State, wanted: Json, call: int) -> Json:
    """What happened in the call, from the command; a call that was placed before keeps its time."""
    voicemail = bool(wanted.get("voicemail"))
    missed = bool(wanted.get("missed"))
    answered = not missed and not voicemail
    duration = whole_number(wanted, "duration", 13 if voicemail else 183 if answered else 0, 0)
    started = state.calls[call]["started"] if call in state.calls else datetime.datetime.now(ZONE) - datetime.timedelta(seconds=duration + 17)
    if "start_time" in wanted:
        try:
            started = datetime.datetime.fromisoformat(str(wanted["start_time"]))
        except ValueError:
            refuse("start_time must be a time such as 2026-02-19T13:41:00-05:00")
        if started.tzinfo is None:
            refuse("start_time needs an offset, such as -05:00")
    recording = wanted.get("recording", answered or voicemail)
    if isinstance(recording, bool):
        recording = f"{state.base}/calls/{call}/recording/redirect?access_key={ACCESS_KEY}" if recording else ""
    listed = wanted.get("listed", {})
    if listed is not False and not isinstance(listed, dict):
        refuse("listed must be a JSON object of members that the API tells otherwise, or false for a call that it does not know")
    account = account_of_number(state, str(wanted["to"])) or {}
    company = wanted.get("callrail_company_id") or account.get("company_id") or DEFAULT_COMPANY
    return {"call": call, "answered": answered, "voicemail": voicemail, "duration": duration, "started": started, "recording": str(recording), "to": e164(str(wanted["to"])),
            "from": e164(str(wanted["from"])), "name": str(wanted.get("name", "Kaylah Mills")), "company": company, "account": account.get("account_id"),
            "agent_email": wanted.get("agent_email"), "listed": listed, **recordings.read_sound(wanted)}


def call_object(facts: Json) -> Json:
    """The call when it is over, with CallRail's type traps: duration as text, ids as numbers, absent values as "", old names beside new ones."""
    call, caller, tracking, name, started = facts["call"], facts["from"], facts["to"], facts["name"], facts["started"]
    kind = "voicemail" if facts["voicemail"] else "answered" if facts["answered"] else "missed"
    begun = started.isoformat(timespec="milliseconds")
    numeric = str(facts["company"]).isdigit()
    recording = facts["recording"]
    return {
        "answered": facts["answered"], "business_phone_number": "", "call_type": kind, "company_id": int(facts["company"]) if numeric else 155920786, "company_name": "Sandbox Roofing",
        "company_time_zone": "America/Phoenix", "created_at": begun, "customer_city": "Phoenix", "customer_country": "US", "customer_name": name, "customer_phone_number": caller, "customer_state": "AZ",
        "device_type": "", "direction": "inbound", "duration": str(facts["duration"]), "first_call": True, "formatted_call_type": kind.title(), "formatted_customer_location": "Phoenix, AZ",
        "formatted_business_phone_number": "", "formatted_customer_name": name, "prior_calls": 0, "formatted_customer_name_or_phone_number": name or dashed(caller),
        "formatted_customer_phone_number": dashed(caller), "formatted_duration": spoken(facts["duration"]), "formatted_tracking_phone_number": dashed(tracking),
        "formatted_tracking_source": "Google Paid", "formatted_value": "--", "good_lead_call_id": "", "good_lead_call_time": "", "id": call, "lead_status": "", "note": "", "recording": recording,
        "recording_duration": facts["duration"] if recording else "", "source_name": "Google AdWords", "start_time": begun, "tags": [], "total_calls": 1, "tracking_phone_number": tracking,
        "transcription": "", "value": "", "voicemail": facts["voicemail"], "tracker_id": 354024023, "keywords": "roof repair", "medium": "cpc", "referring_url": "", "landing_page_url": "",
        "last_requested_url": "", "referrer_domain": "", "conversational_transcript": "", "utm_source": "google", "utm_medium": "cpc", "utm_term": "", "utm_content": "", "utm_campaign": "Spring Roofs",
        "utma": "", "utmb": "", "utmc": "", "utmv": "", "utmz": "", "ga": "", "gclid": "", "integration_data": [{"integration": "Webhooks", "data": None}], "keywords_spotted": "",
        "recording_player": recording.replace("/recording/redirect?", "/recording?"), "speaker_percent": "", "call_highlights": [], "callercity": "Phoenix", "callercountry": "US", "callername": name,
        "callernum": caller, "callerstate": "AZ", "callsource": "google_paid", "campaign": "", "custom": "", "datetime": started.astimezone(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M:%S"),
        "destinationnum": "", "ip": "", "kissmetrics_id": "", "landingpage": "", "referrer": "", "referrermedium": "", "score": 1, "tag": "", "trackingnum": tracking, "timestamp": begun,
        "resource_id": resource_id("CAL", call), "company_resource_id": resource_id("COM", int(facts["company"])) if numeric else facts["company"], "tracker_resource_id": resource_id("TRK", 354024023),
        "person_resource_id": "PER" + hashlib.sha256(caller.encode()).hexdigest()[:32],
    }


def payload(facts: Json, event: str) -> Json:
    """What the webhook of that event carries."""
    body = call_object(facts)
    if event in ("incoming", "answered"):
        for name in LATE_FIELDS:
            body.pop(name, None)
        body["voicemail"] = False
        # Before anybody picks up, CallRail's call looks like a missed one; its documents show the duration as a number there.
        picked_up = event == "answered" and facts["answered"]
        body.update(answered=picked_up, duration="0" if picked_up else 0, call_type="answered" if picked_up else "missed", formatted_call_type="Answered" if picked_up else "Missed")
    elif event == "modified":
        body.update(changes=["tags", "note"], note="Caller asked for an estimate", tags=["estimate"], tag="estimate")
    return body


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


def place(state: State, scripts: Scripts, wanted: Json) -> Json:
    """Posts the webhooks one after another, as CallRail does: once each, whatever is answered."""
    script = read_script(wanted["shunya"] if isinstance(wanted["shunya"], dict) else {"outcome": wanted["shunya"]}) if "shunya" in wanted else None
    call = state.next_call(whole_number(wanted, "id", 0, 1) if "id" in wanted else None)
    facts = read_facts(state, wanted, call)
    state.remember_call(call, facts)
    if script is not None:
        scripts.add({**script, "callrail_call": str(call)})
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


# -- CallRail's API ---------------------------------------------------------------------------------------------------


def account_of_number(state: State, number: str) -> Json | None:
    """The registered account that owns a number; of several the one registered last."""
    owners = [a for a in state.data["accounts"].values() if e164(number) in [e164(str(n)) for n in a.get("numbers", [])]]
    return owners[-1] if owners else None


def shown_call(state: State, account: str, facts: Json, fields: str | None) -> Json:
    """A call as the REST API tells it: masked ids, numbers as numbers, null for what is absent."""
    body = call_object(facts)
    call = resource_id("CAL", facts["call"])
    shown = {name: None if body.get(name) == "" else body.get(name) for name in (*DEFAULT_FIELDS, *MORE_FIELDS)}
    shown.update(id=call, duration=facts["duration"], company_id=body["company_resource_id"], tracker_id=body["tracker_resource_id"], source=body["formatted_tracking_source"],
                 agent_email=facts["agent_email"],
                 recording=f"{state.base}/v3/a/{account}/calls/{call}/recording.json" if facts["recording"] else None)
    shown.update(facts.get("changed", {}) | facts["listed"])
    asked = [f for f in (fields or "").split(",") if f]
    for name in asked:
        if name not in shown:
            refuse(f"fields: {name} is not a field of a call")
    return {name: shown[name] for name in dict.fromkeys((*DEFAULT_FIELDS, *asked))}


def boundary(text: str, name: str, *, first: bool) -> datetime.datetime | None:
    """A day or a time of a query, in the company's zone unless it names its own; a day means all of it."""
    if not text:
        return None
    try:
        # A "+" that was not escaped arrives as a space.
        at = datetime.datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
    except ValueError:
        refuse(f"{name} must be a day such as 2026-02-19, or a time such as 2026-02-19T13:41:00-05:00")
    if at.tzinfo is None:
        at = at.replace(tzinfo=ZONE)
    return at + datetime.timedelta(days=1, microseconds=-1) if len(text) == 10 and not first else at


Handler = typing.Callable[[Request, Json], typing.Awaitable[Response]]


def routes(state: State, scripts: Scripts) -> list[Route]:
    def denied() -> Response:
        return JSONResponse({"error": "HTTP Token: Access denied."}, 401)

    def not_found() -> Response:
        return JSONResponse({"error": "not found"}, 404)

    def account(identifier: str) -> Json:
        return typing.cast(Json, state.data["accounts"].get(identifier)) or {"account_id": identifier}

    def integrations_of(owner: Json) -> list[Json]:
        """Those that were made through the API, else the one that an account has by itself."""
        if "made" in owner:
            return list(owner["made"])
        if owner.get("integrations") == "none":
            return []
        return [{"id": 2143, "type": "Webhooks", "state": "active", "company_id": owner.get("company_id", DEFAULT_COMPANY), "signing_key": owner.get("signing_key") or DEFAULT_SIGNING_KEY,
                 "config": {"pre_call_webhook": [], "answered_call_webhook": [], "post_call_webhook": [], "updated_call_webhook": []}}]

    def paged(request: Request, name: str, items: list[Json]) -> Response:
        query = dict(request.query_params)
        per_page = whole_number(query, "per_page", 100, 1)
        if per_page > 250:
            return JSONResponse({"error": "per_page must not exceed 250"}, 400)
        if query.get("relative_pagination") == "true":
            start = whole_number(query, "offset", 0, 0)
            more = start + per_page < len(items)
            following = str(request.url.include_query_params(offset=start + per_page)) if more else None
            return JSONResponse({"per_page": per_page, "next_page": following, "has_next_page": more, name: items[start:start + per_page]})
        page = whole_number(query, "page", 1, 1)
        pages = max(1, -(-len(items) // per_page))
        whole = {"page": page, "per_page": per_page, "total_pages": pages, "total_records": len(items), name: items[(page - 1) * per_page:page * per_page]}
        return Response(as_json(whole), media_type="application/json")

    def calls_of(owner: Json) -> list[Json]:
        """A registered account sees the calls to its numbers, any other all those that nobody registered."""
        known = owner["account_id"] if owner["account_id"] in state.data["accounts"] else None
        with state.lock:
            return [facts for facts in state.calls.values() if facts["account"] == known and facts["listed"] is not False]

    def find_call(request: Request, owner: Json) -> Json | None:
        wanted = request.path_params["call"]
        return next((f for f in calls_of(owner) if wanted in (str(f["call"]), resource_id("CAL", f["call"]))), None)

    async def calls(request: Request, owner: Json) -> Response:
        query = request.query_params
        found = sorted(calls_of(owner), key=lambda f: typing.cast(datetime.datetime, f["started"]), reverse=query.get("order", "desc") == "desc")
        if "answered" in query:
            found = [f for f in found if f["answered"] == (query["answered"] == "true")]
        if "direction" in query:
            found = [f for f in found if query["direction"] == "inbound"]
        if "company_id" in query:
            found = [f for f in found if query["company_id"] in (str(f["company"]), call_object(f)["company_resource_id"])]
        first, last = boundary(query.get("start_date", ""), "start_date", first=True), boundary(query.get("end_date", ""), "end_date", first=False)
        if first is not None and first < datetime.datetime.now(ZONE) - RETENTION:
            return JSONResponse({"error": "start_date must lie within the last 25 months"}, 400)
        found = [f for f in found if (first is None or f["started"] >= first) and (last is None or f["started"] <= last)]
        return paged(request, "calls", [shown_call(state, owner["account_id"], f, query.get("fields")) for f in found])

    async def call(request: Request, owner: Json) -> Response:
        facts = find_call(request, owner)
        if facts is None:
            return not_found()
        if request.method == "PUT":
            body = await read_object(request)
            changed = facts.setdefault("changed", {})
            changed.update({k: v for k, v in body.items() if k in ("note", "tags", "lead_status", "customer_name", "value")})
            return JSONResponse(shown_call(state, owner["account_id"], facts, ",".join(("note", "tags", "lead_status", "value"))))
        return JSONResponse(shown_call(state, owner["account_id"], facts, request.query_params.get("fields")))

    async def recording(request: Request, owner: Json) -> Response:
        facts = find_call(request, owner)
        if facts is None or recordings.is_missing(facts):
            return not_found()
        fault = facts["recording_fault"] or {}
        if fault.get("kind") in ("elsewhere", "private") and fault.get("at") == "api":
            return RedirectResponse(recordings.target_of(state, facts), 302)
        return JSONResponse({"url": facts["recording"]} if facts["recording"] and fault.get("kind") != "no_url" else {})

    async def trackers(request: Request, owner: Json) -> Response:
        company = {"id": owner.get("company_id", DEFAULT_COMPANY), "name": "Sandbox Roofing"}
        return paged(request, "trackers", [{"id": "TRK" + hashlib.sha256(str(n).encode()).hexdigest()[:32], "name": f"Tracker {dashed(e164(str(n)))}", "type": "source", "status": "active",
                                            "tracking_numbers": [e164(str(n))], "company": company} for n in owner.get("numbers", [])])

    async def companies(request: Request, owner: Json) -> Response:
        return paged(request, "companies", [{"id": owner.get("company_id", DEFAULT_COMPANY), "name": "Sandbox Roofing", "status": "active", "time_zone": "America/Phoenix"}])

    async def integrations(request: Request, owner: Json) -> Response:
        if request.method == "GET":
            company = request.query_params.get("company_id")
            return paged(request, "integrations", [i for i in integrations_of(owner) if company in (None, "", str(i["company_id"])) or "company_id" not in owner])
        body = await read_object(request)
        if body.get("type") != "Webhooks" or not isinstance(body.get("config", {}), dict):
            return JSONResponse({"error": "type must be Webhooks, config an object"}, 422)
        if integrations_of(owner):
            return JSONResponse({"error": "the company has a Webhooks integration already"}, 422)
        made = {"id": 2144, "type": "Webhooks", "state": "active", "company_id": body.get("company_id") or owner.get("company_id", DEFAULT_COMPANY),
                "signing_key": owner.get("signing_key") or DEFAULT_SIGNING_KEY, "config": body.get("config", {})}
        keep_integrations(owner, [made])
        return JSONResponse(made, 201)

    async def integration(request: Request, owner: Json) -> Response:
        found = next((i for i in integrations_of(owner) if str(i["id"]) == request.path_params["id"]), None)
        if found is None:
            return not_found()
        if request.method == "PUT":
            body = await read_object(request)
            found = {**found, "config": body.get("config", found["config"])}
            keep_integrations(owner, [found])
        elif request.method == "DELETE":
            keep_integrations(owner, [])
            return Response(status_code=204)
        return JSONResponse(found)

    def keep_integrations(owner: Json, made: list[Json]) -> None:
        with state.lock:
            state.data["accounts"][owner["account_id"]] = {**owner, "made": made}
            state.save()

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
                                             "agent_email", "listed", "sound", "recording_bytes", "recording_fault", "shunya"})
        return JSONResponse(await run_in_threadpool(place, state, scripts, read_place_call(wanted)))

    def api(path: str, handler: Handler, *methods: str) -> Route:
        async def guarded(request: Request) -> Response:
            owner = account(request.path_params["account"])
            token = re.fullmatch(r'Token token="([^"]+)"', request.headers.get("authorization", ""))
            if token is None or token.group(1) != owner.get("api_key", token.group(1)):
                return denied()
            return await handler(request, owner)

        return Route("/v3/a/{account}/" + path, guarded, methods=list(methods or ("GET",)))

    return [
        Route("/sandbox/callrail/accounts", register, methods=["POST"]), Route("/sandbox/callrail/place-call", place_call, methods=["POST"]),
        api("calls.json", calls), api("calls/{call}/recording.json", recording), api("calls/{call}.json", call, "GET", "PUT"), api("trackers.json", trackers), api("companies.json", companies),
        api("integrations.json", integrations, "GET", "POST"), api("integrations/{id}.json", integration, "GET", "PUT", "DELETE"),
        *recordings.routes(state),
    ]
