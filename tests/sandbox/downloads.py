"""Files that a stand-in hands out, and all that can go wrong with fetching one."""

import asyncio
import collections.abc
import hashlib
import time
import typing

from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from .commands import one_of, refuse, whole_number
from .faults import cut
from .state import Json, State

CHUNK = 65_536
HUGE = 2 * 1024**3
FAULTS = ("truncated", "short", "html", "mislabelled", "wrong_type", "empty", "huge", "endless", "slow", "elsewhere", "private", "loop", "not_yet", "never")
LOGIN_PAGE = "<!doctype html><html><head><title>Log in</title></head><body><h1>Log in</h1></body></html>"


class Content:
    """`head`, then `samples` over and over, `size` bytes in all. Nothing of it is stored."""

    def __init__(self, media_type: str, head: bytes, samples: bytes, size: int) -> None:
        self.media_type, self.head, self.samples, self.size = media_type, head, samples, size

    def chunks(self, size: int | None = None) -> collections.abc.Iterator[bytes]:
        """`size` bytes from its beginning; by default all of it, and beyond its end more of the same."""
        left = self.size if size is None else size
        block = self.samples * max(1, CHUNK // len(self.samples))
        piece = self.head
        while left > 0:
            yield piece[:left]
            left -= len(piece)
            piece = block

    def sha256(self) -> str:
        digest = hashlib.sha256()
        for piece in self.chunks():
            digest.update(piece)
        return digest.hexdigest()


def read_fault(wanted: typing.Any, name: str, kinds: typing.Collection[str] = FAULTS) -> Json | None:
    """A fault by its kind alone, or an object {kind, seconds?, times?, to?, at?}; "none" takes it away. `name`: the member that holds it."""
    if wanted in (None, "none"):
        return None
    fault = {"kind": wanted} if isinstance(wanted, str) else wanted
    if not isinstance(fault, dict) or (unknown := sorted(fault.keys() - {"kind", "seconds", "times", "to", "at"})):
        refuse(f"{name} must be a kind or an object of kind, seconds, times, to, at{'; ' + unknown[0] + ' is none of them' if isinstance(fault, dict) else ''}")
    one_of(fault, "kind", kinds)
    one_of(fault, "at", ("audio", "api"), "audio")
    for number in ("seconds", "times"):
        if number in fault:
            fault[number] = whole_number(fault, number, 0, 0)
    return {**fault, "since": time.monotonic()}


def shown_fault(fault: Json | None) -> Json | None:
    return {k: v for k, v in fault.items() if k != "since"} if fault else None


def is_missing(fault: Json | None) -> bool:
    """Whether the file is not there yet. Each question counts towards `times`."""
    fault = fault or {}
    if fault.get("kind") == "never":
        return True
    if fault.get("kind") != "not_yet":
        return False
    if "times" in fault:
        fault["times"] -= 1
        return bool(fault["times"] >= 0)
    return bool(time.monotonic() - fault["since"] < fault.get("seconds", 30))


def target_of(state: State, fault: Json, path: str) -> str:
    """Where a redirect of this fault leads: to `path` at another host, unless it says where."""
    base = state.private if fault["kind"] == "private" else state.elsewhere
    return str(fault.get("to") or base + path)


def redirect(state: State, fault: Json | None, own: str, file: str, moved: str, status: int = 302) -> Response:
    """The answer of an address that only says where the file is: `own` is that address, `file` the file's, `moved` its path at other hosts."""
    kind = (fault or {}).get("kind")
    if kind in ("elsewhere", "private") and fault and fault.get("at", "audio") == "audio":
        return RedirectResponse(target_of(state, fault, moved), status)
    return RedirectResponse(own if kind == "loop" else file, status)


class Cut(Response):
    """Half of a file whose length was told in full, then the end of the connection."""

    def __init__(self, content: Content) -> None:
        super().__init__(media_type=content.media_type)
        self.content = content

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", self.content.media_type.encode()), (b"content-length", str(self.content.size).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for piece in self.content.chunks(self.content.size // 2):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await cut(scope, receive)


async def dripping(content: Content, seconds: float) -> collections.abc.AsyncIterator[bytes]:
    """The whole file in fifty pieces, evenly over the time."""
    whole = b"".join(content.chunks())
    step = -(-len(whole) // 50)
    for start in range(0, len(whole), step):
        yield whole[start:start + step]
        await asyncio.sleep(seconds / 50)


async def without_end(content: Content) -> collections.abc.AsyncIterator[bytes]:
    while True:
        for piece in content.chunks(HUGE):
            yield piece
            await asyncio.sleep(0)  # to a client that has gone, sending waits for nothing; its leaving must be noticed


def answer(content: Content, fault: Json | None) -> Response:
    """The file, or what is in its place."""
    kind = (fault or {}).get("kind")
    if kind == "truncated":
        return Cut(content)
    if kind == "html":
        return HTMLResponse(LOGIN_PAGE)
    if kind == "mislabelled":
        return Response(LOGIN_PAGE, media_type=content.media_type)
    if kind == "wrong_type":
        return Response(b"%PDF-1.4\n%%EOF\n", media_type="application/pdf")
    if kind == "empty":
        return Response(b"", media_type=content.media_type)
    if kind == "endless":
        return StreamingResponse(without_end(content), media_type=content.media_type)
    if kind == "slow":
        return StreamingResponse(dripping(content, (fault or {}).get("seconds", 30)), media_type=content.media_type, headers={"Content-Length": str(content.size)})
    size = HUGE if kind == "huge" else content.size // 2 if kind == "short" else content.size
    return StreamingResponse(content.chunks(size), media_type=content.media_type, headers={"Content-Length": str(size)})
