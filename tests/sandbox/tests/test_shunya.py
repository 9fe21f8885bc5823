"""The sandbox's Shunya as a client meets it, with tokens and signatures made anew here."""

import hashlib
import hmac
import json
import time
import uuid

import httpx
import jwt
import pytest
from peers import otto, place, running, sandbox, shared  # noqa: F401

from sandbox.sound import Sound
from sandbox.shunya.jobs import DEFAULT_TOKEN_SECRET, DEFAULT_WEBHOOK_SECRET
from sandbox.shunya.webhooks import sign

BODY = b'{"shunya_job_id": "job_123", "status": "completed"}'
CAFE = '{"shunya_job_id":"job_123","status":"completed","company_id":"org_a","result":{"note":"café"}}'.encode()


@pytest.mark.parametrize(("variant", "body", "signature"), [
    ("timestamp_dot_body", BODY, "6e55ea189a0b782a555b2b50a5904cf1a196d3cce31e767807ce4623e3dacf46"), ("sorted_json", BODY, "47d7ac32b10906993408523002862725917e580fa1301b7cb86240b0ea8123f8"),
    ("uwc", BODY, "a0693761068cb2ff118693f5b1b17f0937e53af5694e9668f9603fb33b715721"), ("timestamp_dot_body", CAFE, "2d9eed0b11bf6a7b69c9c1d82cc9aa7e9a12acc0bf6e9369fde1414c71b9e29d"),
    ("sorted_json", CAFE, "45ce41e015cc469a6cc1047b9265baab25aa605c528d2bb39e810d7c55f7e472")])
def test_the_values_on_record(variant, body, signature):
    assert sign(variant, "test_webhook_secret_key_12345", 1765189800000, body) == signature


class Client:
    """As §6.2 says: a token, headers, a signature over what it sends."""

    def __init__(self, sandbox, company=None):
        self.http, self.company, self.secret = sandbox, company or f"org_{uuid.uuid4().hex}", DEFAULT_WEBHOOK_SECRET

    def token(self, secret=DEFAULT_TOKEN_SECRET, algorithm="HS256", without=(), **claims):
        now = int(time.time())
        return jwt.encode({k: v for k, v in {"company_id": self.company, "iat": now, "exp": now + 300, "type": "access", **claims}.items() if k not in without}, secret, algorithm=algorithm)

    def request(self, method, path, body=None, *, key=None, token=None, **changed):
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        headers = {"Authorization": f"Bearer {token or self.token()}", "X-Company-ID": self.company, "X-Request-ID": str(uuid.uuid4()), "X-UWC-Version": "v1", "X-UWC-Timestamp": stamp, "X-Target-Role": "customer_rep"}
        content = b""
        if method == "POST":
            headers.update({"Idempotency-Key": key or str(uuid.uuid4()), "Content-Type": "application/json"})
        if body is not None:
            content = json.dumps(body).encode()
            headers["X-Signature"] = hmac.new(self.secret.encode(), f"{stamp}:{json.dumps(body, sort_keys=True)}".encode(), hashlib.sha256).hexdigest()
        for name, value in changed.items():
            headers[name.replace("_", "-")] = value
        return self.http.request(method, "/api/v1/" + path, content=content, headers={k: v for k, v in headers.items() if v is not None})

    def transcribe(self, call_id, audio_url, **more):
        return self.request("POST", "transcription/transcribe", {"call_id": call_id, "audio_url": audio_url, "call_type": "csr_call"}, **more)

    def get(self, path):
        return self.request("GET", path)


@pytest.fixture
def shunya(sandbox):
    for path in ("calls", "scripts", "settings"):
        sandbox.delete("/sandbox/shunya/" + path)
    sandbox.post("/sandbox/shunya/settings", json={"delay_ms": 0, "retry_ms": 5})
    return Client(sandbox)


@pytest.fixture
def call(shunya, otto):
    """A call whose recording is at Otto: its number, and the recording's address."""
    return made_call(otto, "+12148654559")


def made_call(otto, customer, call_id=None, placed=None):
    number = placed or 5
    call_id = call_id or uuid.uuid4().int % 10**9
    sound = Sound("mp3", number)
    path = f"/media/{uuid.uuid4()}"
    otto.media[path] = (200, sound.media_type, b"".join(sound.chunks()))
    return call_id, otto.url + path


def known(shunya, call_id):
    (found,) = shunya.http.get("/sandbox/shunya/calls", params={"company": shunya.company, "call_id": call_id}).json()
    return found


def on_record(sandbox, count, **query):
    """So many requests of the record; those that the sandbox sends are there once they were answered."""
    ends = time.monotonic() + 60
    while len(found := sandbox.get("/sandbox/requests", params=query).json()) < count:
        assert time.monotonic() < ends, found
    return found


