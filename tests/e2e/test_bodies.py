"""Bodies as the field sends them, from the webhook to what people see."""

import base64
import datetime
import gzip
import hashlib
import hmac
import json
import random
import urllib.parse

import pytest

from conftest import eventually, new_number

FORM = "application/x-www-form-urlencoded; charset=UTF-8"


def ago(minutes):
    return (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=minutes)).isoformat(timespec="seconds")


def post(company, raw, path="call.completed", content_type="application/json", **headers):
    signature = base64.b64encode(hmac.new(company.key.encode(), raw, hashlib.sha1).digest()).decode()
    return company.stack.http.post(f"/api/v1/callrail/{path}", content=raw, headers={"Content-Type": content_type, "Signature": signature, **headers})


def body(company, **more):
    call = {"id": random.randrange(10**9, 2 * 10**9), "answered": True, "call_type": "answered", "voicemail": False, "direction": "inbound", "duration": "61", "customer_phone_number": new_number(),
            "tracking_phone_number": company.number, "start_time": ago(2)}
    return {**call, **more}


def taken(company, members, path="call.completed"):
    answer = post(company, json.dumps(members).encode(), path)
    assert answer.status_code == 200 and answer.json()["data"]["verdict"] == "authentic", answer.text
    return answer.json()["data"]["event_id"]


def call_of(company, members, ready=lambda call: True):
    def look():
        return next((c for c in company.calls(phone=members["customer_phone_number"]) if ready(c)), None)
    return eventually(look, what="the call")


def held(stack, event_id):
    return eventually(lambda: stack.sql("SELECT reason, raw_body FROM held_events WHERE event_id = %s", event_id), what="the held event")[0]


def test_a_body_is_verified_as_it_came_byte_for_byte(company):
    members = body(company, customer_name="Zoë 🏠", value=1.0)
    plain = json.dumps(members).encode()
    for raw in (plain, json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode(), plain + b"\n", json.dumps(members, indent=1).replace("\n", "\r\n").encode(), b"\xef\xbb\xbf" + plain):
        answer = post(company, raw)
        assert (answer.status_code, answer.json()["data"]["verdict"]) == (200, "authentic"), raw
    other = json.dumps(members, indent=2).encode()
    signature = base64.b64encode(hmac.new(company.key.encode(), plain, hashlib.sha1).digest()).decode()
    assert company.stack.http.post("/api/v1/callrail/call.completed", content=other, headers={"Content-Type": "application/json", "Signature": signature}).status_code == 401
    assert call_of(company, members)["contact"]["first_name"] == "Zoë"


def test_a_note_that_was_cut_in_the_middle_of_an_emoji_is_on_record(stack, company):
    members = body(company, note="@@", customer_name="Ann @@")
    raw = json.dumps(members).replace("@@", "roof leaks \\ud83d").encode()
    assert post(company, raw).status_code == 200
    call = call_of(company, members)
    assert call["note"] == "roof leaks \ufffd" and call["contact"]["first_name"] == "Ann"


def test_nan_is_no_json_and_is_held_with_its_body(stack, company):
    raw = json.dumps(body(company, value=float("nan"))).encode()
    reason, kept = held(stack, post(company, raw).json()["data"]["event_id"])
    assert "no JSON" in reason and bytes(kept) == raw


def test_a_body_that_a_proxy_compressed_is_held(stack, company):
    raw = gzip.compress(json.dumps(body(company)).encode())
    reason, kept = held(stack, post(company, raw, **{"Content-Encoding": "gzip"}).json()["data"]["event_id"])
    assert "Not understood" in reason and bytes(kept) == raw


def test_an_id_with_a_point_is_the_same_call(company):
    members = body(company)
    taken(company, members)
    call_of(company, members)
    for other in (float(members["id"]), str(members["id"]), f"{members['id']}.0"):
        taken(company, {**members, "id": other, "changes": ["note"], "note": f"as {other!r}"}, "call.modified")
        call_of(company, members, lambda c, other=other: c["note"] == f"as {other!r}")
    assert len(company.calls(phone=members["customer_phone_number"])) == 1


@pytest.mark.parametrize("more", [[("tags[]", "roof"), ("tags[]", "leak, north")], [("tags", "roof"), ("tags", "leak, north")], [("tags[1]", "leak, north"), ("tags[0]", "roof")], [("tags[0][name]", "roof"), ("tags[1][name]", "leak, north")]])
def test_lists_in_forms(company, more):
    members = body(company, id=str(random.randrange(10**9, 2 * 10**9)))
    answer = post(company, urllib.parse.urlencode(list(members.items()) + more).encode(), content_type=FORM)
    assert answer.json()["data"]["verdict"] == "authentic"
    assert call_of(company, members)["tags"] == ["roof", "leak, north"]


