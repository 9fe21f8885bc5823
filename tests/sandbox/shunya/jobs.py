"""Shunya's work: jobs that fetch their recording, and end as the call's script says."""

import asyncio
import collections
import contextlib
import dataclasses
import hashlib
import json
import os
import re
import time
import typing

import httpx

from ..state import Json, State, trust
from . import results
from .errors import error_of
from .scripts import VARIANTS, Scripts, behaviour_of
from .webhooks import Sender, envelope, malformed, now_text

DEFAULT_TOKEN_SECRET = "sandbox_shunya_token_secret_0123456789"
DEFAULT_WEBHOOK_SECRET = "test_webhook_secret_key_12345"  # of the published values
KEPT_CALLS = 50_000
MOST_AUDIO = 1024**3
FETCH_TRIES = 10  # of a recording whose address is away for a moment
MARK = re.compile(rb"sandbox call (\d+)")


def format_of(head: bytes) -> str | None:
    """The kind of sound, by its beginning."""
    if head[:3] == b"ID3" or (len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0):
        return "mp3"
    return "wav" if head[:4] == b"RIFF" and head[8:12] == b"WAVE" else None


@dataclasses.dataclass
class Job:
    """One accepted, and so paid, transcription or analysis."""

    step: str
    task_id: str
    number: int
    key: str
    role: str | None
    status: str = "processing"
    began: str = dataclasses.field(default_factory=now_text)
    done: str | None = None
    error: Json | None = None
    script: Json = dataclasses.field(default_factory=dict)
    webhooks: list[Json] = dataclasses.field(default_factory=list)
    go: asyncio.Event = dataclasses.field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


@dataclasses.dataclass
class Call:
    """A call of a company, as Shunya knows it: Otto's number for it, and what its recording said."""

    company: str
    call_id: int
    audio_url: str = ""
    audio: Json | None = None
    callrail_call: int | None = None
    next_script: Json | None = None
    jobs: list[Job] = dataclasses.field(default_factory=list)

    def latest(self, step: str) -> Job | None:
        return next((j for j in reversed(self.jobs) if j.step == step), None)


