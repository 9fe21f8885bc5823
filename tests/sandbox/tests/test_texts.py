"""Texts over Twilio and CallRail, as Otto meets them: against Twilio's own library, which signs, lists and reads."""

import datetime
import hashlib
import urllib.parse
import uuid

import httpx
import pytest
from peers import otto, sandbox, shared  # noqa: F401
from starlette.datastructures import ImmutableMultiDict
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from sandbox.callrail.calls import DEFAULT_SIGNING_KEY, sign

NUMBER, CUSTOMER = "+15205232772", "+16025550123"


def account(sandbox, **more):
    body = {"account_sid": "AC" + uuid.uuid4().hex, "auth_token": uuid.uuid4().hex, "numbers": [NUMBER], **more}
    assert sandbox.post("/sandbox/twilio/accounts", json=body).status_code == 200
    return body


def place(sandbox, otto, provider="twilio", **more):
    answer = sandbox.post(f"/sandbox/{provider}/place-text", json={"to": NUMBER, "from": CUSTOMER, "otto_url": otto.url, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


class Here(TwilioHttpClient):
    """Twilio's own client, which knows one host only, sent to the sandbox."""

    def __init__(self, base):
        super().__init__()
        self.base = base
        self.session.trust_env = False

    def request(self, method, url, *args, **kwargs):
        return super().request(method, url.replace("https://api.twilio.com", self.base), *args, **kwargs)


def client(sandbox, of):
    return Client(of["account_sid"], of["auth_token"], http_client=Here(str(sandbox.base_url).rstrip("/")))


def basic(of):
    return httpx.BasicAuth(of["account_sid"], of["auth_token"])


def test_a_text_is_signed_as_twilios_library_verifies_it(sandbox, otto):
    of = account(sandbox)
    placed = place(sandbox, otto, body="¿Cuánto cuesta? 🏠 & more + 100 %", media=2)
    assert placed["account_sid"] == of["account_sid"] and placed["sid"].startswith("MM") and placed["events"][0]["status"] == 200
    (path, _, body), headers = otto.seen[0], otto.headers[0]
    form = dict(urllib.parse.parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=True))
    assert path == "/sms/twilio-webhook" and RequestValidator(of["auth_token"]).validate(otto.url + path, form, headers["X-Twilio-Signature"])
    assert not RequestValidator(of["auth_token"]).validate(otto.url + path, form | {"Body": "x"}, headers["X-Twilio-Signature"])
    assert (form["MessageSid"], form["SmsSid"], form["SmsMessageSid"]) == (placed["sid"],) * 3 and form["Body"] == "¿Cuánto cuesta? 🏠 & more + 100 %"
    assert (form["From"], form["To"], form["NumMedia"], form["SmsStatus"], form["MediaContentType1"]) == (CUSTOMER, NUMBER, "2", "received", "image/png") and "MessageStatus" not in form


def test_an_outbound_text_tells_its_statuses(sandbox, otto):
    of = account(sandbox)
    placed = place(sandbox, otto, direction="outbound", to=CUSTOMER, **{"from": NUMBER}, events=["sent", "undelivered"])
    forms = [dict(urllib.parse.parse_qsl(body.decode(), keep_blank_values=True)) for _, _, body in otto.seen]
    assert [path for path, _, _ in otto.seen] == ["/api/aloha/webhooks/message-status"] * 2
    assert [(f["MessageStatus"], f.get("ErrorCode"), f["MessageSid"]) for f in forms] == [("sent", None, placed["sid"]), ("undelivered", "30003", placed["sid"])] and "Body" not in forms[0]
    listed = client(sandbox, of).messages(placed["sid"]).fetch()
    assert (listed.status, listed.error_code, listed.direction, listed.to) == ("undelivered", 30003, "outbound-api", CUSTOMER)


def test_fields_are_replaced_left_out_and_doubled(sandbox, otto):
    account(sandbox)
    place(sandbox, otto, fields={"Body": None, "From": "Anonymous", "Extra": ["b", "a", "a"]}, path="/api/v1/twilio-webhook?a=1&b=%20+", signed_url="https://otto.example/x?a=1", auth_token="another")
    path, _, body = otto.seen[0]
    form = urllib.parse.parse_qs(body.decode(), keep_blank_values=True)
    pairs = ImmutableMultiDict(urllib.parse.parse_qsl(body.decode(), keep_blank_values=True))
    assert path == "/api/v1/twilio-webhook?a=1&b=%20+" and "Body" not in form and form["Extra"] == ["b", "a", "a"] and form["From"] == ["Anonymous"]
    assert RequestValidator("another").validate("https://otto.example/x?a=1", pairs, otto.headers[0]["X-Twilio-Signature"])


def test_the_same_text_again_is_the_same(sandbox, otto):
    account(sandbox)
    first = place(sandbox, otto, body="once")
    again = place(sandbox, otto, sid=first["sid"])
    assert again["sid"] == first["sid"] and otto.seen[0][2] == otto.seen[1][2]


def test_twilios_client_reads_account_numbers_and_messages(sandbox, otto):
    of = account(sandbox)
    twilio = client(sandbox, of)
    assert (twilio.api.accounts(of["account_sid"]).fetch().status, [n.phone_number for n in twilio.incoming_phone_numbers.list()]) == ("active", [NUMBER])
    began = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    placed = [place(sandbox, otto, events=[], body=str(n), sent_at=(began - datetime.timedelta(hours=n)).isoformat())["sid"] for n in range(7)]
    place(sandbox, otto, events=[], listed=False)
    assert otto.seen == []
    listed = twilio.messages.list(page_size=3)
    assert [m.sid for m in listed] == placed and [m.body for m in listed] == [str(n) for n in range(7)]
    assert (listed[0].num_media, listed[0].date_sent, listed[0].direction, listed[0].status) == ("0", began, "inbound", "received")
    since = twilio.messages.list(date_sent_after=began - datetime.timedelta(hours=3))
    assert [m.sid for m in since] == placed[:4]
    assert [m.sid for m in twilio.messages.list(date_sent_before=began - datetime.timedelta(hours=5))] == placed[5:]
    assert twilio.messages.list(from_=NUMBER) == [] and len(twilio.messages.list(to=NUMBER, from_=CUSTOMER)) == 7


def test_pages_stand_still_while_texts_come(sandbox, otto):
    of = account(sandbox)
    placed = [place(sandbox, otto, events=[], sent_at=f"2026-11-01T10:00:{n:02d}+00:00")["sid"] for n in range(5)]
    first = sandbox.get(f"/2010-04-01/Accounts/{of['account_sid']}/Messages.json?PageSize=2&To=%2B15205232772", auth=basic(of)).json()
    assert [m["sid"] for m in first["messages"]] == placed[:2:-1] and first["next_page_uri"].startswith("/2010-04-01/") and "To=%2B15205232772" in first["next_page_uri"] and first["previous_page_uri"] is None
    place(sandbox, otto, events=[])
    second = sandbox.get(first["next_page_uri"], auth=basic(of)).json()
    assert [m["sid"] for m in second["messages"]] == placed[2:0:-1] and second["page"] == 1
    last = sandbox.get(second["next_page_uri"], auth=basic(of)).json()
    assert [m["sid"] for m in last["messages"]] == placed[:1] and last["next_page_uri"] is None
    assert sandbox.get(f"/2010-04-01/Accounts/{of['account_sid']}/Messages.json?PageSize=1001", auth=basic(of)).status_code == 400


def test_who_may_ask(sandbox, otto):
    of = account(sandbox, api_key="SK1", api_secret="its secret")
    with pytest.raises(TwilioRestException) as refused:
        client(sandbox, of | {"auth_token": "wrong"}).api.accounts(of["account_sid"]).fetch()
    assert (refused.value.status, refused.value.code) == (401, 20003)
    assert sandbox.get(f"/2010-04-01/Accounts/{of['account_sid']}.json", auth=httpx.BasicAuth("SK1", "its secret")).status_code == 200
    assert sandbox.get(f"/2010-04-01/Accounts/{of['account_sid']}.json").status_code == 401
    suspended = account(sandbox, status="suspended")
    assert sandbox.get(f"/2010-04-01/Accounts/{suspended['account_sid']}.json", auth=basic(suspended)).json()["code"] == 20003
    # An account that nobody registered signs with what it was asked with.
    new = {"account_sid": "AC" + uuid.uuid4().hex, "auth_token": uuid.uuid4().hex}
    assert sandbox.get(f"/2010-04-01/Accounts/{new['account_sid']}.json", auth=basic(new)).json()["sid"] == new["account_sid"]
    place(sandbox, otto, account_sid=new["account_sid"])
    form = dict(urllib.parse.parse_qsl(otto.seen[0][2].decode(), keep_blank_values=True))
    assert RequestValidator(new["auth_token"]).validate(otto.url + "/sms/twilio-webhook", form, otto.headers[0]["X-Twilio-Signature"])


def test_media_leads_to_a_store_that_takes_no_password(sandbox, otto):
    of = account(sandbox)
    placed = place(sandbox, otto, events=[], media=[{}, {"content_type": "application/pdf", "bytes": 6_000_000}, {"fault": {"kind": "not_yet", "times": 1}}, {"fault": "private"}, {"fault": "never"}])
    told = sandbox.get("/sandbox/twilio/media", params={"sid": placed["sid"]}).json()
    assert [t["bytes"] for t in told[1:2]] == [6_000_000] and told[0]["content_type"] == "image/png" and told[0]["bytes"] < 300
    assert httpx.get(told[0]["url"], trust_env=False).status_code == 401
    first = httpx.get(told[0]["url"], auth=basic(of), trust_env=False)
    assert first.status_code == 307 and first.headers["location"].startswith(str(sandbox.base_url).rstrip("/") + "/twilio-media/")
    assert httpx.get(first.headers["location"], auth=basic(of), trust_env=False).status_code == 400
    for item in told[:2]:
        got = httpx.get(httpx.get(item["url"], auth=basic(of), trust_env=False).headers["location"], trust_env=False)
        assert (hashlib.sha256(got.content).hexdigest(), got.headers["content-type"]) == (item["sha256"], item["content_type"])
    assert [httpx.get(told[2]["url"], auth=basic(of), trust_env=False).status_code for _ in range(2)] == [404, 307]
    assert httpx.get(told[3]["url"], auth=basic(of), trust_env=False).headers["location"].startswith("http://127.0.0.3:")
    assert httpx.get(told[4]["url"], auth=basic(of), trust_env=False).status_code == 404
    assert sandbox.post("/sandbox/twilio/media", json={"sid": placed["sid"], "n": 4, "fault": "none"}).json()[4]["fault"] is None
    assert httpx.get(told[4]["url"], auth=basic(of), trust_env=False).status_code == 307
    assert [m.content_type for m in client(sandbox, of).messages(placed["sid"]).media.list()][:2] == ["image/png", "application/pdf"]


def test_faults_are_in_twilios_words(sandbox, otto):
    of = account(sandbox)
    sandbox.post("/sandbox/faults", json={"provider": "twilio", "path": of["account_sid"], "status": 429, "retry_after": 2, "times": 1})
    refused = sandbox.get(f"/2010-04-01/Accounts/{of['account_sid']}/Messages.json", auth=basic(of))
    assert (refused.status_code, refused.json()["code"], refused.headers["retry-after"]) == (429, 20429, "2")
    assert sandbox.get("/2010-04-01/Accounts/x/y").json()["code"] == 20404


@pytest.mark.parametrize(("body", "named"), [({"media": -1}, "media"), ({"media": [{"fault": "odd"}]}, "kind"), ({"events": ["odd"]}, "events"), ({"direction": "up"}, "direction"), ({"sid": "x"}, "sid"),
                                             ({"sent_at": "now"}, "sent_at"), ({"otto_url": "x"}, "otto_url"), ({"text": "x"}, "text")])
def test_a_wrong_command_names_what_is_wrong(sandbox, otto, body, named):
    answer = sandbox.post("/sandbox/twilio/place-text", json={"to": NUMBER, "from": CUSTOMER, "otto_url": otto.url, **body})
    assert answer.status_code == 422 and named in answer.json()["message"] if "message" in answer.json() else named in answer.json()["error"]


def test_a_text_over_callrail(sandbox, otto):
    placed = place(sandbox, otto, "callrail", media=[{"bytes": 1000}], timestamp="2026-11-01T10:00:00-07:00")
    path, signature, body = otto.seen[0]
    said = otto.bodies()[0]
    assert path == "/sms/callrail-webhook" and signature == sign(DEFAULT_SIGNING_KEY, body)
    assert (said["source_number"], said["destination_number"], said["message_type"], said["resource_id"], said["timestamp"]) == (CUSTOMER, NUMBER, "mms", placed["resource_id"], "2026-11-01T10:00:00.000-07:00")
    (told,) = sandbox.get("/sandbox/callrail/media", params={"text": placed["id"]}).json()
    got = httpx.get(said["media_urls"][0], trust_env=False)
    assert said["media_urls"] == [told["url"]] and hashlib.sha256(got.content).hexdigest() == told["sha256"] and len(got.content) == 1000
    assert httpx.get(said["media_urls"][0].partition("?")[0], trust_env=False).status_code == 401
    sandbox.post("/sandbox/callrail/media", json={"text": placed["resource_id"], "fault": "elsewhere"})
    assert httpx.get(told["url"], trust_env=False).headers["location"].startswith("http://127.0.0.2:")


def test_a_text_that_was_sent_and_the_seeds_names(sandbox, otto):
    place(sandbox, otto, "callrail", direction="sent", to=CUSTOMER, **{"from": NUMBER}, agent="Omar")
    place(sandbox, otto, "callrail", seed_names=True, body="hi")
    sent, seeds = otto.bodies()
    assert (sent["source_number"], sent["destination_number"], sent["agent"]) == (NUMBER, CUSTOMER, "Omar")
    assert (seeds["caller_number"], seeds["tracking_number"], seeds["text"]) == (CUSTOMER, NUMBER, "hi") and seeds["message_id"].startswith("SCI")
