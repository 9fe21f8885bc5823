"""Recordings of placed calls, as CallRail hands them out: one of two committed sounds, made one of a kind for each call, and all that can go wrong with fetching one."""

import asyncio
import collections.abc
import functools
import hashlib
import pathlib
import struct
import time
import typing

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from ..commands import one_of, refuse, whole_number
from ..faults import cut
from ..state import Json, State

ACCESS_KEY = "aaaaccccddddeeee"
CHUNK = 65_536
HUGE = 2 * 1024**3
SOUNDS = {"mp3": ("booked.mp3", "audio/mpeg"), "wav": ("not_booked.wav", "audio/wav")}
FAULTS = ("truncated", "short", "html", "mislabelled", "wrong_type", "empty", "huge", "endless", "slow", "elsewhere", "private", "loop", "not_yet", "never", "no_url")
LOGIN_PAGE = "<!doctype html><html><head><title>Log in</title></head><body><h1>Log in to CallRail</h1></body></html>"


class Sound:
    """A playable file that names its call in its tag (ID3 or RIFF INFO), so that no two calls have the same bytes, and whoever gets it can say whose it is.

    `size` bytes long: the committed sound over and over; by default as long as the sound is. Nothing of it is stored.
    """

    def __init__(self, kind: str, call: int, size: int | None = None) -> None:
        name, self.media_type = SOUNDS[kind]
        whole = _committed(name)
        mark = f"sandbox call {call}".encode()
        if kind == "mp3":
            self.samples = whole
            frame = b"TIT2" + struct.pack(">IH", len(mark) + 1, 0) + b"\0" + mark
            self.size = size or 10 + len(frame) + len(whole)
            # An ID3 tag's length counts 7 bits a byte; the frame is shorter than 128.
            self.head = b"ID3\x03\0\0" + struct.pack(">I", len(frame)) + frame
        else:
            format_chunk, self.samples = whole[12:36], whole[44:]
            text = mark + b"\0" * (2 - len(mark) % 2)
            info = b"INFOICMT" + struct.pack("<I", len(text)) + text
            notes = b"LIST" + struct.pack("<I", len(info)) + info
            start = 12 + len(format_chunk) + len(notes) + 8
            self.size = size or start + len(self.samples)
            self.head = b"RIFF" + struct.pack("<I", min(self.size - 8, 2**32 - 1)) + b"WAVE" + format_chunk + notes + b"data" + struct.pack("<I", min(max(self.size - start, 0), 2**32 - 1))

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


@functools.cache
def _committed(name: str) -> bytes:
    return (pathlib.Path(__file__).parent / "sounds" / name).read_bytes()


def sound_of(facts: Json) -> Sound:
    return Sound(facts["sound"], facts["call"], facts["recording_bytes"])


def read_sound(wanted: Json) -> Json:
    """What a command says of a recording: its kind, its length, what is wrong with it."""
    size = whole_number(wanted, "recording_bytes", 0, 1) if "recording_bytes" in wanted else None
    return {"sound": one_of(wanted, "sound", SOUNDS, "wav"), "recording_bytes": size, "recording_fault": read_fault(wanted.get("recording_fault"))}


def read_fault(wanted: typing.Any) -> Json | None:
    """A fault by its name alone, or an object {kind, seconds?, times?, to?, at?}; "none" takes it away."""
    if wanted in (None, "none"):
        return None
    fault = {"kind": wanted} if isinstance(wanted, str) else wanted
    if not isinstance(fault, dict) or (unknown := sorted(fault.keys() - {"kind", "seconds", "times", "to", "at"})):
        refuse(f"recording_fault must be a kind or an object of kind, seconds, times, to, at{'; ' + unknown[0] + ' is none of them' if isinstance(fault, dict) else ''}")
    one_of(fault, "kind", FAULTS)
    one_of(fault, "at", ("audio", "api"), "audio")
    for name in ("seconds", "times"):
        if name in fault:
            fault[name] = whole_number(fault, name, 0, 0)
    return {**fault, "since": time.monotonic()}


def is_missing(facts: Json) -> bool:
    """Whether the recording is not there yet. Each question counts towards `times`."""
    fault = facts["recording_fault"] or {}
    if fault.get("kind") == "never":
        return True
    if fault.get("kind") != "not_yet":
        return False
    if "times" in fault:
        fault["times"] -= 1
        return bool(fault["times"] >= 0)
    return bool(time.monotonic() - fault["since"] < fault.get("seconds", 30))


def target_of(state: State, facts: Json) -> str:
    """Where a redirect of this call's fault leads."""
    fault = facts["recording_fault"]
    base = state.private if fault["kind"] == "private" else state.elsewhere
    return str(fault.get("to") or f"{base}/elsewhere/calls/{facts['call']}/recording.{facts['sound']}")


