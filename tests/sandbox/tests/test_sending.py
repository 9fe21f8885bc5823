"""Texts that Twilio is asked to send: by Twilio's own library as the one who asks, and what a test may want to go wrong."""

import concurrent.futures
import datetime
import time
import urllib.parse
import uuid

import httpx
import pytest
from peers import otto, sandbox, shared  # noqa: F401
from test_texts import CUSTOMER, NUMBER, account, basic, client, place
from twilio.base.exceptions import TwilioRestException
from twilio.request_validator import RequestValidator

from sandbox.twilio.texts import segments

CALLBACK = "/api/aloha/webhooks/message-status"


@pytest.fixture
def of(sandbox):
    sandbox.delete("/sandbox/twilio/sends")
    made = account(sandbox)
    yield made
    sandbox.post("/sandbox/twilio/held")


def script(sandbox, of, **wanted):
    answer = sandbox.post("/sandbox/twilio/sends", json={"account_sid": of["account_sid"], **wanted})
    assert answer.status_code == 200, answer.text


def send(sandbox, of, otto=None, **more):
    body = {"to": CUSTOMER, "from_": NUMBER, "body": "We come on Monday.", **({"status_callback": f"{otto.url}{CALLBACK}?m=1"} if otto else {}), **more}
    return client(sandbox, of).messages.create(**body)


def ask(sandbox, of, **more):
    """As any client asks, without Twilio's library around it."""
    form = {"To": CUSTOMER, "From": NUMBER, "Body": "We come on Monday.", **more}
    return sandbox.post(f"/2010-04-01/Accounts/{of['account_sid']}/Messages.json", data={k: v for k, v in form.items() if v is not None}, auth=basic(of))


def told(otto, count):
    with otto.arrived:
        assert otto.arrived.wait_for(lambda: len(otto.seen) >= count, 20), f"{len(otto.seen)} of {count} callbacks came"
    return [dict(urllib.parse.parse_qsl(body.decode())) for _, _, body in otto.seen]


def until(check):
    end = time.monotonic() + 20
    while not (value := check()):
        assert time.monotonic() < end, "it did not come about"
    return value


def counts(sandbox, of):
    return sandbox.get("/sandbox/twilio/sent", params={"account_sid": of["account_sid"], "counts": 1}).json()


def test_what_twilios_client_sends_is_answered_queued_and_told_to_its_end(sandbox, otto, of):
    began = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    sent = send(sandbox, of, otto, body="¿Mañana? 🏠")
    assert (sent.status, sent.direction, sent.from_, sent.to, sent.body, sent.num_segments, sent.num_media, sent.price, sent.error_code) == ("queued", "outbound-api", NUMBER, CUSTOMER, "¿Mañana? 🏠", "1", "0", None, None)
    assert sent.sid.startswith("SM") and sent.date_sent is None and sent.date_created >= began and sent.uri.endswith(f"/Messages/{sent.sid}.json")
    forms = told(otto, 2)
    assert [(f["MessageStatus"], f["MessageSid"], f["From"], f["To"]) for f in forms] == [(s, sent.sid, NUMBER, CUSTOMER) for s in ("sent", "delivered")]
    for (path, _, _), headers, form in zip(otto.seen, otto.headers, forms):
        assert path == CALLBACK + "?m=1" and RequestValidator(of["auth_token"]).validate(otto.url + path, form, headers["X-Twilio-Signature"])
    fetched = client(sandbox, of).messages(sent.sid).fetch()
    assert (fetched.status, fetched.error_code) == ("delivered", None) and fetched.date_sent >= began


def test_the_answer_has_every_field_of_a_message_and_lists_the_pair(sandbox, of):
    script(sandbox, of, events=[])
    answer = ask(sandbox, of)
    assert answer.status_code == 201 and set(answer.json()) == {
        "sid", "account_sid", "messaging_service_sid", "from", "to", "body", "status", "direction", "num_segments", "num_media", "error_code", "error_message", "price", "price_unit", "date_created", "date_sent",
        "date_updated", "api_version", "uri", "subresource_uris"}
    assert answer.json()["date_sent"] is None and answer.json()["date_created"].endswith("+0000")
    ask(sandbox, of, To="+16025550199", Body="to another")
    listed = client(sandbox, of).messages.list(from_=NUMBER, to=CUSTOMER)
    assert [(m.sid, m.status, m.date_sent) for m in listed] == [(answer.json()["sid"], "queued", None)]
    assert client(sandbox, of).messages.list(date_sent_after=datetime.datetime(2020, 1, 1)) == []  # one that waits has no such time


