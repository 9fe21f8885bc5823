"""CallRail: its REST API, recordings, and the signed webhooks of a placed call."""

from starlette.responses import JSONResponse

from ..provider import Provider
from ..state import State
from . import api, commands, recordings


def provider(state: State, with_call: commands.WithCall) -> Provider:
    return Provider(
        name="callrail", serves=lambda path: path.startswith(("/v3/", "/calls/", "/elsewhere/")), routes=[*commands.routes(state, with_call), *api.routes(state), *recordings.routes(state)],
        refusal=lambda status, message, headers: JSONResponse({"error": message}, status, headers), commands=commands.HELP,
        api="CallRail's REST API under /v3/a/{account}/ (calls, recordings, trackers, companies, integrations)")