def analysed(shunya, otto, call, script=None, **more):
    """Both steps of a call; the webhooks of the analysis."""
    call_id, url = call
    if script is not None:
        assert shunya.http.post("/sandbox/shunya/scripts", json={"call_id": call_id, **script}).status_code == 200
    assert shunya.transcribe(call_id, url, **more).status_code == 200
    before = len(otto.results(1))
    assert shunya.request("POST", f"analysis/start/{call_id}").status_code == 200
    return otto.results(before + 1)[before:]


# -- who may ask ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("claims", "named"), [
    ({"secret": "another secret that is long enough too"}, "Signature"), ({"algorithm": "HS384", "secret": "s" * 48}, "Algorithm"), ({"without": ["company_id"]}, "company_id"), ({"without": ["exp"]}, "exp"), ({"without": ["iat"]}, "iat"),
    ({"without": ["type"]}, "type"), ({"type": "refresh"}, "type"), ({"exp": int(time.time()) - 5}, "Expired"), ({"exp": int(time.time()) + 4000}, "300 s"), ({"iat": int(time.time()) + 1000, "exp": int(time.time()) + 1100}, "iat"),
    ({"role": 7}, "role")])
def test_tokens_that_are_not_taken(shunya, claims, named):
    answer = shunya.request("GET", "transcription/status/1", token=shunya.token(**claims))
    assert answer.status_code == 401 and named in answer.json()["error"]["message"] and answer.json()["error"]["error_code"] == "UNAUTHORIZED"


@pytest.mark.parametrize(("changed", "status", "named"), [
    ({"Authorization": None}, 401, "Authorization"), ({"Authorization": "Bearer key"}, 401, "token"), ({"X_Company_ID": "org_b"}, 403, "X-Company-ID"), ({"X_Company_ID": None}, 403, "X-Company-ID"),
    ({"X_Request_ID": None}, 400, "X-Request-ID"), ({"X_UWC_Version": "v2"}, 400, "X-UWC-Version"), ({"X_UWC_Timestamp": "2026-01-01T00:00:00Z"}, 400, "X-UWC-Timestamp"), ({"X_UWC_Timestamp": "1765189800"}, 400, "X-UWC-Timestamp"),
    ({"X_Target_Role": "csr"}, 400, "X-Target-Role"), ({"Idempotency_Key": None}, 400, "Idempotency-Key"), ({"Content_Type": "text/plain"}, 400, "Content-Type"), ({"X_Signature": None}, 401, "X-Signature"), ({"X_Signature": "00"}, 401, "X-Signature")])
def test_headers_that_are_not_taken(shunya, call, changed, status, named):
    answer = shunya.transcribe(*call, **changed)
    assert answer.status_code == status and named in answer.json()["error"]["message"] and not answer.json()["success"]
    assert shunya.http.get("/sandbox/shunya/paid").json()["transcription"] == 0


def test_secrets_can_be_changed_and_rotate(shunya):
    secrets = ["a new secret of the token, long enough", DEFAULT_TOKEN_SECRET]
    shunya.http.post("/sandbox/shunya/settings", json={"token_secret": secrets, "api_key": "the key itself"})
    for token in (shunya.token(secrets[0]), shunya.token(), "the key itself"):
        assert shunya.request("GET", "transcription/status/1", token=token).status_code == 404
    shunya.http.post("/sandbox/shunya/settings", json={"token_secret": secrets[:1]})
    assert shunya.get("transcription/status/1").status_code == 401


def test_health_needs_no_token(sandbox):
    assert sandbox.get("/health").json() == {"status": "healthy"} and sandbox.get("/info").json()["version"] == "1.0.0"


# -- one call from recording to analysis ------------------------------------------------------------------------------


