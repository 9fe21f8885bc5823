"""Clerk: keys, session tokens, organisations, users; and an issuer of its own for operators."""

from starlette.responses import JSONResponse, Response

from ..provider import Provider
from ..state import State
from . import api, commands


def refusal(status: int, message: str, headers: dict[str, str] | None) -> Response:
    return JSONResponse({"errors": [{"code": "resource_not_found" if status == 404 else "bad_request", "message": message}]}, status, headers)


def provider(state: State) -> Provider:
    return Provider(name="clerk", serves=lambda path: path.startswith("/v1/") or path.endswith("/.well-known/jwks.json"), routes=[*commands.routes(state), *api.routes(state)], refusal=refusal,
                    commands=commands.HELP,
                    api="Clerk's under /v1/ (organizations, memberships, users, jwks) and /.well-known/jwks.json; operators' keys at /operator/.well-known/jwks.json")
