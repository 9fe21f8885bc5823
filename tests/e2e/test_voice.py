"""Calls on Twilio, from the first document to what is read of them: seed 003's guide, its flows and its troubleshooting, and what can go wrong on the way."""

import json
import os
import random
import re
import signal
import time
import urllib.parse
import uuid

import httpx
import pytest
from starlette.datastructures import ImmutableMultiDict
from twilio.request_validator import RequestValidator

from conftest import Company, eventually, new_number
from test_holding import waiting
from test_sweep import Connected

HOOKS = "/api/aloha/webhooks/"
NOTICE = "This call may be recorded."


class Voice(Company):
    """A company whose number at Twilio rings here."""

    ctl = Connected.ctl

    def __init__(self, stack, **more):
        super().__init__(stack, signing_key=None, **more)
        self.connect_twilio()
        self.flows = 0

    def flow(self, **flow):
        """Set, and known to the ingress: each has a notice of its own."""
        self.flows += 1
        self.notice = f"{flow.pop('notice', NOTICE)} {self.flows}"
        self.set_flow({"consent_notice": self.notice, **flow})
        return self.notice

    def of(self, placed, status, **wanted):
        """The call's row once it has that status, and all else that is wanted."""
        return eventually(lambda: next((c for c in self.calls(phone=placed["from"]) if c["status"] == status and all(c[k] == v for k, v in wanted.items())), None),
                          what=f"call {placed['sid']} with {status} {wanted}; it is {self.calls(phone=placed['from'])}")

    def voicemails(self, **params):
        return data(self.stack.get("/api/v1/voicemails", self.csr, **params))["items"]

    def voicemail(self, placed, where=lambda _: True):
        sids = [r["sid"] for r in placed["recordings"]]
        return eventually(lambda: next((v for v in self.voicemails() if v["recording_sid"] in sids and where(v)), None), what="the voicemail")

    def hook(self, path, form, token=None):
        """One webhook of Twilio's, signed by this company's token."""
        return signed(self.stack, path, {"AccountSid": self.twilio_account, **form}, token or self.auth_token)


def data(answer):
    assert answer.status_code // 100 == 2, answer.text
    return answer.json()["data"]


def signed(stack, path, form, token):
    signature = RequestValidator(token).compute_signature(stack.url + path, ImmutableMultiDict(form))
    return stack.http.post(path, content=urllib.parse.urlencode(form), headers={"Content-Type": "application/x-www-form-urlencoded; charset=UTF-8", "X-Twilio-Signature": signature})


def kinds(placed):
    return [r["kind"] for r in placed["requests"]]


def recordings_of(stack, call):
    return httpx.get(stack.sandbox + "/sandbox/twilio/recordings", params={"sid": call}).json()


@pytest.fixture(scope="module")
def shop(stack):
    return Voice(stack)


# ---- seed 003