def test_a_booked_call(shunya, otto):
    placed = place(shunya.http, otto, events=[], sound="mp3", name="Zoë")
    call_id, url = made_call(otto, "+12148654559", placed=placed["id"])
    answer = shunya.transcribe(call_id, url)
    assert answer.json() == {"success": True, "message": "Transcription started", "transcript_id": None, "task_id": f"call_{call_id}_company_{shunya.company}_transcription"}
    (first,) = otto.results(1)
    assert (first["event_type"], first["task_id"], first["call_id"], first["company_id"], first["status"]) == ("call.transcription.complete", answer.json()["task_id"], call_id, shunya.company, "completed")
    assert first["data"]["transcript_text"].startswith("Sandbox Roofing") and first["data"]["word_count"] == len(first["data"]["transcript_text"].split())
    status = shunya.get(f"transcription/status/{call_id}").json()
    assert status["status"] == "completed" and isinstance(status["transcript_id"], int) and status["processed_at"].endswith("Z")
    assert shunya.get(f"transcription/transcript/{call_id}").json()["transcript_text"] == first["data"]["transcript_text"]

    assert shunya.get(f"analysis/complete/{call_id}").json()["error"]["error_code"] == "ANALYSIS_NOT_AVAILABLE"
    assert shunya.request("POST", f"analysis/start/{call_id}").json()["status"] == "processing"
    second = otto.results(2)[1]
    assert second["event_type"] == "call.analysis.complete" and second["task_id"].endswith("_analysis")
    found = second["data"]
    assert (found["qualification"]["booking_status"], found["qualification"]["call_outcome_category"], found["qualification"]["qualification_status"]) == ("booked", "qualified_and_booked", "hot")
    assert found["qualification"]["appointment_date"] == found["entities"]["appointment_date"] and found["entities"]["appointment_date"].endswith("T14:00:00")
    assert (found["entities"]["phone"], found["entities"]["name"]) == ("+12148654559", "Zoë")
    assert shunya.get(f"analysis/complete/{call_id}").json() == found and shunya.get(f"analysis/qualification/{call_id}").json()["booking_status"] == "booked"
    assert shunya.get(f"analysis/status/{call_id}").json()["status"] == "completed"

    on_record(shunya.http, 2, path="/shunya/webhook")
    seen = known(shunya, call_id)
    content = otto.media[url.removeprefix(otto.url)][2]
    assert {k: seen["audio"][k] for k in ("url", "status", "content_type", "bytes", "sha256", "format", "error")} == {
        "url": url, "status": 200, "content_type": "audio/mpeg", "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest(), "format": "mp3", "error": None}
    assert seen["audio"]["header"] == content[:16].hex() and (seen["callrail_call"], seen["customer"]) == (placed["id"], "+12148654559")
    assert seen["paid"] == {"transcription": 1, "analysis": 1} and {j["target_role"] for j in seen["jobs"]} == {"customer_rep"}
    assert [[w["status"] for w in j["webhooks"]] for j in seen["jobs"]] == [[200], [200]]


@pytest.mark.parametrize(("variant", "settings"), [("timestamp_dot_body", {}), ("sorted_json", {"signature": "sorted_json"}), ("uwc", {"signature": "uwc", "webhook_secret": "another, older"})])
def test_each_way_of_signing(shunya, otto, call, variant, settings):
    shunya.http.post("/sandbox/shunya/settings", json=settings)
    shunya.secret = secret = settings.get("webhook_secret", DEFAULT_WEBHOOK_SECRET).split(",")[0]
    shunya.transcribe(*call)
    otto.results(1)
    prefix = "X-UWC-" if variant == "uwc" else "X-Shunya-"
    at, body = otto.headers[0][prefix + "Timestamp"], otto.seen[0][2]
    message = {"timestamp_dot_body": f"{at}.".encode() + body, "sorted_json": f"{at}:{json.dumps(json.loads(body), sort_keys=True)}".encode(), "uwc": f"{at}.{hashlib.sha256(body).hexdigest()}".encode()}[variant]
    assert otto.headers[0][prefix + "Signature"] == hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()
    assert abs(int(at) / (1 if variant == "uwc" else 1000) - time.time()) < 30
    assert otto.seen[0][0] == "/api/v1/shunya/webhook" and (otto.headers[0].get("X-Shunya-Task-Id") or otto.headers[0].get("X-Event-ID")) == otto.bodies()[0]["task_id"]


@pytest.mark.parametrize("id_name", ["shunya_job_id", "job_id", "task_id", "none"])
@pytest.mark.parametrize("shape", [1, 2])
def test_each_envelope(shunya, otto, call, shape, id_name):
    words = {"shape": shape, "id_name": id_name, "payload_name": "result", "event_names": "seeds", "completed_word": "succeeded", "task_header": id_name == "none"}
    (body,) = analysed(shunya, otto, call, {"envelope": words})
    ids = {k: v for k, v in body.items() if k in ("shunya_job_id", "job_id", "task_id")}
    task = f"call_{call[0]}_company_{shunya.company}_analysis"
    assert ids == ({} if id_name == "none" else {id_name: task}) and otto.headers[-1].get("X-Shunya-Task-Id") == (task if id_name == "none" else None)
    assert body["status"] == "succeeded" and body["result"]["call_id"] == call[0] and "data" not in body and body["company_id"] == shunya.company
    assert (body.get("event_type"), body.get("call_id")) == (("job.completed", call[0]) if shape == 2 else (None, None))


@pytest.mark.parametrize(("word", "kind"), [("task_id", str), ("job_id", str), ("transcript_id", int), ("id", int)])
def test_each_name_of_the_job_in_the_answer(shunya, otto, call, word, kind):
    shunya.http.post("/sandbox/shunya/scripts", json={"call_id": call[0], "answer_id": word})
    answer = shunya.transcribe(*call).json()
    assert type(answer[word]) is kind and otto.results(1)[0]["task_id"] == str(answer[word])


# -- requests of the wrong form, errors -------------------------------------------------------------------------------


@pytest.mark.parametrize(("body", "status", "named"), [
    ({"audio_url": "http://x/y"}, 422, "call_id"), ({"call_id": 1}, 422, "audio_url"), ({"call_id": "1", "audio_url": "http://x/y"}, 400, "call_id"), ({"call_id": True, "audio_url": "http://x/y"}, 400, "call_id"),
    ({"call_id": 1, "audio_url": "/media/x"}, 400, "audio_url"), ({"call_id": 1, "audio_url": "http://x/y", "call_type": "csr"}, 400, "call_type"), ([], 422, "body")])
def test_a_wrong_transcription(shunya, body, status, named):
    answer = shunya.request("POST", "transcription/transcribe", body)
    assert answer.status_code == status and named in json.dumps(answer.json())
    if status == 400:
        assert answer.json()["error"]["error_code"] == "VALIDATION_ERROR" and answer.json()["error"]["retryable"] is False
    else:
        assert answer.json()["detail"][0].keys() == {"loc", "msg", "type"}


def test_unknown_calls_and_steps_in_the_wrong_order(shunya, otto, call):
    for path in ("transcription/status/77", "transcription/transcript/77", "analysis/status/77", "analysis/complete/77"):
        assert (shunya.get(path).status_code, shunya.get(path).json()["error"]["error_code"]) == (404, "CALL_NOT_FOUND")
    assert shunya.get("analysis/status/abc").status_code == 422 and shunya.get("nowhere").json()["error"]["error_code"] == "NOT_FOUND"
    assert shunya.request("POST", "analysis/start/77").json()["error"]["error_code"] == "CALL_NOT_FOUND"
    shunya.http.post("/sandbox/shunya/scripts", json={"call_id": call[0], "behaviour": "stuck"})
    shunya.transcribe(*call)
    assert shunya.request("POST", f"analysis/start/{call[0]}").status_code == 404
    assert Client(shunya.http).get(f"transcription/status/{call[0]}").status_code == 404  # of another company
    assert shunya.request("POST", f"analysis/start/{call[0]}", {"transcript": "x"}).status_code == 422


def test_the_same_key_is_answered_the_same_and_paid_once(shunya, otto, call):
    first, second = shunya.transcribe(*call, key="k1"), shunya.transcribe(*call, key="k1")
    assert first.json() == second.json() and known(shunya, call[0])["paid"]["transcription"] == 1
    other = shunya.transcribe(call[0], call[1] + "?x", key="k1")
    assert other.status_code == 400 and "Idempotency-Key" in other.json()["error"]["message"]
    shunya.transcribe(*call, key="k2")
    paid = shunya.http.get("/sandbox/shunya/paid").json()
    assert (paid["calls"], paid["transcription"], paid["analysis"]) == (1, 2, 0)
    assert paid["more_than_once"] == [{"company_id": shunya.company, "call_id": call[0], "step": "transcription", "idempotency_keys": ["k1", "k2"]}]
    assert Client(shunya.http).transcribe(*call, key="k1").status_code == 200  # another company's key is another key
    keys = [r["headers"]["idempotency-key"] for r in shunya.http.get("/sandbox/requests", params={"provider": "shunya", "path": "transcribe"}).json()]
    assert keys == ["k1", "k1", "k1", "k2", "k1"]


@pytest.mark.parametrize(("status", "code", "retryable"), [(429, "RATE_LIMIT_EXCEEDED", True), (500, "INTERNAL_SERVER_ERROR", True), (503, "SERVICE_UNAVAILABLE", True), (403, "PERMISSION_DENIED", False)])
def test_faults_are_told_as_shunya_tells_errors(shunya, call, status, code, retryable):
    shunya.http.post("/sandbox/faults", json={"provider": "shunya", "path": "transcribe", "status": status, "retry_after": 7, "times": 1})
    answer = shunya.transcribe(*call)
    error = answer.json()["error"]
    assert (answer.status_code, error["error_code"], error["retryable"], answer.headers["Retry-After"]) == (status, code, retryable, "7") and error["details"]["retry_after"] == 7
    assert shunya.transcribe(*call).status_code == 200


@pytest.mark.parametrize("lost", [{"status": 500}, {"reset": True}])
def test_an_answer_is_lost_after_the_work_was_taken(shunya, call, lost):
    shunya.http.post("/sandbox/faults", json={"provider": "shunya", "after": True, "times": 1, **lost})
    if "reset" in lost:
        with pytest.raises(httpx.ReadError):
            shunya.transcribe(*call, key="k1")
    else:
        assert shunya.transcribe(*call, key="k1").status_code == 500
    assert shunya.get(f"transcription/status/{call[0]}").status_code == 200
    assert shunya.transcribe(*call, key="k1").status_code == 200 and known(shunya, call[0])["paid"]["transcription"] == 1


# -- scripts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("outcome", "quality", "booking", "category"), [
    ("hot", "hot", "not_booked", "qualified_but_unbooked"), ("warm", "warm", "not_booked", "qualified_but_unbooked"), ("cold", "cold", "not_booked", "qualified_but_unbooked"),
    ("not_booked", "warm", "not_booked", "qualified_but_unbooked"), ("service_not_offered", "warm", "service_not_offered", "qualified_service_not_offered"), ("unqualified", "unqualified", "not_booked", None),
    ("booked_no_time", "hot", "booked", "qualified_and_booked"), ("no_booking_status", "hot", None, None)])
