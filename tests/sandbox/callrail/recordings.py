"""Recordings of placed calls, as CallRail hands them out, and all that can go wrong with fetching one."""

import typing

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .. import downloads
from ..commands import one_of, whole_number
from ..sound import SOUNDS, Sound
from ..state import Json, State

ACCESS_KEY = "aaaaccccddddeeee"
FAULTS = (*downloads.FAULTS, "no_url")


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
