"""CallRail: its REST API, recordings, texts' attachments, and the signed webhooks of a placed call or text."""

from starlette.responses import JSONResponse

from ..provider import Provider
from ..state import Json, State
from . import api, commands, recordings, texts


def provider(state: State, with_call: commands.WithCall) -> Provider:
    placed: dict[int, Json] = {}
    return Provider(
        name="callrail", serves=lambda path: path.startswith(("/v3/", "/calls/", "/texts/", "/elsewhere/")),
        routes=[*commands.routes(state, with_call, placed), *api.routes(state), *recordings.routes(state), *texts.routes(state, placed)],
        refusal=lambda status, message, headers: JSONResponse({"error": message}, status, headers), commands=commands.HELP,
        api="CallRail's REST API under /v3/a/{account}/ (calls, recordings, trackers, companies, integrations)")