def test_each_outcome(shunya, otto, call, outcome, quality, booking, category):
    (body,) = analysed(shunya, otto, call, {"outcome": outcome})
    found = body["data"]["qualification"]
    assert (found["qualification_status"], found.get("booking_status"), found.get("call_outcome_category")) == (quality, booking, category)
    assert found["appointment_date"] is None and "appointment_date" not in body["data"]["entities"] and ("booking_status" in found) == (outcome != "no_booking_status")


@pytest.mark.parametrize(("shape", "first"), [("objects", {"type": "follow_up_call"}), ("alternative", {"action_type": "follow_up_call"}), ("texts", "follow up tomorrow"), ("none", None), ([{"type": "dance"}], {"type": "dance"})])
def test_each_shape_of_pending_actions(shunya, otto, call, shape, first):
    (body,) = analysed(shunya, otto, call, {"outcome": "warm", "pending_actions": shape})
    actions = body["data"]["summary"]["pending_actions"]
    assert actions == [] if first is None else actions[0] == first if isinstance(first, str) else first.items() <= actions[0].items()


def test_what_a_script_can_say_word_by_word(shunya, otto, call):
    (body,) = analysed(shunya, otto, call, {"appointment_at": "2026-12-01T09:30:00-07:00", "transcript": "Hello.", "transcription": {"language": "es"},
                                            "analysis": {"qualification": {"booking_status": "perhaps"}, "entities": None, "extra": 1}})
    assert otto.bodies()[0]["data"]["transcript_text"] == "Hello." and otto.bodies()[0]["data"]["language"] == "es"
    found = body["data"]
    assert (found["qualification"]["booking_status"], found["qualification"]["appointment_date"], found["entities"], found["extra"]) == ("perhaps", "2026-12-01T09:30:00-07:00", None, 1)
    assert found["qualification"]["qualification_status"] == "hot"