class Cut(Response):
    """Half of a sound whose length was told in full, then the end of the connection."""

    def __init__(self, sound: Sound) -> None:
        super().__init__(media_type=sound.media_type)
        self.sound = sound

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", self.sound.media_type.encode()), (b"content-length", str(self.sound.size).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for piece in self.sound.chunks(self.sound.size // 2):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await cut(scope, receive)


async def dripping(sound: Sound, seconds: float) -> collections.abc.AsyncIterator[bytes]:
    """The whole sound in fifty pieces, evenly over the time."""
    whole = b"".join(sound.chunks())
    step = -(-len(whole) // 50)
    for start in range(0, len(whole), step):
        yield whole[start:start + step]
        await asyncio.sleep(seconds / 50)


async def without_end(sound: Sound) -> collections.abc.AsyncIterator[bytes]:
    while True:
        for piece in sound.chunks(HUGE):
            yield piece
            await asyncio.sleep(0)  # to a client that has gone, sending waits for nothing; its leaving must be noticed


def answer(facts: Json, *, faulty: bool = True) -> Response:
    """The recording, or what is in its place."""
    sound = sound_of(facts)
    fault = (facts["recording_fault"] or {}) if faulty else {}
    kind = fault.get("kind")
    if kind == "truncated":
        return Cut(sound)
    if kind == "html":
        return HTMLResponse(LOGIN_PAGE)
    if kind == "mislabelled":
        return Response(LOGIN_PAGE, media_type=sound.media_type)
    if kind == "wrong_type":
        return Response(b"%PDF-1.4\n%%EOF\n", media_type="application/pdf")
    if kind == "empty":
        return Response(b"", media_type=sound.media_type)
    if kind == "endless":
        return StreamingResponse(without_end(sound), media_type=sound.media_type)
    if kind == "slow":
        return StreamingResponse(dripping(sound, fault.get("seconds", 30)), media_type=sound.media_type, headers={"Content-Length": str(sound.size)})
    size = HUGE if kind == "huge" else sound.size // 2 if kind == "short" else sound.size
    return StreamingResponse(sound.chunks(size), media_type=sound.media_type, headers={"Content-Length": str(size)})


def shown(facts: Json) -> Json:
    """A recording for an operator and for assertions: what a client without faults must have got."""
    fault = {k: v for k, v in facts["recording_fault"].items() if k != "since"} if facts["recording_fault"] else None
    sound = sound_of(facts)
    return {"call": facts["call"], "customer": facts["from"], "url": facts["recording"] or None, "sound": facts["sound"], "content_type": sound.media_type, "bytes": sound.size, "sha256": sound.sha256(),
            "recording_fault": fault}


def routes(state: State) -> list[Route]:
    def denied() -> Response:
        return JSONResponse({"error": "HTTP Token: Access denied."}, 401)

    def not_found() -> Response:
        return JSONResponse({"error": "not found"}, 404)

    def with_access_key(handler: typing.Callable[[Json], Response], *, needs_key: bool = True) -> typing.Callable[[Request], typing.Awaitable[Response]]:
        """The addresses that webhooks carry need no API key, only their own."""
        async def guarded(request: Request) -> Response:
            if needs_key and request.query_params.get("access_key") != ACCESS_KEY:
                return denied()
            facts = state.find_call(request.path_params["call"])
            return handler(facts) if facts is not None and facts["recording"] else not_found()

        return guarded

    def redirect(facts: Json) -> Response:
        if is_missing(facts):
            return not_found()
        fault = facts["recording_fault"] or {}
        if fault.get("kind") in ("elsewhere", "private") and fault.get("at", "audio") == "audio":
            return RedirectResponse(target_of(state, facts), 302)
        if fault.get("kind") == "loop":
            return RedirectResponse(f"/calls/{facts['call']}/recording/redirect?access_key={ACCESS_KEY}", 302)
        return RedirectResponse(f"/calls/{facts['call']}/recording.{facts['sound']}?access_key={ACCESS_KEY}", 302)

    def audio(facts: Json) -> Response:
        return answer(facts)

    def moved(facts: Json) -> Response:
        return answer(facts, faulty=False)

    return [
        Route("/calls/{call}/recording/redirect", with_access_key(redirect)), Route("/calls/{call}/recording.wav", with_access_key(audio)), Route("/calls/{call}/recording.mp3", with_access_key(audio)),
        Route("/elsewhere/calls/{call}/recording.wav", with_access_key(moved, needs_key=False)), Route("/elsewhere/calls/{call}/recording.mp3", with_access_key(moved, needs_key=False)),
    ]
