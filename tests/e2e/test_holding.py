"""What nobody owns is held, and flows on by itself."""

import base64
import hashlib
import hmac
import json
import uuid

from conftest import Company, eventually, new_number


def waiting(stack, number):
    return stack.sql("SELECT reason, cure FROM held_events WHERE number = %s AND released_at IS NULL", number)


def post_signed(stack, path, body, key):
    raw = json.dumps(body).encode()
    return stack.http.post(path, content=raw, headers={"Content-Type": "application/json", "Signature": base64.b64encode(hmac.new(key.encode(), raw, hashlib.sha1).digest()).decode()})


def held(stack, answer):
    """What is held of the webhook that was answered so."""
    assert answer.status_code == 200, answer.text
    return eventually(lambda: stack.sql("SELECT reason, cure, held_for, released_to FROM held_events WHERE event_id = %s", answer.json()["data"]["event_id"]))[0]


def rows_of(stack, mark):
    """Rows in which a call's id at its provider stands."""
    return stack.sql("SELECT (SELECT count(*) FROM calls WHERE provider_call_id = %s) + (SELECT count(*) FROM provider_calls WHERE provider_call_id = %s)", mark, mark)[0][0]


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


def test_a_late_webhook_of_a_number_that_has_changed_hands_is_its_former_owners(stack):
    former, owner = Company(stack), Company(stack)
    number, customer, call = new_number(), new_number(), str(uuid.uuid4().int % 10**9)
    numbers = former.post("/api/v1/numbers", json={"e164": number}).json()["data"]
    body = {"id": call, "answered": True, "duration": "61", "customer_phone_number": customer, "tracking_phone_number": number, "start_time": "2026-11-01T10:00:00Z"}
    eventually(lambda: post_signed(stack, "/api/v1/callrail/call.completed", body, former.key).json().get("data", {}).get("verdict") == "authentic")
    eventually(lambda: former.calls(phone=customer))
    gone = stack.http.delete(f"/api/v1/numbers/{numbers['id']}", headers={"Authorization": f"Bearer {former.manager}"})
    assert gone.status_code == 200, gone.text
    taken = stack.http.post("/api/v1/numbers", json={"e164": number}, headers={"Authorization": f"Bearer {owner.manager}"})
    if taken.status_code // 100 == 2:  # what its key has proven may stay with the former owner
        eventually(lambda: post_signed(stack, "/api/v1/callrail/call.completed", {**body, "id": call + "1", "start_time": "2027-11-01T10:00:00Z"}, owner.key).json().get("data", {}).get("verdict") == "authentic")
    late = post_signed(stack, "/api/v1/callrail/call.modified", {**body, "changes": ["note"], "note": "call back on Monday"}, former.key)
    assert late.status_code == 200 and late.json()["data"]["verdict"] == "authentic", late.text
    eventually(lambda: [c for c in former.calls(phone=customer) if c["note"] == "call back on Monday"])
    assert post_signed(stack, "/api/v1/callrail/call.modified", {**body, "note": "forged"}, "another key").status_code == 401


def test_a_combined_webhook_whose_companies_contradict_each_other_is_held_and_leaves_no_row(stack, company):
    """Seed 002, step 2: the office is looked up by tenant_id and callrail_company_id together."""
    other = Company(stack)
    mapped = uuid.uuid4().hex
    stack.http.put(f"/api/v1/company/{other.id}", params={"callrail_company_id": mapped}, headers={"Authorization": f"Bearer {other.manager}"})
    words = "invalid tenant_id or callrail_company_id mapping"

    def posted(tenant, named, signer, key=None):
        body = {"call_id": f"CAL{uuid.uuid4().hex}", "tenant_id": tenant, "callrail_company_id": named, "called_number": signer.number, "customer_phone_number": new_number(), "answered": True, "duration": "180"}
        return body, post_signed(stack, "/api/v1/callrail/webhook", body, key or signer.key)

    def known():  # the router knows the mapping
        posted(other.id, "another", other)
        return stack.sql("SELECT 1 FROM held_events WHERE number = %s AND reason = %s LIMIT 1", other.number, words)

    eventually(known)
    for tenant, named, signer in ((company.id, mapped, company), (other.id, mapped, company), (other.id, "another", other)):
        body, answer = posted(tenant, named, signer)
        assert answer.json()["data"]["verdict"] == "authentic"
        assert held(stack, answer)[0] == words and held(stack, answer)[3] is None
        assert rows_of(stack, body["call_id"]) == 0
        assert posted(tenant, named, signer, "another key")[1].status_code == 401
    body, answer = posted(other.id, mapped, other)
    assert answer.status_code == 200
    eventually(lambda: other.calls(phone=body["customer_phone_number"]))