def test_seed_003_from_the_number_to_the_list_of_calls(stack):
    """Each curl and SQL statement of the guide, in its order."""
    company = Voice(stack)
    account, basic = f"{stack.sandbox}/2010-04-01/Accounts/{company.twilio_account}", httpx.BasicAuth(company.twilio_account, company.auth_token)
    number = new_number()
    # Step 1, option B.
    urls = {"VoiceUrl": stack.url + HOOKS + "incoming-call", "StatusCallback": stack.url + HOOKS + "call-status", "StatusCallbackEvent": "initiated ringing answered completed", "StatusCallbackMethod": "POST"}
    bought = httpx.post(account + "/IncomingPhoneNumbers.json", auth=basic, data={"PhoneNumber": number, **urls})
    assert bought.status_code == 201, bought.text
    # Step 2.
    stack.run("deploy/psql", "-v", "ON_ERROR_STOP=1", "-c", f"""INSERT INTO user_phone_numbers (
  workspace_id,
  user_id,
  phone_number,
  twilio_phone_sid,
  is_active,
  voicemail_enabled
)
VALUES (
  '{company.id}',
  '{company.user}',
  '{number}',
  '{bought.json()["sid"]}',
  TRUE,
  TRUE
);""")
    # Step 3, option B, by Otto and by Twilio directly.
    row = eventually(lambda: next((n for n in data(stack.get("/api/v1/numbers", company.manager, limit=200))["items"] if n["e164"] == number), None))
    led = company.post("/api/aloha/configure-webhooks", json={"phoneNumberId": row["id"]}).json()
    led = led.get("data", led)
    assert led["success"] is True and led["phoneNumber"] == number and led["webhooks"]["voice_url"] == urls["VoiceUrl"] and led["webhooks"]["status_callback_url"] == urls["StatusCallback"]
    assert httpx.post(f"{account}/IncomingPhoneNumbers/{bought.json()['sid']}.json", auth=basic, data=urls).status_code == 200
    # Step 4: a call, whose caller leaves a voicemail: there is no flow yet.
    placed = eventually(lambda: (p := company.phone(to=number)) and p["recordings"] and p, what="the number's way to the ingress")
    assert kinds(placed) == ["incoming", "recording", "action", "status"] and placed["status"] == "completed"
    call = company.of(placed, "voicemail")
    assert call["missed_call"] is True and call["tracking_number"] == number and call["duration"] == placed["duration"]
    shown = stack.run("deploy/psql", "-x", "-c", f"SELECT * FROM call_logs \nWHERE to_number = '{number}'\nORDER BY started_at DESC\nLIMIT 5;").stdout
    assert placed["from"] in shown
    company.voicemail(placed)
    left = stack.run("deploy/psql", "-x", "-c", "SELECT * FROM voicemail_messages\nORDER BY created_at DESC\nLIMIT 5;").stdout
    assert placed["recordings"][0]["sid"] in left
    assert number in stack.run("deploy/psql", "-c", f"SELECT * FROM user_phone_numbers \nWHERE phone_number = '{number}' \nAND is_active = TRUE;").stdout
    # Quick reference: the list and one of it.
    listed = data(stack.get("/api/aloha/calls", company.csr, search=placed["from"][-7:]))
    (item,) = listed["items"]
    assert (listed["page"], listed["pageSize"], listed["total"]) == (1, 20, 1) and {"id", "callerName", "callerNumber", "startedAt", "durationSeconds", "outcome", "sentiment", "summary"} <= set(item)
    assert (item["callerNumber"], item["outcome"], item["durationSeconds"]) == (placed["from"], "voicemail", placed["duration"])
    one = data(stack.get(f"/api/aloha/calls/{item['id']}", company.csr))
    assert one["recordingUrl"] and one["voicemail"]
    assert [i["id"] for i in data(stack.get("/api/aloha/calls", company.csr, outcome="voicemail"))["items"]].count(item["id"]) == 1
    assert item["id"] not in [i["id"] for i in data(stack.get("/api/aloha/calls", company.csr, outcome="answered"))["items"]]
    # Its sound is had, written down and understood, and the voicemail says so.
    voicemail = company.voicemail(placed, where=lambda v: v["transcript"] and v["summary"])
    assert voicemail["call_id"] == call["call_id"] and voicemail["status"] == "new" and voicemail["duration"] == 12
    (sound,) = recordings_of(stack, placed["sid"])
    got = stack.http.get(f"/api/v1/calls/{call['call_id']}/recording", headers={"Authorization": f"Bearer {company.csr}"}, follow_redirects=True)
    assert got.status_code == 200 and len(got.content) == sound["bytes"]
    changed = stack.http.patch(f"/api/v1/voicemails/{voicemail['id']}", json={"status": "listened"}, headers={"Authorization": f"Bearer {company.csr}"})
    assert data(changed)["status"] == "listened"
    card = data(stack.get(f"/api/v1/contacts/{call['contact_card_id']}", company.csr))
    assert [v["id"] for v in card["voicemails"]] == [voicemail["id"]]