def test_a_huge_transcript(shunya, otto, call):
    shunya.http.post("/sandbox/shunya/scripts", json={"call_id": call[0], "transcript_bytes": 20_000_000})
    shunya.transcribe(*call)
    (body,) = otto.results(1)
    text = body["data"]["transcript_text"]
    assert 19_999_990 <= len(text.encode()) <= 20_000_000 and "🏠" in text
    assert shunya.get(f"transcription/transcript/{call[0]}").json()["transcript_text"] == text
    (sent,) = on_record(shunya.http, 1, path="/shunya/webhook")
    assert sent["body_bytes"] > 20_000_000 and len(sent["body"]) <= 65_536


@pytest.mark.parametrize("by", ["callrail_call", "resource_id", "customer", "place_call", "company", "next", "every"])
def test_whose_script_it_is(shunya, otto, by):
    placed = place(shunya.http, otto, events=[], **{"from": "+12145550199"}, **({"shunya": "cold"} if by == "place_call" else {}))
    whose = {"callrail_call": {"callrail_call": placed["id"]}, "resource_id": {"callrail_call": placed["resource_id"]}, "customer": {"customer": "(214) 555-0199"}, "company": {"company": shunya.company},
             "next": {"next": True}, "every": {}}.get(by)
    if whose is not None:
        shunya.http.post("/sandbox/shunya/scripts", json={**whose, "outcome": "cold"})
    (body,) = analysed(shunya, otto, made_call(otto, "", placed=placed["id"]))
    assert body["data"]["qualification"]["qualification_status"] == "cold"


