"""Numbers at Twilio: which there are to buy, who bought which, what each is set to, and what a test wants to go wrong with buying."""

import asyncio
import collections
import datetime
import re
import time
import typing
import urllib.parse
import uuid

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from ..commands import refuse, whole_number
from ..state import Json, e164
from .sending import BUSY, FAILS, FAULTS, LISTS_LATE, RESETS, SLOW, TAKES_AND_FAILS, TAKES_AND_GARBLES, TAKES_AND_RESETS, Reset, Sending, problem
from .texts import API, Texts, rfc2822, sid_of

BEGIN = datetime.datetime(2024, 3, 1, 12, 0, tzinfo=datetime.timezone.utc)
# What a number can be set to: the form's name, and the resource's.
SETTINGS = {"VoiceUrl": "voice_url", "VoiceMethod": "voice_method", "VoiceFallbackUrl": "voice_fallback_url", "VoiceFallbackMethod": "voice_fallback_method", "SmsUrl": "sms_url", "SmsMethod": "sms_method",
            "SmsFallbackUrl": "sms_fallback_url", "SmsFallbackMethod": "sms_fallback_method", "StatusCallback": "status_callback", "StatusCallbackMethod": "status_callback_method", "FriendlyName": "friendly_name"}
REFUSALS: dict[int, tuple[int, str]] = {
    20003: (401, "Authenticate"),
    20005: (403, "Account not active"),
    20429: (429, "Too Many Requests"),
    20500: (500, "An internal server error has occurred"),
    21404: (400, "Account is not allowed to purchase more phone numbers: upgrade, or add funds"),
    21421: (400, "PhoneNumber is invalid: {number}"),
    21422: (400, "PhoneNumber {number} is not available"),
    21452: (400, "No phone numbers found in area code {area}"),
    21502: (400, "VoiceUrl is not a valid URL: {url}"),
    21609: (400, "StatusCallback is not a valid URL: {url}"),
    21615: (400, "PhoneNumber Requires an Address"),
    21631: (400, "Phone Number Requires a Local Address"),
    21649: (400, "Bundle required: the regulations of {number}'s country ask for one"),
}
COUNTRIES = {"US": ("+1", "520", "AZ"), "CA": ("+1", "416", "ON"), "GB": ("+44", "20", ""), "DE": ("+49", "30", "")}
KEPT_ASKED = 100_000


def refused(code: int, form: typing.Mapping[str, str]) -> Response:
    status, words = REFUSALS.get(code, (400, "An error that was asked for"))
    return problem(status, code, words.format(number=form.get("PhoneNumber", ""), area=form.get("AreaCode", ""), url=form.get("VoiceUrl") or form.get("StatusCallback", "")))


