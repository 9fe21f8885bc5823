"""Who may see what: tokens, roles, companies, Idempotency-Key."""

import concurrent.futures
import uuid

import httpx
import pytest

from conftest import Company, new_number

READS = ["/api/v1/calls", "/api/v1/leads", "/api/v1/contacts", "/api/v1/metrics/csr/overview", "/api/v1/metrics/csr/overview/self", "/api/v1/numbers"]


@pytest.mark.parametrize("kind", ["expired", "wrong_issuer", "forged", "none", "hs256", "no_exp", "unknown_kid", "tampered"])
def test_bad_tokens_are_401(stack, company, kind):
    answer = stack.get("/api/v1/calls", stack.token("manager", company.id, kind=kind))
    assert answer.status_code == 401 and answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.headers["Content-Type"].startswith("application/problem+json")


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer x.y.z", "Basic dXNlcjpwYXNz", "Bearer " + "a" * 20000])
def test_malformed_authorization_is_401(stack, header):
    assert stack.http.get("/api/v1/calls", headers={"Authorization": header} if header else {}).status_code in (401, 431)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("role", ["csr", "sales_rep", "manager", "executive"])
def test_both_claim_versions_and_all_roles(stack, company, version, role):
    assert stack.get("/api/v1/calls", stack.token(role, company.id, version=version)).status_code == 200
    expected = 200 if role == "manager" else 403
    assert stack.get(f"/api/v1/company/{company.id}", stack.token(role, company.id, version=version)).status_code == expected


def test_operators_are_no_tenant_s_users(stack):
    token = stack.token("operator")
    assert stack.get("/api/v1/calls", token).status_code == 403


def test_another_company_s_rows_do_not_exist(stack, company):
    call = company.settled_call(company.call(), "completed")
    other = Company(stack)
    for path in (f"/api/v1/calls/{call['call_id']}", f"/api/v1/calls/{call['call_id']}/timeline", f"/api/v1/leads/{call['lead_id']}", f"/api/v1/contacts/{call['contact_card_id']}", f"/api/v1/company/{company.id}",
                 f"/company/{company.id}"):
        assert stack.get(path, company.manager).status_code == 200
        assert stack.get(path, other.manager).status_code == 404, path
    for path in READS:
        assert "+1" not in str(stack.get(path, other.manager).json()["data"].get("items", [])).replace(other.number, "")
    put = stack.http.put(f"/api/v1/company/{company.id}", params={"name": "Mine now"}, headers={"Authorization": f"Bearer {other.manager}"})
    assert put.status_code == 404
    for step in ("set-callrail-api-key", "set-callrail-account-id", "set-callrail-signing-key"):
        stolen = stack.http.post(f"/company/{step}/{company.id}", params={"api_key": "x", "account_id": "x", "signing_key": "x"}, headers={"Authorization": f"Bearer {other.manager}"})
        assert stolen.status_code == 404


def test_a_rep_sees_calls_of_own_leads_only(stack, company):
    call = company.settled_call(company.call(), "completed")
    rep = stack.token("sales_rep", company.id, user="user_rep1")
    assert stack.get(f"/api/v1/calls/{call['call_id']}", rep).status_code == 404
    assert stack.get("/api/v1/calls", rep).json()["data"]["items"] == []
    stack.sql("UPDATE leads SET assigned_rep_id = 'user_rep1' WHERE id = %s", call["lead_id"])
    assert stack.get(f"/api/v1/calls/{call['call_id']}", rep).status_code == 200
    assert [c["call_id"] for c in stack.get("/api/v1/calls", rep).json()["data"]["items"]] == [call["call_id"]]
    assert stack.get(f"/api/v1/contacts/{call['contact_card_id']}", rep).status_code == 200


@pytest.mark.parametrize("path", READS[:4])
def test_an_empty_company_has_zeros_and_empty_lists(stack, path):
    fresh = Company(stack, signing_key=None)
    answer = stack.get(path, fresh.csr)
    assert answer.status_code == 200
    data = answer.json()["data"]
    assert data.get("items", []) == [] and data.get("total", 0) == 0 and data.get("total_calls", 0) == 0