def test_the_closest_script_counts_and_the_next_one_is_used_up(shunya, otto):
    place(shunya.http, otto, id=41, events=[], shunya={"outcome": "warm"})
    for script in ({"outcome": "unqualified"}, {"next": True, "outcome": "cold"}):
        shunya.http.post("/sandbox/shunya/scripts", json=script)
    found = []
    for placed in (41, 42, 43):
        found.append(analysed(shunya, otto, made_call(otto, "", placed=placed))[0]["data"]["qualification"]["qualification_status"])
        otto.seen.clear()
    assert found == ["warm", "cold", "unqualified"]
    assert shunya.http.delete("/sandbox/shunya/scripts").json() == []


@pytest.mark.parametrize(("script", "named"), [({"outcome": "won"}, "outcome"), ({"behaviour": "odd"}, "behaviour"), ({"steps": ["all"]}, "steps"), ({"envelope": {"shape": 3}}, "shape"), ({"refuse": {"status": 200}}, "status"),
                                               ({"delay": 5}, "delay"), ({"pending_actions": "odd"}, "pending_actions"), ({"second": {"outcome": "won"}}, "outcome"), ({"delay_ms": -1}, "delay_ms")])
def test_a_wrong_script_names_what_is_wrong(shunya, script, named):
    answer = shunya.http.post("/sandbox/shunya/scripts", json=script)
    assert answer.status_code == 422 and named in answer.json()["error"] and shunya.http.get("/sandbox/shunya/scripts").json() == []


def test_a_refusal_by_the_customers_number(shunya, otto):
    place(shunya.http, otto, id=51, events=[], **{"from": "+12145550188"}, shunya={"refuse": {"status": 429, "retry_after": 3, "times": 2}})
    call_id, url = made_call(otto, "", placed=51)
    answers = [shunya.transcribe(call_id, url, key="k1") for _ in range(3)]
    assert [a.status_code for a in answers] == [429, 429, 200] and answers[0].headers["Retry-After"] == "3"
    assert known(shunya, call_id)["paid"]["transcription"] == 1
    lost, url = made_call(otto, "", placed=52)
    shunya.http.post("/sandbox/shunya/scripts", json={"call_id": lost, "refuse": {"after": True, "times": 1}})
    assert shunya.transcribe(lost, url, key="k2").status_code == 500 and shunya.get(f"transcription/status/{lost}").status_code == 200


# -- behaviours -------------------------------------------------------------------------------------------------------


def finished(shunya, call_id, step="transcription"):
    """The job once it is done, or None; asked over HTTP, so that the sandbox's own work goes on meanwhile."""
    ends = time.monotonic() + 60
    while time.monotonic() < ends:
        job = next((j for j in known(shunya, call_id)["jobs"] if j["step"] == step), None)
        if job is not None and job["status"] != "processing":
            return job
    return None


def test_silent(shunya, otto, call):
    shunya.http.post("/sandbox/shunya/scripts", json={"call_id": call[0], "behaviour": "silent"})
    shunya.transcribe(*call)
    assert finished(shunya, call[0])["status"] == "completed" and shunya.get(f"transcription/transcript/{call[0]}").status_code == 200
    shunya.request("POST", f"analysis/start/{call[0]}")
    assert finished(shunya, call[0], "analysis")["webhooks"] == [] and otto.seen == []


def test_stuck_until_released(shunya, otto, call):
    shunya.http.post("/sandbox/shunya/scripts", json={"call_id": call[0], "behaviour": "stuck"})
    shunya.transcribe(*call)
    assert shunya.get(f"transcription/status/{call[0]}").json()["status"] == "processing" and otto.seen == []
    assert shunya.get(f"transcription/transcript/{call[0]}").status_code == 404
    assert shunya.http.post("/sandbox/shunya/release", json={"call_id": call[0]}).json() == {"released": 1}
    assert otto.results(1)[0]["status"] == "completed"


def test_late(shunya, otto, call):
    shunya.http.post("/sandbox/shunya/scripts", json={"call_id": call[0], "behaviour": "late", "late_ms": 3_600_000})
    shunya.transcribe(*call)
    assert finished(shunya, call[0])["status"] == "completed" and otto.seen == []
    shunya.http.post("/sandbox/shunya/release")
    assert otto.results(1)[0]["event_type"] == "call.transcription.complete"