@pytest.mark.parametrize(("tags", "right"), [([{"id": 7, "name": "Quote", "color": "red1"}], ["Quote"]), ([7, "a, b", None], ["7", "a, b"]), ([{"id": 7}], ["estimate"]), ({"id": 7}, ["estimate"]), (True, ["estimate"]), ([], []),
                                             (None, []), ("a, b", ["a", "b"]), ({"0": "a"}, ["a"])])
def test_tags_that_are_not_texts_clear_nothing(company, tags, right):
    members = body(company, tags=["estimate"], value="100")
    taken(company, members)
    call_of(company, members, lambda c: c["tags"] == ["estimate"])
    taken(company, {**members, "changes": ["tags", "value"], "tags": tags, "value": {"amount": 5}, "note": "after"}, "call.modified")
    after = call_of(company, members, lambda c: c["note"] == "after")
    assert (after["tags"], after["value"]) == (right, "100")


def test_numbers_as_texts_and_nulls(company):
    for said, right in (("61", 61), (61, 61), ("61.7", 61), (61.0, 61), ("", None), (None, None), ("00:01:00", None), ([61], None)):
        members = body(company, duration=said, recording_duration=said)
        taken(company, members)
        call = call_of(company, members)
        assert (call["duration"], call["status"]) == (right, "completed"), said
    members = body(company, customer_name=None, customer_city="", note=None, tags=None, value="", keywords=None, lead_status=None, milestones=None, keypad_entries=[], gclid=None)
    taken(company, members)
    call = call_of(company, members)
    assert (call["note"], call["tags"], call["value"], call["contact"]["first_name"]) == (None, [], None, None)


def test_one_slash_at_the_end_of_a_webhooks_address_is_taken(stack, company):
    for path in ("call.incoming", "call.answered", "call.completed", "call.missed", "call.modified", "webhook"):
        members = body(company, answered=path != "call.missed", duration=0 if path == "call.missed" else "61")
        answer = post(company, json.dumps(members).encode(), path + "/")
        assert answer.status_code == 200 and answer.json()["data"]["verdict"] == "authentic", path
        assert call_of(company, members)["status"] == ("missed" if path == "call.missed" else "completed")
    begun = body(company, answered=False, duration=0)
    post(company, json.dumps(begun).encode(), "call.incoming/")
    assert call_of(company, begun)["status"] == "ringing"
    assert post(company, json.dumps(begun).encode(), "call.incoming//").status_code == 404
    unsigned = stack.http.post("/api/v1/callrail/call.completed/", json=begun)
    assert unsigned.status_code == 401
    assert stack.http.post("/api/v1/shunya/webhook/", json={}).status_code == 401
    assert stack.http.post("/sms/callrail-webhook/", json={"id": 1, "destination_number": company.number}).status_code == 401


def test_a_transcript_with_empty_parts(stack, company):
    labels = [None, {"speaker": None, "text": None}, {"speaker": "niceguy0", "text": "Hello", "start_time": None, "end_time": None}, {"speaker": 1, "text": "\u202bשלום\u202c 👩\u200d👩\u200d👧 e\u0301"}, {}]
    placed = company.call(shunya={"outcome": "warm", "transcription": {"transcript_text": None, "speaker_labels": labels, "confidence_score": None, "word_count": "7"}})
    call = company.call_in_state(placed, "done", within=90)
    transcript = stack.get(f"/api/v1/calls/{call['call_id']}/transcript", company.csr).json()["data"]
    assert len(transcript["speaker_labels"]) == 5 and transcript["word_count"] == 7 and transcript["confidence_score"] is None
    assert all(words in transcript["transcript_text"] for words in ("Hello", "שלום", "👩\u200d👩\u200d👧", "e\u0301"))


@pytest.mark.parametrize("said", [85, "85%", -1, "n/a", [0.85], {"score": 0.85}])
def test_a_score_of_another_scale_is_not_made_up(company, said):
    placed = company.call(shunya={"outcome": "warm", "analysis": {"compliance": {"compliance_score": said}}})
    call = company.settled_call(placed, "completed")
    detail = eventually(lambda: (d := company.detail(call["call_id"]))["analysis"] and d, within=90, what="the analysis")
    assert detail["analysis"]["sop_compliance_score"] is None
