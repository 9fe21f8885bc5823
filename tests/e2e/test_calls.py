"""A CallRail call from webhook to API."""

import base64
import hashlib
import hmac
import json
import pathlib
import random
import uuid

import httpx
import pytest

from conftest import Company, eventually, new_number

VECTOR = pathlib.Path(__file__).parent.parent / "sandbox" / "vectors" / "callrail_post_call.json"


def signed(key, body):
    return {"Content-Type": "application/json", "Signature": base64.b64encode(hmac.new(key.encode(), body, hashlib.sha1).digest()).decode()}


def test_callrails_published_webhook_becomes_contact_lead_and_call(stack):
    company = Company(stack, signing_key=None)
    company.post("/api/v1/numbers", json={"e164": "(404) 555-8514"})
    company.post(f"/api/v1/company/set-callrail-signing-key/{company.id}", params={"signing_key": "072e77e426f92738a72fe23c4d1953b4"})
    body = VECTOR.read_bytes()
    headers = {"Content-Type": "application/json", "Signature": "UZAHbUdfm3GqL7qzilGozGzWV64="}
    answer = eventually(lambda: (a := stack.http.post("/api/v1/callrail/call.completed", content=body, headers=headers)).json().get("data", {}).get("verdict") == "authentic" and a,
                        what="the published signature")
    assert answer.status_code == 200 and answer.json()["success"] is True
    call = eventually(lambda: next(iter(company.calls()), None))
    assert (call["status"], call["missed_call"], call["duration"], call["source"]) == ("voicemail", True, 13, "Google AdWords")
    assert call["started_at"].startswith("2018-02-19T18:41:00.236")
    assert call["phone_number"] == "+12148654559" and call["tracking_number"] == "+14045558514"
    assert call["recording_url"] == f"/api/v1/calls/{call['call_id']}/recording"  # the provider's carries a key
    contact = stack.get(f"/api/v1/contacts/{call['contact_card_id']}", company.csr).json()["data"]
    assert (contact["first_name"], contact["last_name"], contact["city"]) == ("Kaylah", "Mills", "Rochester")
    lead = stack.get(f"/api/v1/leads/{call['lead_id']}", company.csr).json()["data"]
    assert (lead["status"], lead["pool_status"], lead["source"]) == ("new", "in_pool", "Google AdWords")
    # However often it comes, it is one call.
    for _ in range(3):
        stack.http.post("/api/v1/callrail/call.completed", content=body, headers=headers)
    another = company_call = stack.http.post("/api/v1/callrail/webhook", content=body, headers=headers)
    assert another.status_code == company_call.status_code == 200
    probe = stack.place_call("+14045558514", signing_key="072e77e426f92738a72fe23c4d1953b4")
    eventually(lambda: company.calls(phone=probe["from"]))
    assert len(company.calls(phone="+1 214 865 4559")) == 1


def test_answered_missed_and_voicemail(company):
    answered, missed, voicemail = company.call(), company.call(missed=True), company.call(voicemail=True)
    assert company.settled_call(answered, "completed")["answered"] is True
    assert company.settled_call(missed, "missed")["missed_call"] is True
    assert company.settled_call(voicemail, "voicemail")["missed_call"] is True


def test_events_in_any_order_and_repeated_end_in_one_call(stack, company):
    events = ["incoming", "answered", "completed", "modified"]
    for _ in range(4):
        order = events * 2
        random.shuffle(order)
        placed = company.call(events=order)
        call = company.settled_call(placed, "completed")
        eventually(lambda: [c for c in company.calls(phone=placed["from"]) if c["tags"] == ["estimate"] and c["note"]])
        assert len(company.calls(phone=placed["from"])) == 1 and call["duration"] == 183
        assert stack.sql("SELECT count(*) FROM leads l JOIN contact_cards k ON k.company_id = l.company_id AND k.id = l.contact_card_id WHERE k.primary_phone = %s", placed["from"]) == [(1,)]


def test_two_calls_of_one_customer_share_contact_and_lead(company):
    caller = new_number()
    first, second = company.call(**{"from": caller}), company.call(**{"from": caller}, missed=True)
    a, b = company.settled_call(first, "completed"), company.settled_call(second, "missed")
    assert a["contact_card_id"] == b["contact_card_id"] and a["lead_id"] == b["lead_id"] and a["call_id"] != b["call_id"]


