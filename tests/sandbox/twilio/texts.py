"""A text over Twilio: who has which account, what its webhooks say and how they are signed, and how the API shows it."""

import collections
import datetime
import email.utils
import hashlib
import re
import threading
import time
import typing
import urllib.parse
import uuid

from starlette.datastructures import ImmutableMultiDict
from twilio.request_validator import RequestValidator

from ..attachments import read_media
from ..commands import one_of, refuse
from ..state import Json, State, e164

API = "/2010-04-01/Accounts/"
DEFAULT_ACCOUNT = "AC" + "0123456789abcdef" * 2
DEFAULT_AUTH_TOKEN = "12345"  # of the vectors in Twilio's own libraries
KEPT_TEXTS = 50_000
STATUSES = ("accepted", "scheduled", "queued", "sending", "sent", "delivered", "undelivered", "failed", "canceled", "read", "partially_delivered")
FAILED = {"undelivered": ("30003", "Unreachable destination handset"), "failed": ("30008", "Unknown error")}
# The words of Twilio's default handling of long codes (providers.md §2.8): each alone in a text, in any case.
STOPS, STARTS = {"STOP", "STOPALL", "UNSUBSCRIBE", "END", "QUIT", "CANCEL", "REVOKE", "OPTOUT"}, {"START", "YES", "UNSTOP"}
# GSM 03.38: its letters, and those that stand in its extension table and take two places.
GSM = set("@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà")
GSM_TWICE = set("\f^{}\\[~]|€")


def sid_of(kind: str, of: str) -> str:
    """The same for the same."""
    return kind + hashlib.sha256(of.encode()).hexdigest()[:32]


def media_sid(facts: Json, n: int) -> str:
    return sid_of("ME", media_mark(facts, n))


def media_mark(facts: Json, n: int) -> str:
    """What an attachment says of whose it is."""
    return f"{facts['sid']} {n}"


def sign(token: str, url: str, parameters: typing.Mapping[str, str | list[str]]) -> str:
    """The header X-Twilio-Signature, by Twilio's own library, which takes several values of a name from a `getlist`."""
    pairs = [(name, value) for name, values in parameters.items() for value in (values if isinstance(values, list) else [values])]
    return str(RequestValidator(token).compute_signature(url, ImmutableMultiDict(pairs)))


class Texts:
    """The accounts, which survive a restart, and the texts, which do not."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.by_sid: collections.OrderedDict[str, Json] = collections.OrderedDict()
        self.by_account: dict[str, dict[str, Json]] = collections.defaultdict(dict)
        self.blocked: set[tuple[str, str]] = set()  # our number, and who told it to stop
        self.learnt: dict[str, str] = {}  # the tokens with which accounts were asked that nobody registered
        self.lock = threading.RLock()
        state.data.setdefault("twilio_accounts", {})

    def account(self, sid: str) -> Json | None:
        return typing.cast(Json | None, self.state.data["twilio_accounts"].get(sid))

    def register(self, account: Json) -> None:
        with self.state.lock:
            self.state.data["twilio_accounts"].pop(account["account_sid"], None)
            self.state.data["twilio_accounts"][account["account_sid"]] = account
            self.state.save()

    def account_of_number(self, number: str) -> str | None:
        """The registered account that owns a number; of several the one registered last."""
        owners = [sid for sid, a in self.state.data["twilio_accounts"].items() if e164(number) in map(e164, a.get("numbers", []))]
        return owners[-1] if owners else None

    def token(self, sid: str) -> str:
        account = self.account(sid)
        return str(account["auth_token"]) if account and "auth_token" in account else self.learnt.get(sid, DEFAULT_AUTH_TOKEN)

    def admits(self, sid: str, user: str, secret: str) -> bool:
        """Whether the API takes these; an account that nobody registered takes any token, which is its own from then on."""
        account = self.account(sid)
        if user == sid:
            if account and "auth_token" in account:
                return secret == account["auth_token"]
            self.learnt[sid] = secret
            return bool(secret)
        return account is not None and "api_key" in account and (user, secret) == (account["api_key"], account.get("api_secret"))

    def remember(self, facts: Json) -> None:
        with self.lock:
            if before := self.by_sid.pop(facts["sid"], None):
                self.by_account[before["account_sid"]].pop(facts["sid"], None)
            self.by_sid[facts["sid"]] = facts
            self.by_account[facts["account_sid"]][facts["sid"]] = facts
            while len(self.by_sid) > KEPT_TEXTS:
                sid, old = self.by_sid.popitem(last=False)
                self.by_account[old["account_sid"]].pop(sid, None)
            if facts["direction"] == "inbound":  # Twilio blocks by itself, and hands the text on all the same
                pair, word = (facts["to"], facts["from"]), facts["body"].strip().upper()
                if word in STOPS:
                    self.blocked.add(pair)
                elif word in STARTS:
                    self.blocked.discard(pair)

    def find(self, sid: str, account: str | None = None) -> Json | None:
        with self.lock:
            facts = self.by_sid.get(sid)
        return facts if facts and account in (None, facts["account_sid"]) else None

    def of_account(self, account: str) -> list[Json]:
        """Those that its list shows, the newest first."""
        with self.lock:
            found = [f for f in self.by_account.get(account, {}).values() if is_listed(f)]
        return sorted(found, key=lambda f: typing.cast(datetime.datetime, f["created_at"]), reverse=True)


def is_listed(facts: Json) -> bool:
    """Whether the API knows of it (yet)."""
    return facts["listed"] is not False and time.monotonic() >= facts.get("listed_from", 0)


def read_facts(texts: Texts, wanted: Json) -> Json:
    """The text, from the command; one that was placed before keeps its time, and what the command does not say."""
    inbound = one_of(wanted, "direction", ("inbound", "outbound"), "inbound") == "inbound"
    media = read_media(wanted)
    sid = str(wanted.get("sid") or ("MM" if media else "SM") + uuid.uuid4().hex)
    if not re.fullmatch(r"(SM|MM)[0-9a-f]{32}", sid):
        refuse("sid must be SM or MM and 32 hexadecimal digits")
    before = texts.find(sid)
    sent_at = before["created_at"] if before else datetime.datetime.now(datetime.timezone.utc)
    if "sent_at" in wanted:
        try:
            sent_at = datetime.datetime.fromisoformat(str(wanted["sent_at"]))
        except ValueError:
            refuse("sent_at must be a time such as 2026-02-19T13:41:00-05:00")
        if sent_at.tzinfo is None:
            refuse("sent_at needs an offset, such as -05:00")
    listed = wanted.get("listed", {})
    if listed is not False and not isinstance(listed, dict):
        refuse("listed must be a JSON object of members that the API tells otherwise, or false for a text that it does not know")
    account = str(wanted.get("account_sid") or texts.account_of_number(str(wanted["to"] if inbound else wanted["from"])) or DEFAULT_ACCOUNT)
    default = "Is it the roof?" if inbound else "We can come on Monday."
    return {"sid": sid, "account_sid": account, "from": e164(str(wanted["from"])), "to": e164(str(wanted["to"])), "direction": "inbound" if inbound else "outbound-api",
            "body": str(wanted.get("body", before["body"] if before else default)), "media": media or (before["media"] if before else []), "created_at": sent_at, "sent_at": sent_at, "listed": listed,
            "status": "received" if inbound else "queued", "error_code": None, "error_message": None, "opt_out_type": wanted.get("opt_out_type"), "service": wanted.get("messaging_service_sid")}


def segments(body: str) -> int:
    """How many messages it takes: letters of GSM's table (160, or 153 each), else of two bytes (70, or 67 each). What is written in two places is never cut."""
    gsm = all(c in GSM or c in GSM_TWICE for c in body)
    alone, each = (160, 153) if gsm else (70, 67)
    sizes = [2 if c in GSM_TWICE else 1 for c in body] if gsm else [2 if ord(c) > 0xFFFF else 1 for c in body]
    if sum(sizes) <= alone:
        return 1
    count, used = 1, 0
    for size in sizes:
        count, used = (count + 1, size) if used + size > each else (count, used + size)
    return count


