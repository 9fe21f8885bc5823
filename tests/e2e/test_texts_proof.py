"""What proves a text where it is not a company's own token alone: the account of the deployment, and proxies that say where Otto was asked; and what a former version left waiting."""

import datetime
import http.client
import http.server
import os
import signal
import threading
import urllib.parse
import uuid

import httpx
import pytest
from starlette.datastructures import ImmutableMultiDict
from twilio.request_validator import RequestValidator

from conftest import Company, eventually, free_port, new_number, started
from test_holding import waiting
from test_sweep import Connected
from test_texts import EMPTY, answered, data

PUBLIC, OTHER = "https://texts.example.com/otto", "https://other.example.com"
DEPLOYMENT, TOKEN, FORMER = f"AC{uuid.uuid4().hex}", uuid.uuid4().hex, uuid.uuid4().hex
PROXY = "127.0.0.2"  # where the proxy asks from; tests ask from 127.0.0.1


@pytest.fixture(scope="module")
def stack():
    for one in started(OTTO_PUBLIC_URL=PUBLIC, OTTO_TRUSTED_PROXIES=PROXY, OTTO_TWILIO_ACCOUNT_SID=DEPLOYMENT, OTTO_TWILIO_AUTH_TOKEN=f"{TOKEN},{FORMER}", OTTO_TWILIO_API_KEY="SKdeployment", OTTO_TWILIO_API_SECRET="secret"):
        account = {"account_sid": DEPLOYMENT, "auth_token": TOKEN, "api_key": "SKdeployment", "api_secret": "secret"}
        assert httpx.post(one.sandbox + "/sandbox/twilio/accounts", json=account).status_code == 200
        yield one


class Guest(Company):
    """A company with a number in the deployment's account, and no account of its own."""

    ctl = Connected.ctl

    def __init__(self, stack):
        super().__init__(stack)
        self.guest_number = new_number()
        self.register(self.guest_number)

    def register(self, number):
        self.post("/api/v1/numbers", json={"e164": number, "provider": "twilio", "purposes": ["text"]})

    def standing(self):
        return self.stack.sql("SELECT standing FROM company_numbers WHERE company_id = %s AND e164 = %s", self.id, self.guest_number)[0][0]


def deployments(stack, number, **more):
    """A text by the deployment's account."""
    return stack.place_text("twilio", number, more.pop("sender", new_number()), account_sid=DEPLOYMENT, signed_url=PUBLIC + "/sms/twilio-webhook", **more)


def test_the_deployments_account_cannot_be_connected(stack):
    company = Company(stack)
    answer = stack.http.post("/api/v1/onboarding/twilio/connect", json={"account_sid": DEPLOYMENT, "auth_token": TOKEN}, headers={"Authorization": f"Bearer {company.manager}"})
    assert answer.status_code == 422 and answer.json()["errors"][0]["field"] == "account_sid" and "POST /api/v1/numbers" in answer.text, answer.text
    assert data(stack.get(f"/api/v1/company/{company.id}", company.manager))["twilio_account_sid"] is None


def test_what_the_deployments_token_proves_is_the_number_owners_and_proves_nobodys_number(stack):
    guest, other = Guest(stack), Guest(stack)
    standing = guest.standing()
    for token in (TOKEN, FORMER):
        placed = deployments(stack, guest.guest_number, auth_token=token, body=token)
        assert answered(placed) == [(200, "text/xml", EMPTY)]
        assert guest.message(placed["sid"])["body"] == token
    for token in ("another", "SKdeployment", "secret"):  # an API key signs nothing
        assert answered(deployments(stack, guest.guest_number, auth_token=token))[0][0] == 401
    assert other.messages() == [] and standing == guest.standing() == "unproven"
    # It proves what its own account sends, and nothing of a company's account.
    own = Company(stack)
    own.connect_twilio()
    assert answered(own.text(auth_token=TOKEN, signed_url=PUBLIC + "/sms/twilio-webhook"))[0][0] == 401
    placed = own.text(signed_url=PUBLIC + "/sms/twilio-webhook")
    own.message(placed["sid"])


def test_a_number_of_the_deployments_account_that_nobody_has_waits_for_its_owner(stack):
    guest, number = Guest(stack), new_number()
    placed = deployments(stack, number, body="Anybody there?")
    assert answered(placed) == [(200, "text/xml", EMPTY)]
    ((reason, cure),) = eventually(lambda: waiting(stack, number))
    assert reason == f"No company found for tracking number {number}" and "POST /api/v1/numbers" in cure
    assert stack.sql("SELECT held_for, verdict, proven_company_id FROM held_events WHERE number = %s", number) == [(None, "authentic", None)]
    assert number not in stack.get("/api/v1/numbers", guest.manager, limit=200).text  # whose it is nobody knows
    guest.register(number)
    assert guest.message(placed["sid"])["body"] == "Anybody there?"


