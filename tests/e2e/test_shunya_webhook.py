"""Shunya's reports of its jobs: proven by the deployment's secret, brought to the company whose job it is."""

import hashlib
import hmac
import json
import time
import uuid

import pytest

from conftest import Company, eventually


@pytest.fixture(scope="module")
def secret(stack):
    lines = (stack.folder / "env").read_text().splitlines()
    return next(line.split("=", 1)[1] for line in lines if line.startswith("OTTO_SHUNYA_WEBHOOK_SECRET="))


def post(stack, body, key, age_ms=0, **headers):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    stamp = str(int(time.time() * 1000) - age_ms)
    signature = hmac.new(key.encode(), f"{stamp}.".encode() + raw, hashlib.sha256).hexdigest()
    return stack.http.post("/api/v1/shunya/webhook", content=raw, headers={"Content-Type": "application/json", "X-Shunya-Signature": signature, "X-Shunya-Timestamp": stamp, **headers})


def held(stack, event_id):
    return stack.sql("SELECT reason, cure, released_to FROM held_events WHERE event_id = %s", event_id)


def routed(stack, event_id):
    """Headers of what followed from an event on otto.routed."""
    out = stack.run("deploy/kcat", "-C", "-t", "otto.routed", "-e", "-q", "-f", "%h %k\n").stdout
    return [line for line in out.splitlines() if event_id in line]


def test_a_refusal_names_the_check_that_failed(stack, secret):
    report = {"shunya_job_id": f"job_{uuid.uuid4().hex}", "status": "completed", "result": {}}
    for answer, why in (
        (post(stack, report, "not the secret"), "no secret matched"),
        (post(stack, report, secret, age_ms=301_000), "X-Shunya-Timestamp is 301 s old"),
        (post(stack, report, secret, age_ms=-302_000), "s ahead; 300 s are allowed"),
        (post(stack, report, secret, **{"X-Shunya-Signature": "F" * 64}), "not 64 digits of lower-case hex"),
        (post(stack, report, secret, **{"X-Shunya-Timestamp": "yesterday"}), "no time in milliseconds"),
        (stack.http.post("/api/v1/shunya/webhook", json=report), "the header X-Shunya-Signature is missing"),
    ):
        assert answer.status_code == 401 and answer.headers["content-type"] == "application/problem+json"
        assert why in answer.json()["detail"], answer.text
        assert "OTTO_" not in answer.json()["detail"]  # a stranger learns no setting's name
    assert "in milliseconds" in post(stack, report, secret, **{"X-Shunya-Timestamp": str(int(time.time()))}).json()["detail"]
    assert stack.sql("SELECT count(*) FROM held_events WHERE provider = 'shunya' AND position(%s::bytea IN raw_body) > 0", report["shunya_job_id"].encode()) == [(0,)]


def test_a_report_of_an_unknown_job_is_held_and_flows_on_once_the_job_is_known(stack, company, secret):
    job, call = f"job_{uuid.uuid4().hex}", uuid.uuid4().int % 2**50
    answer = post(stack, {"event_type": "call.analysis.complete", "task_id": job, "call_id": call, "company_id": company.id, "data": {}}, secret)
    assert answer.status_code == 200 and answer.json()["success"] and answer.json()["data"]["verdict"] == "authentic"
    event_id = answer.json()["data"]["event_id"]
    row = eventually(lambda: held(stack, event_id))
    assert row[0][0] == f"No job {job} is known" and "flows on by itself" in row[0][1] and row[0][2] is None
    again = post(stack, {"event_type": "call.analysis.complete", "task_id": job, "call_id": call, "company_id": company.id, "data": {}}, secret)
    assert again.json()["data"]["event_id"] == event_id  # a repeat with new times is the same event
    stack.sql("INSERT INTO provider_calls (provider, provider_call_id, company_id, phone) VALUES ('shunya', %s, %s, '+12025550100')", f"job:{job}", company.id)
    eventually(lambda: held(stack, event_id)[0][2] == company.id, within=10)
    line = eventually(lambda: routed(stack, event_id))
    assert "otto.routed.v1.JobReported" in line[0] and line[0].endswith(f"{company.id}:+12025550100")
    later = post(stack, {"shunya_job_id": job, "status": "failed", "error": {}}, secret).json()["data"]["event_id"]
    eventually(lambda: routed(stack, later))
    assert held(stack, later) == []


def test_a_report_for_another_companys_job_changes_nothing(stack, company, secret):
    other = Company(stack)
    job = f"job_{uuid.uuid4().hex}"
    stack.sql("INSERT INTO provider_calls (provider, provider_call_id, company_id, phone) VALUES ('shunya', %s, %s, '+12025550100')", f"job:{job}", company.id)
    answer = post(stack, {"job_id": job, "status": "completed", "company_id": other.id, "result": {}}, secret)
    assert answer.status_code == 200
    row = eventually(lambda: held(stack, answer.json()["data"]["event_id"]))
    assert row[0][0].startswith("The job is another company's")


def test_what_cannot_be_understood_is_taken_and_held(stack, secret):
    mark = uuid.uuid4().hex
    for body, why in ((f'{{"{mark}": '.encode(), "the body is no JSON"), ({"mark": mark, "status": "completed"}, "it names no job"), ({"job_id": mark, "status": "melted"}, "status 'melted' is not known")):
        answer = post(stack, body, secret)
        assert answer.status_code == 200, answer.text
        row = eventually(lambda: held(stack, answer.json()["data"]["event_id"]))  # noqa: B023
        assert row[0][0].startswith(f"Not understood: {why}")


def test_a_long_transcript_is_taken_and_a_longer_body_is_not(stack, company, secret):
    job = f"job_{uuid.uuid4().hex}"
    stack.sql("INSERT INTO provider_calls (provider, provider_call_id, company_id, phone) VALUES ('shunya', %s, %s, '+12025550100')", f"job:{job}", company.id)
    answer = post(stack, {"job_id": job, "status": "completed", "result": {"transcript_text": "word " * 4_000_000}}, secret)
    assert answer.status_code == 200, answer.text
    eventually(lambda: routed(stack, answer.json()["data"]["event_id"]))
    assert post(stack, b" " * (32 * 2**20 + 1), secret).status_code == 413
