"""What nobody owns is held, and flows on by itself."""

import uuid

from conftest import Company, eventually, new_number


def waiting(stack, number):
    return stack.sql("SELECT reason, cure FROM held_events WHERE number = %s AND released_at IS NULL", number)


def test_a_number_that_nobody_owns_is_held_and_released_when_it_is_claimed(stack, company):
    number = new_number()
    placed = stack.place_call(number, signing_key=company.key)
    assert {e["status"] for e in placed["events"]} == {200}
    rows = eventually(lambda: (r := waiting(stack, number)) and len(r) == 3 and r)
    assert rows[0][0] == f"No company found for tracking number {number}" and "POST /api/v1/numbers" in rows[0][1]
    company.post("/api/v1/numbers", json={"e164": number})
    call = eventually(lambda: next((c for c in company.calls(phone=placed["from"]) if c["status"] == "completed"), None), within=10)
    assert call["tracking_number"] == number
    assert eventually(lambda: not waiting(stack, number))
    assert stack.sql("SELECT DISTINCT released_to FROM held_events WHERE number = %s", number) == [(company.id,)]
    assert len(company.calls(phone=placed["from"])) == 1


def test_an_owner_without_a_key_has_its_events_held_until_the_key_is_set(stack):
    company = Company(stack, signing_key=None)
    placed = stack.place_call(company.number, signing_key="the later key")
    forged = stack.place_call(company.number, signing_key="not the key")
    eventually(lambda: len(waiting(stack, company.number)) == 6)
    eventually(lambda: all(r[0].endswith("has set no signing key") for r in waiting(stack, company.number)))
    company.post(f"/api/v1/company/set-callrail-signing-key/{company.id}", params={"signing_key": "the later key"})
    eventually(lambda: [c for c in company.calls(phone=placed["from"]) if c["status"] == "completed"], within=10)
    rows = eventually(lambda: (r := waiting(stack, company.number)) and len(r) == 3 and all("does not match" in x[0] for x in r) and r)
    assert len(rows) == 3
    assert company.calls(phone=forged["from"]) == []


def test_direct_sql_on_companies_routes_too(stack, company):
    """Seed 001 §2.2: UPDATE companies SET phone_number = …"""
    other = Company(stack)
    number = new_number()
    stack.sql("UPDATE companies SET phone_number = %s WHERE id = %s", number.replace("+1", ""), other.id)
    other.number = number
    eventually(other.verifies)
    other.settled_call(other.call(), "completed")


def test_a_number_belongs_to_one_company(stack, company):
    other = Company(stack)
    for attempt in (lambda: stack.http.post("/api/v1/numbers", json={"e164": company.number}, headers={"Authorization": f"Bearer {other.manager}"}),
                    lambda: stack.http.put(f"/api/v1/company/{other.id}", params={"phone_number": company.number}, headers={"Authorization": f"Bearer {other.manager}"})):
        answer = attempt()
        assert answer.status_code == 409
        assert answer.json()["errors"][0]["field"] in ("e164", "phone_number")
        assert company.id not in answer.text and "Roofers" not in answer.text


def test_a_webhook_proven_by_the_claimed_company_is_its_own_and_a_foreign_number_is_a_conflict(stack, company):
    other = Company(stack)
    placed = stack.place_call(other.number, signing_key=company.key)
    assert {e["status"] for e in placed["events"]} == {401}  # the number's owner has a key, and it is another one
    assert other.calls(phone=placed["from"]) == []


def test_the_signing_key_is_read_from_callrail(stack):
    """The seeds' own set-up gives none."""
    import httpx

    company = Company(stack, signing_key=None)
    account, key = f"ACC{uuid.uuid4().hex}", f"key {uuid.uuid4()}"
    httpx.post(stack.sandbox + "/sandbox/callrail/accounts", json={"account_id": account, "api_key": "an api key of CallRail", "signing_key": key, "numbers": [company.number]})
    httpx.post(stack.sandbox + "/sandbox/faults", json={"provider": "callrail", "path": account, "status": 500, "times": 4})
    company.post(f"/company/set-callrail-api-key/{company.id}", content="api_key=an api key of CallRail", headers={"Content-Type": "application/json"})
    company.post(f"/company/set-callrail-account-id/{company.id}", params={"account_id": account})
    eventually(lambda: stack.get(f"/api/v1/company/{company.id}", company.manager).json()["data"]["callrail_signing_key_set"], within=30)
    company.key = key
    eventually(company.verifies)
    company.settled_call(company.call(), "completed")
    shown = stack.get(f"/api/v1/company/{company.id}", company.manager).json()["data"]
    assert shown["callrail_api_key_last4"] == "Rail" and key not in str(shown)
    assert key not in str(stack.sql("SELECT callrail_signing_key, callrail_api_key FROM companies WHERE id = %s", company.id))