@pytest.mark.parametrize(("missing", "code"), [({"To": None}, 21604), ({"From": None}, 21603), ({"Body": None}, 21602), ({"Body": ""}, 21602), ({"Body": "x" * 1601}, 21617), ({"To": "12"}, 21211), ({"To": NUMBER}, 21266),
                                               ({"From": "+15005550000"}, 21606)])
def test_what_twilio_refuses_at_once(sandbox, of, missing, code):
    answer = ask(sandbox, of, **missing)
    assert (answer.status_code, answer.json()["code"], answer.json()["status"]) == (400, code, 400) and str(code) in answer.json()["more_info"]
    assert counts(sandbox, of)["taken"] == 0


def test_who_said_stop_gets_nothing_until_start(sandbox, otto, of):
    place(sandbox, otto, body=" stop ", events=[])
    with pytest.raises(TwilioRestException) as refused:
        send(sandbox, of)
    assert (refused.value.status, refused.value.code) == (400, 21610)
    assert send(sandbox, of, to="+16025550177").status == "queued"
    place(sandbox, otto, body="START", events=[])
    assert send(sandbox, of).status == "queued"


@pytest.mark.parametrize(("code", "status"), [(20003, 401), (20429, 429), (21211, 400), (21408, 400), (21606, 400), (21608, 400), (21610, 400), (21611, 400), (21614, 400), (21635, 400), (21999, 400)])
def test_each_code_that_was_asked_for(sandbox, of, code, status):
    script(sandbox, of, code=code, times=1)
    with pytest.raises(TwilioRestException) as refused:
        send(sandbox, of)
    assert (refused.value.status, refused.value.code) == (status, code)
    assert send(sandbox, of).status == "queued"


@pytest.mark.parametrize(("code", "status"), [(30001, "failed"), (30003, "undelivered"), (30005, "undelivered"), (30006, "undelivered"), (30007, "undelivered"), (30022, "failed"), (30034, "undelivered")])
def test_what_carriers_say_comes_by_callback(sandbox, otto, of, code, status):
    script(sandbox, of, code=code)
    sent = send(sandbox, of, otto)
    assert [(f["MessageStatus"], f.get("ErrorCode")) for f in told(otto, 2)] == [("sent", None), (status, str(code))]
    fetched = client(sandbox, of).messages(sent.sid).fetch()
    assert (fetched.status, fetched.error_code) == (status, code) and fetched.error_message


@pytest.mark.parametrize(("fault", "status", "taken"), [("resets", 0, 0), ("takes_and_resets", 0, 1), ("fails", 500, 0), ("takes_and_fails", 500, 1), ("takes_and_garbles", 200, 1), ("busy", 429, 0)])
def test_what_is_lost_on_the_way(sandbox, of, fault, status, taken):
    script(sandbox, of, fault=fault, times=1, retry_after=2)
    body = f"once {uuid.uuid4()}"
    try:
        answer = ask(sandbox, of, Body=body)
        assert answer.status_code == status and answer.headers.get("retry-after") == ("2" if fault == "busy" else answer.headers.get("retry-after"))
    except httpx.HTTPError:
        assert status == 0
    assert counts(sandbox, of) == {"asked": 1, "taken": taken, "bodies": {body: {"asked": 1, "taken": taken}}}
    assert len(client(sandbox, of).messages.list(from_=NUMBER, to=CUSTOMER)) == taken
    assert ask(sandbox, of, Body=body).status_code == 201 and counts(sandbox, of)["bodies"][body] == {"asked": 2, "taken": taken + 1}


def test_one_that_is_listed_late(sandbox, otto, of):
    script(sandbox, of, fault="lists_late", seconds=1, times=1)
    with pytest.raises(httpx.HTTPError):
        ask(sandbox, of, StatusCallback=otto.url + CALLBACK)
    assert client(sandbox, of).messages.list() == [] and counts(sandbox, of)["taken"] == 1 and otto.seen == []
    sid = told(otto, 1)[0]["MessageSid"]
    assert [m.sid for m in client(sandbox, of).messages.list()] == [sid]