def test_callers_without_a_number_have_a_card_each(company):
    for caller in ("Anonymous", "sip:bob@example.com", "74483"):
        placed = company.call(**{"from": caller})
        call = eventually(lambda: next((c for c in company.calls(search=placed["resource_id"]) if c["status"] == "completed"), None))
        assert call["phone_number"] == caller.lower() and call["contact"]["primary_phone"] is None


@pytest.mark.parametrize("change", ["missing", "wrong", "truncated", "not base64", "another body"])
def test_forged_webhooks_are_refused_and_leave_nothing(stack, company, change):
    caller = new_number()
    body = json.dumps({"id": uuid.uuid4().int % 10**9, "customer_phone_number": caller, "tracking_phone_number": company.number, "duration": 10, "answered": True}).encode()
    headers = signed(company.key, body)
    if change == "missing":
        del headers["Signature"]
    elif change == "wrong":
        headers = signed("another key", body)
    elif change == "truncated":
        headers["Signature"] = headers["Signature"][:-3]
    elif change == "not base64":
        headers["Signature"] = "%%%%"
    else:
        body = body.replace(b'"duration": 10', b'"duration": 11')
    answer = stack.http.post("/api/v1/callrail/call.completed", content=body, headers=headers)
    assert answer.status_code == 401
    problem = answer.json()
    assert problem["title"] == "Signature refused" and any(w in problem["detail"] for w in ("missing", "no key matched", "not base64"))
    probe = company.call()
    company.settled_call(probe, "completed")
    assert company.calls(phone=caller) == []


def test_two_signatures_in_one_request(stack, company):
    body = b'{"id":5,"tracking_phone_number":"%s"}' % company.number.encode()
    right, wrong = signed(company.key, body)["Signature"], signed("another", body)["Signature"]
    answer = stack.http.post("/api/v1/callrail/call.completed", content=body, headers=[("Signature", right), ("Signature", wrong), ("Content-Type", "application/json")])
    assert answer.status_code == 401


