"""Shunya: transcription, analysis, signed results."""

from ..provider import Provider
from ..state import State
from . import api, commands, errors
from .jobs import Shunya
from .scripts import Scripts


def provider(state: State, scripts: Scripts) -> Provider:
    shunya = Shunya(state, scripts)
    return Provider(
        name="shunya", serves=lambda path: path.startswith("/api/v1/") or path in ("/health", "/info"), routes=[*commands.routes(state, shunya), *api.routes(shunya)],
        refusal=lambda status, message, headers: errors.problem(status, message), fault=errors.refusal, commands=commands.HELP, api="Shunya's under /api/v1/ (transcription, analysis)", stop=shunya.stop)
