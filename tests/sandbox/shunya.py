"""Shunya: its API as far as Otto asks it, strict about what it is sent; jobs that fetch their recording, and end as the call's script says."""

import asyncio
import collections
import contextlib
import dataclasses
import datetime
import hashlib
import hmac
import json
import os
import re
import time
import typing

import httpx
import jwt
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from . import shunya_scripts as scripts_of
from .commands import one_of, read_command, read_object, refuse, whole_number
from .shunya_scripts import STEPS, VARIANTS, Scripts, behaviour_of, merged, read_script
from .shunya_webhooks import Sender, envelope, malformed, now_text, sorted_json
from .state import Json, State, trust

DEFAULT_TOKEN_SECRET = "sandbox_shunya_token_secret_0123456789"
DEFAULT_WEBHOOK_SECRET = "test_webhook_secret_key_12345"  # of the published values
ROLES = ("sales_rep", "customer_rep", "sales_manager", "admin")
KEPT_CALLS = 50_000
KEPT_KEYS = 100_000
MOST_AUDIO = 1024**3
FETCH_TRIES = 10  # of a recording whose address is away for a moment
MARK = re.compile(rb"sandbox call (\d+)")
CODES = {400: "BAD_REQUEST", 401: "UNAUTHORIZED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 429: "RATE_LIMIT_EXCEEDED", 500: "INTERNAL_SERVER_ERROR", 503: "SERVICE_UNAVAILABLE"}
RETRYABLE = {"RATE_LIMIT_EXCEEDED", "INTERNAL_SERVER_ERROR", "ANALYSIS_FAILED", "TRANSCRIPTION_FAILED", "SERVICE_UNAVAILABLE"}


# -- errors -----------------------------------------------------------------------------------------------------------


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


# -- who asks ---------------------------------------------------------------------------------------------------------


def check_token(settings: Json, token: str) -> Json | str:
    """The claims of a good token, or what is wrong with it."""
    if settings.get("api_key") and hmac.compare_digest(token, settings["api_key"]):
        return {}
    if token.count(".") != 2:
        return "the bearer is no token (three parts, HS256)"
    reason = "no secret"
    for secret in settings["token_secret"]:
        try:
            claims = jwt.decode(token, secret, algorithms=["HS256"], options={"require": ["exp", "iat", "company_id", "type"]})
        except jwt.PyJWTError as error:
            reason = f"{type(error).__name__}: {error}"
            continue
        if not isinstance(claims["company_id"], str) or not claims["company_id"]:
            return "company_id must be a text"
        if claims["type"] != "access":
            return 'type must be "access"'
        if not 0 < claims["exp"] - claims["iat"] <= 300:
            return "exp must be at most 300 s after iat"
        for name in ("user_id", "role"):
            if not isinstance(claims.get(name, ""), str):
                return f"{name} must be a text"
        return typing.cast(Json, claims)
    return reason


def check_headers(request: Request, body: bytes, settings: Json) -> str | None:
    """What is wrong with the headers of an authenticated request, if anything."""
    headers = request.headers
    for name in ("X-Request-ID", "X-UWC-Version", "X-UWC-Timestamp"):
        if not headers.get(name):
            return f"{name} is missing"
    if headers["X-UWC-Version"] != "v1":
        return "X-UWC-Version must be v1"
    stamp = headers["X-UWC-Timestamp"]
    try:
        at = datetime.datetime.fromisoformat(stamp) if stamp.endswith("Z") else None
    except ValueError:
        at = None
    if at is None or abs((datetime.datetime.now(datetime.timezone.utc) - at).total_seconds()) > 300:
        return "X-UWC-Timestamp must be the present time, ISO 8601 with Z"
    if headers.get("X-Target-Role", ROLES[0]) not in ROLES:
        return f"X-Target-Role must be one of {', '.join(ROLES)}"
    if request.method == "GET":
        return None
    if not headers.get("Idempotency-Key"):
        return "Idempotency-Key is missing"
    if headers.get("Content-Type", "").split(";")[0].strip() != "application/json":
        return "Content-Type must be application/json"
    if body:
        wanted = [hmac.new(secret.encode(), f"{stamp}:".encode() + sorted_json(body), hashlib.sha256).hexdigest() for secret in settings["webhook_secret"]]
        if headers.get("X-Signature") not in wanted:
            return "X-Signature must be the hex HMAC-SHA256 of X-UWC-Timestamp, a colon, and the JSON with sorted keys"
    return None


def format_of(head: bytes) -> str | None:
    """The kind of sound, by its beginning."""
    if head[:3] == b"ID3" or (len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0):
        return "mp3"
    return "wav" if head[:4] == b"RIFF" and head[8:12] == b"WAVE" else None


# -- calls and jobs ---------------------------------------------------------------------------------------------------


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
            return scripts_of.transcription(script)
        facts = self.state.find_call(str(call.callrail_call)) if call.callrail_call is not None else None
        job = call.latest("analysis") or call.latest("transcription")
        began, done = (job.began, job.done or now_text()) if job is not None else (now_text(), now_text())
        return scripts_of.analysis(script, call.call_id, began, done, facts["from"] if facts else None, facts["name"] if facts else None)

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


# -- the API ----------------------------------------------------------------------------------------------------------

Handler = typing.Callable[[Request, str, bytes], typing.Awaitable[Response]]


def routes(state: State, shunya: Shunya) -> list[Route]:
    def api(path: str, handler: Handler, method: str = "GET") -> Route:
        async def guarded(request: Request) -> Response:
            settings, body = shunya.settings(), await request.body()
            scheme, _, token = request.headers.get("Authorization", "").partition(" ")
            if scheme != "Bearer" or not token:
                return problem(401, "Authorization: Bearer … is missing", headers={"WWW-Authenticate": "Bearer"})
            claims = check_token(settings, token)
            if isinstance(claims, str):
                return problem(401, claims, headers={"WWW-Authenticate": "Bearer"})
            company = request.headers.get("X-Company-ID", "")
            if not company or company != claims.get("company_id", company):
                return problem(403, "X-Company-ID must be the company_id of the token")
            if (wrong := check_headers(request, body, settings)) is not None:
                return problem(401 if wrong.startswith("X-Signature") else 400, wrong)
            if "call_id" in request.path_params and not re.fullmatch(r"-?\d{1,18}", request.path_params["call_id"]):
                return invalid(["path", "call_id"], "value is not a valid integer", "type_error.integer")
            return await handler(request, company, body)

        return Route("/api/v1/" + path, guarded, methods=[method])

    def called(request: Request, company: str) -> Call | None:
        return shunya.calls.get((company, int(request.path_params["call_id"])))

    def unknown_call(request: Request) -> Response:
        return problem(404, f"Call {request.path_params['call_id']} was not found", "CALL_NOT_FOUND")

    # -- once for each idempotency key

    def answered_before(request: Request, company: str, body: bytes) -> Response | None:
        before = shunya.answers.get((company, request.headers["Idempotency-Key"]))
        if before is None:
            return None
        if before[0] != request.url.path.encode() + b"\n" + body:
            return problem(400, "Idempotency-Key was used for another request", "VALIDATION_ERROR")
        return JSONResponse(before[1])

    def remember(request: Request, company: str, body: bytes, answer: Json) -> Response:
        shunya.answers[company, request.headers["Idempotency-Key"]] = (request.url.path.encode() + b"\n" + body, answer)
        while len(shunya.answers) > KEPT_KEYS:
            shunya.answers.popitem(last=False)
        return JSONResponse(answer)

    def refused(call: Call, step: str) -> tuple[Json, Response] | None:
        """The script's refusal of a request, if it has one left for that step."""
        wanted = shunya.script(call).get("refuse")
        if wanted is None or wanted.get("step", "transcription") != step or wanted.get("times") == 0:
            return None
        if "times" in wanted:
            wanted["times"] -= 1
        return wanted, refusal(int(wanted.get("status", 500)), wanted)

    def accept(request: Request, call: Call, step: str, body: bytes) -> Response:
        """Starts the job, unless the script refuses; `after` refuses once it has begun, as a lost answer does."""
        no = refused(call, step)
        if no is not None and not no[0].get("after"):
            return no[1]
        job = shunya.start(call, step, request.headers["Idempotency-Key"], request.headers.get("X-Target-Role"))
        word = shunya.script(call).get("answer_id", "task_id")
        answer: Json = {"success": True, "message": f"{step.capitalize()} started"}
        if step == "transcription":
            answer.update(transcript_id=None, task_id=None)
        else:
            answer.update(call_id=call.call_id, status="processing")
        answer[word] = job.task_id if word in ("task_id", "job_id") else job.number
        sent = remember(request, call.company, body, answer)
        return sent if no is None else no[1]

    async def transcribe(request: Request, company: str, body: bytes) -> Response:
        try:
            wanted = json.loads(body)
        except ValueError:
            return invalid(["body"], "the body is no JSON", "value_error.jsondecode")
        if not isinstance(wanted, dict):
            return invalid(["body"], "value is not a valid dict", "type_error.dict")
        for name in ("call_id", "audio_url"):
            if name not in wanted:
                return invalid(["body", name], "field required", "value_error.missing")
        if isinstance(wanted["call_id"], bool) or not isinstance(wanted["call_id"], int):
            return problem(400, "call_id must be an integer", "VALIDATION_ERROR", field="call_id")
        if not isinstance(wanted["audio_url"], str) or not re.match(r"https?://[^/]", wanted["audio_url"]):
            return problem(400, "audio_url must be an http address", "VALIDATION_ERROR", field="audio_url")
        if wanted.get("call_type", "sales_call") not in ("sales_call", "csr_call"):
            return problem(400, "call_type must be sales_call or csr_call", "VALIDATION_ERROR", field="call_type")
        if (before := answered_before(request, company, body)) is not None:
            return before
        known = (company, wanted["call_id"]) in shunya.calls
        call = shunya.calls.get((company, wanted["call_id"])) or Call(company, wanted["call_id"])
        if shunya.scripts.look_at_recordings():
            await shunya.fetch(call, wanted["audio_url"])
            if (before := answered_before(request, company, body)) is not None:
                return before  # the same request came again meanwhile
            named = shunya.scripts.find(company, call.call_id, call.callrail_call).keys() & {"call_id", "callrail_call", "customer"}
            if not known and not named and call.next_script is None:
                call.next_script = shunya.scripts.take_next()
                shunya.keep(call)
        else:
            call.audio_url, call.audio = wanted["audio_url"], None
        return accept(request, shunya.keep(call), "transcription", body)

    async def transcription_status(request: Request, company: str, _: bytes) -> Response:
        call = called(request, company)
        job = call.latest("transcription") if call else None
        if call is None or job is None:
            return unknown_call(request)
        return JSONResponse({"success": True, "transcript_id": job.number if job.status == "completed" else None, "call_id": call.call_id, "status": job.status, "created_at": job.began,
                             "processed_at": job.done})

    async def transcript(request: Request, company: str, _: bytes) -> Response:
        call = called(request, company)
        job = call.latest("transcription") if call else None
        if call is None or job is None:
            return unknown_call(request)
        if job.status != "completed":
            return problem(404, "the transcript is not there", transcription_status=job.status)
        return JSONResponse({"success": True, "call_id": call.call_id, "transcript_id": job.number, **shunya.content(call, "transcription", job.script)})

    async def start_analysis(request: Request, company: str, body: bytes) -> Response:
        if body:
            return invalid(["body"], "no body is expected", "value_error.extra")
        if (before := answered_before(request, company, body)) is not None:
            return before
        call = called(request, company)
        heard = call.latest("transcription") if call else None
        if call is None or heard is None:
            return unknown_call(request)
        if heard.status != "completed":
            return problem(404, "the call has no transcript", transcription_status=heard.status)
        return accept(request, call, "analysis", body)

    async def analysis_status(request: Request, company: str, _: bytes) -> Response:
        call = called(request, company)
        if call is None:
            return unknown_call(request)
        job = call.latest("analysis")
        if job is None:
            return problem(404, "no analysis was started", "ANALYSIS_NOT_AVAILABLE")
        return JSONResponse({"success": True, "call_id": call.call_id, "status": job.status, "created_at": job.began, "completed_at": job.done, "error": job.error})

    def part(name: str | None) -> Handler:
        async def answer(request: Request, company: str, _: bytes) -> Response:
            call = called(request, company)
            job = call.latest("analysis") if call else None
            if call is None:
                return unknown_call(request)
            if job is None or job.status == "processing":
                return problem(404, "the analysis is not there yet", "ANALYSIS_NOT_AVAILABLE")
            if job.status == "failed":
                return JSONResponse({"success": False, "error": job.error, "timestamp": now_text()}, 500)
            whole = shunya.content(call, "analysis", job.script)
            return JSONResponse(whole if name is None else {"call_id": call.call_id, **whole[name]})

        return answer

    async def health(_: Request) -> Response:
        return JSONResponse({"status": "healthy"})

    async def info(_: Request) -> Response:
        return JSONResponse({"name": "Otto AI API", "version": "1.0.0"})

    # -- commands

    async def settings(request: Request) -> Response:
        if request.method == "POST":
            given = await read_settings(request)
            with state.lock:
                state.data["shunya"] = {**state.data.get("shunya", {}), **given}
                state.save()
        elif request.method == "DELETE":
            with state.lock:
                state.data.pop("shunya", None)
                state.save()
        return JSONResponse(shunya.settings())

    async def scripts(request: Request) -> Response:
        if request.method == "POST":
            shunya.scripts.add(read_script(await read_object(request)))
        elif request.method == "DELETE":
            shunya.scripts.clear()
            for call in shunya.calls.values():
                call.next_script = None
        return JSONResponse(shunya.scripts.shown())

    def asked_for(request: Request) -> list[Call]:
        query = request.query_params
        found = list(shunya.calls.values())
        if "company" in query:
            found = [c for c in found if c.company == query["company"]]
        if "call_id" in query:
            found = [c for c in found if str(c.call_id) == query["call_id"]]
        if "callrail_call" in query:
            facts = state.find_call(query["callrail_call"])
            found = [c for c in found if c.callrail_call is not None and (str(c.callrail_call) == query["callrail_call"] or (facts is not None and facts["call"] == c.callrail_call))]
        return found

    def shown(call: Call) -> Json:
        facts = state.find_call(str(call.callrail_call)) if call.callrail_call is not None else None
        return {"company_id": call.company, "call_id": call.call_id, "callrail_call": call.callrail_call, "customer": facts["from"] if facts else None, "audio": call.audio,
                "paid": {step: sum(j.step == step for j in call.jobs) for step in STEPS},
                "jobs": [{"step": j.step, "task_id": j.task_id, "status": j.status, "idempotency_key": j.key, "target_role": j.role, "created_at": j.began, "done_at": j.done, "error": j.error,
                          "behaviour": behaviour_of(j.script, j.step), "outcome": j.script.get("outcome"), "webhooks": j.webhooks} for j in call.jobs]}

    async def calls(request: Request) -> Response:
        if request.method == "DELETE":
            shunya.stop()
            shunya.calls.clear()
            shunya.answers.clear()
        return JSONResponse([shown(c) for c in asked_for(request)])

    async def paid(request: Request) -> Response:
        """What Shunya would bill: accepted jobs, and the calls for which a step was paid more than once."""
        found = asked_for(request)
        counted = {step: sum(j.step == step for c in found for j in c.jobs) for step in STEPS}
        more = [{"company_id": c.company, "call_id": c.call_id, "step": step, "idempotency_keys": keys} for c in found for step in STEPS if len(keys := [j.key for j in c.jobs if j.step == step]) > 1]
        return JSONResponse({"calls": len(found), **counted, "more_than_once": more})

    async def release(request: Request) -> Response:
        """Those that wait (stuck, late, delayed) go on at once."""
        body = await read_command(request, set(), {"company", "call_id"})
        found = [j for c in shunya.calls.values() if body.get("company", c.company) == c.company and str(body.get("call_id", c.call_id)) == str(c.call_id) for j in c.jobs]
        waiting = [j for j in found if j.task is not None and not j.task.done()]
        for job in waiting:
            job.go.set()
        return JSONResponse({"released": len(waiting)})

    async def webhook(request: Request) -> Response:
        """One webhook at once, whatever it says: for what no job would send."""
        wanted = {name: value for name, value in (await read_object(request)).items() if value is not None}
        own = {name: wanted.pop(name) for name in ("otto_url", "body", "step", "status", "task_id") if name in wanted}
        script = read_script(wanted)
        step, status = one_of(own, "step", STEPS, "analysis"), one_of(own, "status", ("completed", "failed", "processing"), "completed")
        call = shunya.calls.get((script.get("company", ""), script.get("call_id", 0)))
        otto_url = str(own.get("otto_url") or shunya.otto_url(call))
        if not re.match(r"https?://[^/]", otto_url):
            refuse("otto_url must be Otto's public address, such as http://127.0.0.1:8080, here or by POST /sandbox/shunya/settings")
        task_id = str(own.get("task_id") or f"call_{script.get('call_id', 0)}_company_{script.get('company', '')}_{step}")
        if "body" in own:
            sent = own["body"].encode() if isinstance(own["body"], str) else json.dumps(own["body"]).encode()
        else:
            if "company" not in script or "call_id" not in script:
                refuse("company and call_id are needed, or the whole body")
            subject = call or Call(script["company"], script["call_id"])
            known = merged(shunya.script(subject), script)
            content = error_of(f"{step.upper()}_FAILED", "a failure that was asked for") if status == "failed" else shunya.content(subject, step, known)
            sent = json.dumps(envelope(known, step, status, script["company"], script["call_id"], task_id, content)).encode()
        return JSONResponse(await shunya.sender.post(otto_url, sent, script, task_id))

    return [
        Route("/sandbox/shunya/settings", settings, methods=["GET", "POST", "DELETE"]), Route("/sandbox/shunya/scripts", scripts, methods=["GET", "POST", "DELETE"]),
        Route("/sandbox/shunya/calls", calls, methods=["GET", "DELETE"]), Route("/sandbox/shunya/paid", paid), Route("/sandbox/shunya/release", release, methods=["POST"]),
        Route("/sandbox/shunya/webhook", webhook, methods=["POST"]), Route("/health", health), Route("/info", info),
        api("transcription/transcribe", transcribe, "POST"), api("transcription/status/{call_id}", transcription_status), api("transcription/transcript/{call_id}", transcript),
        api("analysis/start/{call_id}", start_analysis, "POST"), api("analysis/status/{call_id}", analysis_status), api("analysis/complete/{call_id}", part(None)),
        *[api(f"analysis/{name}/{{call_id}}", part(name)) for name in ("summary", "compliance", "objections", "qualification")],
    ]


async def read_settings(request: Request) -> Json:
    given = await read_command(request, set(), {"otto_url", "token_secret", "webhook_secret", "signature", "api_key", "outcome", "delay_ms", "retry_ms", "resign"})
    for name in ("token_secret", "webhook_secret"):
        if name in given:
            given[name] = [str(s) for s in given[name]] if isinstance(given[name], list) else str(given[name]).split(",")
            if not all(given[name]):
                refuse(f"{name} must be a secret or a list of them, newest first")
    if "signature" in given:
        one_of(given, "signature", VARIANTS)
    if "outcome" in given:
        one_of(given, "outcome", scripts_of.OUTCOMES)
    if "otto_url" in given and not re.match(r"https?://[^/]", str(given["otto_url"])):
        refuse("otto_url must be Otto's public address, such as http://127.0.0.1:8080")
    for name, least in (("delay_ms", 0), ("retry_ms", 1)):
        if name in given:
            given[name] = whole_number(given, name, 0, least)
    if not isinstance(given.get("resign", True), bool):
        refuse("resign must be true or false")
    return given