def test_the_former_key_is_valid_during_a_rotation(stack):
    company = Company(stack)
    former = company.key
    company.key = "a new key of some length"
    company.post(f"/api/v1/company/set-callrail-signing-key/{company.id}", params={"signing_key": company.key})
    # Posted until the new key has arrived: before, it is refused as forged.
    eventually(lambda: stack.place_call(company.number, signing_key=company.key, events=["incoming"])["events"][0]["status"] == 200)
    assert {e["status"] for e in stack.place_call(company.number, signing_key=former)["events"]} == {200}


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"{}", b'{"id":1,"note":"\xff\xfe"}', b"[" * 100_000, b'{"id":{"a":[]},"duration":"x"}', b"a=b&c"])
def test_what_cannot_be_understood_is_held_never_refused(stack, body):
    answer = stack.http.post("/api/v1/callrail/call.completed", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 200, answer.text
    event = answer.json()["data"]["event_id"]
    assert answer.json()["data"]["verdict"] == "open"
    rows = eventually(lambda: stack.sql("SELECT reason, raw_body, verdict FROM held_events WHERE event_id = %s", event))
    assert (rows[0][0].startswith("Not understood") or rows[0][0].startswith("No company")) and rows[0][1] == body


def test_authentic_but_not_understood_is_held(stack, company):
    body = json.dumps({"tracking_phone_number": company.number, "duration": 5}).encode()
    answer = stack.http.post("/api/v1/callrail/call.completed", content=body, headers=signed(company.key, body))
    assert (answer.status_code, answer.json()["data"]["verdict"]) == (200, "authentic")
    rows = eventually(lambda: stack.sql("SELECT reason, verdict FROM held_events WHERE event_id = %s", answer.json()["data"]["event_id"]))
    assert rows == [("Not understood: the body names no call (id, call_id or resource_id)", "authentic")]


def test_odd_values_are_survived(stack, company):
    for odd in ({"duration": -5}, {"duration": 10**18}, {"duration": "3 minutes"}, {"answered": "true", "duration": "12"}, {"start_time": "soon"}, {"start_time": "2026-11-20 10:00:00"}, {"tags": "a,b"},
                {"unknown": {"deep": [1, 2, {"x": None}]}}, {"customer_name": "Robert'); DROP TABLE calls;--"}, {"customer_name": "<script>alert(1)</script>"}, {"note": "ü" * 5000}):
        caller = new_number()
        body = json.dumps({"id": uuid.uuid4().int % 10**12, "customer_phone_number": caller, "tracking_phone_number": company.number, "answered": True, **odd}).encode()
        answer = stack.http.post("/api/v1/callrail/call.completed", content=body, headers=signed(company.key, body))
        assert answer.status_code == 200
        call = eventually(lambda: next(iter(company.calls(phone=caller)), None), what=f"the call with {odd}")
        assert call["duration"] in (None, 12)
        if "customer_name" in odd:
            assert company.calls(search=odd["customer_name"].split()[0])


def test_too_much_is_413_and_malformed_http_is_refused(stack):
    assert stack.http.post("/api/v1/callrail/call.completed", content=b"x" * (10 << 20), headers={"Content-Type": "application/json"}).status_code == 413
    assert stack.http.get("/api/v1/callrail/call.completed").status_code == 405


def test_form_bodies(stack, company):
    caller = new_number()
    body = httpx.QueryParams({"id": "7700", "customer_phone_number": caller, "tracking_phone_number": company.number, "duration": "31", "answered": "true"}).__str__().encode()
    headers = {**signed(company.key, body), "Content-Type": "application/x-www-form-urlencoded"}
    assert stack.http.post("/api/v1/callrail/call.completed", content=body, headers=headers).status_code == 200
    assert eventually(lambda: company.calls(phone=caller))[0]["duration"] == 31


def test_cloudevents_headers_are_on_otto_routed(stack, company):
    company.settled_call(company.call(), "completed")
    out = stack.run("deploy/kcat", "-C", "-t", "otto.routed", "-e", "-q", "-f", "%h\n").stdout
    for header in ("ce_specversion=1.0", "ce_type=otto.routed.v1.CallReported", "ce_source=/tenant-router", "ce_id=", "ce_time=", "content-type=application/protobuf", "traceparent=00-"):
        assert header in out


def test_two_rows_that_prove_to_be_one_call_are_paid_for_and_booked_once(stack, company):
    """The provider speaks of a call under one id, then under another, and only a third report shows that both are the call's."""
    number = random.randrange(10**8, 10**9)
    customer = new_number()
    company.call(**{"id": number, "from": customer, "recording": False, "events": ["completed"], "fields": {"id": ""}})
    older = eventually(lambda: company.calls(phone=customer), what="the call by its lasting id")[0]["call_id"]
    company.call(**{"id": number, "from": customer, "events": ["completed"], "fields": {"resource_id": ""}, "shunya": {"outcome": "booked"}})
    younger = eventually(lambda: next((c["call_id"] for c in company.calls(phone=customer) if c["call_id"] != older), None), what="the call by its number")
    eventually(lambda: company.detail(younger)["analysis_state"]["state"] == "done", within=60, what="its analysis")
    booked = eventually(lambda: stack.sql("SELECT id FROM appointments WHERE company_id = %s AND call_id = %s", company.id, younger), what="its appointment")

    company.call(**{"id": number, "from": customer, "events": ["modified"]})
    eventually(lambda: [c["call_id"] for c in company.calls(phone=customer)] == [older], what="one call")
    call = eventually(lambda: (c := company.detail(older))["analysis_state"]["state"] == "done" and c, what="the analysis, which is the older one's now")
    assert call["analysis"]["booking_status"] == "booked"
    assert company.detail(younger)["call_id"] == older  # an old link leads there
    eventually(lambda: stack.sql("SELECT id, status FROM appointments WHERE company_id = %s AND call_id = %s", company.id, older) == [(booked[0][0], "scheduled")], what="the appointment, which is the older one's now")
    assert stack.get("/api/v1/appointments", company.csr, lead_id=call["lead_id"]).json()["data"]["total"] == 1
    eventually(lambda: stack.sql("SELECT count(*) FROM work WHERE queue = 'shunya-orchestrator' AND company_id = %s AND key IN (%s, %s)", company.id, str(older), str(younger)) == [(0,)], what="the end of all work")
    counted = httpx.get(stack.sandbox + "/sandbox/shunya/calls", params={"company": company.id}).json()
    assert [c["paid"] for c in counted if str(c["call_id"]) in (str(older), str(younger))] == [{"transcription": 1, "analysis": 1}]
