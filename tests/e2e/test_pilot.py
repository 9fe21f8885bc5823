"""The pilot of seeds 001 and 004: from a finished call to booked appointment, tasks and true numbers. The statements are the seeds' own, but for ids."""

import concurrent.futures
import datetime
import zoneinfo

import httpx
import pytest

from conftest import Company, by_day, eventually, new_number

ZONE = zoneinfo.ZoneInfo(by_day())


def script(stack, **what):
    answer = httpx.post(stack.sandbox + "/sandbox/shunya/scripts", json=what)
    assert answer.status_code == 200, answer.text


def data(answer):
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


@pytest.fixture(scope="module")
def pilot(stack):
    return Company(stack, timezone=ZONE.key)


def test_booked_immediately(stack, pilot):
    at = (datetime.datetime.now(ZONE) + datetime.timedelta(days=3)).replace(hour=14, minute=0, second=0, microsecond=0)
    placed = pilot.call(shunya={"outcome": "booked", "appointment_at": at.strftime("%Y-%m-%dT%H:%M:%S")})
    call = pilot.call_in_state(placed, "done")
    call_id = call["call_id"]

    def sql(statement, **ids):
        return stack.sql(statement.format(company=pilot.id, call_id=call_id, lead_id=call["lead_id"], **ids))

    assert sql("SELECT call_id, phone_number, company_id, recording_url, duration, created_at \nFROM calls \nWHERE company_id = '{company}' \nORDER BY created_at DESC \nLIMIT 1;")[0][:3] == (call_id, placed["from"], pilot.id)
    assert sql("SELECT id, primary_phone, company_id \nFROM contact_cards \nWHERE company_id = '{company}' \nAND primary_phone = '{phone}';", phone=placed["from"])
    job, kind, *_ = sql("SELECT id, job_type, job_status, shunya_job_id, call_id \nFROM shunya_jobs \nWHERE company_id = '{company}' \nAND call_id = {call_id}\nORDER BY created_at DESC \nLIMIT 1;")[0]
    assert kind == "csr_call"
    status, hashed = sql("SELECT job_status, processed_output_hash \nFROM shunya_jobs \nWHERE id = '{job}';", job=job)[0]
    assert status == "succeeded" and hashed
    assert sql("SELECT call_id, transcript_text \nFROM call_transcripts \nWHERE call_id = {call_id};")[0][1]
    booking, quality, category, objections, sop = sql("SELECT booking_status, lead_quality, call_outcome_category, \n       objections, sop_compliance_score \nFROM call_analyses \nWHERE call_id = {call_id};")[0]
    assert booking == "booked" and quality in ("hot", "warm", "cold") and category == "qualified_and_booked" and isinstance(objections, list) and 0 <= sop <= 10
    eventually(lambda: sql("SELECT id, status, last_qualified_at \nFROM leads \nWHERE id = '{lead_id}';")[0][1] == "qualified_booked", what="the lead's status")
    assert sql("SELECT id, status, last_qualified_at \nFROM leads \nWHERE id = '{lead_id}';")[0][2]
    eventually(lambda: sql("SELECT id, lead_id, scheduled_start, scheduled_end, status, location_address \nFROM appointments \nWHERE lead_id = '{lead_id}' \nAND company_id = '{company}';"), what="the appointment")
    rows = sql("SELECT id, lead_id, scheduled_start, scheduled_end, status, location_address \nFROM appointments \nWHERE lead_id = '{lead_id}' \nAND company_id = '{company}';")
    assert len(rows) == 1 and rows[0][2] == at and rows[0][3] - rows[0][2] == datetime.timedelta(hours=1) and rows[0][4] in ("scheduled", "confirmed")

    # By API, as the seed's curl lines ask.
    assert data(stack.get(f"/api/v1/calls/{call_id}", pilot.csr))["analysis"]["booking_status"] == "booked"
    assert data(stack.get(f"/api/v1/calls/{call_id}/analysis", pilot.csr))["booking_status"] == "booked"
    assert "transcript_text" in data(stack.get(f"/api/v1/calls/{call_id}/transcript", pilot.csr))
    listed = data(stack.get("/api/v1/appointments", pilot.csr, lead_id=call["lead_id"]))
    assert listed["total"] == 1 and listed["items"][0]["id"] == str(rows[0][0])
    assert data(stack.get("/api/v1/appointments", pilot.csr, date=at.date().isoformat()))["total"] == 1
    assert data(stack.get("/api/v1/appointments", pilot.csr, date=(at.date() + datetime.timedelta(days=1)).isoformat()))["total"] == 0
    assert data(stack.get("/api/v1/metrics/csr/overview/self", pilot.csr))["booked_calls"] == 1

    # The rep it is given to sees it, and nobody else's rep does.
    rep = pilot.member("sales_rep", "user_rep_of_the_pilot")
    url, head = f"/api/v1/appointments/{rows[0][0]}", {"Authorization": f"Bearer {pilot.csr}"}
    assert stack.get(url, rep).status_code == 404
    today = datetime.datetime.now(ZONE).replace(microsecond=0)
    moved = stack.http.patch(url, json={"assigned_rep_id": "user_rep_of_the_pilot", "scheduled_start": today.isoformat()}, headers=head)
    assert moved.status_code == 200, moved.text
    assert [a["id"] for a in data(stack.get("/api/v1/appointments/today/self", rep))["items"]] == [str(rows[0][0])]
    # A changed analysis does not move what a person touched.
    httpx.post(stack.sandbox + "/sandbox/shunya/webhook", json={"company": pilot.id, "call_id": call_id, "step": "analysis", "outcome": "booked", "appointment_at": "2027-01-01T09:00:00"})
    assert data(stack.get(url, pilot.csr))["scheduled_start"] == today.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    won = stack.http.patch(url, json={"outcome": "won", "deal_size_cents": 1250000}, headers={"Authorization": f"Bearer {rep}"})
    assert won.status_code == 200 and won.json()["data"]["status"] == "completed"
    refused = stack.http.patch(url, json={"scheduled_start": "2027-01-01T09:00:00Z"}, headers={"Authorization": f"Bearer {rep}"})
    assert refused.status_code == 403 and refused.json()["errors"][0]["field"] == "scheduled_start"


