"""The sandbox's HTTP application: the providers' routes, the commands under /sandbox, faults on demand, a record of everything."""

import asyncio
import typing

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from . import callrail, clerk
from .state import State

PAGE = """<!doctype html><title>Sandbox</title><h1>Provider sandbox</h1>
<p>Stands in for CallRail and Clerk. Commands (JSON):</p><ul>
<li>POST /sandbox/clerk/token {role, company?, user?, ttl_s, version, kind}</li>
<li>POST /sandbox/callrail/accounts {account_id, api_key?, signing_key?, company_id?, numbers?, integrations?: "none"}</li>
<li>POST /sandbox/callrail/place-call {to, from, missed?, voicemail?, otto_url, signing_key?, events?}</li>
<li>POST /sandbox/faults {provider, path?, status?, delay_ms?, reset?, retry_after?, times?}, DELETE /sandbox/faults</li>
<li>GET /sandbox/requests?provider=&amp;path=, DELETE /sandbox/requests</li></ul>"""


def provider_of(path: str) -> str | None:
    if path.startswith("/v3/"):
        return "callrail"
    if path.startswith("/v1/") or path.endswith("/jwks.json"):
        return "clerk"
    return None


class Recorder:
    """Notes what providers are asked, and answers with a fault where one is set."""

    def __init__(self, app: ASGIApp, state: State) -> None:
        self.app, self.state = app, state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        provider = provider_of(scope.get("path", "")) if scope["type"] == "http" else None
        if provider is None:
            await self.app(scope, receive, send)
            return
        request = Request(scope, receive)
        body = await request.body()
        fault = self._fault(provider, request.url.path)
        status: list[int] = []

        async def replay() -> dict[str, typing.Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def watch(message: typing.Any) -> None:
            if message["type"] == "http.response.start":
                status.append(message["status"])
            await send(message)

        if fault and fault.get("delay_ms"):
            await asyncio.sleep(fault["delay_ms"] / 1000)
        if fault and fault.get("reset"):
            raise ConnectionResetError("a fault that was asked for")
        if fault and fault.get("status"):
            headers = {"Retry-After": str(fault["retry_after"])} if fault.get("retry_after") is not None else {}
            await JSONResponse({"error": "a fault that was asked for"}, fault["status"], headers)(scope, replay, watch)
        else:
            await self.app(scope, replay, watch)
        self.state.note("received", provider, request.method, str(request.url), dict(request.headers), body, status[0] if status else None)

    def _fault(self, provider: str, path: str) -> dict[str, typing.Any] | None:
        with self.state.lock:
            for fault in self.state.faults:
                if fault.get("provider") == provider and fault.get("path", "") in path and fault.get("times", 1) != 0:
                    if "times" in fault:
                        fault["times"] -= 1
                    return fault
        return None


def make_app(state: State) -> ASGIApp:
    async def page(_: Request) -> Response:
        return HTMLResponse(PAGE)

    async def health(_: Request) -> Response:
        return PlainTextResponse("ok")

    async def requests(request: Request) -> Response:
        with state.lock:
            if request.method == "DELETE":
                state.requests.clear()
            provider, path = request.query_params.get("provider"), request.query_params.get("path", "")
            return JSONResponse([r for r in state.requests if (not provider or r["provider"] == provider) and path in r["url"]])

    async def faults(request: Request) -> Response:
        with state.lock:
            if request.method == "DELETE":
                state.faults.clear()
            elif request.method == "POST":
                state.faults.append(await request.json())
            return JSONResponse(state.faults)

    app = Starlette(routes=[Route("/sandbox", page), Route("/healthz", health), Route("/sandbox/requests", requests, methods=["GET", "DELETE"]),
                            Route("/sandbox/faults", faults, methods=["GET", "POST", "DELETE"]), *clerk.routes(state), *callrail.routes(state)])
    return Recorder(app, state)