def test_pages_by_cursor_give_each_call_once(stack):
    company = Company(stack)
    placed = [company.call(events=["completed"]) for _ in range(7)]
    for p in placed:
        company.settled_call(p, "completed")
    for sort in ("created_at", "-created_at", "started_at", "-started_at"):
        seen, cursor = [], None
        while True:
            data = stack.get("/api/v1/calls", company.csr, limit=2, **({"cursor": cursor} if cursor else {"sort": sort})).json()["data"]
            assert data["total"] == 7
            seen += [c["call_id"] for c in data["items"]]
            cursor = data["next_cursor"]
            if not cursor:
                break
        assert len(seen) == len(set(seen)) == 7
        times = [c[sort.strip("-")] for c in stack.get("/api/v1/calls", company.csr, sort=sort).json()["data"]["items"]]
        assert times == sorted(times, reverse=sort.startswith("-"))
    page = stack.get("/api/v1/calls", company.csr, limit=3, offset=6).json()["data"]
    assert len(page["items"]) == 1 and page["total"] == 7


def test_filters_and_bad_values(stack, company):
    company.settled_call(company.call(missed=True), "missed")
    missed = stack.get("/api/v1/calls", company.csr, missed_call="true").json()["data"]["items"]
    assert missed and all(c["missed_call"] for c in missed)
    assert stack.get("/api/v1/calls", company.csr, status="missed,voicemail", date_from="2020-01-01", direction="inbound", provider="callrail").json()["data"]["total"] >= 1
    assert stack.get("/api/v1/calls", company.csr, date_to="2001-01-01").json()["data"]["items"] == []
    for params, field in (({"color": "red"}, "color"), ({"status": "lost"}, "status"), ({"limit": "201"}, "limit"), ({"offset": "10001"}, "offset"), ({"cursor": "zzz"}, "cursor"), ({"date_from": "2026-13-01"}, "date_from"),
                          ({"lead_id": "1; DROP TABLE"}, "lead_id")):
        answer = stack.get("/api/v1/calls", company.csr, **params)
        assert answer.status_code == 422 and answer.json()["errors"][0]["field"] == field


def test_idempotency_key(stack):
    company = Company(stack, signing_key=None)
    number = new_number()
    headers = {"Authorization": f"Bearer {company.manager}", "Idempotency-Key": "k-1"}
    first = stack.http.post("/api/v1/numbers", json={"e164": number}, headers=headers)
    again = stack.http.post("/api/v1/numbers", json={"e164": number}, headers=headers)
    other = stack.http.post("/api/v1/numbers", json={"e164": new_number()}, headers=headers)
    assert (first.status_code, again.status_code, again.content) == (201, 201, first.content)
    assert other.status_code == 409 and other.json()["errors"][0]["field"] == "Idempotency-Key"
    assert stack.http.post("/api/v1/numbers", json={"e164": number}, headers={**headers, "Idempotency-Key": b"\xc3\xbc"}).status_code == 422


def test_an_idempotency_key_is_one_company_s(stack):
    """One person is a manager of two companies, and uses one key for both."""
    user = f"user_{uuid.uuid4().hex}"
    first, second = Company(stack, signing_key=None), Company(stack, signing_key=None)
    rows = {}
    for company in (first, second):
        headers = {"Authorization": f"Bearer {stack.token('manager', company.id, user=user)}", "Idempotency-Key": "call-the-plumber"}
        answer = stack.http.post("/api/v1/tasks", json={"description": "call the plumber"}, headers=headers)
        assert answer.status_code == 201 and "Idempotent-Replayed" not in answer.headers
        assert answer.json()["data"]["company_id"] == company.id
        rows[company.id] = answer.json()["data"]["id"]
        assert stack.get(f"/api/v1/tasks/{rows[company.id]}", company.manager).status_code == 200
        assert stack.http.post("/api/v1/tasks", json={"description": "call the plumber"}, headers=headers).json() == answer.json()
    assert len(set(rows.values())) == 2


def test_a_company_that_is_asked_for_many_times_at_once_is_made_once(stack):
    user, name = f"user_{uuid.uuid4().hex}", f"Once {uuid.uuid4().hex}"
    headers = {"Authorization": f"Bearer {stack.token('manager', user=user)}", "Idempotency-Key": str(uuid.uuid4())}

    def made():
        return stack.http.post("/api/v1/company/", json={"name": name}, headers=headers)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: made(), range(8)))
    assert {a.status_code for a in answers} <= {200, 409} and sum("Idempotent-Replayed" not in a.headers for a in answers if a.status_code == 200) == 1
    assert all(a.headers["Retry-After"] for a in answers if a.status_code == 409)
    assert made().json() == next(a for a in answers if a.status_code == 200).json()
    organizations = httpx.get(stack.sandbox + "/v1/organizations", params={"limit": 500}, headers={"Authorization": "Bearer sk_test"}).json()["data"]
    assert sum(o["name"] == name for o in organizations) == 1


