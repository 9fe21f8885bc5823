"""The sandbox's HTTP application: the stand-ins' routes, and the commands under /sandbox."""

import contextlib
import html
import typing

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from . import callrail, clerk, faults, shunya, twilio
from .provider import serving
from .state import State

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Provider sandbox</title><h1>Provider sandbox</h1>
<p>Stands in for {names} at {base}, and as other hosts at {elsewhere} and {private}. Commands take and answer JSON:</p>
<dl>
{commands}<dt>POST, GET, DELETE /sandbox/faults</dt>
<dd>provider ({names}), path? (part of the path), method?, status?, retry_after?, delay_ms?, reset?, after? (true: carried out, then the answer is lost), rate? (0 to 1), times?</dd>
<dt>GET, DELETE /sandbox/requests?provider=&amp;path=&amp;host=</dt><dd>All that was received and sent, oldest first.</dd>
</dl>
<p>Stand-ins: {apis}.</p></html>
"""


def make_app(state: State) -> ASGIApp:
    scripts = shunya.Scripts(state)
    providers = [clerk.provider(state), callrail.provider(state, {"shunya": scripts.of_call}), shunya.provider(state, scripts), twilio.provider(state, {"shunya": scripts.of_call})]
    fault_list = faults.Faults([p.name for p in providers])

    async def refusal(request: Request, error: Exception) -> Response:
        """Errors in the shape of whoever is spoken for."""
        assert isinstance(error, HTTPException)
        provider = serving(providers, request.url.path)
        headers = dict(error.headers) if error.headers else None
        if provider is not None:
            return provider.refusal(error.status_code, error.detail, headers)
        return JSONResponse({"error": error.detail}, error.status_code, headers)

    async def page(_: Request) -> Response:
        return HTMLResponse(PAGE.format(base=state.base, elsewhere=state.elsewhere, private=state.private, names=", ".join(p.name for p in providers), commands="".join(p.commands for p in providers),
                                        apis=html.escape("; ".join(p.api for p in providers))))

    async def health(_: Request) -> Response:
        return PlainTextResponse("ok")

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> typing.AsyncIterator[None]:
        yield
        for provider in providers:
            provider.stop()

    app = Starlette(routes=[Route("/sandbox", page), Route("/healthz", health), *fault_list.routes(), *faults.record_routes(state), *(route for p in providers for route in p.routes)], lifespan=lifespan,
                    exception_handlers=typing.cast(typing.Any, {HTTPException: refusal}))
    app.router.redirect_slashes = False  # none of the providers redirects
    return faults.Gate(app, state, fault_list, providers)