def test_qualified_but_not_booked(stack, pilot):
    placed = pilot.call(shunya={"outcome": "warm"})
    call = pilot.call_in_state(placed, "done")
    booking, category, quality = stack.sql(f"SELECT booking_status, call_outcome_category, lead_quality \nFROM call_analyses \nWHERE call_id = {call['call_id']};")[0]
    assert (booking, category) == ("not_booked", "qualified_but_unbooked") and quality in ("hot", "warm", "cold")
    eventually(lambda: stack.sql(f"SELECT id, status \nFROM leads \nWHERE id = '{call['lead_id']}';")[0][1] in ("qualified_unbooked", "warm", "hot"), what="the lead's status")
    tasks = eventually(lambda: stack.sql(f"SELECT id, description, assigned_to, source, status \nFROM tasks \nWHERE contact_card_id = '{call['contact_card_id']}' \nAND company_id = '{pilot.id}';"), what="tasks")
    assert all(t[3] == "shunya" and t[4] in ("open", "overdue") for t in tasks)
    assert data(stack.get("/api/v1/metrics/csr/overview/self", pilot.csr))["qualified_but_unbooked_calls"] == 1
    leads = data(stack.get("/api/v1/leads", pilot.csr, status="qualified_unbooked,warm,hot"))
    assert call["lead_id"] in [lead["id"] for lead in leads["items"]]
    assert not data(stack.get("/api/v1/appointments", pilot.csr, lead_id=call["lead_id"]))["items"]
    assert {t["id"] for t in data(stack.get("/api/v1/tasks", pilot.csr, contact_card_id=call["contact_card_id"]))["items"]} == {str(t[0]) for t in tasks}
    # The same analysis again makes no second task.
    httpx.post(stack.sandbox + "/sandbox/shunya/webhook", json={"company": pilot.id, "call_id": call["call_id"], "step": "analysis", "outcome": "warm"})
    script(stack, next=True, outcome="cold")
    another = pilot.call_in_state(pilot.call(), "done")  # what came before it has been applied by now
    assert another["analysis"]["lead_quality"] == "cold"
    assert len(stack.sql(f"SELECT id FROM tasks WHERE contact_card_id = '{call['contact_card_id']}'")) == len(tasks)


def test_booked_without_a_time_is_visible(stack, pilot):
    call = pilot.call_in_state(pilot.call(shunya={"outcome": "booked_no_time"}), "done")
    found = eventually(lambda: data(stack.get("/api/v1/appointments", pilot.csr, lead_id=call["lead_id"]))["items"], what="the appointment")
    assert found[0]["needs_time"] is True and found[0]["scheduled_start"] is None
    head = {"Authorization": f"Bearer {pilot.csr}"}
    set_ = stack.http.patch(f"/api/v1/appointments/{found[0]['id']}", json={"scheduled_start": "2027-03-01T10:00:00-07:00"}, headers=head)
    assert set_.status_code == 200 and set_.json()["data"]["needs_time"] is False and set_.json()["data"]["scheduled_end"] == "2027-03-01T18:00:00Z"


