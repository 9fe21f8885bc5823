"""Faults on demand, and the record of what the providers were asked."""

import asyncio
import random
import socket
import struct
import typing

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from .commands import one_of, read_command, refuse, whole_number
from .provider import Provider, serving
from .state import Json, State

_connections: dict[tuple[tuple[str, int], ...], asyncio.Transport] = {}


class ResettableProtocol(H11Protocol):
    """HTTP/1.1 whose connections can be found by their two addresses, so that a fault can cut one: ASGI itself has no word for that."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.ends = tuple(tuple(transport.get_extra_info(name)[:2]) for name in ("peername", "sockname"))
        _connections[self.ends] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        _connections.pop(self.ends, None)
        super().connection_lost(exc)


def connection_of(scope: Scope) -> asyncio.Transport:
    transport = _connections.get((tuple(scope.get("client") or ()), tuple(scope.get("server") or ())))
    if transport is None:
        raise ConnectionResetError("the connection of a fault that was asked for has ended already")
    return transport


async def reset(scope: Scope, receive: Receive) -> None:
    """Ends the connection with a TCP reset, without an answer."""
    transport = connection_of(scope)
    # Lingering for 0 seconds is what makes the kernel send RST in place of FIN.
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    await receive()  # http.disconnect


async def cut(scope: Scope, receive: Receive) -> None:
    """Ends the connection after what was sent, as a server does that dies in mid-answer."""
    transport = connection_of(scope)
    transport.close()
    while (await receive())["type"] != "http.disconnect":
        pass


class Faults:
    """The faults that are set, oldest first; the first one that fits a request counts."""

    def __init__(self, providers: list[str]) -> None:
        self.providers, self.active = providers, typing.cast(list[Json], [])

    def take(self, provider: str, method: str, path: str) -> Json | None:
        for fault in self.active:
            if fault["provider"] != provider or fault.get("path", "") not in path or fault.get("method", method) != method or fault.get("times") == 0:
                continue
            if random.random() >= fault.get("rate", 1):
                continue
            if "times" in fault:
                fault["times"] -= 1
            return fault
        return None

    def routes(self) -> list[Route]:
        async def faults(request: Request) -> Response:
            if request.method == "DELETE":
                self.active.clear()
            elif request.method == "POST":
                self.active.append(await read_fault(request, self.providers))
            return JSONResponse(self.active)

        return [Route("/sandbox/faults", faults, methods=["GET", "POST", "DELETE"])]


async def read_fault(request: Request, providers: list[str]) -> Json:
    fault = await read_command(request, {"provider"}, {"path", "method", "status", "retry_after", "delay_ms", "reset", "after", "rate", "times"})
    one_of(fault, "provider", providers)
    if "method" in fault:
        one_of(fault, "method", ("GET", "POST", "PUT", "PATCH", "DELETE"))
    if not isinstance(fault.get("path", ""), str):
        refuse("path must be a text that the request's path contains")
    if "status" in fault and not 200 <= whole_number(fault, "status", 0) <= 599:
        refuse("status must be an HTTP status of 200 to 599")
    if "rate" in fault and (isinstance(fault["rate"], bool) or not isinstance(fault["rate"], (int, float)) or not 0 <= fault["rate"] <= 1):
        refuse("rate must be a share of 0 to 1")
    for name in ("status", "delay_ms", "times"):
        if name in fault:
            fault[name] = whole_number(fault, name, 0, 0)
    for name in ("reset", "after"):
        if not isinstance(fault.get(name, False), bool):
            refuse(f"{name} must be true or false")
    if fault.get("after") and not (fault.get("status") or fault.get("reset")):
        refuse("after needs status or reset: what becomes of the answer once the request was carried out")
    if not (fault.get("status") or fault.get("delay_ms") or fault.get("reset")):
        refuse("a fault needs status, delay_ms or reset")
    return fault


class Gate:
    """In front of the providers' routes: notes each request with its answer, and commits the faults that are set."""

    def __init__(self, app: ASGIApp, state: State, faults: Faults, providers: list[Provider]) -> None:
        self.app, self.state, self.faults, self.providers = app, state, faults, providers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        provider = serving(self.providers, scope["path"]) if scope["type"] == "http" else None
        if provider is None:
            await self.app(scope, receive, send)
            return
        request = Request(scope, receive)
        body = await request.body()
        status, answer = 0, bytearray()
        unread, noted = True, False

        def note() -> None:
            nonlocal noted
            if not noted:
                noted = True
                self.state.note("received", provider.name, request.method, str(request.url), request.headers, body, status, bytes(answer))

        async def replay() -> Message:
            nonlocal unread
            if not unread:
                return await receive()
            unread = False
            return {"type": "http.request", "body": body, "more_body": False}

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            elif message["type"] == "http.response.body" and len(answer) < 65_536:
                answer.extend(message.get("body", b""))
            if message["type"] == "http.response.body" and not message.get("more_body"):
                note()  # before the answer's end, after which the record may be asked for it
            await send(message)

        async def lose(_: Message) -> None:
            pass

        fault = self.faults.take(provider.name, scope["method"], scope["path"]) or {}
        try:
            if fault.get("delay_ms"):
                await asyncio.sleep(fault["delay_ms"] / 1000)
            if fault.get("after"):
                await self.app(scope, replay, lose)
            if fault.get("reset"):
                await reset(scope, receive)
            elif fault.get("status"):
                await provider.fault(fault["status"], fault)(scope, replay, watch)
            else:
                await self.app(scope, replay, watch)
        finally:
            note()


def record_routes(state: State) -> list[Route]:
    async def requests(request: Request) -> Response:
        provider, path, host = (request.query_params.get(name, "") for name in ("provider", "path", "host"))
        with state.lock:
            if request.method == "DELETE":
                state.requests.clear()
            return JSONResponse([r for r in state.requests if provider in ("", r["provider"]) and path in r["url"] and host in ("", r["host"])])

    return [Route("/sandbox/requests", requests, methods=["GET", "DELETE"])]
