"""Shunya's result webhooks: the envelopes, the three ways of signing them, and their delivery, which is tried again until somebody says 2xx."""

import asyncio
import datetime
import hashlib
import hmac
import json
import time
import typing

import httpx

from ..state import Json, State, trust
from .scripts import ENVELOPE

PATH = "/api/v1/shunya/webhook"
WINDOW_S = 30 * 60  # how long Shunya goes on trying


def now_text() -> str:
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def sorted_json(body: bytes) -> bytes:
    """The JSON again as Python writes it with sorted keys; what is no JSON stays as it is."""
    try:
        return json.dumps(json.loads(body), sort_keys=True).encode()
    except ValueError:
        return body


def sign(variant: str, secret: str, timestamp: int, body: bytes) -> str:
    """The hex signature of a body. The timestamp is in milliseconds, for `uwc` in seconds."""
    message = {"timestamp_dot_body": lambda: f"{timestamp}.".encode() + body, "sorted_json": lambda: f"{timestamp}:".encode() + sorted_json(body),
               "uwc": lambda: f"{timestamp}.{hashlib.sha256(body).hexdigest()}".encode()}[variant]()
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def headers_of(variant: str, secret: str, body: bytes, task_id: str | None, signing: str = "good") -> dict[str, str]:
    """The headers of one attempt, signed now; `signing` says in which one way they are wrong."""
    at = int(time.time() * 1000) + {"stale": -301_000, "future": 301_000}.get(signing, 0)
    headers = {"Content-Type": "application/json", "User-Agent": "Shunya sandbox"}
    if variant == "uwc":
        at //= 1000
        headers.update({"X-UWC-Signature": sign(variant, secret, at, body), "X-UWC-Timestamp": str(at)})
        if task_id:
            headers["X-Event-ID"] = task_id
    else:
        headers.update({"X-Shunya-Signature": sign(variant, secret, at, body), "X-Shunya-Timestamp": str(at)})
        if task_id:
            headers["X-Shunya-Task-Id"] = task_id
    name = "X-UWC-Signature" if variant == "uwc" else "X-Shunya-Signature"
    if signing == "missing":
        del headers[name]
    elif signing == "bad":
        headers[name] = sign(variant, secret + " of somebody else", at, body)
    elif signing == "upper":
        headers[name] = headers[name].upper()
    return headers


def envelope(script: Json, step: str, status: str, company: str, call_id: int, task_id: str, content: Json) -> Json:
    """A result (status completed), an error (failed), or the news that a job began (processing), in the envelope that the script asks for."""
    asked = {**ENVELOPE, **script.get("envelope", {})}
    word = {"completed": asked["completed_word"], "failed": asked["failed_word"]}.get(status, status)
    body: Json = {} if asked["id_name"] == "none" else {asked["id_name"]: task_id}
    if asked["shape"] == 2:
        ending = {"completed": "complete", "failed": "failed"}.get(status, status)
        event = f"call.{step}.{ending}" if asked["event_names"] == "vendor" else "job.failed" if status == "failed" else "job.completed" if status == "completed" else "job.processing"
        body = {"event_type": event, **body, "call_id": call_id}
    body.update(company_id=company, timestamp=now_text(), status=word)
    if status == "failed":
        body["error"] = content
    elif status == "completed":
        body[asked["payload_name"]] = content
    return body


def malformed(kind: str, body: Json) -> bytes:
    """The body in a state that no honest sender would send, though it is signed."""
    if kind == "text":
        return b'{"task_id": "call_1_'
    if kind == "array":
        return json.dumps([body]).encode()
    if kind == "no_ids":
        return json.dumps({k: v for k, v in body.items() if k not in ("task_id", "job_id", "shunya_job_id", "company_id", "call_id")}).encode()
    return json.dumps({**body, "call_id": {"a": 1}, "status": 7, "data": "booked", "result": [1], "company_id": ["org"], "timestamp": -1}).encode()


class Sender:
    """Posts webhooks, each attempt on record and, unless the settings say otherwise, signed anew."""

    def __init__(self, state: State, settings: typing.Callable[[], Json]) -> None:
        self.state, self.settings = state, settings

    async def post(self, otto_url: str, body: bytes, script: Json, task_id: str | None, headers: dict[str, str] | None = None) -> Json:
        """One attempt; status 0 if there was no answer."""
        headers = headers or self.headers(body, script, task_id)
        url = otto_url.rstrip("/") + PATH
        try:
            async with httpx.AsyncClient(timeout=30, trust_env=False, verify=trust()) as client:
                answer = await client.post(url, content=body, headers=headers)
            status, text = answer.status_code, answer.text
        except httpx.HTTPError as error:
            status, text = 0, f"no answer from {url}: {error}"
        self.state.note("sent", "shunya", "POST", url, headers, body, status, text.encode())
        return {"at": now_text(), "url": url, "status": status, "body": text[:2000]}

    def headers(self, body: bytes, script: Json, task_id: str | None) -> dict[str, str]:
        settings = self.settings()
        named = {**ENVELOPE, **script.get("envelope", {})}
        variant, secret = script.get("signature", settings["signature"]), script.get("secret", settings["webhook_secret"][0])
        # Without a body that names the job, the header is all that does.
        return headers_of(variant, secret, body, task_id if named["task_header"] or named["id_name"] == "none" else None, script.get("signing", "good"))

    async def deliver(self, otto_url: str, body: bytes, script: Json, task_id: str, attempts: list[Json]) -> None:
        """Until it was taken or the window is over; each attempt is added to `attempts`."""
        ends, pause = time.monotonic() + WINDOW_S, self.settings()["retry_ms"] / 1000
        first = self.headers(body, script, task_id)
        while True:
            done = await self.post(otto_url, body, script, task_id, None if self.settings()["resign"] else first)
            attempts.append(done)
            if done["status"] // 100 == 2 or time.monotonic() + pause > ends:
                return
            await asyncio.sleep(pause)
            pause *= 2