def test_creating_companies(stack):
    user = "user_creator"
    token = stack.token("manager", user=user)
    made = stack.http.post("/company", json={"name": "First"}, headers={"Authorization": f"Bearer {token}"})
    assert made.status_code == 200 and set(made.json()) == {"status", "company_id", "clerk_org_id"}
    manager = stack.token("manager", made.json()["company_id"], user=user)
    assert stack.http.post("/company", json={"name": "Again"}, headers={"Authorization": f"Bearer {manager}"}).status_code == 409
    assert stack.http.post("/api/v1/company/", json={}, headers={"Authorization": f"Bearer {token}"}).json()["errors"][0]["field"] == "name"
    assert stack.http.post("/api/v1/company/", json={"name": "X", "phone_number": "five"}, headers={"Authorization": f"Bearer {token}"}).json()["errors"][0]["field"] == "phone_number"
    csr = stack.token("csr", "org_without_company")
    assert stack.http.post("/api/v1/company/", json={"name": "X"}, headers={"Authorization": f"Bearer {csr}"}).status_code == 403
    taken = stack.token("manager", "org_takes_this_id")
    assert stack.http.post("/api/v1/company/", params={"name": "X"}, headers={"Authorization": f"Bearer {taken}"}).json()["company_id"] == "org_takes_this_id"


def test_what_a_company_may_not_become(stack):
    company = Company(stack)
    headers = {"Authorization": f"Bearer {company.manager}"}
    put = lambda **body: stack.http.put(f"/api/v1/company/{company.id}", json=body, headers=headers)  # noqa: E731
    flow = {"hours": {"mon": [["08:00", "18:00"]]}, "open": [{"dial": ["+12025550100"], "timeout_s": 20}], "closed": [{"voicemail": {}}]}
    assert put(call_flow=flow, service_area={"states": ["AZ"], "postal_codes": ["850*"]}).status_code == 200
    assert stack.get(f"/api/v1/company/{company.id}", company.manager).json()["data"]["call_flow"] == flow
    for field, value in (("call_flow", {"opne": []}), ("call_flow", {"open": [{"fax": "1"}]}), ("service_area", {"states": ["Arizona"]}), ("workflow_config", [1])):
        answer = put(**{field: value})
        assert answer.status_code == 422 and answer.json()["errors"][0]["field"] == field, answer.text
    for field, value in (("record", {"record": True}), ("open[0].dial[0]", {"open": [{"dial": ["sip:x@y"]}]}), ("hours.mon[0]", {"hours": {"mon": [["08:00", "08:00"]]}})):
        answer = put(call_flow=value)
        assert answer.status_code == 422 and answer.json()["errors"][0]["field"] == f"call_flow.{field}", answer.text
    for field, value in (("text_rate_per_second", 0), ("text_rate_per_second", "1"), ("quiet_hours", ["21:00"]), ("quiet_hours", ["08:00", "08:00"])):
        error = put(workflow_config={"appointment_minutes": 60, field: value}).json()["errors"][0]
        assert error["field"] == f"workflow_config.{field}" and error["message"].startswith("takes "), error
    assert stack.get(f"/api/v1/company/{company.id}", company.manager).json()["data"]["call_flow"] == flow
    number = stack.http.post("/api/v1/numbers", json={"e164": new_number()}, headers=headers).json()["data"]
    for field, value in (("e164", "+12025550100"), ("valid_from", None), ("valid_from", "tomorrow"), ("valid_to", "2001-01-01T00:00:00Z")):
        answer = stack.http.patch(f"/api/v1/numbers/{number['id']}", json={field: value, **({"valid_from": "2030-01-01T00:00:00Z"} if field == "valid_to" else {})}, headers=headers)
        assert answer.status_code == 422 and answer.json()["errors"][0]["field"] == field
    answer = stack.http.put(f"/api/v1/company/{company.id}", content=b"<name>x</name>", headers={**headers, "Content-Type": "application/xml"})
    assert answer.status_code == 415 and "application/json" in answer.json()["detail"]


@pytest.mark.parametrize("role", ["csr", "sales_rep", "executive"])
def test_numbers_are_for_managers(stack, company, role):
    assert stack.get("/api/v1/numbers", stack.token(role, company.id)).status_code == 403
