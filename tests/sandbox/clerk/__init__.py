"""Clerk: keys, session tokens, organisations, users, and the webhooks that tell of them; and an issuer of its own for operators."""

from starlette.responses import JSONResponse, Response

from ..provider import Provider
from ..state import Json, State
from . import api, commands, sign_in
from .directory import Directory
from .webhooks import Webhooks

CODES = {404: "resource_not_found", 429: "too_many_requests", 500: "internal_clerk_error", 503: "service_unavailable"}


def refusal(status: int, message: str, headers: dict[str, str] | None) -> Response:
    return JSONResponse({"errors": [{"code": CODES.get(status, "bad_request"), "message": message, "long_message": message}]}, status, headers)


def fault(status: int, asked: Json) -> Response:
    return refusal(status, "a fault that was asked for", {"Retry-After": str(asked["retry_after"])} if "retry_after" in asked else None)


def provider(state: State) -> Provider:
    webhooks = Webhooks(state)
    directory = Directory(state, webhooks.tell)
    return Provider(name="clerk", serves=lambda path: path.startswith("/v1/") or path.endswith("/.well-known/jwks.json"), routes=[*commands.routes(state, directory, webhooks), *api.routes(state, directory), *sign_in.routes(state, directory, webhooks)],
                    refusal=refusal, fault=fault, commands=commands.HELP, stop=webhooks.stop,
                    api="Clerk's under /v1/ (organizations, memberships, invitations, users, jwks) and /.well-known/jwks.json; operators' keys at /operator/.well-known/jwks.json; and /sign-in, a button a person, where its hosted page would be")
