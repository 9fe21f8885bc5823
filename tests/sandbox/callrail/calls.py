"""A placed call: what happened in it, and what CallRail's webhooks and its API make of that. Payloads follow the published sample, the signature is the real one."""

import base64
import datetime
import hashlib
import hmac
import json
import re
import typing

from ..commands import refuse, whole_number
from ..state import Json, State, e164, resource_id
from . import recordings
from .recordings import ACCESS_KEY

DEFAULT_SIGNING_KEY = "072e77e426f92738a72fe23c4d1953b4"  # of CallRail's published example
DEFAULT_COMPANY = "COM8154748ae6bd4e278a7cddd38a662f4f"
ZONE = datetime.timezone(datetime.timedelta(hours=-7))  # America/Phoenix, which has no summer time

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


def account_of_number(state: State, number: str) -> Json | None:
    """The registered account that owns a number; of several the one registered last."""
    owners = [a for a in state.data["accounts"].values() if e164(number) in [e164(str(n)) for n in a.get("numbers", [])]]
    return owners[-1] if owners else None


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
