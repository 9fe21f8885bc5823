"""The sandbox's HTTP application: the stand-ins' routes, and the commands under /sandbox."""

import typing

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from . import callrail, clerk, faults
from .state import State

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Provider sandbox</title><h1>Provider sandbox</h1>
<p>Stands in for CallRail and Clerk at {base}. Commands take and answer JSON:</p>
<dl>
<dt>POST /sandbox/clerk/token</dt>
<dd>role (csr, sales_rep, manager, executive, operator), company?, user?, ttl_s = 3600, version = 2 (Clerk's claims, 1 or 2),
kind = good (or {kinds}) &rarr; token, user_id, company_id. Registers the user and the membership.</dd>
<dt>POST /sandbox/callrail/accounts</dt>
<dd>account_id, api_key?, signing_key?, company_id?, numbers?, integrations? ("none"): from then on this account has only that API key, signs with
that key, owns those numbers. An account that nobody registered takes any API key and signs with CallRail's published one.</dd>
<dt>POST /sandbox/callrail/place-call</dt>
<dd>to, from, otto_url, missed?, voicemail?, events? (incoming, answered, completed, missed, modified), signing_key?, callrail_company_id?, name?,
duration? (seconds), recording? (address, or false), start_time?, id? (that of a call already placed keeps its start, so the same command sends the same bytes), fields? (members to replace),
paths? (event to path) &rarr; id, resource_id, events: event, path, status (0: no answer), body.</dd>
<dt>POST, GET, DELETE /sandbox/faults</dt>
<dd>provider (callrail, clerk), path? (part of the path), status?, retry_after?, delay_ms?, reset?, rate? (0 to 1), times?</dd>
<dt>GET, DELETE /sandbox/requests?provider=&amp;path=</dt><dd>All that was received and sent, oldest first.</dd>
</dl>
<p>Stand-ins: CallRail's REST API under /v3/a/{{account}}/ ({callrail}); Clerk's API under /v1/ (organizations, memberships, users, jwks)
and /.well-known/jwks.json; operators' keys at /operator/.well-known/jwks.json.</p></html>
"""


async def refusal(request: Request, error: Exception) -> Response:
    """Errors in the shape of whoever is spoken for."""
    assert isinstance(error, HTTPException)
    if faults.provider_of(request.url.path) == "clerk":
        return JSONResponse({"errors": [{"code": "resource_not_found" if error.status_code == 404 else "bad_request", "message": error.detail}]}, error.status_code, error.headers)
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


def make_app(state: State) -> ASGIApp:
    fault_list = faults.Faults()

    async def page(_: Request) -> Response:
        kinds = ", ".join(kind for kind in clerk.KINDS if kind != "good")
        return HTMLResponse(PAGE.format(base=state.base, kinds=kinds, callrail=", ".join(callrail.RESOURCES)))

    async def health(_: Request) -> Response:
        return PlainTextResponse("ok")

    app = Starlette(routes=[Route("/sandbox", page), Route("/healthz", health), *fault_list.routes(), *faults.record_routes(state), *clerk.routes(state), *callrail.routes(state)],
                    exception_handlers=typing.cast(typing.Any, {HTTPException: refusal}))
    app.router.redirect_slashes = False  # neither provider redirects
    return faults.Gate(app, state, fault_list)