def test_slow_and_processing_first(shunya, otto, call):
    began = time.monotonic()
    shunya.http.post("/sandbox/shunya/scripts", json={"call_id": call[0], "behaviour": "processing_first", "delay_ms": 300})
    shunya.transcribe(*call)
    assert [b["status"] for b in otto.results(2)] == ["processing", "completed"] and time.monotonic() - began >= 0.3


def test_twice_and_twice_with_different_content(shunya, otto, call):
    analysed(shunya, otto, call, {"behaviour": "twice", "steps": ["analysis"]})
    bodies = otto.results(3)
    assert otto.seen[1][2] == otto.seen[2][2] and otto.headers[1] != {} and bodies[1]["event_type"] == "call.analysis.complete"
    otto.seen.clear()
    other = made_call(otto, "", placed=6)
    analysed(shunya, otto, other, {"behaviour": "different", "second": {"outcome": "service_not_offered"}})
    _, first, second = otto.results(3)
    assert first["task_id"] == second["task_id"]
    assert [b["data"]["qualification"]["booking_status"] for b in (first, second)] == ["booked", "service_not_offered"]
    assert shunya.get(f"analysis/complete/{other[0]}").json()["qualification"]["booking_status"] == "service_not_offered"


def test_failed_then_asked_again(shunya, otto, call):
    (body,) = analysed(shunya, otto, call, {"behaviour": "failed", "times": 1, "envelope": {"failed_word": "error"}})
    assert (body["event_type"], body["status"], body["error"]["error_code"], body["error"]["retryable"]) == ("call.analysis.failed", "error", "ANALYSIS_FAILED", True) and "data" not in body
    assert shunya.get(f"analysis/status/{call[0]}").json()["status"] == "failed" and shunya.get(f"analysis/complete/{call[0]}").status_code == 500
    shunya.request("POST", f"analysis/start/{call[0]}")
    assert otto.results(3)[2]["status"] == "completed" and known(shunya, call[0])["paid"]["analysis"] == 2


def test_failed_then_completed(shunya, otto, call):
    analysed(shunya, otto, call, {"behaviour": "failed_then_completed"})
    _, failed, completed = otto.results(3)
    assert (failed["status"], completed["status"]) == ("failed", "completed") and failed["task_id"] == completed["task_id"]
    assert known(shunya, call[0])["paid"]["analysis"] == 1


@pytest.mark.parametrize("kind", ["text", "array", "no_ids", "wrong_types"])
def test_malformed_but_signed(shunya, otto, call, kind):
    shunya.http.post("/sandbox/shunya/scripts", json={"call_id": call[0], "behaviour": "malformed", "steps": ["transcription"], "malformed": kind})
    shunya.transcribe(*call)
    with otto.arrived:
        assert otto.arrived.wait_for(lambda: otto.seen, 60)
    _, _, body = otto.seen[0]
    assert otto.headers[0]["X-Shunya-Signature"] == sign("timestamp_dot_body", DEFAULT_WEBHOOK_SECRET, int(otto.headers[0]["X-Shunya-Timestamp"]), body)
    if kind == "text":
        with pytest.raises(ValueError):
            json.loads(body)
    else:
        assert {"array": list, "no_ids": dict, "wrong_types": dict}[kind] is type(json.loads(body)) and (kind != "no_ids" or "company_id" not in json.loads(body))


def test_of_another_company_of_an_unknown_call_and_too_early(shunya, otto, call):
    (body,) = analysed(shunya, otto, call, {"behaviour": "wrong_company", "other_company": "org_b"})
    assert (body["company_id"], body["call_id"]) == ("org_b", call[0])
    otto.seen.clear()
    other = made_call(otto, "", placed=6)
    (body,) = analysed(shunya, otto, other, {"behaviour": "unknown_call"})
    assert body["company_id"] == shunya.company and body["call_id"] != other[0] and str(body["call_id"]) in body["task_id"]
    otto.seen.clear()
    third = made_call(otto, "", placed=7)
    shunya.http.post("/sandbox/shunya/scripts", json={"call_id": third[0], "behaviour": "analysis_first"})
    shunya.transcribe(*third)
    assert [b["event_type"] for b in otto.results(2)] == ["call.analysis.complete", "call.transcription.complete"]


@pytest.mark.parametrize(("media", "named"), [((404, "text/plain", b"gone"), "404"), ((200, "text/html", b"<html>"), "text/html"), ((200, "audio/mpeg", b""), "0 bytes")])
def test_a_recording_that_cannot_be_heard(shunya, otto, media, named):
    otto.media["/media/bad"] = media
    shunya.transcribe(9, otto.url + "/media/bad")
    (body,) = otto.results(1)
    assert body["status"] == "failed" and body["error"]["error_code"] == "TRANSCRIPTION_FAILED" and named in body["error"]["message"]
    assert named in known(shunya, 9)["audio"]["error"]


