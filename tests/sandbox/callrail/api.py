"""CallRail's API as far as Otto asks it."""

import datetime
import hashlib
import re
import typing

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from .. import downloads
from ..commands import read_object, refuse, whole_number
from ..state import Json, State, e164, resource_id
from . import recordings
from .calls import DEFAULT_COMPANY, DEFAULT_SIGNING_KEY, ZONE, as_json, call_object, dashed

RETENTION = datetime.timedelta(days=25 * 31)

# What the API tells of a call that names no `fields`.
DEFAULT_FIELDS = ("answered", "business_phone_number", "customer_city", "customer_country", "customer_name", "customer_phone_number", "customer_state", "direction", "duration", "id", "recording",
                  "recording_duration", "recording_player", "start_time", "tracking_phone_number", "voicemail", "agent_email")
# What it may be asked for on top.
MORE_FIELDS = ("call_type", "campaign", "company_id", "company_name", "company_time_zone", "created_at", "device_type", "first_call", "formatted_call_type", "formatted_customer_phone_number",
               "formatted_duration", "formatted_tracking_phone_number", "gclid", "keywords", "landing_page_url", "last_requested_url", "lead_status", "medium", "note", "prior_calls", "referrer_domain",
               "referring_url", "source", "source_name", "tags", "total_calls", "tracker_id", "transcription", "utm_campaign", "utm_content", "utm_medium", "utm_source", "utm_term", "value")


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


def routes(state: State) -> list[Route]:
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
            return RedirectResponse(downloads.target_of(state, fault, recordings.moved_path(facts)), 302)
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

    def api(path: str, handler: Handler, *methods: str) -> Route:
        async def guarded(request: Request) -> Response:
            owner = account(request.path_params["account"])
            token = re.fullmatch(r'Token token="([^"]+)"', request.headers.get("authorization", ""))
            if token is None or token.group(1) != owner.get("api_key", token.group(1)):
                return denied()
            return await handler(request, owner)

        return Route("/v3/a/{account}/" + path, guarded, methods=list(methods or ("GET",)))

    return [
        api("calls.json", calls), api("calls/{call}/recording.json", recording), api("calls/{call}.json", call, "GET", "PUT"), api("trackers.json", trackers), api("companies.json", companies),
        api("integrations.json", integrations, "GET", "POST"), api("integrations/{id}.json", integration, "GET", "PUT", "DELETE"),
    ]
