"""Reading the sandbox's own commands: a JSON object of known members, or a refusal that names the member and the cure."""

import json
import typing

from starlette.exceptions import HTTPException
from starlette.requests import Request

from .state import Json


def refuse(detail: str) -> typing.NoReturn:
    raise HTTPException(422, detail)


async def read_object(request: Request) -> Json:
    try:
        body = json.loads(await request.body() or b"{}")
    except ValueError as error:
        refuse(f"the body is no JSON: {error}")
    if not isinstance(body, dict):
        refuse("the body must be a JSON object")
    return body


async def read_command(request: Request, required: set[str], optional: set[str]) -> Json:
    """The command's members; null counts as absent."""
    body = {name: value for name, value in (await read_object(request)).items() if value is not None}
    if unknown := sorted(body.keys() - required - optional):
        refuse(f"{unknown[0]} is unknown here; known are {', '.join(sorted(required | optional))}")
    for name in sorted(required):
        if body.get(name) in (None, ""):
            refuse(f"{name} is missing")
    return body


def whole_number(body: Json, name: str, default: int, least: int | None = None) -> int:
    value = body.get(name, default)
    if isinstance(value, bool) or not isinstance(value, (int, str)) or (isinstance(value, str) and not value.lstrip("-").isdigit()):
        refuse(f"{name} must be a whole number, not {value!r}")
    if least is not None and int(value) < least:
        refuse(f"{name} must be at least {least}")
    return int(value)


def one_of(body: Json, name: str, allowed: typing.Collection[str], default: str | None = None) -> str:
    value = body.get(name, default)
    if not isinstance(value, str) or value not in allowed:
        refuse(f"{name} must be one of {', '.join(allowed)}, not {value!r}")
    return value