class Shunya:
    """Everything that passed since the start, and the settings, which survive a restart."""

    def __init__(self, state: State, scripts: Scripts) -> None:
        self.state, self.scripts = state, scripts
        self.calls: collections.OrderedDict[tuple[str, int], Call] = collections.OrderedDict()
        self.answers: collections.OrderedDict[tuple[str, str], tuple[bytes, Json]] = collections.OrderedDict()
        self.numbers = 0
        self.sender = Sender(state, self.settings)

    def settings(self) -> Json:
        """What a command set, else the environment's, else the published values. A secret may be a list, newest first."""
        def listed(name: str, otherwise: str) -> list[str]:
            return [s.strip() for s in (os.environ.get(name) or otherwise).split(",") if s.strip()]

        defaults: Json = {"otto_url": None, "token_secret": listed("OTTO_SHUNYA_TOKEN_SECRET", DEFAULT_TOKEN_SECRET), "webhook_secret": listed("OTTO_SHUNYA_WEBHOOK_SECRET", DEFAULT_WEBHOOK_SECRET),
                          "signature": os.environ.get("OTTO_SHUNYA_SIGNATURE") or VARIANTS[0], "api_key": None, "outcome": "booked", "delay_ms": 50, "retry_ms": 1000, "resign": True}
        return {**defaults, **self.state.data.get("shunya", {})}

    def script(self, call: Call) -> Json:
        found = self.scripts.find(call.company, call.call_id, call.callrail_call)
        if call.next_script is not None and not found.keys() & {"call_id", "callrail_call", "customer"}:
            found = call.next_script
        return {"outcome": self.settings()["outcome"], **found}

    def keep(self, call: Call) -> Call:
        """Remembers the call; forgets the oldest of too many."""
        self.calls[call.company, call.call_id] = call
        while len(self.calls) > KEPT_CALLS:
            _, old = self.calls.popitem(last=False)
            for job in old.jobs:
                if job.task is not None:
                    job.task.cancel()
        return call

    def otto_url(self, call: Call | None) -> str:
        """Where results go: to the address that was set, else to where the recording came from."""
        found = self.settings()["otto_url"] or (str(httpx.URL(call.audio_url).join("/")) if call is not None and call.audio_url else "")
        return str(found)

    # -- a job's life

    def start(self, call: Call, step: str, key: str, role: str | None) -> Job:
        self.numbers += 1
        # Whoever is told a number in place of a name is told of the result by that number.
        named = self.script(call).get("answer_id", "task_id") in ("task_id", "job_id")
        job = Job(step, f"call_{call.call_id}_company_{call.company}_{step}" if named else str(self.numbers), self.numbers, key, role)
        call.jobs.append(job)
        job.task = asyncio.create_task(self.run(call, job))
        return job

    @contextlib.asynccontextmanager
    async def patient(self, client: httpx.AsyncClient, url: str) -> typing.AsyncIterator[httpx.Response]:
        """Whoever is away for a moment (nobody listens, or 503) is asked again, a second later each time: what a downloader does. Whether Shunya's does is not published."""
        for left in range(FETCH_TRIES - 1, -1, -1):
            try:
                async with client.stream("GET", url) as answer:
                    if answer.status_code != 503 or left == 0:
                        yield answer
                        return
            except httpx.ConnectError:
                if left == 0:
                    raise
            await asyncio.sleep(1)

    async def fetch(self, call: Call, url: str) -> None:
        """Gets the recording and notes what came; nothing of it is kept but its beginning."""
        got: Json = {"url": url, "status": 0, "content_type": None, "bytes": 0, "sha256": None, "header": None, "error": None}
        digest, head, begun = hashlib.sha256(), b"", time.monotonic()
        try:
            async with httpx.AsyncClient(timeout=30, trust_env=False, verify=trust(), follow_redirects=True, max_redirects=5) as client, self.patient(client, url) as answer:
                got.update(status=answer.status_code, content_type=answer.headers.get("Content-Type"))
                async for piece in answer.aiter_bytes():
                    digest.update(piece)
                    got["bytes"] += len(piece)
                    head = (head + piece)[:4096] if len(head) < 4096 else head
                    if got["bytes"] > MOST_AUDIO:
                        got["error"] = f"more than {MOST_AUDIO} bytes"
                        break
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            got["error"] = f"{type(error).__name__}: {error}"
        found = MARK.search(head)
        got.update(sha256=digest.hexdigest(), header=head[:16].hex(), format=format_of(head), ms=round((time.monotonic() - begun) * 1000))
        if got["error"] is None and (got["status"] != 200 or got["format"] is None):
            got["error"] = f"no recording: status {got['status']}, {got['bytes']} bytes of {got['content_type']}"
        self.state.note("sent", "shunya", "GET", url, {}, b"", got["status"], json.dumps(got).encode())
        call.audio_url, call.audio = url, got
        call.callrail_call = int(found.group(1)) if found else None

    async def pause(self, job: Job, milliseconds: int) -> None:
        """Waits so long, or until a command says go."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(job.go.wait(), milliseconds / 1000)

    async def run(self, call: Call, job: Job) -> None:
        if job.step == "transcription" and (call.audio is None or call.audio["error"] is not None):
            await self.fetch(call, call.audio_url)
        job.script = script = self.script(call)
        behaviour = behaviour_of(script, job.step)
        if behaviour == "analysis_first":
            await self.send(call, job, "completed", content=self.content(call, "analysis", script), step="analysis",
                            task_id=f"call_{call.call_id}_company_{call.company}_analysis")
        if behaviour == "processing_first":
            await self.send(call, job, "processing")
        await self.pause(job, script.get("delay_ms", self.settings()["delay_ms"]))
        if behaviour == "stuck":
            await job.go.wait()
        nth = sum(j.step == job.step for j in call.jobs)
        fails = behaviour == "failed_then_completed" or (behaviour == "failed" and nth <= script.get("times", nth))
        unheard = call.audio["error"] if job.step == "transcription" and call.audio is not None else None
        if fails or unheard:
            job.error = error_of(f"{job.step.upper()}_FAILED", unheard or "a failure that was asked for", call_id=call.call_id)
            job.status, job.done = "failed", now_text()
            await self.send(call, job, "failed", content=job.error)
            if behaviour != "failed_then_completed" or unheard:
                return
        job.status, job.done, job.error = "completed", now_text(), None
        await self.tell(call, job, behaviour)

    async def tell(self, call: Call, job: Job, behaviour: str) -> None:
        """The webhooks of a job that is done."""
        script = job.script
        if behaviour == "silent":
            return
        if behaviour == "late":
            await self.pause(job, script.get("late_ms", 5000))
        if behaviour == "malformed":
            body = envelope(script, job.step, "completed", call.company, call.call_id, job.task_id, self.content(call, job.step, script))
            await self.deliver(call, job, malformed(script.get("malformed", "text"), body))
        elif behaviour == "wrong_company":
            company = script.get("other_company", "org_of_somebody_else")
            await self.send(call, job, "completed", company=company, task_id=f"call_{call.call_id}_company_{company}_{job.step}")
        elif behaviour == "unknown_call":
            stranger = call.call_id + 1_000_000_000
            await self.send(call, job, "completed", call_id=stranger, task_id=f"call_{stranger}_company_{call.company}_{job.step}")
        else:
            body_sent = await self.send(call, job, "completed")
            if behaviour == "twice":
                await self.deliver(call, job, body_sent)
        if behaviour == "different":
            await self.pause(job, script.get("late_ms", 0))
            job.script = {**script, **(script.get("second") or {"outcome": "booked" if script["outcome"] == "cold" else "cold"})}
            await self.send(call, job, "completed")

    def content(self, call: Call, step: str, script: Json) -> Json:
        """The result itself; the same whenever it is asked for."""
        if step == "transcription":
            return results.transcription(script)
        facts = self.state.find_call(str(call.callrail_call)) if call.callrail_call is not None else None
        job = call.latest("analysis") or call.latest("transcription")
        began, done = (job.began, job.done or now_text()) if job is not None else (now_text(), now_text())
        return results.analysis(script, call.call_id, began, done, facts["from"] if facts else None, facts["name"] if facts else None)

    async def send(self, call: Call, job: Job, status: str, *, step: str | None = None, company: str | None = None, call_id: int | None = None, task_id: str | None = None,
                   content: Json | None = None) -> bytes:
        """Delivers one webhook; returns its body."""
        step = step or job.step
        content = self.content(call, step, job.script) if content is None else content
        made = envelope(job.script, step, status, company or call.company, call.call_id if call_id is None else call_id, task_id or job.task_id, content)
        body = json.dumps(made, ensure_ascii=False, separators=(",", ":")).encode()
        await self.deliver(call, job, body)
        return body

    async def deliver(self, call: Call, job: Job, body: bytes) -> None:
        await self.sender.deliver(self.otto_url(call), body, job.script, job.task_id, job.webhooks)

    def stop(self) -> None:
        for call in self.calls.values():
            for job in call.jobs:
                if job.task is not None:
                    job.task.cancel()