def test_the_deployments_list_is_read_by_its_api_key_for_those_who_have_numbers_there(stack):
    guest, number = Guest(stack), new_number()
    at = (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=30)).replace(microsecond=0)
    missed, nobodys = (deployments(stack, to, events=[], body=to, sent_at=at.isoformat()) for to in (guest.guest_number, number))
    standing = guest.standing()
    # The schedule finds the account by who has numbers there; from then on it can be asked for.
    swept = lambda: stack.sql("SELECT 1 FROM twilio_sweeps WHERE company_id = %s AND account_id = %s AND finished_at IS NOT NULL", guest.id, DEPLOYMENT)  # noqa: E731
    eventually(lambda: stack.sql("SELECT pg_notify('otto_sweep', '')") and swept())
    text = guest.message(missed["sid"])
    assert text["body"] == guest.guest_number and datetime.datetime.fromisoformat(text["sent_at"]) == at and guest.standing() == standing
    eventually(lambda: waiting(stack, number))
    guest.ctl("sweep", "--now", DEPLOYMENT, "--json")
    assert len(waiting(stack, number)) == 1
    guest.register(number)
    assert guest.message(nobodys["sid"])["body"] == number
    asked = httpx.get(stack.sandbox + "/sandbox/requests", params={"provider": "twilio", "path": f"{DEPLOYMENT}/Messages.json"}).json()
    assert asked and {r["headers"]["authorization"] for r in asked} == {httpx.BasicAuth("SKdeployment", "secret")._auth_header}


def test_what_came_is_got_with_the_account_by_which_it_came(stack):
    """Of a company that has an account of its own, and a number in the deployment's. Who signs for a company may name any address, and gets nothing by the deployment's key."""
    both = Guest(stack)
    both.connect_twilio()
    stored = lambda m: [item["state"] for item in m["media"]] == ["stored"]  # noqa: E731
    guests = deployments(stack, both.guest_number, media=1)
    own = both.text(media=1, signed_url=PUBLIC + "/sms/twilio-webhook")
    for placed in (guests, own):
        both.message(placed["sid"], within=60, where=stored)
    (there,) = httpx.get(stack.sandbox + "/sandbox/twilio/media", params={"sid": guests["sid"]}).json()
    shown = lambda: [r for r in httpx.get(stack.sandbox + "/sandbox/requests", params={"provider": "twilio", "path": urllib.parse.urlsplit(there["url"]).path}).json() if "authorization" in r["headers"]]  # noqa: E731
    before = len(shown())
    assert before == 1
    forged = both.text(fields={"NumMedia": "1", "MediaUrl0": there["url"], "MediaContentType0": "image/png"}, signed_url=PUBLIC + "/sms/twilio-webhook")
    assert answered(forged)[0][0] == 200
    why = eventually(lambda: stack.sql("SELECT media -> 0 ->> 'why' FROM messages WHERE company_id = %s AND provider_message_id = %s AND media -> 0 ->> 'why' <> ''", both.id, forged["sid"]))
    assert "wants the account's credentials" in why[0][0] and len(shown()) == before


# ---- where Otto was asked