def test_expected_flow_a_call_goes_to_the_voice_agent(stack, shop):
    """Seed 003: returns TwiML to route to the Aloha stream; offered is not started, and an error goes on at no_answer."""
    shop.flow(open=[{"stream": "wss://agent.example/aloha"}], no_answer=[{"say": "Nobody is here."}, {"voicemail": {"greeting": "Say who you are."}}], record=True)
    placed = shop.phone(duration=45)
    assert "wss://agent.example/aloha" in placed["documents"][0] and [f"{e}" for e in kinds(placed)] == ["incoming", "stream", "stream", "recording", "status"]
    for name, value in (("call_sid", placed["sid"]), ("company_id", shop.id), ("from", placed["from"])):
        assert re.search(rf'<Parameter name="{name}" value="{re.escape(value)}"\s*/>', placed["documents"][0]), placed["documents"][0]
    call = shop.of(placed, "completed", answered=True)
    assert shop.detail(call["call_id"])["duration"] == placed["duration"]
    broken = shop.phone(stream="error")
    assert broken["said"][-2:] == ["Nobody is here.", "Say who you are."]
    # The whole call is recorded too, and told of last: the voicemail keeps its sound and its words.
    assert [r["source"] for r in broken["recordings"]] == ["RecordVerb", "StartCallRecordingTwiML"]
    left = shop.voicemail(broken, where=lambda v: v["transcript"])
    assert left["recording_url"] == f"/api/v1/calls/{shop.of(broken, 'voicemail')['call_id']}/recording" and left["duration"] == broken["recordings"][0]["duration"]
    shop.of(shop.phone(stream="silent", record="hangs_up"), "missed")


def test_expected_flow_somebody_answers_or_nobody(stack, shop):
    shop.flow(open=[{"say": "Hello."}, {"dial": ["+14805550171", "+14805550172"], "timeout_s": 15}, {"dial": ["+14805550173"]}], no_answer=[{"voicemail": {"max_s": 60}}], record=True)
    placed = shop.phone(duration=61, ends="callee", shunya={"outcome": "booked"})
    assert [leg["to"] for leg in placed["legs"]] == ["+14805550171", "+14805550172"] and {leg["from"] for leg in placed["legs"]} == {shop.texts} and placed["said"] == [shop.notice, "Hello."]
    call = shop.of(placed, "completed", answered=True)
    assert call["duration"] == placed["duration"] >= 61  # seconds, not the billed minutes
    assert len(shop.calls(phone=placed["from"])) == 1 and not [c for c in shop.calls() if c["phone_number"] == shop.texts]  # legs are no calls
    done = eventually(lambda: (c := shop.detail(call["call_id"]))["analysis_state"]["state"] == "done" and c, what="its analysis")
    assert done["consent_notice_played"] is True and done["analysis"]["booking_status"] == "booked"
    # The second dial answers; nobody; the caller gives up; all that can become of a dial.
    second = shop.phone(dials=["no-answer", "answered"])
    assert [leg["to"] for leg in second["legs"]] == ["+14805550171", "+14805550172", "+14805550173"]
    shop.of(second, "completed")
    shop.of(shop.phone(hangs_up="dialling"), "missed")
    for result in ("busy", "failed", "canceled"):
        left = shop.phone(dials=[result])
        assert left["recordings"]
        shop.of(left, "voicemail")
    shop.of(shop.phone(missed=True), "missed")
    shop.of(shop.phone(hangs_up="ringing"), "missed")


def test_hours_and_the_default(stack, shop):
    shop.flow(hours={}, open=[{"say": "open"}], closed=[{"say": "We are closed."}])
    placed = shop.phone()
    assert placed["said"] == [shop.notice, "We are closed."] and "<Hangup" in placed["documents"][0]
    shop.of(placed, "missed")
    shop.flow(hours={day: [["00:00", "24:00"]] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}, open=[])
    assert shop.phone()["said"] == [shop.notice]
    shop.flow()
    assert shop.phone()["recordings"][0]["source"] == "RecordVerb"
    # The short address is for calls as well as for texts.
    short = shop.phone(voice_url=stack.url + "/api/v1/twilio-webhook", status_callback=stack.url + "/api/v1/twilio-webhook", missed=True)
    shop.of(short, "missed")


# ---- troubleshooting


def test_webhooks_not_received_the_number_and_what_is_held_say_why(stack, shop):
    """Wrong addresses at Twilio are named by /numbers; a webhook whose signature fails is a 401; one that came for nobody is held."""
    number = new_number()
    assert shop.phone(auth_token="not the token", error=11200)["requests"][0]["status"] == 401
    lonely = shop.phone(to=number)
    assert [(v[0], v[1].partition(">")[0]) for v in re.findall(r"<(\w+)[^>]*>([^<]*)", lonely["documents"][0]) if v[0] in ("Say", "Hangup")][0][0] == "Say" and len(lonely["said"]) == 1
    assert re.findall(r"<([A-Z]\w*)", lonely["documents"][0]) == ["Response", "Say", "Hangup"]
    ((reason, cure), *_) = eventually(lambda: waiting(stack, number))
    assert reason == f"No company found for tracking number {number}" and "POST /api/v1/numbers" in cure
    listed = json.loads(shop.ctl("held", "list", "--json").stdout)
    assert number in json.dumps(listed)
    seen = eventually(lambda: next((n for n in data(stack.get("/api/v1/numbers", shop.manager, limit=200))["items"] if n["e164"] == number), None), what="the number as seen")
    assert (seen["state"], seen["provider"], seen["purposes"]) == ("seen", "twilio", ["voice"])
    shop.post("/api/v1/numbers", json={"e164": number, "provider": "twilio"})
    shop.of(lonely, "missed", tracking_number=number)
    assert eventually(lambda: not waiting(stack, number))


