"""Whose a call of Twilio is, and what names no more than its call; what waits, and why; and what a former version left waiting."""

import os
import signal
import uuid

import pytest
from twilio.request_validator import RequestValidator

from conftest import Company, eventually, new_number, started
from test_holding import waiting

HOOKS = "/api/aloha/webhooks/"


@pytest.fixture(scope="module")
def stack():
    yield from started()


class Called(Company):
    """A company with a number for calls in a Twilio account of its own."""

    def __init__(self, stack):
        super().__init__(stack)
        self.connect_twilio()
        self.voice = self.register(new_number())
        eventually(lambda: "<Record" in self.rings(f"CA{uuid.uuid4().hex}").text, what="the number's way to the ingress")

    def register(self, number, **more):
        self.post("/api/v1/numbers", json={"e164": number, "provider": "twilio", "purposes": ["voice"], **more})
        return number

    def posts(self, hook, **fields):
        """A webhook that Twilio signs with the company's token."""
        fields = {"AccountSid": self.twilio_account, "ApiVersion": "2010-04-01", **fields}
        path = hook if hook.startswith("/") else HOOKS + hook
        signature = RequestValidator(self.auth_token).compute_signature(self.stack.url + path, fields)
        return self.stack.http.post(path, data=fields, headers={"X-Twilio-Signature": signature})

    def rings(self, sid, hook="incoming-call", **more):
        return self.posts(hook, **{"CallSid": sid, "From": "+16025550123", "To": getattr(self, "voice", ""), "Direction": "inbound", "CallStatus": "ringing", **more})

    def records(self, sid, recording, **more):
        return self.posts("voicemail-recorded", CallSid=sid, RecordingSid=recording, RecordingStatus="completed", RecordingSource="RecordVerb", RecordingDuration="9",
                          RecordingUrl=f"{self.stack.sandbox}/2010-04-01/Accounts/{self.twilio_account}/Recordings/{recording}", **more)

    def known(self, sid):
        return self.stack.sql("SELECT status FROM calls WHERE company_id = %s AND provider_call_id = %s", self.id, sid)


def new_sid(kind):
    return kind + uuid.uuid4().hex


def held(stack, sid):
    return stack.sql("SELECT reason, conflict, held_for FROM held_events WHERE waits_for = ARRAY[%s] AND released_at IS NULL", sid)


def test_a_recording_finds_its_call_whichever_comes_first_and_no_other_companys(stack):
    company, other = Called(stack), Called(stack)
    sid, early, late = new_sid("CA"), new_sid("RE"), new_sid("RE")
    assert company.records(sid, early).status_code == 204
    assert other.records(sid, new_sid("RE")).status_code == 204
    eventually(lambda: len(held(stack, sid)) == 2)
    assert {row[:2] for row in held(stack, sid)} == {(f"No call {sid} is on record", False)}
    answer = company.rings(sid, From="+16025550177")
    assert answer.status_code == 200 and answer.headers["content-type"] == "text/xml" and "<Record" in answer.text
    eventually(lambda: [conflict for _, conflict, _ in held(stack, sid)] == [True], what="the one that goes on, and the other that cannot")
    assert held(stack, sid) == [(f"The call {sid} belongs to another company than the one whose key signed", True, other.id)]
    assert company.records(sid, late).status_code == 204
    messages = eventually(lambda: len(rows := stack.sql("SELECT recording_sid, call_id FROM voicemail_messages WHERE company_id = %s", company.id)) == 2 and rows)
    assert {recording for recording, _ in messages} == {early, late} and len({call for _, call in messages}) == 1
    assert stack.sql("SELECT recording_sid FROM voicemail_messages WHERE company_id = %s", other.id) == []


def test_a_call_to_a_number_that_nobody_has_says_so_and_waits_for_its_owner(stack):
    company, other, number, sid = Called(stack), Called(stack), new_number(), new_sid("CA")
    answer = company.rings(sid, To=number)
    assert answer.status_code == 200 and "cannot take calls" in answer.text and answer.text.rstrip("\n").endswith("<Hangup/></Response>"), answer.text
    ((reason, cure),) = eventually(lambda: waiting(stack, number))
    assert reason == f"No company found for tracking number {number}" and "POST /api/v1/numbers" in cure
    company.register(number)
    eventually(lambda: company.known(sid), what="the call, once its number is registered")
    # Another company's account with the number of the one.
    theirs = new_sid("CA")
    assert "cannot take calls" in other.rings(theirs, To=company.voice).text
    conflicts = lambda: stack.sql("SELECT reason FROM held_events WHERE held_for = %s AND number = %s AND conflict AND released_at IS NULL", other.id, company.voice)  # noqa: E731
    assert eventually(conflicts) == [(f"Tracking number {company.voice} belongs to another company than the one whose key signed",)]
    forged = stack.http.post(HOOKS + "incoming-call", data={"CallSid": theirs, "AccountSid": company.twilio_account, "To": company.voice}, headers={"X-Twilio-Signature": "AAAA"})
    assert forged.status_code == 401 and "OTTO_" not in forged.text


# ---- an upgrade


def formerly(record):
    """An event's record as a version wrote it that recorded no calls."""

    def number(at):
        value = shift = 0
        while True:
            byte, at = record[at], at + 1
            value, shift = value | (byte & 127) << shift, shift + 7
            if byte < 128:
                return value, at

    out, at = b"", 0
    while at < len(record):
        tag, begin = number(at)
        assert tag & 7 == 2, "each member of an event is text or a message"
        size, begin = number(begin)
        if tag >> 3 not in (3, 4, 10):
            out += record[at:begin + size]
        at = begin + size
    why = b"calls of Twilio are not recorded yet"
    return out + b"\x1a\x0ccall.webhook" + b"\x22" + bytes([len(why)]) + why


def test_what_a_former_version_left_waiting_of_calls_is_read_anew_at_the_start_and_flows_on(stack):
    company, number, sid = Called(stack), new_number(), new_sid("CA")
    assert company.rings(sid, "/api/v1/twilio-webhook", To=number).status_code == 200
    ((event_id, record),) = eventually(lambda: stack.sql("SELECT event_id, record FROM held_events WHERE number = %s", number))
    stack.sql("UPDATE held_events SET kind = 'call.webhook', record = %s, reason = 'Not understood: calls of Twilio are not recorded yet', cure = 'Look at its body.', held_at = now() - interval '1 day', concerns = ARRAY['x'] WHERE event_id = %s",
              formerly(bytes(record)), event_id)
    company.register(number)
    later = new_sid("CA")
    eventually(lambda: "<Record" in company.rings(later, To=number).text, what="the number's way to the ingress")
    eventually(lambda: company.known(later))
    assert stack.sql("SELECT kind FROM held_events WHERE event_id = %s AND released_at IS NULL", event_id) == [("call.webhook",)]
    os.kill(int((stack.folder / "pids" / "all-in-one").read_text()), signal.SIGKILL)
    stack.up()
    eventually(lambda: company.known(sid), what="the call of before the upgrade")
    assert stack.sql("SELECT kind, released_to FROM held_events WHERE event_id = %s", event_id) == [("call.incoming", company.id)]
