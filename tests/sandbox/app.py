"""The sandbox's HTTP application: the stand-ins' routes, and the commands under /sandbox."""

import contextlib
import typing

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from . import callrail, clerk, faults, recordings, shunya, shunya_scripts
from .state import Json, State

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Provider sandbox</title><h1>Provider sandbox</h1>
<p>Stands in for CallRail, Shunya and Clerk at {base}. Commands take and answer JSON:</p>
<dl>
<dt>POST /sandbox/clerk/token</dt>
<dd>role (csr, sales_rep, manager, executive, operator), company?, user?, ttl_s = 3600, version = 2 (Clerk's claims, 1 or 2),
kind = good (or {kinds}) &rarr; token, user_id, company_id. Registers the user and the membership.</dd>
<dt>POST /sandbox/callrail/accounts</dt>
<dd>account_id, api_key?, signing_key?, company_id?, numbers?, integrations? ("none"): from then on this account has only that API key, signs with
that key, owns those numbers. An account that nobody registered takes any API key and signs with CallRail's published one.</dd>
<dt>POST /sandbox/callrail/place-call</dt>
<dd>to, from, otto_url, missed?, voicemail?, events? (incoming, answered, completed, missed, modified; an empty list: webhooks that never come), signing_key?, callrail_company_id?, name?,
duration? (seconds), recording? (address, or false), start_time?, id? (that of a call already placed keeps its start, so the same command sends the same bytes), fields? (members to replace),
paths? (event to path), agent_email? (told by the API only), listed? (members that the API tells otherwise than the webhook; false: the API does not know the call),
sound = wav (or mp3), recording_bytes?, recording_fault?, shunya? (an outcome, or a script for this call) &rarr; id, resource_id, events: event, path, status (0: no answer), body.</dd>
<dt>GET, POST /sandbox/callrail/recordings</dt>
<dd>GET ?call=: call, customer, url, sound, content_type, bytes, sha256 of each recording as it is without its fault. POST: call, sound?, recording_bytes?, recording_fault? changes it. A fault is "none", a kind, or
an object {{kind, seconds?, times?, to?, at?}}. Kinds: {recording_faults}. Redirects lead to {elsewhere} (elsewhere) and {private} (private), or to `to`; with at = api already from recording.json.</dd>
<dt>GET, POST, DELETE /sandbox/shunya/settings</dt>
<dd>otto_url (results go there; else to where the recording came from), token_secret, webhook_secret, signature (timestamp_dot_body, sorted_json, uwc), api_key, outcome (of calls without a script), delay_ms, retry_ms, resign.</dd>
<dt>GET, POST, DELETE /sandbox/shunya/scripts</dt>
<dd>Whose: call_id, callrail_call, customer, company, next = true, or none of them: every call. What: outcome ({outcomes}), behaviour ({behaviours}), and more: see README.md.</dd>
<dt>GET, DELETE /sandbox/shunya/calls?company=&amp;call_id=&amp;callrail_call=</dt><dd>Each call with what its recording was, its jobs, their webhooks and the answers to them.</dd>
<dt>GET /sandbox/shunya/paid?company=&amp;call_id=</dt><dd>calls, transcription, analysis: accepted jobs; more_than_once: who paid twice, with the idempotency keys.</dd>
<dt>POST /sandbox/shunya/release</dt><dd>company?, call_id?: jobs that are stuck, late or delayed go on at once &rarr; released.</dd>
<dt>POST /sandbox/shunya/webhook</dt><dd>One signed webhook at once: company, call_id, step?, status?, task_id?, otto_url?, members of a script; or the whole body &rarr; status, body.</dd>
<dt>POST, GET, DELETE /sandbox/faults</dt>
<dd>provider (callrail, clerk, shunya), path? (part of the path), status?, retry_after?, delay_ms?, reset?, after? (true: carried out, then the answer is lost), rate? (0 to 1), times?</dd>
<dt>GET, DELETE /sandbox/requests?provider=&amp;path=&amp;host=</dt><dd>All that was received and sent, oldest first.</dd>
</dl>
<p>Stand-ins: CallRail's REST API under /v3/a/{{account}}/ ({callrail}); Shunya's under /api/v1/ (transcription, analysis); Clerk's under /v1/ (organizations, memberships, users, jwks)
and /.well-known/jwks.json; operators' keys at /operator/.well-known/jwks.json.</p></html>
"""


async def refusal(request: Request, error: Exception) -> Response:
    """Errors in the shape of whoever is spoken for."""
    assert isinstance(error, HTTPException)
    if faults.provider_of(request.url.path) == "clerk":
        return JSONResponse({"errors": [{"code": "resource_not_found" if error.status_code == 404 else "bad_request", "message": error.detail}]}, error.status_code, error.headers)
    if faults.provider_of(request.url.path) == "shunya":
        return shunya.problem(error.status_code, error.detail)
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


def fault_answer(provider: str, status: int, fault: Json) -> Response:
    """The answer of a fault, in the same shapes."""
    if provider == "shunya":
        return shunya.refusal(status, fault)
    headers = {"Retry-After": str(fault["retry_after"])} if "retry_after" in fault else None
    return JSONResponse({"error": "a fault that was asked for"}, status, headers)


def make_app(state: State) -> ASGIApp:
    fault_list = faults.Faults()
    scripts = shunya_scripts.Scripts(state)
    speech = shunya.Shunya(state, scripts)

    async def page(_: Request) -> Response:
        kinds = ", ".join(kind for kind in clerk.KINDS if kind != "good")
        return HTMLResponse(PAGE.format(base=state.base, elsewhere=state.elsewhere, private=state.private, kinds=kinds, callrail=", ".join(callrail.RESOURCES), recording_faults=", ".join(recordings.FAULTS),
                                        outcomes=", ".join(shunya_scripts.OUTCOMES), behaviours=", ".join(shunya_scripts.BEHAVIOURS)))

    async def health(_: Request) -> Response:
        return PlainTextResponse("ok")

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> typing.AsyncIterator[None]:
        yield
        speech.stop()

    app = Starlette(routes=[Route("/sandbox", page), Route("/healthz", health), *fault_list.routes(), *faults.record_routes(state), *clerk.routes(state), *callrail.routes(state, scripts),
                            *shunya.routes(state, speech)], lifespan=lifespan,
                    exception_handlers=typing.cast(typing.Any, {HTTPException: refusal}))
    app.router.redirect_slashes = False  # none of the providers redirects
    return faults.Gate(app, state, fault_list, fault_answer)