def media_url(texts: Texts, facts: Json, n: int) -> str:
    return f"{texts.state.base}{API}{facts['account_sid']}/Messages/{facts['sid']}/Media/{media_sid(facts, n)}"


def place_of(number: str, whose: str) -> dict[str, str]:
    return {f"{whose}City": "PHOENIX", f"{whose}State": "AZ", f"{whose}Zip": "85001", f"{whose}Country": "US"} if re.fullmatch(r"\+1\d{10}", number) else {}


def parameters(texts: Texts, facts: Json, event: str, failed: typing.Mapping[str, tuple[str, str]] = FAILED) -> dict[str, str | list[str]]:
    """The form of a webhook: of a text that came in (`received`), else of a status; `failed`: code and words of those that say so."""
    same: dict[str, str | list[str]] = {"MessageSid": facts["sid"], "SmsSid": facts["sid"], "AccountSid": facts["account_sid"], "From": facts["from"], "To": facts["to"], "ApiVersion": "2010-04-01",
                                        "SmsStatus": event}
    if facts["service"]:
        same["MessagingServiceSid"] = str(facts["service"])
    if event != "received":
        code, message = failed.get(event, (None, None))
        return {**same, "MessageStatus": event, **({"ErrorCode": code, "ErrorMessage": message} if code and message else {})}
    media: dict[str, str | list[str]] = {}
    for n, item in enumerate(facts["media"]):
        media |= {f"MediaUrl{n}": media_url(texts, facts, n), f"MediaContentType{n}": item["content_type"]}
    return {**same, "SmsMessageSid": facts["sid"], "Body": facts["body"], "NumMedia": str(len(facts["media"])), "NumSegments": str(segments(facts["body"])), **media,
            **place_of(facts["from"], "From"), **place_of(facts["to"], "To"), **({"OptOutType": str(facts["opt_out_type"])} if facts["opt_out_type"] else {})}


def as_form(fields: typing.Mapping[str, str | list[str]]) -> bytes:
    return urllib.parse.urlencode(fields, doseq=True, errors="surrogatepass").encode()


def rfc2822(at: datetime.datetime) -> str:
    return email.utils.format_datetime(at.astimezone(datetime.timezone.utc).replace(microsecond=0))


def shown(facts: Json) -> Json:
    """A text as the REST API tells it: counts as texts, times by RFC 2822."""
    uri = f"{API}{facts['account_sid']}/Messages/{facts['sid']}"
    created, sent = rfc2822(facts["created_at"]), rfc2822(facts["sent_at"]) if facts["sent_at"] else None
    return {"sid": facts["sid"], "account_sid": facts["account_sid"], "messaging_service_sid": facts["service"], "from": facts["from"], "to": facts["to"], "body": facts["body"], "status": facts["status"],
            "direction": facts["direction"], "num_segments": str(segments(facts["body"])), "num_media": str(len(facts["media"])), "error_code": facts["error_code"], "error_message": facts["error_message"],
            "price": None, "price_unit": "USD", "date_created": created, "date_sent": sent, "date_updated": sent or created, "api_version": "2010-04-01", "uri": uri + ".json",
            "subresource_uris": {"media": uri + "/Media.json"}, **(facts["listed"] or {})}
