"""Clerk's webhooks as Svix delivers them: signed by its own library, tried again until somebody says 2xx, in no order that one could rely on."""

import asyncio
import base64
import collections
import contextlib
import datetime
import json
import os
import random
import time
import typing

import httpx
from svix.webhooks import Webhook

from ..state import Json, State, trust
from .ids import new_id, now_ms

PATH = "/api/v1/clerk/webhook"
WINDOW_S = 30 * 60  # how long a webhook is tried again; Svix does so for 28 hours
LONGEST_PAUSE_S = 30.0
KEPT_EVENTS = 20_000
DEFAULT_SECRET = "whsec_" + base64.b64encode(b"sandbox clerk webhook secret 0123").decode()
SIGNINGS = ("good", "missing", "forged", "stale", "future", "v1a", "second", "changed_body")
NAMES = ("svix", "webhook")  # which headers carry it: Svix's own, or those of Standard Webhooks


def sign(secret: str, svix_id: str, at: int, body: str) -> str:
    return Webhook(secret).sign(svix_id, datetime.datetime.fromtimestamp(at, datetime.timezone.utc), body)


def headers_of(secrets: list[str], svix_id: str, body: str, signing: str = "good", names: str = "svix") -> dict[str, str]:
    """The headers of one attempt, signed now; `signing` says in which one way they are wrong (`second` is right: while a secret is changed there are two)."""
    at = int(time.time()) + {"stale": -301, "future": 310}.get(signing, 0)
    right = [sign(secret, svix_id, at, body + " " if signing == "changed_body" else body) for secret in secrets]
    forged = sign(DEFAULT_SECRET[:-8] + "AAAAAAA=", svix_id, at, body)
    entries = {"missing": [], "forged": [forged], "v1a": [right[0].replace("v1,", "v1a,", 1)], "second": [forged, *right]}.get(signing, right)
    headers = {f"{names}-id": svix_id, f"{names}-timestamp": str(at), f"{names}-signature": " ".join(entries)}
    if not entries:
        del headers[f"{names}-signature"]
    return {"Content-Type": "application/json", "User-Agent": "Svix-Webhooks/1.99.0 (sandbox)", **headers}


def concerns(data: Json) -> tuple[str, str]:
    """Which company and which user an event is about; an empty text: none."""
    kind, nested = data.get("object"), data.get("organization") or {}
    company = data["id"] if kind == "organization" else nested.get("id") or data.get("organization_id") or ""
    user = data["id"] if kind == "user" else (data.get("public_user_data") or {}).get("user_id") or data.get("user_id") or ""
    return company, user


class Webhooks:
    """Every event that came about, sent by itself while the settings say so, and sent again as a test asks."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.events: collections.deque[Json] = collections.deque(maxlen=KEPT_EVENTS)
        self.under_way: set[asyncio.Task[None]] = set()
        self.client: httpx.AsyncClient | None = None

    def settings(self) -> Json:
        given = os.environ.get("OTTO_CLERK_WEBHOOK_SECRET") or DEFAULT_SECRET
        return {"sends": False, "otto_url": os.environ.get("OTTO_PUBLIC_URL", ""), "webhook_secret": [s.strip() for s in given.split(",") if s.strip()], "retry_ms": 1000, **self.state.data.get("clerk", {})}

    def tell(self, kind: str, data: Json) -> None:
        """Something came about at Clerk."""
        at = now_ms()
        body = json.dumps({"data": data, "event_attributes": {"http_request": {"client_ip": "192.0.2.7", "user_agent": "sandbox"}}, "instance_id": "ins_sandbox", "object": "event", "timestamp": at, "type": kind})
        company, user = concerns(data)
        event = {"svix_id": new_id("msg_"), "type": kind, "at": at, "company": company, "user": user, "body": body, "attempts": []}
        self.events.append(event)
        settings = self.settings()
        if settings["sends"] and settings["otto_url"]:
            task = asyncio.get_running_loop().create_task(self.deliver(event))
            self.under_way.add(task)
            task.add_done_callback(self.under_way.discard)

    def found(self, company: str = "", user: str = "", kind: str = "", since: int = 0) -> list[Json]:
        """The oldest first; of a company also what is about its users and names no company."""
        people = {e["user"] for e in self.events if e["company"] == company and e["user"]} if company else set()
        return [e for e in self.events if (company in ("", e["company"]) or (not e["company"] and e["user"] in people)) and user in ("", e["user"]) and e["type"].startswith(kind) and e["at"] >= since]

    async def post(self, body: str, headers: dict[str, str], otto_url: str | None = None) -> Json:
        """One attempt; status 0 if there was no answer."""
        url = (otto_url or self.settings()["otto_url"]).rstrip("/") + PATH
        self.client = self.client or httpx.AsyncClient(timeout=15, trust_env=False, verify=trust(), limits=httpx.Limits(max_connections=32))
        try:
            answer = await self.client.post(url, content=body.encode(), headers=headers)
            status, text = answer.status_code, answer.text
        except httpx.HTTPError as error:
            status, text = 0, f"no answer from {url}: {error}"
        self.state.note("sent", "clerk", "POST", url, headers, body.encode(), status, text.encode())
        return {"at": now_ms(), "status": status, "body": text[:2000]}

    async def attempt(self, event: Json) -> Json:
        done = await self.post(event["body"], headers_of(self.settings()["webhook_secret"], event["svix_id"], event["body"]))
        event["attempts"].append(done)
        return done

    async def deliver(self, event: Json) -> None:
        """Until it was taken, nobody wants webhooks any more, or the window is over."""
        ends, pause = time.monotonic() + WINDOW_S, self.settings()["retry_ms"] / 1000
        while self.settings()["sends"] and (await self.attempt(event))["status"] // 100 != 2 and time.monotonic() + pause < ends:
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)

    async def deliver_all(self, events: list[Json], seed: int | None, times: int, side_by_side: int) -> list[Json]:
        """Each so often, shuffled by that seed if there is one; each once more after its answer was no 2xx is a test's own business."""
        turns = [event for event in events for _ in range(times)]
        if seed is not None:
            random.Random(seed).shuffle(turns)
        room = asyncio.Semaphore(side_by_side)

        async def one(event: Json) -> Json:
            async with room:
                return {"svix_id": event["svix_id"], "type": event["type"], **await self.attempt(event)}

        return list(await asyncio.gather(*(one(event) for event in turns)))

    def stop(self) -> None:
        for task in self.under_way:
            task.cancel()
        if self.client:
            with contextlib.suppress(RuntimeError):
                asyncio.get_running_loop().create_task(self.client.aclose())
