"""CallRail: its API as far as Otto asks it, and the webhooks of a placed call with their real signature. Payloads follow the published sample."""

import base64
import datetime
import hashlib
import hmac
import json
import re
import typing

import httpx
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .state import DEFAULT_SIGNING_KEY, State

PATHS = {"incoming": "call.incoming", "answered": "call.answered", "completed": "call.completed", "missed": "call.missed", "modified": "call.modified"}


def sign(key: str, body: bytes) -> str:
    return base64.b64encode(hmac.new(key.encode(), body, hashlib.sha1).digest()).decode()


def e164(number: str) -> str:
    digits = re.sub(r"\D", "", number)
    return number if len(digits) < 8 else "+1" + digits if len(digits) == 10 else "+" + digits


def dashed(number: str) -> str:
    digits = re.sub(r"\D", "", number)[-10:]
    return f"{digits[:3]}-{digits[3:6]}-{digits[6:]}" if len(digits) == 10 else number


def account_of(state: State, number: str) -> dict[str, typing.Any] | None:
    for account in state.data["accounts"].values():
        if any(e164(n) == e164(number) for n in account.get("numbers", [])):
            return account
    return None


def payload(wanted: dict[str, typing.Any], event: str, call: int, started: datetime.datetime) -> dict[str, typing.Any]:
    """A call object with CallRail's type traps: duration as text, absent values as "", old names beside new ones."""
    caller, tracking = str(wanted.get("from", "+12148654559")), str(wanted["to"])
    caller = e164(caller) if re.sub(r"\D", "", caller) else caller
    tracking = e164(tracking)
    over = event in ("completed", "missed", "modified")
    voicemail = bool(wanted.get("voicemail"))
    missed = bool(wanted.get("missed")) or voicemail
    answered = not missed and event != "incoming"
    duration = int(wanted.get("duration", 13 if voicemail else 0 if missed else 183)) if over else 0
    recording = wanted.get("recording", f"https://app.callrail.com/calls/{call}/recording/redirect?access_key=aaaaccccddddeeee") if over and (answered or voicemail) else ""
    begun = started.isoformat(timespec="milliseconds")
    name = str(wanted.get("name", "KAYLAH MILLS"))
    kind = "voicemail" if voicemail and over else "missed" if not answered else "answered"
    body = {
        "answered": answered, "business_phone_number": "", "call_type": kind, "company_id": wanted.get("callrail_company_id", 155920786), "company_name": "Sandbox Roofing",
        "company_time_zone": "America/Phoenix", "created_at": begun, "customer_city": "Phoenix", "customer_country": "US", "customer_name": name, "customer_phone_number": caller,
        "customer_state": "AZ", "device_type": "", "direction": "inbound", "duration": str(duration), "first_call": True, "formatted_call_type": kind.title(),
        "formatted_customer_phone_number": dashed(caller), "formatted_tracking_phone_number": dashed(tracking), "formatted_tracking_source": "Google Paid", "id": call,
        "resource_id": f"CAL{call:032x}", "lead_status": "", "note": "", "prior_calls": 0, "recording": recording, "recording_duration": duration if recording else "",
        "source_name": "Google AdWords", "start_time": begun, "tags": [], "total_calls": 1, "tracking_phone_number": tracking, "transcription": "", "value": "", "voicemail": voicemail and over,
        "tracker_id": 354024023, "keywords": "roof repair", "medium": "cpc", "utm_source": "google", "utm_campaign": "Spring Roofs", "campaign": "", "callername": name, "callernum": caller,
        "callercity": "Phoenix", "callerstate": "AZ", "callercountry": "US", "callsource": "google_paid", "trackingnum": tracking, "destinationnum": "",
        "datetime": started.astimezone(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M:%S"), "timestamp": begun, "integration_data": [{"integration": "Webhooks", "data": None}],
    }
    if event == "modified":
        body.update({"changes": ["tags", "note"], "note": "Caller asked for an estimate", "tags": ["estimate"]})
    return body


def place(state: State, wanted: dict[str, typing.Any]) -> dict[str, typing.Any]:
    account = account_of(state, wanted["to"])
    key = wanted.get("signing_key") or (account or {}).get("signing_key") or DEFAULT_SIGNING_KEY
    with state.lock:
        call = int(wanted.get("id") or state.data["next_call"])
        state.data["next_call"] = max(state.data["next_call"], call) + 1
        state.save()
    end = "missed" if wanted.get("missed") and not wanted.get("voicemail") else "completed"
    default = ["incoming", end] if wanted.get("missed") or wanted.get("voicemail") else ["incoming", "answered", "completed"]
    started = datetime.datetime.now(datetime.timezone(datetime.timedelta(hours=-7))) - datetime.timedelta(seconds=200)
    out = []
    with httpx.Client(timeout=15) as client:
        for event in wanted.get("events") or default:
            body = json.dumps(payload(wanted, event, call, started), separators=(",", ":")).encode()
            url = wanted["otto_url"].rstrip("/") + "/api/v1/callrail/" + PATHS[event]
            headers = {"Content-Type": "application/json", "Signature": sign(key, body), "User-Agent": "CallRail sandbox"}
            answer = client.post(url, content=body, headers=headers)
            state.note("sent", "callrail", "POST", url, headers, body, answer.status_code)
            out.append({"event": event, "path": PATHS[event], "status": answer.status_code, "body": answer.text})
    return {"id": call, "resource_id": f"CAL{call:032x}", "events": out}


def routes(state: State) -> list[Route]:
    async def accounts(request: Request) -> Response:
        body = await request.json()
        with state.lock:
            state.data["accounts"][body["account_id"]] = body
            state.save()
        return JSONResponse(body)

    async def place_call(request: Request) -> Response:
        from starlette.concurrency import run_in_threadpool

        return JSONResponse(await run_in_threadpool(place, state, await request.json()))

    def account_and_refusal(request: Request) -> tuple[dict[str, typing.Any], Response | None]:
        account = state.data["accounts"].get(request.path_params["account"], {})
        match = re.fullmatch(r'Token token="([^"]+)"', request.headers.get("authorization", ""))
        if not match or (account.get("api_key") and account["api_key"] != match.group(1)):
            return account, JSONResponse({"error": "HTTP Token: Access denied."}, 401)
        return account, None

    async def integrations(request: Request) -> Response:
        account, no = account_and_refusal(request)
        if no is not None:
            return no
        items = [] if account.get("integrations") == "none" else [{"id": 2143, "type": "Webhooks", "state": "active", "company_id": account.get("company_id", "COM8154748ae6bd4e278a7cddd38a662f4f"),
                                                                   "signing_key": account.get("signing_key", DEFAULT_SIGNING_KEY), "config": {"post_call_webhook": []}}]
        return JSONResponse({"page": 1, "per_page": 250, "total_pages": 1, "total_records": len(items), "integrations": items})

    async def calls(request: Request) -> Response:
        _, no = account_and_refusal(request)
        return no if no is not None else JSONResponse({"page": 1, "per_page": 100, "total_pages": 1, "total_records": 0, "calls": []})

    async def companies(request: Request) -> Response:
        account, no = account_and_refusal(request)
        return no if no is not None else JSONResponse({"page": 1, "per_page": 100, "total_pages": 1, "total_records": 1, "companies": [{"id": account.get("company_id", "COM8154748ae6bd4e278a7cddd38a662f4f")}]})

    return [
        Route("/sandbox/callrail/accounts", accounts, methods=["POST"]), Route("/sandbox/callrail/place-call", place_call, methods=["POST"]),
        Route("/v3/a/{account}/integrations.json", integrations), Route("/v3/a/{account}/calls.json", calls), Route("/v3/a/{account}/companies.json", companies),
    ]