class Numbers:
    """Those that accounts own, by account and number, with what they are set to; they survive a restart. On record is every purchase that was asked for."""

    def __init__(self, texts: Texts, sending: Sending) -> None:
        self.texts, self.sending = texts, sending
        self.scripts: list[Json] = []
        self.record: collections.deque[Json] = collections.deque(maxlen=KEPT_ASKED)
        self.late: dict[tuple[str, str], float] = {}  # numbers that were bought and are not shown yet: from when on
        texts.state.data.setdefault("twilio_numbers", {})

    def owned(self, account: str) -> dict[str, Json]:
        """The account's numbers: those that it was registered with, and those that it bought."""
        known = self.texts.account(account) or {}
        set_to = self.texts.state.data["twilio_numbers"].get(account, {})
        everywhere = {name: known.get(name, "") for name in ("sms_url", "voice_url", "status_callback")}
        registered = {e164(str(n)): {"sid": sid_of("PN", e164(str(n))), **everywhere} for n in known.get("numbers", [])}
        return {number: {**registered.get(number, {}), **set_to.get(number, {})} for number in (*registered, *(n for n in set_to if n not in registered))
                if time.monotonic() >= self.late.get((account, number), 0) and not set_to.get(number, {}).get("released")}

    def find(self, account: str, number: str) -> Json | None:
        return self.owned(account).get(number)

    def taken(self) -> set[str]:
        """All that some account owns, shown or not."""
        accounts = {*self.texts.state.data["twilio_accounts"], *self.texts.state.data["twilio_numbers"]}
        return {number for a in accounts for number in self.owned(a)} | {number for _, number in self.late}

    def change(self, account: str, number: str, settings: Json) -> None:
        with self.texts.state.lock:
            of = self.texts.state.data["twilio_numbers"].setdefault(account, {})
            of[number] = {**of.get(number, {}), **settings}
            self.texts.state.save()

    def resource(self, account: str, number: str) -> Json:
        of = self.owned(account).get(number) or self.texts.state.data["twilio_numbers"][account][number]
        settings = {name: of.get(name) or ("POST" if name.endswith("_method") else number if name == "friendly_name" else "") for name in SETTINGS.values()}
        return {"sid": of["sid"], "account_sid": account, "phone_number": number, "capabilities": {"voice": True, "sms": True, "mms": True, "fax": False}, "beta": False, "origin": "twilio", "status": "in-use",
                "date_created": rfc2822(BEGIN), "date_updated": rfc2822(BEGIN), "uri": f"{API}{account}/IncomingPhoneNumbers/{of['sid']}.json", **settings}

    def available(self, country: str, area: str, contains: str, count: int) -> list[Json] | None:
        """The same ones each time, as long as nobody buys them; None for a country that is none of ours. Area codes that begin with 9 are used up."""
        if country not in COUNTRIES:
            return None
        prefix, default, region = COUNTRIES[country]
        area = area or default
        found, taken = [], self.taken()
        for n in range(0 if area.startswith("9") else 200):
            number = f"{prefix}{area}{200 + (n * 37 + int(area)) % 700:03d}{(n * 7919 + 1234) % 10000:04d}"
            if contains.replace("*", "") in number and number not in taken and len(found) < count:
                found.append({"friendly_name": f"({area}) {number[-7:-4]}-{number[-4:]}" if prefix == "+1" else number, "phone_number": number, "lata": "668", "locality": "Tucson", "rate_center": "TUCSON", "latitude": "32.2",
                              "longitude": "-110.9", "region": region, "postal_code": "85701", "iso_country": country, "address_requirements": "none", "beta": False,
                              "capabilities": {"voice": True, "SMS": True, "MMS": n % 3 != 0, "fax": False}})
        return found

    def script_of(self, said: Json) -> Json:
        for script in self.scripts:
            if all(script[name] == said[name] for name in ("account_sid", "phone_number") if name in script) and script.get("times") != 0:
                if "times" in script:
                    script["times"] -= 1
                return script
        return {}

    def read_script(self, wanted: Json) -> Json:
        if wanted.get("fault", FAULTS[0]) not in FAULTS:
            refuse(f"fault must be one of {', '.join(FAULTS)}")
        if wanted.get("hold", "before") not in ("before", "after"):
            refuse("hold must be before or after")
        for name in ("times", "seconds", "code"):
            if name in wanted:
                wanted[name] = whole_number(wanted, name, 0, 0)
        return {**wanted, **({"phone_number": e164(str(wanted["phone_number"]))} if "phone_number" in wanted else {})}

    async def asked(self, request: Request, account: str) -> Response:
        """POST IncomingPhoneNumbers.json: buys."""
        form = await read_form(request)
        number = e164(form.get("PhoneNumber", "").strip())
        if not number and form.get("AreaCode"):
            number = next((n["phone_number"] for n in self.available("US", form["AreaCode"], "", 1) or []), "")
            if not number:
                return refused(21452, form)
        said: Json = {"account_sid": account, "phone_number": number, "at": time.time(), "form": form, "sid": None, "code": None}
        self.record.append(said)
        script = self.script_of(said)
        fault = script.get("fault")
        await self.sending.hold(script, "before", said)
        code = script.get("code") or (20429 if fault == BUSY else 20500 if fault == FAILS else 0) or self.wrong(number, form)
        if code:
            said["code"] = code
            return refused(code, form)
        if fault == RESETS:
            return Reset()
        said["sid"] = "PN" + uuid.uuid4().hex
        if fault == LISTS_LATE:
            self.late[account, number] = time.monotonic() + script.get("seconds", 30)
        self.change(account, number, {"sid": said["sid"], "released": False, **settings_of(form)})
        answer = self.resource(account, number)
        await self.sending.hold(script, "after", said)
        if fault in (TAKES_AND_RESETS, LISTS_LATE):
            return Reset()
        if fault == TAKES_AND_FAILS:
            return refused(20500, form)
        if fault == TAKES_AND_GARBLES:
            return PlainTextResponse("<html>It works!</html>", 200, media_type="text/html")
        if fault == SLOW:
            await asyncio.sleep(script.get("seconds", 20))
        return JSONResponse(answer, 201)

    def wrong(self, number: str, form: typing.Mapping[str, str]) -> int:
        if not re.fullmatch(r"\+[1-9]\d{7,14}", number):
            return 21421
        if number in self.taken():
            return 21422
        return wrong_settings(form)

    async def configure(self, request: Request, account: str, number: str) -> Response:
        """POST IncomingPhoneNumbers/{PN}.json: changes what is named, and nothing else."""
        form = await read_form(request)
        if code := wrong_settings(form):
            return refused(code, form)
        self.change(account, number, {"sid": self.owned(account)[number]["sid"], **settings_of(form)})
        return JSONResponse(self.resource(account, number))

    def seen(self, account: str, number: str) -> list[Json]:
        return [said for said in self.record if account in ("", said["account_sid"]) and number in ("", said["phone_number"])]


async def read_form(request: Request) -> dict[str, str]:
    return {name: values[0] for name, values in urllib.parse.parse_qs((await request.body()).decode("utf-8", "replace"), keep_blank_values=True).items()}


def settings_of(form: typing.Mapping[str, str]) -> Json:
    return {member: form[name] for name, member in SETTINGS.items() if name in form}


def wrong_settings(form: typing.Mapping[str, str]) -> int:
    for name, code in (("VoiceUrl", 21502), ("SmsUrl", 21502), ("StatusCallback", 21609)):
        if form.get(name) and not re.match(r"https?://[^/\s]+", form[name]):
            return code
    return 0