def test_a_text_goes_to_its_company_or_waits_for_it(stack, company):
    text = {"resource_id": f"SCI{uuid.uuid4().hex}", "source_number": new_number(), "destination_number": company.number, "content": "How much is a roof?", "timestamp": "2026-11-01T10:00:00Z"}
    answer = post_signed(stack, "/sms/callrail-webhook", text, company.key)
    assert answer.json()["data"]["verdict"] == "authentic", answer.text
    remembered = eventually(lambda: stack.sql("SELECT company_id, phone FROM provider_calls WHERE provider = 'callrail' AND provider_call_id = %s", f"message:{text['resource_id']}"))
    assert remembered == [(company.id, text["source_number"])]
    assert not stack.sql("SELECT 1 FROM held_events WHERE event_id = %s", answer.json()["data"]["event_id"])
    assert post_signed(stack, "/sms/callrail-webhook", text, "another key").status_code == 401
    number = new_number()
    unowned = post_signed(stack, "/sms/callrail-webhook", {**text, "destination_number": number}, "a key of nobody's")
    assert unowned.json()["data"]["verdict"] == "open"
    assert held(stack, unowned)[0] == f"No company found for tracking number {number}"


def test_what_waits_on_a_companys_account_is_limited_and_what_is_its_own_is_taken_all_the_same(stack):
    def call(number, **more):
        return {"id": uuid.uuid4().int % 10**12, "answered": True, "duration": "5", "tracking_phone_number": number, "customer_phone_number": new_number(), **more}

    keyless = Company(stack, signing_key=None)
    eventually(lambda: stack.sql("SELECT 1 FROM held_events WHERE held_for = %s", keyless.id) or post_signed(stack, "/api/v1/callrail/call.completed", call(keyless.number), "a later key") is None)
    statuses = [post_signed(stack, "/api/v1/callrail/call.completed", call(keyless.number), "a later key") for _ in range(30)]
    assert {a.status_code for a in statuses} == {200, 429} and "Retry-After" in statuses[-1].headers
    assert post_signed(stack, "/api/v1/callrail/call.completed", call(new_number()), "a key of nobody's").status_code == 200  # nobody else's account

    signer, owner = Company(stack), Company(stack)
    stack.sql("UPDATE company_numbers SET standing = 'final' WHERE company_id = %s", owner.id)
    stack.sql("UPDATE directory_state SET version = version + 1, dirty = true WHERE company_id = %s", owner.id)
    words = f"Tracking number {owner.number} belongs to another company than the one whose key signed"
    foreign = lambda: post_signed(stack, "/api/v1/callrail/call.completed", call(owner.number, tenant_id=signer.id), signer.key)  # noqa: E731
    eventually(lambda: foreign().status_code == 200 and stack.sql("SELECT 1 FROM held_events WHERE held_for = %s AND reason = %s AND conflict", signer.id, words))
    assert {foreign().status_code for _ in range(30)} == {200, 429} and foreign().status_code == 429
    # The manager sees it, of the own account and of no other.
    shown = eventually(lambda: (h := stack.get(f"/api/v1/company/{signer.id}", signer.manager).json()["data"]["held"]) and any(r["reason"] == words and r["events"] >= 2 for r in h["reasons"]) and h)
    told = {r["reason"]: r for r in shown["reasons"]}
    assert told[words]["events"] >= 2 and "owner" in told[words]["cure"]
    assert words not in stack.get(f"/api/v1/company/{owner.id}", owner.manager).text
    eventually(lambda: stack.get(f"/api/v1/company/{signer.id}", signer.manager).json()["data"]["held"]["limited"], what="the count of all processes")
    mine = call(signer.number)
    assert post_signed(stack, "/api/v1/callrail/call.completed", mine, signer.key).json()["data"]["verdict"] == "authentic"
    eventually(lambda: signer.calls(phone=mine["customer_phone_number"]))
    odd = post_signed(stack, "/api/v1/callrail/call.completed", {"tracking_phone_number": signer.number}, signer.key)
    assert odd.status_code == 200 and held(stack, odd)[2] == signer.id  # not understood, and its own


def test_what_other_processes_let_in_is_counted_too(stack):
    keyless = Company(stack, signing_key=None)
    body = {"answered": True, "duration": "5", "tracking_phone_number": keyless.number, "customer_phone_number": new_number()}
    post = lambda: post_signed(stack, "/api/v1/callrail/call.completed", body | {"id": uuid.uuid4().int % 10**12}, "a later key").status_code  # noqa: E731
    assert post() == 200
    eventually(lambda: stack.sql("SELECT 1 FROM held_events WHERE held_for = %s", keyless.id))
    # As if others had taken more than one company may have.
    stack.sql("INSERT INTO held_events (event_id, provider, kind, reason, cure, verdict, request_target, content_type, signature_headers, raw_body, record, received_at, held_for)"
              " SELECT gen_random_uuid(), provider, kind, reason, cure, verdict, request_target, content_type, signature_headers, raw_body, record, received_at, held_for"
              " FROM (SELECT * FROM held_events WHERE held_for = %s LIMIT 1) one, generate_series(1, 40)", keyless.id)
    eventually(lambda: stack.get(f"/api/v1/company/{keyless.id}", keyless.manager).json()["data"]["held"]["limited"])
    eventually(lambda: stack.sql("SELECT 1 FROM directory_state WHERE company_id = %s AND NOT dirty AND NOT EXISTS (SELECT FROM outbox WHERE topic = 'otto.directory')", keyless.id))
    eventually(lambda: post() == 429, what="the refusal")
    stack.sql("DELETE FROM held_events WHERE held_for = %s", keyless.id)
    eventually(lambda: post() == 200, what="room for more, which there would not be for hours if this process had let in as much itself")