def test_a_slow_answer_and_callbacks_before_it(sandbox, otto, of):
    script(sandbox, of, fault="slow", seconds=1, callback_first=True, events=["delivered", "sent"], times=1)
    began = time.monotonic()
    sent = send(sandbox, of, otto)
    assert time.monotonic() - began >= 1 and [f["MessageStatus"] for f in told(otto, 2)] == ["delivered", "sent"] and sent.status == "queued"
    assert client(sandbox, of).messages(sent.sid).fetch().status == "delivered"


def test_one_that_nobody_hears_of_until_it_is_told(sandbox, otto, of):
    script(sandbox, of, callbacks=False, events=["sent"], times=1)
    script(sandbox, of, events=[])
    moved, silent = send(sandbox, of, otto, body="1"), send(sandbox, of, otto, body="2")
    until(lambda: client(sandbox, of).messages(moved.sid).fetch().status == "sent")
    assert otto.seen == [] and client(sandbox, of).messages(silent.sid).fetch().status == "queued"
    answer = sandbox.post("/sandbox/twilio/tell", json={"sid": silent.sid, "status": "undelivered", "code": 30005}).json()
    (form,) = told(otto, 1)
    assert answer["status"] == 200 and (form["MessageSid"], form["MessageStatus"], form["ErrorCode"]) == (silent.sid, "undelivered", "30005")
    assert sandbox.post("/sandbox/twilio/tell", json={"sid": silent.sid, "status": "odd"}).status_code == 422


@pytest.mark.parametrize(("where", "taken"), [("before", 0), ("after", 1)])
def test_a_request_stands_still_until_it_is_released(sandbox, of, where, taken):
    script(sandbox, of, hold=where, times=1)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        answer = pool.submit(ask, sandbox, of, Body=where)
        held = until(lambda: sandbox.get("/sandbox/twilio/held").json())
        assert [(h["where"], h["body"]) for h in held] == [(where, where)] and counts(sandbox, of)["taken"] == taken
        assert len(sandbox.post("/sandbox/twilio/held").json()) == 1
        assert answer.result(20).status_code == 201 and counts(sandbox, of) == {"asked": 1, "taken": 1, "bodies": {where: {"asked": 1, "taken": 1}}}


def test_one_whose_sender_dies_meanwhile_is_taken_all_the_same(sandbox, of):
    script(sandbox, of, hold="before", times=1)
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{sandbox.base_url}/2010-04-01/Accounts/{of['account_sid']}/Messages.json", data={"To": CUSTOMER, "From": NUMBER, "Body": "x"}, auth=basic(of), timeout=0.5, trust_env=False)
    sandbox.post("/sandbox/twilio/held")
    until(lambda: counts(sandbox, of)["taken"] == 1)


def test_the_first_script_that_fits_counts(sandbox, of):
    script(sandbox, of, word="roof", code=21614, times=1)
    script(sandbox, of, to=CUSTOMER, code=21610)
    assert [ask(sandbox, of, Body=b).json().get("code") for b in ("the roof", "the roof", "a wall")] == [21614, 21610, 21610]
    assert ask(sandbox, of, To="+16025550177").status_code == 201
    record = sandbox.get("/sandbox/twilio/sent", params={"account_sid": of["account_sid"], "body": "a wall"}).json()
    assert [(r["to"], r["from"], r["sid"]) for r in record] == [(CUSTOMER, NUMBER, None)]


@pytest.mark.parametrize(("wanted", "named"), [({"fault": "odd"}, "fault"), ({"hold": "odd"}, "hold"), ({"events": ["odd"]}, "events"), ({"times": -1}, "times"), ({"callbacks": "no"}, "callbacks"), ({"text": "x"}, "text")])
def test_a_wrong_script_names_what_is_wrong(sandbox, wanted, named):
    answer = sandbox.post("/sandbox/twilio/sends", json=wanted)
    assert answer.status_code == 422 and named in answer.json()["error"]


@pytest.mark.parametrize(("body", "count"), [("", 1), ("x" * 160, 1), ("x" * 161, 2), ("x" * 306, 2), ("x" * 307, 3), ("€" * 80, 1), ("€" * 81, 2), ("x" * 152 + "€" * 5, 2), ("é" * 160, 1), ("ç" * 70, 1), ("ç" * 71, 2),
                                             ("🏠" * 35, 1), ("🏠" * 36, 2), ("a" * 66 + "🏠" * 3, 2), ("x" * 1600, 11), ("漢" * 1600, 24)])
def test_segments_are_counted_as_carriers_count_them(body, count):
    assert segments(body) == count
