"""From a recording to what the call meant, when things do not go as they should; and a person's word against the machine's."""

import os
import signal
import uuid

import httpx
import pytest

from conftest import Company, eventually


@pytest.fixture(scope="module")
def roofers(stack):
    return Company(stack)


def data(answer):
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


def paid(company, call_id):
    found = httpx.get(company.stack.sandbox + "/sandbox/shunya/calls", params={"company": company.id, "call_id": call_id}).json()
    return found[0]["paid"] if found else None


def test_a_silent_shunya_is_asked(stack, roofers):
    call = roofers.call_in_state(roofers.call(shunya={"outcome": "cold", "behaviour": "silent"}), "done")
    assert call["analysis"]["lead_quality"] == "cold"
    assert paid(roofers, call["call_id"]) == {"transcription": 1, "analysis": 1}
    assert stack.sql("SELECT count(*) FROM work WHERE queue = 'shunya-orchestrator' AND key = %s", str(call["call_id"]))[0][0] == 0


def test_a_lost_answer_is_not_paid_for_twice(stack, roofers):
    call = roofers.call_in_state(roofers.call(shunya={"outcome": "warm", "refuse": {"step": "transcription", "status": 500, "after": True, "times": 1}}), "done")
    assert paid(roofers, call["call_id"]) == {"transcription": 1, "analysis": 1}
    retries = stack.sql("SELECT retry_count FROM shunya_jobs WHERE call_id = %s AND step = 'transcription'", call["call_id"])
    assert retries == [(1,)]


def test_a_job_that_fails_and_then_does_not(stack, roofers):
    call = roofers.call_in_state(roofers.call(shunya={"outcome": "hot", "behaviour": "failed", "times": 1}), "done")
    assert call["analysis"]["lead_quality"] == "hot"
    assert paid(roofers, call["call_id"]) == {"transcription": 1, "analysis": 2}


def test_two_different_answers_and_one_twice(stack, roofers):
    call = roofers.call_in_state(roofers.call(shunya={"outcome": "warm", "behaviour": "different", "second": {"outcome": "cold"}}), "done")
    eventually(lambda: stack.sql("SELECT lead_quality FROM call_analyses WHERE call_id = %s", call["call_id"]) == [("cold",)], what="the newer analysis")
    twice = roofers.call_in_state(roofers.call(shunya={"outcome": "warm", "behaviour": "twice"}), "done")
    assert stack.sql("SELECT updated_at = created_at FROM call_analyses WHERE call_id = %s", twice["call_id"]) == [(True,)]


def test_the_analysis_comes_first(stack, roofers):
    call = roofers.call_in_state(roofers.call(shunya={"outcome": "booked", "behaviour": "analysis_first"}), "done")
    eventually(lambda: roofers.detail(call["call_id"])["has_transcript"], what="the transcript")


def test_a_recording_that_comes_late(stack, roofers):
    placed = roofers.call(recording=False)
    call = roofers.call_in_state(placed, "waiting_for_recording")
    assert call["analysis_state"]["cure"]
    roofers.call(**{"id": placed["id"], "from": placed["from"], "events": ["modified"]})
    assert roofers.call_in_state(placed, "done")["call_id"] == call["call_id"]


def test_a_web_page_is_no_recording(stack, roofers):
    call = roofers.call_in_state(roofers.call(recording_fault="html"), "recording_unavailable")
    assert call["analysis_state"]["why"] and call["analysis_state"]["cure"]
    assert paid(roofers, call["call_id"]) is None
    # A person who listened to it elsewhere may say what it meant.
    said = roofers.stack.http.patch(f"/api/v1/calls/{call['call_id']}/analysis", json={"lead_quality": "warm"}, headers={"Authorization": f"Bearer {roofers.manager}"})
    assert data(said)["lead_quality"] == "warm"


def test_a_manager_has_a_failed_recording_tried_again(stack, roofers):
    placed = roofers.call(recording_fault="html")
    call = roofers.call_in_state(placed, "recording_unavailable")
    path = f"/api/v1/calls/{call['call_id']}/analysis/retry"
    assert "/api/v1/" in call["analysis_state"]["cure"] and "SELECT" not in call["analysis_state"]["cure"]
    assert httpx.post(stack.sandbox + "/sandbox/callrail/recordings", json={"call": placed["id"], "recording_fault": "none"}).status_code == 200
    assert stack.http.post(path, headers={"Authorization": f"Bearer {roofers.csr}"}).status_code == 403
    assert stack.http.post(path, headers={"Authorization": f"Bearer {Company(stack).manager}"}).status_code == 404
    begun = stack.http.post(path, headers={"Authorization": f"Bearer {roofers.manager}"})
    assert begun.status_code == 202 and begun.json()["data"]["analysis_state"]["state"] != "recording_unavailable", begun.text
    roofers.call_in_state(placed, "done")
    again = stack.http.post(path, headers={"Authorization": f"Bearer {roofers.manager}"})
    assert again.status_code == 409 and "done" in again.json()["detail"], again.text


