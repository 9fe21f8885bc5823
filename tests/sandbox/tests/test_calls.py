"""Calls over Twilio, played by documents of a test; numbers that are bought; recordings."""

import concurrent.futures
import hashlib
import urllib.parse
import uuid

import httpx
import pytest
from peers import otto, sandbox, shared  # noqa: F401
from test_texts import account, basic, client
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.request_validator import RequestValidator

from sandbox.twilio.twiml import Refused, read

NUMBER, CUSTOMER = "+15205232772", "+16025550123"
INCOMING, STATUS, STEP, RECORDED = "/api/aloha/webhooks/incoming-call", "/api/aloha/webhooks/call-status", "/api/aloha/webhooks/next-step", "/api/aloha/webhooks/voicemail-recorded"
HANGUP = "<Response><Hangup/></Response>"


@pytest.fixture
def of(sandbox):
    return account(sandbox)


@pytest.fixture
def answers(otto):
    """What answers the call, and what its steps."""
    def set_to(incoming, step=HANGUP):
        otto.documents = {INCOMING: ("text/xml", incoming.replace("STEP", otto.url + STEP).replace("RECORDED", otto.url + RECORDED)), STEP: ("application/xml; charset=utf-8", step)}

    return set_to


def call(sandbox, otto, **more):
    answer = sandbox.post("/sandbox/twilio/place-call", json={"to": NUMBER, "from": CUSTOMER, "otto_url": otto.url, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


def kinds(played):
    return [(r["kind"], r["form"].get("CallStatus") or r["form"].get("RecordingStatus") or r["form"].get("StreamEvent")) for r in played["requests"]]


DIAL = ('<Response><Say>This call is recorded.</Say><Dial timeout="20" action="STEP?flow=open&amp;step=1" callerId="+15205232772" record="record-from-answer-dual" recordingStatusCallback="RECORDED">'
        '<Number statusCallback="STEP?leg=1" statusCallbackEvent="initiated ringing answered completed">+14805550100</Number><Number statusCallback="STEP?leg=2">+14805550101</Number></Dial></Response>')
RECORD = '<Response><Record maxLength="120" playBeep="true" action="STEP?step=2" recordingStatusCallback="RECORDED"/></Response>'


def test_a_dial_that_is_answered(sandbox, otto, of, answers):
    answers(DIAL)
    played = call(sandbox, otto, duration=61, ends="callee")
    assert kinds(played) == [("incoming", "ringing"), ("leg", "initiated"), ("leg", "ringing"), ("leg", "in-progress"), ("leg", "canceled"), ("leg", "completed"), ("recording", "completed"), ("action", "in-progress"),
                             ("status", "completed")]
    assert played["error"] is None and played["status"] == "completed" and played["said"] == ["This call is recorded."]
    leg, recorded, action, status = played["requests"][5]["form"], played["requests"][6]["form"], played["requests"][7], played["requests"][8]["form"]
    assert (leg["ParentCallSid"], leg["Direction"], leg["CallDuration"], leg["Duration"], leg["SequenceNumber"], leg["To"]) == (played["sid"], "outbound-dial", "61", "2", "3", "+14805550100")
    assert "From" not in recorded and "To" not in recorded and recorded["RecordingSource"] == "DialVerb" and recorded["RecordingChannels"] == "2" and recorded["CallSid"] == played["sid"]
    assert (action["form"]["DialCallStatus"], action["form"]["DialCallDuration"], action["form"]["RecordingSid"]) == ("completed", "61", recorded["RecordingSid"])
    assert action["url"].endswith("?flow=open&step=1") and status["CallDuration"] == "70" and status["Duration"] == "2" and status["SequenceNumber"] == "0" and status["Timestamp"].endswith("+0000")
    for (path, _, body), headers in zip(otto.seen, otto.headers):
        form = dict(urllib.parse.parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=True))
        assert RequestValidator(of["auth_token"]).validate(otto.url + path, form, headers["X-Twilio-Signature"])
    assert client(sandbox, of).calls(played["sid"]).fetch().duration == "70"


def test_nobody_answers_and_a_voicemail_is_left(sandbox, otto, of, answers):
    answers(DIAL, RECORD.replace("STEP", STEP).replace("RECORDED", RECORDED))
    played = call(sandbox, otto, voicemail=True)
    assert kinds(played)[-4:] == [("action", "in-progress"), ("recording", "completed"), ("action", "completed"), ("status", "completed")]
    forms = [r["form"] for r in played["requests"]]
    assert (forms[-4]["DialCallStatus"], forms[-3]["RecordingSource"], forms[-3]["RecordingDuration"], forms[-2]["Digits"]) == ("no-answer", "RecordVerb", "12", "hangup")
    assert played["duration"] == 1 + 20 + 12
    (told,) = sandbox.get("/sandbox/twilio/recordings", params={"sid": played["sid"]}).json()
    assert told["url"] == forms[-3]["RecordingUrl"] and told["duration"] == 12
    assert httpx.get(told["url"] + ".mp3", trust_env=False).status_code == 401
    first = httpx.get(told["url"] + ".mp3", auth=basic(of), trust_env=False)
    assert first.status_code == 302 and httpx.get(first.headers["location"], auth=basic(of), trust_env=False).status_code == 400
    got = httpx.get(first.headers["location"], trust_env=False)
    assert (hashlib.sha256(got.content).hexdigest(), got.headers["content-type"], len(got.content)) == (told["sha256"], "audio/mpeg", told["bytes"]) and got.content.startswith(b"ID3")
    assert httpx.get(httpx.get(told["url"] + ".wav", auth=basic(of), trust_env=False).headers["location"], trust_env=False).content.startswith(b"RIFF")


def test_whoever_hangs_up_leaves_nothing(sandbox, otto, of, answers):
    answers(RECORD)
    assert kinds(call(sandbox, otto, missed=True)) == [("incoming", "ringing"), ("status", "completed")]
    assert kinds(call(sandbox, otto, hangs_up="ringing")) == [("status", "canceled")]
    answers(DIAL)
    played = call(sandbox, otto, hangs_up="dialling")
    assert [r["form"].get("DialCallStatus") for r in played["requests"] if r["kind"] == "action"] == ["canceled"] and played["documents"] == [otto.documents[INCOMING][1]]
    answers("<Response><Reject reason=\"busy\"/></Response>")
    assert kinds(call(sandbox, otto)) == [("incoming", "ringing"), ("status", "busy")]


STREAM = ('<Response><Start><Recording recordingStatusCallback="RECORDED" channels="dual"/></Start><Connect><Stream url="wss://agent.example/stream" statusCallback="STEP?stream=1"><Parameter name="call_sid" value="x"/>'
          '</Stream></Connect><Redirect>STEP?step=3</Redirect></Response>')


@pytest.mark.parametrize(("stream", "events"), [
    ("started", [("stream", "stream-started"), ("stream", "stream-stopped"), ("recording", "completed"), ("status", "completed")]),
    ("error", [("stream", "stream-error"), ("redirect", "in-progress"), ("recording", "completed"), ("status", "completed")]),
    ("breaks", [("stream", "stream-started"), ("stream", "stream-error"), ("redirect", "in-progress"), ("recording", "completed"), ("status", "completed")]),
    ("silent", [("redirect", "in-progress"), ("recording", "completed"), ("status", "completed")])])
def test_streams(sandbox, otto, of, answers, stream, events):
    answers(STREAM)
    played = call(sandbox, otto, stream=stream)
    assert kinds(played)[1:] == events and played["error"] is None
    assert [r["source"] for r in played["recordings"]] == ["StartCallRecordingTwiML"] and played["requests"][-1]["form"]["RecordingSid"] == played["recordings"][0]["sid"]


def test_callbacks_in_any_order_and_repeated(sandbox, otto, of, answers):
    answers(DIAL)
    orders = set()
    for seed in range(1, 5):
        played = call(sandbox, otto, shuffled=seed, times=2, statuses=["initiated", "ringing", "in-progress", "end"])
        late = kinds(played)[2:]
        assert len(late) == 2 * (4 + 1 + 1 + 4) and late.count(("status", "initiated")) == 2 and {r["form"]["SequenceNumber"] for r in played["requests"] if r["kind"] == "status"} == set("0123")
        orders.add(tuple(late))
    assert len(orders) == 4
    assert call(sandbox, otto, statuses=[])["requests"][-1]["kind"] == "action"


@pytest.mark.parametrize(("media_type", "document", "code"), [
    ("application/json", '{"success":true}', 12300), ("text/html", HANGUP, 12300), ("text/xml", " " + HANGUP, 12100), ("text/xml", "<Response><Say>a & b</Say></Response>", 12100), ("text/xml", "<response/>", 12100),
    ("text/xml", f"<Response><Say>{'x' * 66_000}</Say></Response>", 11750), ("text/xml", "<Response><Speak>x</Speak></Response>", 12200), ("text/xml", '<Response><Say tone="x">x</Say></Response>', 12200),
    ("text/xml", "<Response><Number>+14805550100</Number></Response>", 12200), ("text/xml", "<Response><Record><Say>x</Say></Record></Response>", 12200), ("text/xml", '<Response><Record maxLength="long"/></Response>', 12200),
    ("text/xml", '<Response><Connect><Stream url="https://agent.example"/></Connect></Response>', 12200), ("text/xml", '<Response><Say message="x"/></Response>', 12200), ("text/xml", "<Response>Hello</Response>", 12100),
    ("text/xml", '<Response><Dial callerId="+14805550199"><Number>+14805550100</Number></Dial></Response>', 13214), ("text/xml", "<Response><Dial><Number>5550100</Number></Dial></Response>", 13224),
    ("text/xml", "<Response><Redirect></Redirect></Response>", 12100)])
def test_what_twilio_refuses(sandbox, otto, of, media_type, document, code):
    otto.documents = {INCOMING: (media_type, document)}
    played = call(sandbox, otto)
    assert played["error"]["code"] == code, played["error"]
    assert kinds(played)[-1] == ("status", "completed")


def test_an_answer_that_is_none_goes_to_the_fallback(sandbox, otto, of, answers):
    answers(HANGUP)
    otto.statuses = [500]
    assert call(sandbox, otto)["error"]["code"] == 11200
    otto.statuses = [500]
    played = call(sandbox, otto, fallback_url=otto.url + INCOMING)
    assert played["error"] is None and played["requests"][1]["form"]["ErrorCode"] == "11200"


def test_a_document_that_the_library_writes_is_read():
    for document in (DIAL, RECORD, STREAM):
        read(document.replace("STEP", "https://otto.example" + STEP).replace("RECORDED", "https://otto.example/r").encode(), "text/xml")
    with pytest.raises(Refused, match="12200"):
        read(b'<Response><Dial><Record/></Dial></Response>', "text/xml")


def test_a_call_stands_still_until_it_is_released(sandbox, otto, of, answers):
    answers(DIAL, "<Response><Say>of before</Say></Response>")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        sid = "CA" + uuid.uuid4().hex
        playing = pool.submit(call, sandbox, otto, sid=sid, voicemail=True, hold="action")
        while sandbox.get("/sandbox/twilio/calls", params={"sid": sid}).json().get("stands_still") != "action":
            pass
        answers(DIAL, "<Response><Say>of after</Say></Response>")
        assert sandbox.post("/sandbox/twilio/calls", json={"sid": sid}).json() == [{"sid": sid, "where": "action"}]
        assert playing.result()["said"][-1] == "of after"


@pytest.mark.parametrize(("fault", "statuses"), [({"kind": "not_yet", "times": 2}, [404, 404, 302]), ("never", [404, 404]), ("private", [302])])
def test_recordings_that_are_not_there(sandbox, otto, of, answers, fault, statuses):
    answers(RECORD)
    (made,) = call(sandbox, otto, voicemail=True, recording_fault=fault)["recordings"]
    got = [httpx.get(made["url"] + ".mp3", auth=basic(of), trust_env=False) for _ in statuses]
    assert [g.status_code for g in got] == statuses
    if fault == "private":
        assert got[0].headers["location"].startswith("http://127.0.0.3:")
    sandbox.post("/sandbox/twilio/recordings", json={"sid": made["sid"], "fault": "html"})
    page = httpx.get(made["url"] + ".mp3", auth=basic(of), trust_env=False, follow_redirects=False)
    assert httpx.get(page.headers["location"], trust_env=False).headers["content-type"].startswith("text/html")
    absent = call(sandbox, otto, record="absent")["recordings"][0]
    assert httpx.get(absent["url"] + ".mp3", auth=basic(of), trust_env=False).status_code == 404


@pytest.mark.parametrize(("body", "named"), [({"dials": "perhaps"}, "dials"), ({"stream": "x"}, "stream"), ({"record": "x"}, "record"), ({"sid": "x"}, "sid"), ({"statuses": ["odd"]}, "statuses"), ({"recording_fault": "odd"}, "kind"),
                                             ({"otto_url": "x"}, "otto_url"), ({"missed": "x"}, "missed"), ({"body": "x"}, "body"), ({"fields": 1}, "fields")])
def test_a_wrong_command_names_what_is_wrong(sandbox, otto, body, named):
    answer = sandbox.post("/sandbox/twilio/place-call", json={"to": NUMBER, "from": CUSTOMER, "otto_url": otto.url, **body})
    assert answer.status_code == 422 and named in answer.text


# -- numbers

def buy(sandbox, of, number, **more):
    return client(sandbox, of).incoming_phone_numbers.create(phone_number=number, **more)


def counted(sandbox, of):
    told = sandbox.get("/sandbox/twilio/purchases", params={"account_sid": of["account_sid"]}).json()
    return told["asked"], told["taken"]


def test_numbers_are_found_bought_set_and_released(sandbox, of):
    twilio = client(sandbox, of)
    found = [n.phone_number for n in twilio.available_phone_numbers("US").local.list(area_code=602, limit=30)]
    assert len(found) == 30 and all(n.startswith("+1602") for n in found) and len(set(found)) == 30
    assert twilio.available_phone_numbers("US").local.list(area_code=999) == []
    with pytest.raises(TwilioException):
        twilio.available_phone_numbers("XX").local.list()
    made = buy(sandbox, of, found[0], voice_url="https://otto.example/v", status_callback="https://otto.example/s", sms_url="https://otto.example/t")
    assert (made.phone_number, made.voice_url, made.status_callback, made.sms_url, made.voice_method) == (found[0], "https://otto.example/v", "https://otto.example/s", "https://otto.example/t", "POST")
    assert found[0] not in [n.phone_number for n in twilio.available_phone_numbers("US").local.list(area_code=602)]
    (owned,) = twilio.incoming_phone_numbers.list(phone_number=found[0])
    assert owned.sid == made.sid and {n.phone_number for n in twilio.incoming_phone_numbers.list()} == {NUMBER, found[0]}
    changed = twilio.incoming_phone_numbers(made.sid).update(voice_url="https://otto.example/w")
    assert (changed.voice_url, changed.status_callback) == ("https://otto.example/w", "https://otto.example/s")
    with pytest.raises(TwilioRestException) as refused:
        buy(sandbox, account(sandbox, numbers=[]), found[0])
    assert refused.value.code == 21422 and counted(sandbox, of) == (1, 1)
    assert twilio.incoming_phone_numbers(made.sid).delete() is True and twilio.incoming_phone_numbers.list(phone_number=found[0]) == []


@pytest.mark.parametrize(("fault", "taken"), [("resets", 0), ("fails", 0), ("busy", 0), ("takes_and_resets", 1), ("takes_and_fails", 1), ("takes_and_garbles", 1), ("lists_late", 1)])
def test_faults_of_a_purchase(sandbox, of, fault, taken):
    number = f"+1480555{uuid.uuid4().int % 10000:04d}"
    sandbox.post("/sandbox/twilio/purchases", json={"account_sid": of["account_sid"], "fault": fault, "times": 1, "seconds": 0 if fault == "lists_late" else 1})
    url = f"/2010-04-01/Accounts/{of['account_sid']}/IncomingPhoneNumbers.json"
    try:
        status = sandbox.post(url, auth=basic(of), data={"PhoneNumber": number}).status_code
    except httpx.TransportError:
        status = 0
    assert status == {"resets": 0, "fails": 500, "busy": 429, "takes_and_resets": 0, "takes_and_fails": 500, "takes_and_garbles": 200, "lists_late": 0}[fault]
    assert counted(sandbox, of) == (1, taken) and len(client(sandbox, of).incoming_phone_numbers.list(phone_number=number)) == taken


@pytest.mark.parametrize("code", [21422, 21404, 21649, 20003])
def test_a_purchase_that_is_refused(sandbox, of, code):
    sandbox.post("/sandbox/twilio/purchases", json={"account_sid": of["account_sid"], "code": code})
    with pytest.raises(TwilioRestException) as refused:
        buy(sandbox, of, "+14805550177")
    assert refused.value.code == code and counted(sandbox, of) == (1, 0)
