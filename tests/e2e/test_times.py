"""Times as people, CallRail and Shunya write them, and the days of companies, the whole way."""

import base64
import hashlib
import hmac
import json
import random
import uuid

import pytest

from conftest import Company, eventually, new_number


@pytest.fixture(scope="module")
def phoenix(stack):
    return Company(stack)


def hook(company, **fields):
    """A signed webhook of a call that ended; its CallRail id."""
    body = {"id": random.randrange(10**9, 2 * 10**9), "answered": True, "duration": "61", "customer_phone_number": new_number(), "tracking_phone_number": company.number, **fields}
    raw = json.dumps(body).encode()
    signature = base64.b64encode(hmac.new(company.key.encode(), raw, hashlib.sha1).digest()).decode()
    answer = company.stack.http.post("/api/v1/callrail/call.completed", content=raw, headers={"Content-Type": "application/json", "Signature": signature})
    assert answer.status_code == 200, answer.text
    return str(body["id"])


def call_of(company, provider_call_id):
    return eventually(lambda: next((c for c in company.calls(limit=200) if c["provider_call_id"] == provider_call_id), None), what="the call")


def send(company, method, path, **body):
    return company.stack.http.request(method, path, json=body, headers={"Authorization": f"Bearer {company.manager}"})


def items(company, path, **params):
    answer = company.stack.get(path, company.manager, **params)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]["items"]


def test_digits_are_a_day_or_seconds_and_a_person_names_an_offset(phoenix):
    lead = call_of(phoenix, hook(phoenix))["lead_id"]
    for said in ("20261220", "2026", "5", "20261220100000", "2026-12-20T10:00:00", "2026-12-20", "2026-12-20T10:00:00 MST", "1999-12-31T23:59:59Z", "2099-01-01T00:00:00Z"):
        for path, field, more in (("/api/v1/appointments", "scheduled_start", {}), ("/api/v1/tasks", "due_at", {"description": "call"})):
            refused = send(phoenix, "POST", path, lead_id=lead, **{field: said}, **more)
            assert refused.status_code == 422 and field in json.dumps(refused.json()["errors"]), (said, refused.text)
    made = send(phoenix, "POST", "/api/v1/appointments", lead_id=lead, scheduled_start="1797760800")
    assert made.status_code == 201 and made.json()["data"]["scheduled_start"] == "2026-12-20T10:00:00Z"


def test_a_call_never_began_in_1970(phoenix):
    for said in ("20261129", "5", "1970-08-23T12:00:00Z", "2099-01-01T00:00:00Z"):
        assert call_of(phoenix, hook(phoenix, start_time=said))["started_at"] is None
    customer = new_number()
    began = hook(phoenix, customer_phone_number=customer, start_time="2026-11-20T10:00:00Z")
    assert call_of(phoenix, began)["started_at"] == "2026-11-20T10:00:00Z"


@pytest.mark.parametrize(("zone", "said", "at"), [
    ("America/Denver", "2026-12-20 17:00:00 UTC", "2026-12-20T17:00:00Z"),
    ("America/New_York", "2027-11-07T01:30:00", "2027-11-07T05:30:00Z"),  # the first of two
    ("America/New_York", "2027-03-14 02:30", "2027-03-14T07:30:00Z"),  # which no clock there shows
    ("America/New_York", "2026-12-20T10:00:00 America/Denver", "2026-12-20T17:00:00Z"),
])
def test_shunyas_time_is_one_moment_for_the_visit_and_for_the_task(stack, zone, said, at):
    company = Company(stack, timezone=zone)
    placed = company.call(shunya={"outcome": "booked", "appointment_at": said, "pending_actions": [{"type": "call_back", "due_at": said, "raw_text": "call back"}]})
    lead = company.call_in_state(placed, "done")["lead_id"]
    visit = eventually(lambda: items(company, "/api/v1/appointments", lead_id=lead), what="the appointment")[0]
    task = eventually(lambda: items(company, "/api/v1/tasks", lead_id=lead), what="the task")[0]
    assert (visit["scheduled_start"], task["due_at"]) == (at, at)


def test_a_visit_that_cannot_be_meant_needs_a_time(stack, phoenix):
    placed = phoenix.call(shunya={"outcome": "booked", "appointment_at": "2062-01-01T10:00:00"})
    lead = phoenix.call_in_state(placed, "done")["lead_id"]
    visit = eventually(lambda: items(phoenix, "/api/v1/appointments", lead_id=lead), what="the appointment")[0]
    assert visit["needs_time"] and visit["scheduled_start"] is None and "2062-01-01T10:00:00" in visit["notes"]


def test_days_of_23_and_25_hours_are_the_companys(stack):
    company = Company(stack, timezone="America/New_York")
    for at in ("2026-03-08T04:59:59Z", "2026-03-08T05:00:00Z", "2026-03-09T03:59:59Z", "2026-03-09T04:00:00Z", "2026-11-01T03:59:59Z", "2026-11-01T04:00:00Z", "2026-11-02T04:59:59Z", "2026-11-02T05:00:00Z"):
        call_of(company, hook(company, start_time=at))
    for day, n in {"2026-03-07": 1, "2026-03-08": 2, "2026-03-09": 1, "2026-10-31": 1, "2026-11-01": 2, "2026-11-02": 1}.items():
        assert len(company.calls(date_from=day, date_to=day)) == n, day
        assert stack.get("/api/v1/metrics/csr/overview", company.manager, date_from=day, date_to=day).json()["data"]["total_calls"] == n, day
    weeks = stack.get("/api/v1/metrics/csr/booking-trend", company.manager, date_from="2026-03-02", date_to="2026-03-15", granularity="week").json()["data"]["points"]
    assert [(p["period_start"], p["total_calls"]) for p in weeks] == [("2026-03-02", 3), ("2026-03-09", 1)]


def test_another_zone_is_another_day(stack):
    company = Company(stack)
    call_of(company, hook(company, start_time="2026-11-20T06:30:00Z"))
    for zone, days in (("America/Phoenix", (1, 0)), ("America/New_York", (0, 1))):
        answer = stack.http.put(f"/api/v1/company/{company.id}", params={"timezone": zone}, headers={"Authorization": f"Bearer {company.manager}"})
        assert answer.status_code == 200
        for day, n in zip(("2026-11-19", "2026-11-20"), days):
            assert len(company.calls(date_from=day, date_to=day)) == n
            assert stack.get("/api/v1/metrics/csr/overview", company.manager, date_from=day, date_to=day).json()["data"]["total_calls"] == n


def test_a_companys_zone_is_a_place(stack):
    def taken(zone):
        token = stack.token("manager", user=f"user_{uuid.uuid4().hex}")
        return stack.http.post("/api/v1/company/", params={"name": "Zone", "phone_number": new_number(), "timezone": zone}, headers={"Authorization": f"Bearer {token}"}).status_code

    zones = {"US/Arizona": 200, "America/Phoenix": 200, "Asia/Calcutta": 200, "PST": 422, "Pacific Time (US & Canada)": 422, "GMT+7": 422, "localtime": 422, "posixrules": 422, "Factory": 422, "right/America/Phoenix": 422}
    assert {zone: taken(zone) for zone in zones} == zones