def test_call_logs_not_created_what_is_held_says_why(stack):
    """A number without voice, a suspended company, a company without its token."""
    company = Voice(stack)
    number = new_number()
    company.post("/api/v1/numbers", json={"e164": number, "provider": "twilio", "purposes": ["text"]})
    placed = company.phone(to=number)
    eventually(lambda: any("purpose" in cure.lower() for _, cure in waiting(stack, number)), what="the cure for a number without voice")
    assert company.calls(phone=placed["from"]) == []
    stack.sql("UPDATE companies SET status = 'suspended' WHERE id = %s", company.id)
    told = eventually(lambda: (p := company.phone()) and not p["recordings"] and p, what="the suspension's way to the ingress")
    assert re.findall(r"<([A-Z]\w*)", told["documents"][0]) == ["Response", "Say", "Hangup"]
    eventually(lambda: any("suspended" in reason for reason, _ in waiting(stack, company.texts)), what="what is held for a suspended company")
    stack.sql("UPDATE companies SET status = 'active' WHERE id = %s", company.id)
    company.of(told, "missed")


# A recording that comes late, one at a private address, a page in its place, none, and one too short to say anything: what the caller's call is to be like, and what its analysis_state says.
WITHOUT_WORDS = {
    "late": ({"recording_fault": {"kind": "not_yet", "times": 1}}, "done", "is there"), "private": ({"recording_fault": "private"}, "waiting_for_recording", "cannot be reached"),
    "a page": ({"recording_fault": "html"}, "recording_unavailable", "cannot be had"), "absent": ({"record": "absent"}, "recording_unavailable", "cannot be had"),
    "failed": ({"record": "failed"}, "recording_unavailable", "cannot be had"), "short": ({"voicemail_seconds": 1}, "none", "under 2 seconds")}


@pytest.fixture(scope="module")
def without_words(plain):
    """All at once, so that they wait together."""
    return {name: plain.phone(voicemail=True, **more) for name, (more, _, _) in WITHOUT_WORDS.items()}


@pytest.mark.parametrize("name", WITHOUT_WORDS)
def test_voicemail_not_recorded_analysis_state_says_why(plain, without_words, name):
    placed, (_, state, words) = without_words[name], WITHOUT_WORDS[name]
    call = eventually(lambda: next(iter(plain.calls(phone=placed["from"])), None), what="the call")
    told = lambda: plain.detail(call["call_id"])["analysis_state"]  # noqa: E731
    eventually(lambda: (s := told())["state"] == state and words in s["why"], within=60, what=f"{state}: {words}; it is {told()}")


@pytest.fixture(scope="module")
def plain(stack):
    """Without a flow: notice none, voicemail."""
    return Voice(stack)


def test_a_number_without_voicemail_hangs_up(stack, shop):
    number = new_number()
    made = data(stack.http.post("/api/v1/numbers", json={"e164": number, "provider": "twilio", "voicemail_enabled": False}, headers={"Authorization": f"Bearer {shop.manager}"}))
    shop.flow(open=[{"dial": ["+14805550171"]}], no_answer=[{"voicemail": {}}])
    placed = eventually(lambda: (p := shop.phone(to=number, voicemail=True)) and shop.notice in p["said"] and p)
    assert placed["recordings"] == [] and "<Record" not in "".join(placed["documents"]) and made["voicemail_enabled"] is False
    shop.of(placed, "missed")


