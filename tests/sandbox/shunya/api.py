"""Shunya's API as far as Otto asks it, strict about what it is sent."""

import datetime
import hashlib
import hmac
import json
import re
import typing

import jwt
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..state import Json
from .errors import invalid, problem, refusal
from .jobs import Call, Shunya
from .webhooks import now_text, sorted_json

ROLES = ("sales_rep", "customer_rep", "sales_manager", "admin")
KEPT_KEYS = 100_000


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


Handler = typing.Callable[[Request, str, bytes], typing.Awaitable[Response]]


def routes(shunya: Shunya) -> list[Route]:
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

    return [
        Route("/health", health), Route("/info", info),
        api("transcription/transcribe", transcribe, "POST"), api("transcription/status/{call_id}", transcription_status), api("transcription/transcript/{call_id}", transcript),
        api("analysis/start/{call_id}", start_analysis, "POST"), api("analysis/status/{call_id}", analysis_status), api("analysis/complete/{call_id}", part(None)),
        *[api(f"analysis/{name}/{{call_id}}", part(name)) for name in ("summary", "compliance", "objections", "qualification")],
    ]