def test_a_wrong_api_key_holds_recordings_up_until_the_right_one_is_set(stack):
    company = Company(stack)
    account = {"account_id": f"ACC{uuid.uuid4().hex}", "api_key": "the first one", "signing_key": company.key, "numbers": [company.number]}

    def at_callrail(api_key: str) -> None:
        httpx.post(stack.sandbox + "/sandbox/callrail/accounts", json=account | {"api_key": api_key}).raise_for_status()

    at_callrail("the first one")
    company.post(f"/api/v1/company/set-callrail-account-id/{company.id}", params={"account_id": account["account_id"]})
    company.post(f"/api/v1/company/set-callrail-api-key/{company.id}", params={"api_key": "the first one"})
    at_callrail("the right one")  # the first one was revoked there
    # Until the key is known the recording comes by its address.
    call = eventually(lambda: (c := company.call_in_state(company.call(), "paused", "done"))["analysis_state"]["state"] == "paused" and c, what="a call that waits")
    assert "API key" in call["analysis_state"]["why"] and f"/api/v1/company/set-callrail-api-key/{company.id}" in call["analysis_state"]["cure"]
    company.post(f"/api/v1/company/set-callrail-api-key/{company.id}", params={"api_key": "the right one"})
    eventually(lambda: company.detail(call["call_id"])["analysis_state"]["state"] == "done", within=60, what="its analysis")
    assert stack.sql("SELECT status, attempts FROM recordings WHERE call_id = %s", call["call_id"]) == [("stored", 1)]


def test_a_person_corrects_what_the_machine_said(stack, roofers):
    call = roofers.call_in_state(roofers.call(shunya={"outcome": "warm"}), "done")
    path = f"/api/v1/calls/{call['call_id']}/analysis"
    head = {"Authorization": f"Bearer {roofers.manager}"}
    assert stack.http.patch(path, json={"booking_status": "booked"}, headers={"Authorization": f"Bearer {roofers.csr}"}).status_code == 403
    for body, field in (({"booking_status": "perhaps"}, "booking_status"), ({"bookings": "booked"}, "bookings"), ({"appointment_date": "soon"}, "appointment_date"), ({}, "body")):
        refused = stack.http.patch(path, json=body, headers=head)
        assert refused.status_code == 422 and refused.json()["errors"][0]["field"] == field, refused.text
    assert stack.http.patch("/api/v1/calls/1/analysis", json={"booking_status": "booked"}, headers=head).status_code == 404
    assert stack.http.patch(path, json={"booking_status": "booked"}, headers={"Authorization": f"Bearer {Company(stack).manager}"}).status_code == 404

    key = {"Idempotency-Key": str(uuid.uuid4())}
    given = {"booking_status": "booked", "appointment_date": "2027-03-01T10:00:00"}
    first = stack.http.patch(path, json=given, headers=head | key)
    assert data(first)["booking_status"] == "booked" and data(first)["machine_value"] == {"booking_status": "not_booked", "appointment_date": None}
    assert stack.http.patch(path, json=given, headers=head | key).text == first.text
    assert stack.http.patch(path, json={"booking_status": "not_booked"}, headers=head | key).status_code == 409
    read = data(stack.get(path, roofers.csr))
    assert {k: v for k, v in read.items() if k != "raw"} == data(first)
    assert read["booking_status"] == "booked" and read["machine_value"]["booking_status"] == "not_booked" and read["raw"]["qualification"]["booking_status"] == "not_booked"
    eventually(lambda: stack.sql("SELECT status FROM leads WHERE id = %s", call["lead_id"]) == [("qualified_booked",)], what="the lead's status")
    assert eventually(lambda: stack.sql("SELECT scheduled_start FROM appointments WHERE call_id = %s", call["call_id"]), what="the appointment")[0][0].isoformat() == "2027-03-01T17:00:00+00:00"

    # What Shunya says later does not undo it.
    version = read["version"]
    httpx.post(stack.sandbox + "/sandbox/shunya/webhook", json={"company": roofers.id, "call_id": call["call_id"], "step": "analysis", "outcome": "cold"})
    later = eventually(lambda: (r := data(stack.get(path, roofers.csr)))["version"] > version and r, what="the newer analysis")
    assert later["booking_status"] == "booked" and later["lead_quality"] == "cold"
    assert stack.sql("SELECT action, target FROM audit_log WHERE company_id = %s AND action = 'analysis.correct' ORDER BY id", roofers.id)[-1] == ("analysis.correct", str(call["call_id"]))