def test_whatever_the_flow_its_documents_are_twilios_and_every_call_ends(shop):
    r = random.Random(20261130)
    step = lambda: r.choice([{"say": "Hello."}, {"dial": [f"+1480555017{n}" for n in range(r.randrange(1, 5))], "timeout_s": r.choice((1, 20, 600))}, {"stream": "wss://agent.example/a"}, {"voicemail": {"max_s": 1}}, {"voicemail": {}}])  # noqa: E731
    for n in range(3):
        shop.flow(record=n % 2 == 0, **{name: [step() for _ in range(r.randrange(6))] for name in ("open", "closed", "no_answer") if r.random() < 0.8})
        for _ in range(4):
            placed = shop.phone(dials=r.choices(("answered", "no-answer", "busy", "failed", "canceled"), k=5), stream=r.choice(("started", "error", "breaks", "silent")), ends=r.choice(("caller", "callee")),
                                record=r.choice(("left", "hangs_up", "silence", "absent")))
            assert len(placed["documents"]) <= 20


# ---- what strangers write


EVIL = '"/></Say><Hangup/><Say>&amp; &lt;x&gt; \' ]]> <!-- 🏠 é'


def test_nothing_that_is_written_becomes_a_verb(stack):
    company = Voice(stack, timezone="America/Phoenix")
    stack.http.put(f"/api/v1/company/{company.id}", json={"name": EVIL[:60]}, headers={"Authorization": f"Bearer {company.manager}"})
    company.flow(notice=EVIL, open=[{"say": EVIL}, {"stream": "wss://agent.example/a"}], no_answer=[{"voicemail": {"greeting": EVIL}}])
    placed = company.phone(stream="error", fields={"CallerName": EVIL, "FromCity": EVIL, "ToCity": EVIL, "ForwardedFrom": EVIL, "CallToken": "x" * 2000})
    assert placed["said"] == [company.notice, EVIL, EVIL] and placed["recordings"]
    company.of(placed, "voicemail")


@pytest.mark.parametrize("caller", ["Anonymous", "+266696687", "sip:bob@example.com;x=\"<&>\"", "client:alice", ""])
def test_callers_without_a_number(stack, shop, caller):
    shop_calls = {c["call_id"] for c in shop.calls(limit=200)}
    placed = shop.phone(fields={"From": caller, "Caller": caller, "FromCity": None})
    call = eventually(lambda: next((c for c in shop.calls(limit=200) if c["call_id"] not in shop_calls and c["status"] in ("voicemail", "missed", "completed")), None), what=f"the call of {caller!r}")
    assert call["contact"]["primary_phone"] is None and placed["error"] is None


# ---- events


def test_events_in_any_order_and_repeated_end_in_one_call(stack, shop):
    shop.flow(open=[{"dial": ["+14805550171"]}], record=True, no_answer=[{"voicemail": {}}])
    for seed, more, status in ((1, {}, "completed"), (2, {}, "completed"), (3, {"voicemail": True}, "voicemail"), (4, {"voicemail": True}, "voicemail"), (5, {"missed": True}, "missed")):
        placed = shop.phone(shuffled=seed, times=2, statuses=["initiated", "ringing", "in-progress", "end"], **more)
        shop.of(placed, status, duration=placed["duration"])
        assert len(shop.calls(phone=placed["from"])) == 1
        if status == "voicemail":
            shop.voicemail(placed)
            assert len([v for v in shop.voicemails(limit=200) if v["recording_sid"] in [r["sid"] for r in placed["recordings"]]]) == 1


def test_a_recording_is_its_own_companys_and_counts_once(stack, shop, plain):
    placed = plain.phone(voicemail=True)
    voicemail, sid = plain.voicemail(placed), placed["recordings"][0]["sid"]
    form = next(r["form"] for r in placed["requests"] if r["kind"] == "recording")
    # Another company's account says something of this call.
    theirs = {**form, "RecordingSid": "RE" + uuid.uuid4().hex, "AccountSid": shop.twilio_account, "RecordingUrl": form["RecordingUrl"].replace(plain.twilio_account, shop.twilio_account)}
    assert shop.hook(HOOKS + "voicemail-recorded", theirs).status_code in (204, 200)
    # The same recording once more, somewhere else.
    assert plain.hook(HOOKS + "voicemail-recorded", {**form, "RecordingUrl": "https://evil.example/x"}).status_code == 204
    assert plain.hook(HOOKS + "voicemail-recorded", form, token="another").status_code == 401
    after = plain.phone(voicemail=True)
    plain.voicemail(after)
    rows = stack.sql("SELECT company_id, recording_sid, recording_url FROM voicemail_messages WHERE recording_sid = ANY(%s)", [sid, theirs["RecordingSid"]])
    assert rows == [(plain.id, sid, form["RecordingUrl"])] and plain.detail(voicemail["call_id"])["status"] == "voicemail"


