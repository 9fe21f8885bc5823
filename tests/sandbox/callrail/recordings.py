"""Recordings of placed calls, as CallRail hands them out: one of two committed sounds, made one of a kind for each call, and all that can go wrong with fetching one."""

import functools
import pathlib
import struct
import typing

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .. import downloads
from ..commands import one_of, whole_number
from ..downloads import Content
from ..state import Json, State

ACCESS_KEY = "aaaaccccddddeeee"
SOUNDS = {"mp3": ("booked.mp3", "audio/mpeg"), "wav": ("not_booked.wav", "audio/wav")}
FAULTS = (*downloads.FAULTS, "no_url")


class Sound(Content):
    """A playable file that names its call in its tag (ID3 or RIFF INFO), so that no two calls have the same bytes, and whoever gets it can say whose it is.

    `size` bytes long: the committed sound over and over; by default as long as the sound is.
    """

    def __init__(self, kind: str, call: int, size: int | None = None) -> None:
        name, media_type = SOUNDS[kind]
        whole = _committed(name)
        mark = f"sandbox call {call}".encode()
        if kind == "mp3":
            frame = b"TIT2" + struct.pack(">IH", len(mark) + 1, 0) + b"\0" + mark
            # An ID3 tag's length counts 7 bits a byte; the frame is shorter than 128.
            super().__init__(media_type, b"ID3\x03\0\0" + struct.pack(">I", len(frame)) + frame, whole, size or 10 + len(frame) + len(whole))
        else:
            format_chunk, samples = whole[12:36], whole[44:]
            text = mark + b"\0" * (2 - len(mark) % 2)
            info = b"INFOICMT" + struct.pack("<I", len(text)) + text
            notes = b"LIST" + struct.pack("<I", len(info)) + info
            start = 12 + len(format_chunk) + len(notes) + 8
            size = size or start + len(samples)
            head = b"RIFF" + struct.pack("<I", min(size - 8, 2**32 - 1)) + b"WAVE" + format_chunk + notes + b"data" + struct.pack("<I", min(max(size - start, 0), 2**32 - 1))
            super().__init__(media_type, head, samples, size)


@functools.cache
def _committed(name: str) -> bytes:
    return (pathlib.Path(__file__).parent / "sounds" / name).read_bytes()


def sound_of(facts: Json) -> Sound:
    return Sound(facts["sound"], facts["call"], facts["recording_bytes"])


def read_sound(wanted: Json) -> Json:
    """What a command says of a recording: its kind, its length, what is wrong with it."""
    size = whole_number(wanted, "recording_bytes", 0, 1) if "recording_bytes" in wanted else None
    return {"sound": one_of(wanted, "sound", SOUNDS, "wav"), "recording_bytes": size, "recording_fault": downloads.read_fault(wanted.get("recording_fault"), "recording_fault", FAULTS)}


def is_missing(facts: Json) -> bool:
    """Whether the recording is not there yet. Each question counts towards `times`."""
    return downloads.is_missing(facts["recording_fault"])


def moved_path(facts: Json) -> str:
    """Where the recording is at other hosts."""
    return f"/elsewhere/calls/{facts['call']}/recording.{facts['sound']}"


def shown(facts: Json) -> Json:
    """A recording for an operator and for assertions: what a client without faults must have got."""
    sound = sound_of(facts)
    return {"call": facts["call"], "customer": facts["from"], "url": facts["recording"] or None, "sound": facts["sound"], "content_type": sound.media_type, "bytes": sound.size, "sha256": sound.sha256(),
            "recording_fault": downloads.shown_fault(facts["recording_fault"])}


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
        call = f"/calls/{facts['call']}"
        return downloads.redirect(state, facts["recording_fault"], f"{call}/recording/redirect?access_key={ACCESS_KEY}", f"{call}/recording.{facts['sound']}?access_key={ACCESS_KEY}", moved_path(facts))

    def audio(facts: Json) -> Response:
        return downloads.answer(sound_of(facts), facts["recording_fault"])

    def moved(facts: Json) -> Response:
        return downloads.answer(sound_of(facts), None)

    return [
        Route("/calls/{call}/recording/redirect", with_access_key(redirect)), Route("/calls/{call}/recording.wav", with_access_key(audio)), Route("/calls/{call}/recording.mp3", with_access_key(audio)),
        Route("/elsewhere/calls/{call}/recording.wav", with_access_key(moved, needs_key=False)), Route("/elsewhere/calls/{call}/recording.mp3", with_access_key(moved, needs_key=False)),
    ]