class Proxy(http.server.BaseHTTPRequestHandler):
    """Takes TLS's place: says to Otto under which scheme and host it was asked, behind whatever it was told itself, and takes the path's prefix away."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        told = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection", "x-forwarded-host", "x-forwarded-proto")}
        for name, own in (("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", self.headers["Host"])):
            told[name] = ", ".join([*self.headers.get_all(name, []), own])
        otto = http.client.HTTPConnection(*self.server.otto, source_address=(PROXY, 0))
        otto.request("POST", self.path.removeprefix("/otto"), body, told)
        answer = otto.getresponse()
        content = answer.read()
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.getheader("Content-Type"))
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        otto.close()

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def proxy(stack):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", free_port()), Proxy)
    server.otto = ("127.0.0.1", int(stack.env["OTTO_PORT"]))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def post(base, url, pairs, token, **headers):
    """To `base`, signed as if Twilio had asked `url`."""
    place = urllib.parse.urlsplit(url)
    signature = RequestValidator(token).compute_signature(url, ImmutableMultiDict(pairs))
    target = url[len(f"{place.scheme}://{place.netloc}"):]
    return httpx.post(base + target, data=dict(pairs), headers={"Host": place.netloc, "X-Twilio-Signature": signature, **headers}).status_code


def form(company, number=None, account=None, sid=None):
    return [("MessageSid", sid or f"SM{uuid.uuid4().hex}"), ("AccountSid", account or company.twilio_account), ("From", new_number()), ("To", number or company.texts), ("Body", "Is it you?"), ("NumMedia", "0")]


def test_a_trusted_proxy_says_under_which_address_otto_was_asked_and_nobody_else_does(stack, proxy):
    company = Company(stack)
    company.connect_twilio()
    text = form(company)
    assert post(proxy, PUBLIC + "/sms/twilio-webhook", text, company.auth_token) == 200  # whose prefix the proxy takes away
    company.message(dict(text)["MessageSid"])
    text = form(company)
    assert post(proxy, OTHER + "/api/v1/twilio-webhook?a=%20b", text, company.auth_token) == 200
    company.message(dict(text)["MessageSid"])
    # What somebody says before the proxy stands before its own word.
    said = {"X-Forwarded-Host": "evil.example.com", "X-Forwarded-Proto": "http"}
    assert post(proxy, OTHER + "/sms/twilio-webhook", form(company), company.auth_token, **said) == 200
    pairs = form(company)
    evil = RequestValidator(company.auth_token).compute_signature("http://evil.example.com/sms/twilio-webhook", ImmutableMultiDict(pairs))
    assert httpx.post(proxy + "/sms/twilio-webhook", data=dict(pairs), headers={"Host": "other.example.com", "X-Twilio-Signature": evil, **said}).status_code == 401
    # Of one that is not trusted nothing is believed.
    for host in ("other.example.com", "texts.example.com"):
        direct = {"X-Forwarded-Host": host, "X-Forwarded-Proto": "https", "X-Forwarded-For": PROXY}
        assert post(stack.url, OTHER + "/sms/twilio-webhook", form(company), company.auth_token, **direct) == 401
    assert post(stack.url, OTHER.replace("https", "http") + "/sms/twilio-webhook", form(company), company.auth_token) == 401


def test_what_waits_is_proven_later_under_the_address_at_which_it_came(stack, proxy):
    company, number = Company(stack), new_number()
    company.twilio_account, company.auth_token = f"AC{uuid.uuid4().hex}", uuid.uuid4().hex
    text = form(company, number)
    assert post(proxy, OTHER + "/sms/twilio-webhook", text, company.auth_token) == 200
    assert post(proxy, OTHER + "/sms/twilio-webhook", form(company, number), "another") == 200  # nobody's yet: it waits
    eventually(lambda: len(waiting(stack, number)) == 2)
    company.connect_twilio(number, company.twilio_account, company.auth_token)
    company.message(dict(text)["MessageSid"])
    eventually(lambda: (rows := waiting(stack, number)) and all("does not match" in reason for reason, _ in rows), what="the forged one, which stays")
    assert len(company.messages()) == 1


# ---- an upgrade


def formerly(record):
    """An event's record as a version wrote it that recorded no texts: of what was said of the text nothing is left but that there was something, under number 12."""

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
        if tag >> 3 == 3:
            out += b"\x1a\x0dtext.received"
        elif tag >> 3 not in (4, 13):
            out += record[at:begin + size]
        at = begin + size
    return out + b"\x62\x04\x0a\x02id"


def test_what_a_former_version_left_waiting_is_read_anew_at_the_start_and_flows_on(stack):
    company, number, customer = Company(stack), new_number(), new_number()
    old = company.callrail_text(customer, to=number, body="of before the upgrade")
    ((event_id, record),) = eventually(lambda: stack.sql("SELECT event_id, record FROM held_events WHERE number = %s", number))
    stack.sql("UPDATE held_events SET kind = 'text.received', record = %s, reason = 'Texts are not recorded yet', cure = 'It flows on once they are', held_at = now() - interval '1 day', concerns = ARRAY['x'] WHERE event_id = %s",
              formerly(bytes(record)), event_id)
    new = company.callrail_text(customer, to=number, body="of after it")
    eventually(lambda: len(waiting(stack, number)) == 2)
    company.post("/api/v1/numbers", json={"e164": number})
    company.message(new["resource_id"])
    # Nobody looks at it, for it is not known to wait for that: the start does.
    assert [kind for (kind,) in stack.sql("SELECT kind FROM held_events WHERE number = %s AND released_at IS NULL", number)] == ["text.received"]
    os.kill(int((stack.folder / "pids" / "all-in-one").read_text()), signal.SIGKILL)
    stack.up()
    text = company.message(old["resource_id"])
    assert text["body"] == "of before the upgrade"
    assert stack.sql("SELECT kind, released_to FROM held_events WHERE event_id = %s", event_id) == [("message.received", company.id)]
    assert sorted(m["body"] for m in company.messages()) == ["of after it", "of before the upgrade"]