def test_nothing_is_paid_twice(stack, pilot):
    paid = httpx.get(stack.sandbox + "/sandbox/shunya/paid", params={"company": pilot.id}).json()
    assert paid["more_than_once"] == [] and paid["transcription"] == paid["calls"] > 0


def test_a_rep_cannot_be_in_two_places(stack, pilot):
    head = {"Authorization": f"Bearer {pilot.csr}"}
    lead = data(stack.get("/api/v1/leads", pilot.csr))["items"][0]["id"]
    pilot.member("sales_rep", "user_busy")
    body = {"lead_id": lead, "scheduled_start": "2027-02-01T14:00:00Z", "assigned_rep_id": "user_busy", "location": "123 Main St, City, State", "service_type": "roofing_estimate"}
    first = stack.http.post("/api/v1/appointments", json=body, headers=head)
    assert first.status_code == 201, first.text
    assert first.json()["data"]["location_address"] == body["location"]
    second = stack.http.post("/api/v1/appointments", json=body | {"scheduled_start": "2027-02-01T14:30:00Z"}, headers=head)
    assert second.status_code == 409 and second.json()["errors"][0]["field"] == "scheduled_start"
    assert stack.http.post("/api/v1/appointments", json=body | {"scheduled_start": "2027-02-01T15:00:00Z"}, headers=head).status_code == 201
    assert stack.http.post("/api/v1/appointments", json=body | {"scheduled_start": "2027-02-01T14:30:00Z", "allow_conflict": True}, headers=head).status_code == 201
    for field, value in (("lead_id", "7"), ("lead_id", "0191e0b8-0000-7000-8000-000000000001"), ("scheduled_start", "soon"), ("appointment_type", "by-fax"), ("scheduled_start", "2027-02-01T14:00:00"), ("assigned_rep_id", "somebody"), ("rep", "user_busy")):
        bad = stack.http.post("/api/v1/appointments", json=body | {field: value}, headers=head)
        assert bad.status_code == 422 and bad.json()["errors"][0]["field"] == field, bad.text


def test_of_many_who_book_one_slot_of_a_rep_one_does(stack, pilot):
    lead = data(stack.get("/api/v1/leads", pilot.csr))["items"][0]["id"]
    pilot.member("sales_rep", "user_wanted")

    def book(minute):
        body = {"lead_id": lead, "scheduled_start": f"2027-02-03T14:{minute:02d}:00Z", "assigned_rep_id": "user_wanted"}
        return stack.http.post("/api/v1/appointments", json=body, headers={"Authorization": f"Bearer {pilot.csr}"}).status_code

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(book, range(8))) == [201] + [409] * 7


def test_a_company_without_calls_sees_zeros(stack):
    """Seed 004, "Check if System is Ready"."""
    empty = Company(stack)
    assert data(stack.get("/api/v1/calls", empty.csr))["items"] == []
    overview = data(stack.get("/api/v1/metrics/csr/overview/self", empty.csr))
    assert overview["total_calls"] == 0 and overview["booking_rate"] is None
    for path in ("/api/v1/appointments", "/api/v1/tasks", "/api/v1/leads"):
        assert data(stack.get(path, empty.csr))["items"] == [], path
    rep = stack.token("sales_rep", empty.id)
    assert data(stack.get("/api/v1/appointments/today/self", rep))["items"] == []
    assert data(stack.get("/api/v1/metrics/sales/rep/overview/self", rep))["total_appointments"] == 0
    for path in ("exec/csr/overview", "exec/sales/overview", "exec/company-overview", "exec/csr", "exec/sales", "sales/team"):
        assert stack.get(f"/api/v1/metrics/{path}", empty.manager).status_code == 200, path


def test_another_company_sees_none_of_it(stack, pilot):
    other = Company(stack)
    call = pilot.calls()[0]
    for path in (f"/api/v1/calls/{call['call_id']}", f"/api/v1/calls/{call['call_id']}/analysis", f"/api/v1/calls/{call['call_id']}/transcript", f"/api/v1/calls/{call['call_id']}/recording"):
        assert stack.get(path, other.manager).status_code == 404, path
    assert data(stack.get("/api/v1/appointments", other.manager))["total"] == 0
    appointment = data(stack.get("/api/v1/appointments", pilot.csr))["items"][0]
    theirs = {"Authorization": f"Bearer {other.manager}"}
    assert stack.http.patch(f"/api/v1/appointments/{appointment['id']}", json={"status": "cancelled"}, headers=theirs).status_code == 404
    assert stack.http.post("/api/v1/appointments", json={"lead_id": appointment["lead_id"], "scheduled_start": "2027-02-01T14:00:00Z"}, headers=theirs).status_code == 422
