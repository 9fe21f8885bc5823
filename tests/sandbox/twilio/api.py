"""Twilio's API of 2010-04-01 as far as Otto asks it."""

import base64
import datetime
import typing

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .. import attachments, downloads
from ..state import Json, e164
from .calls import Calls, as_resource
from .numbers import BEGIN, Numbers
from .recordings import Recordings
from .sending import Sending, problem
from .texts import API, Texts, is_listed, media_mark, media_sid, rfc2822, shown

Handler = typing.Callable[[Request, str], typing.Awaitable[Response]]


def refusal(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    return problem(status, {401: 20003, 404: 20404, 405: 20004, 429: 20429, 422: 20001, 400: 20001}.get(status, 20500), message, headers)


def fault(status: int, wanted: Json) -> Response:
    headers = {"Retry-After": str(wanted["retry_after"])} if "retry_after" in wanted else None
    return refusal(status, "Too Many Requests" if status == 429 else "a fault that was asked for", headers)


def when(text: str, name: str) -> datetime.datetime | Response:
    try:
        at = datetime.datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        return problem(400, 20001, f"{name} must be a day such as 2026-02-19 or a time such as 2026-02-19T13:41:00Z")
    return at if at.tzinfo else at.replace(tzinfo=datetime.timezone.utc)


def paged(request: Request, name: str, items: list[Json]) -> Response:
    """Twilio's pages: each names its neighbours, with the filters. A page is known by what stands before it, so what comes meanwhile does not move it."""
    query = request.query_params
    given, number, token = query.get("PageSize", "50"), query.get("Page", "0"), query.get("PageToken")
    if not (given.isdigit() and number.isdigit() and 1 <= int(given) <= 1000):
        return problem(400, 20001, "PageSize must be a number from 1 to 1000, Page a number")
    if int(number) > 0 and not token:
        return problem(400, 20001, "Page needs its PageToken: follow next_page_uri")
    size, page = int(given), int(number)
    start = next((n + 1 for n, item in enumerate(items) if "PA" + item["sid"] == token), 0)
    end = min(start + size, len(items))

    def at(page: int, start: int) -> str:
        url = request.url.remove_query_params("PageToken").include_query_params(PageSize=size, Page=page, **({"PageToken": "PA" + items[start - 1]["sid"]} if start > 0 else {}))
        return f"{url.path}?{url.query}"

    return JSONResponse({name: items[start:end], "page": page, "page_size": size, "start": start, "end": max(start, end - 1), "first_page_uri": at(0, 0), "uri": at(page, start),
                         "next_page_uri": at(page + 1, end) if end < len(items) else None, "previous_page_uri": at(page - 1, max(0, start - size)) if page > 0 else None})


def routes(texts: Texts, sending: Sending, numbers: Numbers, calls: Calls, recordings: Recordings) -> list[Route]:
    def not_found(request: Request) -> Response:
        return problem(404, 20404, f"The requested resource {request.url.path} was not found")

    def api(path: str, handler: Handler, methods: tuple[str, ...] = ("GET",)) -> Route:
        async def guarded(request: Request) -> Response:
            sid = request.path_params["account"]
            word, _, rest = request.headers.get("authorization", "").partition(" ")
            try:
                user, _, secret = base64.b64decode(rest, validate=True).decode().partition(":")
            except ValueError:
                user = secret = ""
            if word.lower() != "basic" or not texts.admits(sid, user, secret):
                return problem(401, 20003, "Authenticate", {"WWW-Authenticate": 'Basic realm="Twilio API"'})
            if (texts.account(sid) or {}).get("status", "active") != "active":
                return problem(401, 20003, "Authenticate: the account is not active")
            return await handler(request, sid)

        return Route(API + "{account}" + path, guarded, methods=list(methods))

    async def account(_: Request, sid: str) -> Response:
        known = texts.account(sid) or {}
        return JSONResponse({"sid": sid, "auth_token": texts.token(sid), "friendly_name": "Sandbox Roofing", "owner_account_sid": sid, "status": known.get("status", "active"), "type": "Full",
                             "date_created": rfc2822(BEGIN), "date_updated": rfc2822(BEGIN), "uri": f"{API}{sid}.json", "subresource_uris": {"messages": f"{API}{sid}/Messages.json"}})

    async def owned_numbers(request: Request, sid: str) -> Response:
        if request.method == "POST":
            return await numbers.asked(request, sid)
        wanted = request.query_params.get("PhoneNumber")
        return paged(request, "incoming_phone_numbers", [numbers.resource(sid, n) for n in numbers.owned(sid) if wanted in (None, "", n)])

    async def owned_number(request: Request, sid: str) -> Response:
        wanted = request.path_params["number"].removesuffix(".json")
        number = next((n for n, of in numbers.owned(sid).items() if of["sid"] == wanted), None)
        if number is None:
            return not_found(request)
        if request.method == "POST":
            return await numbers.configure(request, sid, number)
        if request.method == "DELETE":
            numbers.change(sid, number, {"released": True})
            return Response(status_code=204)
        return JSONResponse(numbers.resource(sid, number))

    async def available(request: Request, sid: str) -> Response:
        query, country = request.query_params, request.path_params["country"]
        size, area = query.get("PageSize", "50"), query.get("AreaCode", "")
        if not (size.isdigit() and 1 <= int(size) <= 1000) or not (area == "" or area.isdigit()):
            return problem(400, 20001, "PageSize must be a number from 1 to 1000, AreaCode digits")
        found = numbers.available(country, area, query.get("Contains", ""), int(size))
        return not_found(request) if found is None else JSONResponse({"available_phone_numbers": found, "uri": f"{request.url.path}?{request.url.query}"})

    async def call(request: Request, sid: str) -> Response:
        facts = calls.find(request.path_params["call"].removesuffix(".json"))
        return JSONResponse(as_resource(facts)) if facts and facts["account_sid"] == sid else not_found(request)

    async def recording(request: Request, sid: str) -> Response:
        return recordings.served(sid, request.path_params["recording"]) or not_found(request)

    async def messages(request: Request, sid: str) -> Response:
        if request.method == "POST":
            return await sending.asked(request, sid)
        query, found = request.query_params, texts.of_account(sid)
        for name, member in (("From", "from"), ("To", "to")):
            if name in query:
                found = [f for f in found if f[member] == e164(query[name].replace(" ", "+"))]
        for name, fits in (("DateSent>", lambda sent, at: sent >= at), ("DateSent<", lambda sent, at: sent <= at), ("DateSent", lambda sent, at: at <= sent < at + datetime.timedelta(days=1))):
            if name in query:
                at = when(query[name], name)
                if isinstance(at, Response):
                    return at
                found = [f for f in found if f["sent_at"] and fits(f["sent_at"].replace(microsecond=0), at)]
        return paged(request, "messages", [shown(f) for f in found])

    async def message(request: Request, sid: str) -> Response:
        facts = texts.find(request.path_params["message"].removesuffix(".json"), sid)
        return JSONResponse(shown(facts)) if facts and is_listed(facts) else not_found(request)

    def media_of(facts: Json | None, wanted: str) -> int | None:
        return next((n for n in range(len(facts["media"])) if media_sid(facts, n) == wanted), None) if facts else None

    async def media_list(request: Request, sid: str) -> Response:
        facts = texts.find(request.path_params["message"], sid)
        if facts is None:
            return not_found(request)
        return paged(request, "media_list", [
            {"sid": media_sid(facts, n), "account_sid": sid, "parent_sid": facts["sid"], "content_type": item["content_type"], "date_created": rfc2822(facts["created_at"]),
             "date_updated": rfc2822(facts["created_at"]), "uri": f"{API}{sid}/Messages/{facts['sid']}/Media/{media_sid(facts, n)}.json"} for n, item in enumerate(facts["media"])])

    async def media(request: Request, sid: str) -> Response:
        """Says where the file is: at Twilio's store, which takes no password."""
        facts = texts.find(request.path_params["message"], sid)
        n = media_of(facts, request.path_params["media"])
        if facts is None or n is None or downloads.is_missing(facts["media"][n]["fault"]):
            return not_found(request)
        file = f"/twilio-media/{facts['sid']}/{n}"
        return downloads.redirect(texts.state, facts["media"][n]["fault"], request.url.path, texts.state.base + file, file + "?moved", 307)

    async def file(request: Request) -> Response:
        """The store, which refuses a request that brings a password beside its signed address, as S3 does."""
        facts, n = texts.find(request.path_params["message"]), int(request.path_params["n"])
        if "authorization" in request.headers:
            return Response("<Error><Code>InvalidArgument</Code><Message>Only one auth mechanism allowed</Message></Error>", 400, media_type="application/xml")
        if facts is None or n >= len(facts["media"]):
            return not_found(request)
        item = facts["media"][n]
        return downloads.answer(attachments.attachment_of(item, media_mark(facts, n)), None if "moved" in request.query_params else item["fault"])

    return [
        api(".json", account), api("/IncomingPhoneNumbers.json", owned_numbers, ("GET", "POST")),
        api("/IncomingPhoneNumbers/{number}", owned_number, ("GET", "POST", "DELETE")), api("/AvailablePhoneNumbers/{country}/{kind}.json", available), api("/Calls/{call}", call),
        api("/Recordings/{recording}", recording), *recordings.routes(), api("/Messages.json", messages, ("GET", "POST")), api("/Messages/{message}/Media.json", media_list),
        api("/Messages/{message}/Media/{media}", media), api("/Messages/{message}", message), Route("/twilio-media/{message}/{n:int}", file),
    ]
