"""Shunya's errors, as it answers and as its webhooks tell them."""

import time
import typing

from starlette.responses import JSONResponse, Response

from ..state import Json
from .webhooks import now_text

CODES = {400: "BAD_REQUEST", 401: "UNAUTHORIZED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 429: "RATE_LIMIT_EXCEEDED", 500: "INTERNAL_SERVER_ERROR", 503: "SERVICE_UNAVAILABLE"}
RETRYABLE = {"RATE_LIMIT_EXCEEDED", "INTERNAL_SERVER_ERROR", "ANALYSIS_FAILED", "TRANSCRIPTION_FAILED", "SERVICE_UNAVAILABLE"}


def error_of(code: str, message: str, **details: typing.Any) -> Json:
    return {"error_code": code, "error_type": code.lower(), "message": message, "retryable": code in RETRYABLE, "details": details, "timestamp": now_text(), "request_id": f"req_{time.time_ns():x}"}


def problem(status: int, message: str, code: str | None = None, headers: dict[str, str] | None = None, **details: typing.Any) -> Response:
    code = code or CODES.get(status, "INTERNAL_SERVER_ERROR" if status >= 500 else "BAD_REQUEST")
    return JSONResponse({"success": False, "error": error_of(code, message, **details), "timestamp": now_text()}, status, headers)


def refusal(status: int, fault: Json) -> Response:
    """The answer of a fault that was asked for; Retry-After in seconds or as a date, as it was given."""
    if "retry_after" not in fault:
        return problem(status, "a fault that was asked for")
    after = fault["retry_after"]
    return problem(status, "a fault that was asked for", None, {"Retry-After": str(after)}, limit=100, window="1h", retry_after=after)


def invalid(location: list[str], message: str, kind: str) -> Response:
    """What the framework behind Shunya answers to a request of the wrong form."""
    return JSONResponse({"detail": [{"loc": location, "msg": message, "type": kind}]}, 422)
