"""A text to or from a tracking number, and its webhook; its attachments need no API key."""

import datetime
import hashlib
import typing

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .. import attachments, downloads
from ..commands import one_of, refuse, whole_number
from ..state import Json, State, e164, resource_id
from .calls import DEFAULT_COMPANY, ZONE, account_of_number
from .recordings import ACCESS_KEY


def read_facts(state: State, texts: dict[int, Json], wanted: Json) -> Json:
    """The text, from the command; one that was placed before keeps its time."""
    received = one_of(wanted, "direction", ("received", "sent"), "received") == "received"
    text = state.next_call(whole_number(wanted, "id", 0, 1) if "id" in wanted else None)
    sent_at = texts[text]["sent_at"] if text in texts else datetime.datetime.now(ZONE)
    if "timestamp" in wanted:
        try:
            sent_at = datetime.datetime.fromisoformat(str(wanted["timestamp"]))
        except ValueError:
            refuse("timestamp must be a time such as 2026-02-19T13:41:00-05:00")
    account = account_of_number(state, str(wanted["to"] if received else wanted["from"])) or {}
    return {"text": text, "received": received, "from": e164(str(wanted["from"])), "to": e164(str(wanted["to"])), "body": str(wanted.get("body", "Is it the roof?" if received else "We can come on Monday.")),
            "media": attachments.read_media(wanted), "sent_at": sent_at, "agent": wanted.get("agent"), "company": str(account.get("company_id") or DEFAULT_COMPANY)}


def mark_of(facts: Json, n: int) -> str:
    return f"{facts['text']} {n}"


def url_of(state: State, facts: Json, n: int) -> str:
    return f"{state.base}/texts/{facts['text']}/media/{n}?access_key={ACCESS_KEY}"


def payload(state: State, facts: Json) -> Json:
    customer = facts["from"] if facts["received"] else facts["to"]
    body = {"id": facts["text"], "resource_id": resource_id("SCI", facts["text"]), "source_number": facts["from"], "destination_number": facts["to"], "content": facts["body"],
            "message_type": "mms" if facts["media"] else "sms", "media_urls": [url_of(state, facts, n) for n in range(len(facts["media"]))], "timestamp": facts["sent_at"].isoformat(timespec="milliseconds"),
            "lead_status": "", "conversation_id": hashlib.sha256(customer.encode()).hexdigest()[:5], "company_resource_id": facts["company"],
            "person_resource_id": "PER" + hashlib.sha256(customer.encode()).hexdigest()[:32]}
    return body if facts["received"] else {**body, "agent": facts["agent"] or ""}


def seed_names(body: Json, received: bool) -> Json:
    """The same under the names of Otto's first integration."""
    return {"message_id": body["resource_id"], "caller_number" if received else "from_number": body["source_number"], "tracking_number" if received else "to_number": body["destination_number"],
            "text": body["content"], "timestamp": body["timestamp"]}


def routes(state: State, texts: dict[int, Json]) -> list[Route]:
    def not_found() -> Response:
        return JSONResponse({"error": "not found"}, 404)

    def with_item(handler: typing.Callable[[Json, int], Response]) -> typing.Callable[[Request], typing.Awaitable[Response]]:
        async def guarded(request: Request) -> Response:
            facts, n = texts.get(request.path_params["text"]), request.path_params["n"]
            return handler(facts, n) if facts is not None and n < len(facts["media"]) else not_found()

        return guarded

    def media(facts: Json, n: int) -> Response:
        fault = facts["media"][n]["fault"]
        if downloads.is_missing(fault):
            return not_found()
        path = f"/texts/{facts['text']}/media/{n}"
        if (fault or {}).get("kind") in ("elsewhere", "private", "loop"):
            return downloads.redirect(state, fault, f"{path}?access_key={ACCESS_KEY}", path, "/elsewhere" + path)
        return downloads.answer(attachments.attachment_of(facts["media"][n], mark_of(facts, n)), fault)

    def moved(facts: Json, n: int) -> Response:
        return downloads.answer(attachments.attachment_of(facts["media"][n], mark_of(facts, n)), None)

    async def with_key(request: Request) -> Response:
        return await with_item(media)(request) if request.query_params.get("access_key") == ACCESS_KEY else JSONResponse({"error": "HTTP Token: Access denied."}, 401)

    return [Route("/texts/{text:int}/media/{n:int}", with_key), Route("/elsewhere/texts/{text:int}/media/{n:int}", with_item(moved))]