def test_nobody_at_the_recordings_address(shunya):
    shunya.http.post("/sandbox/shunya/settings", json={"otto_url": "http://127.0.0.1:9", "retry_ms": 3_600_000})
    shunya.transcribe(9, "http://127.0.0.1:9/media/x")
    assert finished(shunya, 9)["status"] == "failed" and "ConnectError" in known(shunya, 9)["audio"]["error"]


def test_results_are_sent_until_they_are_taken(shunya, otto, call):
    otto.statuses += [500, 503]
    shunya.transcribe(*call)
    otto.results(3)
    assert len({body for _, _, body in otto.seen}) == 1
    sent = on_record(shunya.http, 3, path="/shunya/webhook")
    assert [r["status"] for r in sent] == [500, 503, 200] and {r["direction"] for r in sent} == {"sent"}


def test_the_address_that_was_set_counts(shunya, otto, call):
    shunya.http.post("/sandbox/shunya/settings", json={"otto_url": otto.url + "/"})
    other = httpx.URL(call[1]).copy_with(host="localhost")
    shunya.transcribe(call[0], str(other))
    assert otto.results(1)[0]["call_id"] == call[0]


@pytest.mark.parametrize("signing", ["good", "bad", "missing", "stale", "future", "upper"])
def test_one_webhook_at_once(shunya, otto, signing):
    answer = shunya.http.post("/sandbox/shunya/webhook", json={"otto_url": otto.url, "body": {"a": "é"}, "signing": signing, "task_id": "t1"}).json()
    assert (answer["status"], answer["body"]) == (200, '{"success":true}')
    headers, body = otto.headers[0], otto.seen[0][2]
    at = int(headers["X-Shunya-Timestamp"])
    right = sign("timestamp_dot_body", DEFAULT_WEBHOOK_SECRET, at, body)
    assert headers.get("X-Shunya-Signature") == {"missing": None, "upper": right.upper(), "bad": headers.get("X-Shunya-Signature")}.get(signing, right) and (signing != "bad" or headers["X-Shunya-Signature"] != right)
    away = {"stale": -301, "future": 301}.get(signing, 0)
    assert abs(at / 1000 - time.time() - away) < 30 and headers["X-Shunya-Task-Id"] == "t1"


def test_one_webhook_made_for_a_call(shunya, otto):
    shunya.http.post("/sandbox/shunya/webhook", json={"otto_url": otto.url, "company": "org_a", "call_id": 7, "outcome": "cold", "envelope": {"shape": 1, "id_name": "job_id"}})
    (body,) = otto.bodies()
    assert (body["job_id"], body["company_id"], body["data"]["qualification"]["qualification_status"]) == ("call_7_company_org_a_analysis", "org_a", "cold")
    refused = shunya.http.post("/sandbox/shunya/webhook", json={"otto_url": otto.url, "company": "org_a"})
    assert refused.status_code == 422 and "call_id" in refused.json()["error"]
    assert "otto_url" in shunya.http.post("/sandbox/shunya/webhook", json={"body": "x"}).json()["error"]


@pytest.mark.parametrize(("settings", "named"), [({"otto_url": "there"}, "otto_url"), ({"signature": "md5"}, "signature"), ({"outcome": "won"}, "outcome"), ({"retry_ms": 0}, "retry_ms"), ({"secret": "x"}, "secret")])
def test_wrong_settings_name_what_is_wrong(shunya, settings, named):
    answer = shunya.http.post("/sandbox/shunya/settings", json=settings)
    assert answer.status_code == 422 and named in answer.json()["error"]


def test_settings_come_from_the_environment_and_survive_a_restart(tmp_path, monkeypatch):
    monkeypatch.setenv("OTTO_SHUNYA_TOKEN_SECRET", "of the environment and long enough")
    monkeypatch.setenv("OTTO_SHUNYA_WEBHOOK_SECRET", "new,old")
    monkeypatch.setenv("OTTO_SHUNYA_SIGNATURE", "uwc")
    with running(tmp_path) as first:
        settings = first.get("/sandbox/shunya/settings").json()
        assert (settings["token_secret"], settings["webhook_secret"], settings["signature"]) == (["of the environment and long enough"], ["new", "old"], "uwc")
        first.post("/sandbox/shunya/settings", json={"signature": "sorted_json"})
    with running(tmp_path) as second:
        assert second.get("/sandbox/shunya/settings").json()["signature"] == "sorted_json"
        assert second.delete("/sandbox/shunya/settings").json()["signature"] == "uwc"