def test_what_is_kept_is_what_callrail_has(stack, roofers):
    placed = roofers.call()
    call = roofers.call_in_state(placed, "done")
    truth = httpx.get(stack.sandbox + "/sandbox/callrail/recordings", params={"call": placed["id"]}).json()
    truth = truth[0] if isinstance(truth, list) else truth
    assert stack.sql("SELECT status, bytes, sha256 FROM recordings WHERE call_id = %s", call["call_id"]) == [("stored", truth["bytes"], truth["sha256"])]
    heard = httpx.get(stack.sandbox + "/sandbox/shunya/calls", params={"company": roofers.id, "call_id": call["call_id"]}).json()[0]["audio"]
    assert heard["sha256"] == truth["sha256"] and heard["url"].startswith(stack.url + "/media/")
    assert stack.http.get(heard["url"][:-4] + "AAAA").status_code == 404


def test_calls_that_shunya_answers_500_hold_up_nobody_elses(stack):
    broken, good = [Company(stack), Company(stack)], Company(stack)
    for company in broken:
        for _ in range(3):
            company.call(shunya={"outcome": "warm", "behaviour": "stuck", "steps": ["analysis"]})

    def taken():
        at_shunya = [call for company in broken for call in httpx.get(stack.sandbox + "/sandbox/shunya/calls", params={"company": company.id}).json()]
        return [call["call_id"] for call in at_shunya if any(job["step"] == "analysis" for job in call["jobs"])]

    calls = eventually(lambda: len(taken()) == 6 and taken(), within=60, what="six analyses that are never done")
    for call in calls:
        httpx.post(stack.sandbox + "/sandbox/faults", json={"provider": "shunya", "path": f"analysis/complete/{call}", "status": 500}).raise_for_status()
    try:
        for tries in (1, 2, 3):
            eventually(lambda: stack.sql("SELECT count(*) FROM shunya_jobs WHERE call_id = ANY (%s) AND step = 'analysis' AND retry_count >= %s", calls, tries)[0][0] == 6, within=120, what=f"{tries} failures of each")  # noqa: B023
            assert good.call_in_state(good.call(shunya={"outcome": "warm"}), "done", "paused")["analysis_state"]["state"] == "done"
    finally:
        httpx.request("DELETE", stack.sandbox + "/sandbox/faults")
        for company in broken:
            httpx.post(stack.sandbox + "/sandbox/shunya/release", json={"company": company.id})


def test_killed_at_any_point_nothing_is_lost_or_paid_twice(stack):
    """The process dies while it fetches, posts, waits and stores, and a third of Shunya's answers are lost after the work was begun."""
    company = Company(stack)
    httpx.post(stack.sandbox + "/sandbox/faults", json={"provider": "shunya", "path": "transcribe", "status": 500, "after": True, "rate": 0.3})
    try:
        placed = []
        for _ in range(4):
            placed += [company.call(shunya={"outcome": "warm", "delay_ms": 700}) for _ in range(4)]
            name = "all-in-one" if (stack.folder / "pids" / "all-in-one").exists() else "shunya-orchestrator"
            os.kill(int((stack.folder / "pids" / name).read_text()), signal.SIGKILL)
            stack.run("deploy/up", *stack.options)
    finally:
        httpx.request("DELETE", stack.sandbox + "/sandbox/faults")
    # A lease that died with its holder runs out after 20 seconds.
    for call in placed:
        company.call_in_state(call, "done", within=150)
    counted = httpx.get(stack.sandbox + "/sandbox/shunya/paid", params={"company": company.id}).json()
    assert counted == {"calls": len(placed), "transcription": len(placed), "analysis": len(placed), "more_than_once": []}
    assert stack.sql("SELECT count(*), count(DISTINCT call_id), bool_and(updated_at = created_at) FROM call_analyses WHERE company_id = %s", company.id) == [(len(placed), len(placed), True)]
