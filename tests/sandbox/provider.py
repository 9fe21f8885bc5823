"""What a stand-in tells of itself. Each provider's folder makes one; nothing else in the sandbox knows a provider."""

import dataclasses
import typing

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .state import Json


def plain_fault(status: int, fault: Json) -> Response:
    headers = {"Retry-After": str(fault["retry_after"])} if "retry_after" in fault else None
    return JSONResponse({"error": "a fault that was asked for"}, status, headers)


@dataclasses.dataclass
class Provider:
    name: str
    serves: typing.Callable[[str], bool]  # whether a path is one of its own
    routes: list[Route]  # its API and its commands
    refusal: typing.Callable[[int, str, dict[str, str] | None], Response]  # an error in its own words: status, message, headers
    commands: str  # the commands for the page: HTML, dt and dd
    api: str  # what of its API is there, for the page
    fault: typing.Callable[[int, Json], Response] = plain_fault  # the answer of a fault that was asked for
    stop: typing.Callable[[], None] = lambda: None


def serving(providers: list[Provider], path: str) -> Provider | None:
    """Whose stand-in serves a path; None for the sandbox's own."""
    return next((p for p in providers if p.serves(path)), None)