def test_a_flow_that_changes_in_mid_call(stack, shop):
    shop.flow(open=[{"dial": ["+14805550171"]}, {"dial": ["+14805550172"]}, {"say": "of before"}], no_answer=[{"say": "of before"}])
    sid, caller = "CA" + uuid.uuid4().hex, new_number()
    shop.phone(sid=sid, voicemail=True, hold="action", wait=False, **{"from": caller})
    at = lambda: httpx.get(stack.sandbox + "/sandbox/twilio/calls", params={"sid": sid}).json()  # noqa: E731
    eventually(lambda: at().get("stands_still") == "action", what="the call that stands still")
    shop.flow(open=[{"say": "of after"}])
    httpx.post(stack.sandbox + "/sandbox/twilio/calls", json={"sid": sid})
    placed = eventually(lambda: (c := at())["over"] and c, what="the call's end")
    assert placed["error"] is None and "of before" not in placed["said"] and placed["recordings"]
    shop.of(placed, "voicemail")


def test_what_a_flow_may_not_be(stack, shop):
    put = lambda flow: stack.http.put(f"/api/v1/company/{shop.id}", json={"call_flow": flow}, headers={"Authorization": f"Bearer {shop.manager}"})  # noqa: E731
    for flow, field in (({"open": [{"dial": [shop.texts]}]}, "dial"), ({"no_answer": [{"dial": ["+14805550171", "(" + shop.texts[2:5] + ") " + shop.texts[5:8] + "-" + shop.texts[8:]]}]}, "dial"),
                        ({"record": True}, "record"), ({"consent_notice": " ", "record": True}, "record"), ({"open": [{"say": "x" * 70_000}]}, "call_flow")):
        answer = put(flow)
        assert answer.status_code == 422 and field in answer.json()["errors"][0]["field"] + str(answer.json()["errors"][0]), answer.text
    # Another company's is allowed. What it dials from a number of this deployment is not dialled on.
    other = Voice(stack)
    other.flow(open=[{"dial": ["+14805550171"]}], no_answer=[{"say": "No further."}, {"voicemail": {}}])
    shop.flow(open=[{"dial": [other.texts]}])
    assert [leg["to"] for leg in shop.phone()["legs"]] == [other.texts]
    forwarded = eventually(lambda: (p := other.phone(**{"from": shop.texts}, voicemail=True)) and "No further." in p["said"] and p)
    assert forwarded["legs"] == [] and forwarded["recordings"]


def test_nobody_is_kept_from_being_put_through_by_who_writes_down_his_number(stack, shop, plain):
    """Only what has proven to be a number of this deployment is not dialled on."""
    shop.flow(open=[{"dial": ["+14805550171"]}], no_answer=[{"say": "No further."}])
    caller = new_number()
    for provider in ("callrail", "twilio"):
        stack.http.post("/api/v1/numbers", json={"e164": caller, "provider": provider}, headers={"Authorization": f"Bearer {plain.manager}"})
        seen = new_number()
        plain.post("/api/v1/numbers", json={"e164": seen, "provider": "twilio"})
        eventually(lambda: plain.phone(to=seen)["recordings"], what="the ingress knowing what was written down before")  # noqa: B023
        assert [leg["to"] for leg in shop.phone(**{"from": caller})["legs"]] == ["+14805550171"]
        caller = new_number()


def test_while_kafka_is_away_calls_are_answered_within_a_second_and_come_afterwards(stack, shop):
    shop.flow(open=[{"dial": ["+14805550171"]}], no_answer=[{"voicemail": {}}])
    kafka = int((stack.folder / "pids" / "kafka").read_text())
    os.kill(kafka, signal.SIGSTOP)
    try:
        began = time.monotonic()
        placed = [shop.phone(), shop.phone(voicemail=True)]
        took = time.monotonic() - began
    finally:
        os.kill(kafka, signal.SIGCONT)
    waits = [r["ms"] for p in placed for r in p["requests"]]
    assert max(waits) < 1000, (waits, took)
    shop.of(placed[0], "completed")
    shop.of(placed[1], "voicemail")
    shop.voicemail(placed[1])
