"""Texts from webhook to thread and ledger: seed 001's statements and flows, both providers, and what can go wrong on the way."""

import datetime
import hashlib
import json
import os
import random
import signal
import time
import urllib.parse
import uuid

import httpx
import psycopg
import pytest
from starlette.datastructures import ImmutableMultiDict
from twilio.request_validator import RequestValidator

from conftest import Company, Stack, eventually, new_number
from test_holding import waiting
from test_sweep import Connected

CALLRAIL, TWILIO = "12028313219", "15205232772"  # seed 001's
EMPTY = "<Response/>"


@pytest.fixture(scope="module")
def texting(stack):
    """A company that calls over CallRail and texts over Twilio."""
    company = Company(stack)
    company.connect_twilio()
    return company


def data(answer):
    assert answer.status_code // 100 == 2, answer.text
    return answer.json()["data"]


def thread(company, contact, token=None):
    return data(company.stack.get(f"/api/v1/contacts/{contact}/messages", token or company.csr, limit=200))["items"]


def answered(placed):
    return [(e["status"], e["content_type"].partition(";")[0], e["body"]) for e in placed["events"]]


def logged(stack, word):
    return stack.run("deploy/logs", "--filter", word, "--tail", "50").stdout


# ---- seed 001


class Pilot(Company):
    """The company of seed 001, made as it says."""

    def __init__(self, stack: Stack) -> None:
        self.stack, self.number, self.user, self.key = stack, "+" + CALLRAIL, f"user_{uuid.uuid4().hex}", f"key {uuid.uuid4()}"
        made = stack.http.post("/api/v1/company/?name=AZ%20Roof%20Demo&phone_number=%2B12028313219&address=123%20Main%20St", headers={"Authorization": f"Bearer {stack.token(user=self.user)}", "Content-Type": "application/json"})
        assert made.status_code == 200 and made.json()["status"] == "success", made.text
        self.id = made.json()["company_id"]
        assert made.json()["clerk_org_id"] == self.id
        self.manager, self.csr = stack.token("manager", self.id, user=self.user), stack.token("csr", self.id)


@pytest.fixture(scope="module")
def pilot(stack):
    """Seed 001 §2.1 to §2.6."""
    company = Pilot(stack)
    headers = {"Authorization": f"Bearer {company.manager}"}
    assert stack.http.get(f"/api/v1/company/{company.id}", headers=headers).status_code == 200
    assert stack.http.put(f"/api/v1/company/{company.id}?phone_number=%2B12028313219", headers=headers).status_code == 200
    stack.sql("UPDATE companies SET phone_number = '+12028313219' WHERE id = %s", company.id)
    for step in (f"set-callrail-api-key/{company.id}?api_key=YOUR_CALLRAIL_API_KEY", f"set-callrail-account-id/{company.id}?account_id=YOUR_CALLRAIL_ACCOUNT_ID"):
        assert stack.http.post(f"/api/v1/company/{step}", headers=headers).status_code == 200
    company.post(f"/api/v1/company/set-callrail-signing-key/{company.id}", data={"signing_key": company.key})
    eventually(company.verifies)
    company.connect_twilio("+" + TWILIO)
    return company


def test_one_person_calls_one_number_and_texts_the_other_and_is_one_contact(stack, pilot):
    """Seed 001 §1.2, §1.4 and §3.2, option B: 12028313219 for CallRail's calls, 15205232772 for Twilio's texts."""
    ((_, name, phone, _tracking),) = stack.sql("SELECT id, name, phone_number, primary_tracking_number FROM companies WHERE id = %s", pilot.id)
    assert (name, phone) == ("AZ Roof Demo", "+12028313219")
    customer = new_number()
    call = pilot.settled_call(pilot.call(**{"from": customer}), "completed")
    placed = pilot.text(customer, body="Is Monday still good?")
    assert answered(placed) == [(200, "text/xml", EMPTY)]
    text = pilot.message(placed["sid"])
    assert (text["contact_card_id"], text["lead_id"]) == (call["contact_card_id"], call["lead_id"])
    assert (text["direction"], text["status"], text["provider"], text["from_number"], text["to_number"], text["body"]) == ("inbound", "received", "twilio", customer, "+" + TWILIO, "Is Monday still good?")
    assert stack.sql("SELECT id, primary_phone, company_id FROM contact_cards WHERE company_id = %s AND primary_phone = %s", pilot.id, customer) == [(uuid.UUID(call["contact_card_id"]), customer, pilot.id)]
    # Seed 001 §4.3: the thread is visible in the contact card.
    card = data(stack.get(f"/api/v1/contacts/{call['contact_card_id']}", pilot.csr))
    assert [m["id"] for m in card["messages"]] == [text["id"]] and [m["id"] for m in thread(pilot, call["contact_card_id"])] == [text["id"]]
    assert data(stack.get(f"/api/v1/messages/{text['id']}", pilot.csr))["body"] == "Is Monday still good?"
    # Over CallRail too, it is the same person.
    over = pilot.callrail_text(customer, body="And the price?")
    assert over["events"][0]["status"] == 200
    again = pilot.message(over["resource_id"])
    assert again["contact_card_id"] == call["contact_card_id"] and [m["body"] for m in thread(pilot, call["contact_card_id"])] == ["Is Monday still good?", "And the price?"]


def test_the_log_says_what_the_seed_expects(stack, pilot):
    """Seed 001 §2.5, §2.6: railway logs --filter."""
    customer = new_number()
    pilot.call(**{"from": customer})
    pilot.text(customer)
    eventually(lambda: "Twilio SMS webhook received from" in logged(stack, "twilio"))
    eventually(lambda: "CallRail call.incoming webhook" in logged(stack, "callrail"))
    mine = eventually(lambda: logged(stack, customer))  # found by its hash
    assert "Twilio SMS webhook received from" in mine and customer not in mine and customer[1:] not in mine


def test_numbers_match_in_every_spelling(stack, pilot):
    """Seed 001 §1.3, and §5.1's formats."""
    for spelling in ("+1 (202) 831-3219", "+12028313219", "12028313219", "+1-202-831-3219", "202-831-3219"):
        placed = pilot.call(fields={"tracking_phone_number": spelling, "trackingnum": spelling})
        assert pilot.settled_call(placed, "completed")["tracking_number"] == "+12028313219", spelling
    customer = new_number()
    text = pilot.text(customer)
    stack.sql("UPDATE companies SET phone_number = '12028313219' WHERE id = %s", pilot.id)  # §2.2: either is right
    assert pilot.message(text["sid"])["to_number"] == "+15205232772"
    pilot.settled_call(pilot.call(**{"from": customer}), "completed")


def test_a_text_to_a_number_that_nobody_has_is_held_in_the_seeds_words_and_flows_when_it_is_registered(stack, texting):
    """Seed 001 §5.4. Twilio has no number pools: the account proves a company, and the number is nobody's all the same."""
    number, customer = new_number(), new_number()
    placed = texting.text(customer, to=number, body="Anybody there?")
    assert answered(placed) == [(200, "text/xml", EMPTY)]
    ((reason, cure),) = eventually(lambda: waiting(stack, number))
    assert reason == f"No company found for tracking number {number}" and "POST /api/v1/numbers" in cure
    seen = eventually(lambda: next((n for n in data(stack.get("/api/v1/numbers", texting.manager, limit=200))["items"] if n["e164"] == number), None), what="the number as seen")
    assert (seen["state"], seen["provider"], seen["purposes"]) == ("seen", "twilio", ["text"])
    # Registered for voice only: it goes on waiting, and the cure says so.
    made = data(stack.http.post("/api/v1/numbers", json={"e164": number, "provider": "twilio", "purposes": ["voice"]}, headers={"Authorization": f"Bearer {texting.manager}"}))
    voice_only = eventually(lambda: (w := waiting(stack, number)) and "purpose" in w[0][1].lower() and w, what="the cure for a number of calls")
    assert "text" in voice_only[0][1]
    changed = stack.http.patch(f"/api/v1/numbers/{made['id']}", json={"purposes": ["voice", "text"]}, headers={"Authorization": f"Bearer {texting.manager}"})
    assert changed.status_code == 200, changed.text
    assert texting.message(placed["sid"])["body"] == "Anybody there?"
    assert eventually(lambda: not waiting(stack, number))


# ---- answers, proof


def test_statuses_are_answered_without_a_body_and_forged_ones_by_problem_details(stack, texting):
    customer = new_number()
    placed = texting.text(customer, direction="outbound", to=customer, events=["sent", "delivered"], **{"from": texting.texts})
    assert [(s, b) for s, _, b in answered(placed)] == [(204, "")] * 2
    for path in ("/sms/twilio-webhook", "/api/v1/twilio-webhook", "/api/aloha/webhooks/message-status"):
        assert answered(texting.text(customer, path=path, sid=placed["sid"], direction="outbound", to=customer, events=["sent"], **{"from": texting.texts})) == [(204, "", "")]
        assert answered(texting.text(customer, path=path)) == [(200, "text/xml", EMPTY)]
        ((status, media, body),) = answered(texting.text(customer, path=path, auth_token="another"))
        assert (status, media) == (401, "application/problem+json") and "signature" in body.lower()
    for odd in ({"signed_url": stack.url.replace("http://", "https://") + "/sms/twilio-webhook"}, {"signed_url": stack.url + "/sms/twilio-webhook?a=1"}):
        assert answered(texting.text(customer, **odd))[0][0] == 401
    # The default port is the same address; so is what the signature covers in a query, byte by byte.
    assert answered(texting.text(customer, path="/api/v1/twilio-webhook?a=%20+%2B&b='x'"))[0][0] == 200
    assert stack.http.post("/sms/twilio-webhook", data={"CallSid": "CA" + "1" * 32, "AccountSid": texting.twilio_account, "To": texting.texts, "From": customer}).status_code == 401


def signed(url, token, pairs):
    return {"Content-Type": "application/x-www-form-urlencoded", "X-Twilio-Signature": RequestValidator(token).compute_signature(url, ImmutableMultiDict(pairs))}


def test_twilios_library_signs_a_thousand_requests_that_all_pass_and_none_with_one_byte_changed(stack):
    texting = Company(stack)
    texting.connect_twilio()
    r = random.Random(20261130)
    letters = "abcXYZ0129 +%&=?'\"<>/:;@#~éß漢字🏠\u202e\n\t"

    def word(most=24):
        return "".join(r.choice(letters) for _ in range(r.randrange(most)))

    where = urllib.parse.urlsplit(stack.url)
    for n in range(1000):
        pairs = [("MessageSid", f"SM{uuid.UUID(int=r.getrandbits(128)).hex}"), ("AccountSid", texting.twilio_account), ("From", new_number()), ("To", texting.texts), ("Body", word(80)), ("NumMedia", "0")]
        for _ in range(r.randrange(6)):
            name = f"P{word(6)}"
            pairs += [(name, word()) for _ in range(r.choice((1, 1, 2, 3)))]
        r.shuffle(pairs)
        query = "" if r.random() < 0.5 else "?" + "&".join(f"{urllib.parse.quote(word(5)) or 'q'}={r.choice((urllib.parse.quote, urllib.parse.quote_plus))(word(9))}" for _ in range(r.randrange(1, 4)))
        target = r.choice(("/sms/twilio-webhook", "/api/v1/twilio-webhook")) + query
        headers = signed(f"{where.scheme}://{where.netloc}{target}", texting.auth_token, pairs)
        body = urllib.parse.urlencode(pairs).encode()
        answer = stack.http.post(target, content=body, headers=headers)
        assert answer.status_code == 200 and answer.text == EMPTY, (n, target, body, answer.text)
        at = body.index(b"Body=") + 5
        changed = body[:at] + b"x" + body[at:]
        answer = stack.http.post(target, content=changed, headers=headers)
        assert answer.status_code == 401, (n, target, changed)


def test_a_body_of_json_is_what_the_signed_address_says_it_is(stack, texting):
    customer = new_number()
    said = {"MessageSid": f"SM{uuid.uuid4().hex}", "AccountSid": texting.twilio_account, "From": customer, "To": texting.texts, "Body": 'é "quoted" 🏠', "NumMedia": 0}
    raw = json.dumps(said, ensure_ascii=False).encode()

    def posted(body=raw, digest=hashlib.sha256(raw).hexdigest(), media="application/json"):
        target = "/sms/twilio-webhook?a=1" + (f"&bodySHA256={digest}" if digest else "")
        headers = {"Content-Type": media, "X-Twilio-Signature": RequestValidator(texting.auth_token).compute_signature(stack.url + target, {})}
        return stack.http.post(target, content=body, headers=headers)

    for refused in (posted(raw.replace(b"quoted", b"forged")), posted(digest=None), posted(digest="0" * 64), posted(digest="no digest")):
        assert refused.status_code == 401 and refused.headers["content-type"] == "application/problem+json", refused.text
    taken = posted(media="application/json; charset=utf-8")
    assert (taken.status_code, taken.headers["content-type"].partition(";")[0], taken.text) == (200, "text/xml", EMPTY)
    text = texting.message(said["MessageSid"])
    assert (text["body"], text["from_number"]) == (said["Body"], customer)
    assert posted().status_code == 200  # again: one text
    texting.message(texting.text(customer)["sid"])
    assert len(thread(texting, text["contact_card_id"])) == 2


def test_a_signed_form_that_is_cut_anew_is_no_other_text(stack, texting):
    """Twilio signs names and values with nothing between them. A STOP that somebody kept must not become a later one, under another id."""
    customer, sid = new_number(), f"SM{uuid.uuid4().hex}"
    rest = [("AccountSid", texting.twilio_account), ("Body", "STOP"), ("From", customer), ("To", texting.texts)]
    headers = signed(stack.url + "/sms/twilio-webhook", texting.auth_token, [*rest, ("MessageSid", sid), ("NumMedia", "0")])
    posted = lambda pairs: stack.http.post("/sms/twilio-webhook", data=dict(pairs), headers=headers).status_code  # noqa: E731
    assert posted([*rest, ("MessageSid", sid), ("NumMedia", "0")]) == 200
    settled(texting, {"sid": sid}, texting.text(customer, body="START"))
    assert posted([*rest, ("MessageSid", sid + "NumMedia0")]) == 200
    eventually(lambda: ("Not understood: it names a text by more than a SID",) in stack.sql("SELECT reason FROM held_events WHERE held_for = %s", texting.id))
    assert posted([*rest, ("MessageSid", sid), ("NumMedia", "0")]) == 200  # a repeat, which says nothing new
    settled(texting, texting.text(customer, body="And the price?"))
    assert [bool(row["revoked_at"]) for row in outs(texting, customer)] == [True]


def test_a_token_that_was_replaced_goes_on_proving(stack):
    company = Company(stack)
    number, former = company.connect_twilio(), company.auth_token
    company.connect_twilio(number, company.twilio_account, uuid.uuid4().hex)
    customer = new_number()
    placed = [company.text(customer, auth_token=token, body=token) for token in (former, company.auth_token)]
    assert [answered(p)[0][0] for p in placed] == [200, 200]
    assert {company.message(p["sid"])["body"] for p in placed} == {former, company.auth_token}


def test_of_two_companies_on_one_account_the_owner_of_the_number_is_meant(stack, texting):
    twin = Company(stack)
    twin.connect_twilio(account=texting.twilio_account, token=texting.auth_token)
    texting.register_twilio([texting.texts, twin.texts])
    for owner, other in ((twin, texting), (texting, twin)):
        placed = texting.text(new_number(), to=owner.texts)
        owner.message(placed["sid"])
        assert all(m["provider_message_id"] != placed["sid"] for m in other.messages(limit=200))


def test_the_account_of_one_company_with_the_number_of_another_is_held_as_a_conflict(stack):
    owner, stranger = Company(stack), Company(stack)
    owner.connect_twilio()
    stranger.connect_twilio()
    words = f"Tracking number {owner.texts} belongs to another company than the one whose key signed"
    eventually(lambda: stack.sql("SELECT 1 FROM company_numbers WHERE company_id = %s AND e164 = %s AND standing = 'final'", owner.id, owner.texts), what="Twilio's word for the number")
    placed = stranger.text(new_number(), to=owner.texts)
    assert answered(placed) == [(200, "text/xml", EMPTY)]
    ((held_for, conflict, verdict, cure),) = eventually(lambda: stack.sql("SELECT held_for, conflict, verdict, cure FROM held_events WHERE number = %s AND reason = %s AND released_at IS NULL", owner.texts, words))
    assert (held_for, conflict, verdict) == (stranger.id, True, "authentic") and cure.startswith("Correct the number's owner")
    assert answered(stranger.text(new_number(), to=owner.texts, auth_token="another"))[0][0] == 401
    # Who signed it is told why it waits. Its number is the owner's: it is shown as seen to nobody, and the owner learns nothing of it.
    shown = lambda company: stack.get(f"/api/v1/company/{company.id}", company.manager)  # noqa: E731
    assert words in [r["reason"] for r in data(shown(stranger))["held"]["reasons"]]
    assert words not in shown(owner).text and stranger.id not in shown(owner).text
    assert owner.texts not in stack.get("/api/v1/numbers", stranger.manager, limit=200).text
    for company in (owner, stranger):
        last = company.text(new_number())
        company.message(last["sid"])
        assert [m["provider_message_id"] for m in company.messages(limit=200)] == [last["sid"]]


def test_a_suspended_companys_texts_wait(stack):
    company = Company(stack)
    number = company.connect_twilio()
    stack.sql("UPDATE companies SET status = 'suspended' WHERE id = %s", company.id)
    placed = eventually(lambda: (p := company.text(new_number())) and any("suspended" in w[0] for w in waiting(stack, number)) and p, what="a text that waits")
    assert answered(placed) == [(200, "text/xml", EMPTY)]
    stack.sql("UPDATE companies SET status = 'active' WHERE id = %s", company.id)
    company.message(placed["sid"])
    assert eventually(lambda: not waiting(stack, number))


# ---- a text and its statuses


def test_statuses_in_any_order_and_repeated_end_in_one_text(stack, texting):
    customer = new_number()
    sent = {"direction": "outbound", "to": customer, "from": texting.texts}
    first = texting.text(customer, **sent, events=["delivered", "sent", "queued", "delivered"])
    text = texting.message(first["sid"])
    assert (text["status"], text["direction"], text["body"], text["to_number"]) == ("delivered", "outbound", None, customer)
    failed = texting.text(customer, **sent, events=["undelivered", "sending"])
    text = texting.message(failed["sid"])
    assert (text["status"], text["error_code"]) == ("undelivered", "30003")
    assert len({m["id"] for m in thread(texting, text["contact_card_id"])}) == 2


def test_a_status_of_a_number_that_nobody_has_is_found_by_its_text_else_held(stack, texting):
    customer, strange = new_number(), new_number()
    known = texting.text(customer, direction="outbound", to=customer, events=["queued"], **{"from": texting.texts})
    texting.message(known["sid"])
    # The same text, told with a sender that is nobody's number (a short code).
    texting.text(customer, sid=known["sid"], direction="outbound", to=customer, events=["delivered"], **{"from": texting.texts}, fields={"From": "24242"})
    texting.message(known["sid"], where=lambda m: m["status"] == "delivered")
    unknown = texting.text(customer, direction="outbound", to=customer, events=["delivered"], **{"from": strange})
    eventually(lambda: waiting(stack, strange))
    assert all(m["provider_message_id"] != unknown["sid"] for m in texting.messages(limit=200))


def test_another_companys_status_changes_nothing(stack, texting):
    other = Company(stack)
    other.connect_twilio()
    customer = new_number()
    mine = texting.text(customer, direction="outbound", to=customer, events=["queued"], **{"from": texting.texts})
    texting.message(mine["sid"])
    theirs = other.text(customer, sid=mine["sid"], direction="outbound", to=customer, events=["failed"], **{"from": other.texts})
    assert answered(theirs)[0][0] == 204
    assert other.message(mine["sid"])["status"] == "failed"  # a text of its own, by the same id
    assert texting.message(mine["sid"])["status"] == "queued"


def test_the_same_text_again_and_with_another_body_is_one_text(stack, texting):
    customer = new_number()
    placed = texting.text(customer, body="first")
    text = texting.message(placed["sid"])
    texting.text(customer, sid=placed["sid"], body="first")
    texting.text(customer, sid=placed["sid"], body="second")
    probe = texting.text(customer, body="the last")
    texting.message(probe["sid"])
    assert [m["body"] for m in thread(texting, text["contact_card_id"])] == ["first", "the last"]


def test_callrails_texts_in_both_directions_and_the_seeds_names(stack, texting):
    customer = new_number()
    at = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    when = [(at - datetime.timedelta(minutes=m)).isoformat() for m in (5, 4, 3)]
    came = texting.callrail_text(customer, body="How much?", timestamp=when[0])
    sent = texting.stack.place_text("callrail", customer, texting.number, signing_key=texting.key, direction="sent", body="From 300.", agent="Omar", timestamp=when[1])
    seeds = texting.callrail_text(customer, body="Good.", seed_names=True, timestamp=when[2])
    for placed in (came, sent, seeds):
        assert placed["events"][0]["status"] == 200, placed
        texting.message(placed["resource_id"])
    texts = thread(texting, texting.message(came["resource_id"])["contact_card_id"])
    assert [(m["body"], m["direction"], m["status"], m["sent_by"]) for m in texts] == [("How much?", "inbound", "received", None), ("From 300.", "outbound", "sent", "Omar"), ("Good.", "inbound", "received", None)]
    assert [datetime.datetime.fromisoformat(m["sent_at"]) for m in texts] == [datetime.datetime.fromisoformat(w) for w in when]


@pytest.mark.parametrize("body", ["", "🏠 ¿mañana? 👨\u200d👩\u200d👧", "nul \0 in the middle", "x" * 1600, "<b>&amp;</b>\n\t'\"", "\u202eevil"])
def test_odd_bodies_come_through(stack, texting, body):
    placed = texting.text(new_number(), body=body)
    assert answered(placed) == [(200, "text/xml", EMPTY)]
    assert texting.message(placed["sid"])["body"] == body.replace("\0", "")


@pytest.mark.parametrize("sender", ["+266696687", "24242", "Anonymous"])
def test_odd_senders_have_a_thread_too(stack, texting, sender):
    placed = texting.text(sender, body=f"from {sender}")
    assert texting.message(placed["sid"])["body"] == f"from {sender}"


def test_doubled_unknown_and_json_parameters_do_no_harm(stack, texting):
    placed = texting.text(new_number(), fields={"AddOns": '{"status":"successful","results":{"a":{"b":"é & + %"}}}', "Unknown": ["b", "a", "a"], "Body": ["once", "once"]})
    assert answered(placed) == [(200, "text/xml", EMPTY)] and texting.message(placed["sid"])["body"] == "once"
    big = stack.http.post("/sms/twilio-webhook", content=b"Body=" + b"x" * (2 << 20), headers={"Content-Type": "application/x-www-form-urlencoded", "X-Twilio-Signature": "x"})
    assert big.status_code == 413, big.text


# ---- the ledger


def outs(company, phone, **params):
    return data(company.stack.get("/api/v1/opt-outs", company.csr, phone=phone, **params))["items"]


def settled(company, *placed):
    """Each of these texts is there, and with it what it asks for."""
    for p in placed:
        company.message(p.get("sid") or p["resource_id"])


def test_stop_and_start_in_every_spelling(stack, texting):
    for word in ("STOP", "stopall", " Unsubscribe ", "END", "quit", "CANCEL", "Revoke", "OPTOUT"):
        customer = new_number()
        settled(texting, texting.text(customer, body=word))
        (row,) = outs(texting, customer)
        assert (row["phone"], row["channel"], row["source"], row["revoked_at"]) == (customer, "sms", "keyword", None), word
        settled(texting, texting.text(customer, body="start" if word != "END" else "UNSTOP"))
        (row,) = outs(texting, customer)
        assert row["revoked_at"] and row["revoked_source"] == "keyword"
    customer = new_number()
    settled(texting, texting.text(customer, body="No gracias", opt_out_type="STOP"))
    assert [r["source"] for r in outs(texting, customer)] == ["provider"]
    for body in ("HELP", "info", "Stop by tomorrow if you can", "please stop"):
        quiet = new_number()
        settled(texting, texting.text(quiet, body=body))
        assert outs(texting, quiet) == []


def test_stop_start_stop_ends_the_same_in_any_order_of_arrival(stack, texting):
    at = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0) - datetime.timedelta(hours=1)
    said = [("STOP", at), ("START", at + datetime.timedelta(minutes=1)), ("STOP", at + datetime.timedelta(minutes=2))]
    for order in ((0, 1, 2), (2, 1, 0), (1, 0, 2), (1, 2, 0), (2, 0, 1), (0, 2, 1)):
        customer = new_number()
        for n in order:
            word, when = said[n]
            settled(texting, texting.callrail_text(customer, body=word, timestamp=when.isoformat()))
        later, first = outs(texting, customer)
        assert (datetime.datetime.fromisoformat(first["opted_out_at"]), datetime.datetime.fromisoformat(first["revoked_at"])) == (said[0][1], said[1][1]), order
        assert (datetime.datetime.fromisoformat(later["opted_out_at"]), later["revoked_at"]) == (said[2][1], None), order


def test_what_is_unclear_is_a_task_and_what_people_enter_only_people_take_back(stack, texting):
    customer = new_number()
    placed = texting.text(customer, body="Stop please")
    card = texting.message(placed["sid"])["contact_card_id"]
    task = eventually(lambda: next(iter(data(stack.get("/api/v1/tasks", texting.csr, contact_card_id=card))["items"]), None), what="the task")
    assert task["action_type"] == "check_opt_out" and outs(texting, customer) == []

    def entered(token, phone, reason="said so on the phone"):
        return stack.http.post("/api/v1/opt-outs", json={"phone": phone, "reason": reason}, headers={"Authorization": f"Bearer {token}"})

    def taken_back(token, row):
        return stack.http.request("DELETE", f"/api/v1/opt-outs/{row}", json={"reason": "asked again"}, headers={"Authorization": f"Bearer {token}"})

    csr = texting.member("csr", f"user_{uuid.uuid4().hex}")
    made = entered(csr, f"({customer[2:5]}) {customer[5:8]}-{customer[8:]}")
    assert made.status_code == 201, made.text
    assert (data(made)["phone"], data(made)["source"], data(made)["reason"]) == (customer, "csr", "said so on the phone")
    settled(texting, texting.text(customer, body="YES"))
    assert [r["revoked_at"] for r in outs(texting, customer)] == [None]  # YES takes back what a text said, and no person's entry
    quitter = new_number()
    settled(texting, texting.text(quitter, body="STOP"))
    (said,) = outs(texting, quitter)
    assert taken_back(csr, said["id"]).status_code == 403  # what a text said is the manager's
    back = taken_back(csr, data(made)["id"])
    assert back.status_code == 200 and data(back)["revoked_source"] == "csr" and data(back)["revoked_at"]
    assert taken_back(texting.manager, said["id"]).status_code == 200
    managers = data(entered(texting.manager, customer))
    assert taken_back(csr, managers["id"]).status_code == 403 and taken_back(texting.manager, managers["id"]).status_code == 200
    assert entered(csr, "no number").status_code == 422 and entered(csr, customer, "").status_code == 422
    # It stays on record, whoever tries.
    with pytest.raises(psycopg.Error):
        stack.sql("UPDATE opt_outs SET revoked_at = NULL, revoked_source = NULL WHERE company_id = %s", texting.id)


# ---- media


def fetched(stack, token, url):
    answer = stack.http.get(url, headers={"Authorization": f"Bearer {token}"}, follow_redirects=False)
    assert answer.status_code == 302, answer.text
    return stack.http.get(answer.headers["location"])


def test_what_came_with_a_text_is_stored_and_shown(stack, texting):
    placed = texting.text(new_number(), body="", media=[{"bytes": 5000}, {"content_type": "application/pdf", "bytes": 9000}, {"content_type": "image/jpeg", "bytes": 6 << 20}, {"fault": "never"}, {"fault": "private"}])
    done = lambda m: all(item["state"] != "pending" for item in m["media"])  # noqa: E731
    text = texting.message(placed["sid"], within=120, where=done)
    assert [item["state"] for item in text["media"]] == ["stored", "stored", "too_large", "failed", "failed"] and all(item["why"] for item in text["media"][2:])
    assert not any("twilio" in str(item["url"]) or "2010-04-01" in str(item["url"]) for item in text["media"])
    told = httpx.get(stack.sandbox + "/sandbox/twilio/media", params={"sid": placed["sid"]}).json()
    for n in (0, 1):
        got = fetched(stack, texting.csr, text["media"][n]["url"])
        assert got.status_code == 200 and hashlib.sha256(got.content).hexdigest() == told[n]["sha256"] and got.headers["content-type"].startswith(told[n]["content_type"])
        assert got.headers.get("content-disposition", "inline").startswith("attachment" if n else "inline"), got.headers
    assert stack.http.get(text["media"][0]["url"], headers={"Authorization": f"Bearer {Company(stack, signing_key=None).csr}"}).status_code == 404
    # The password went to Twilio's host and to nobody else.
    for request in httpx.get(stack.sandbox + "/sandbox/requests", params={"provider": "twilio", "path": "/twilio-media/"}).json():
        assert "authorization" not in request["headers"], request["url"]


def test_twenty_media_and_one_without_end(stack, texting):
    placed = texting.text(new_number(), media=[{"bytes": 1000 + n} if n != 3 else {"fault": "endless"} for n in range(20)])
    text = texting.message(placed["sid"], within=180, where=lambda m: all(item["state"] != "pending" for item in m["media"]))
    states = [item["state"] for item in text["media"]]
    assert states[:3] == ["stored"] * 3 and states[3] in ("too_large", "failed") and states[4:10] == ["stored"] * 6 and "stored" not in states[10:]


def test_callrails_pictures_too(stack, texting):
    placed = texting.callrail_text(new_number(), media=1)
    text = texting.message(placed["resource_id"], within=120, where=lambda m: all(item["state"] != "pending" for item in m["media"]))
    (told,) = httpx.get(stack.sandbox + "/sandbox/callrail/media", params={"text": placed["id"]}).json()
    assert hashlib.sha256(fetched(stack, texting.csr, text["media"][0]["url"]).content).hexdigest() == told["sha256"]


# ---- numbers, reads, connecting


def test_a_number_that_moves_keeps_its_old_texts_with_its_old_owner(stack):
    former, owner = Company(stack), Company(stack)
    number, customer = new_number(), new_number()
    move = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0) - datetime.timedelta(hours=1)
    begin = move - datetime.timedelta(days=30)

    def register(company, **more):
        return stack.http.post("/api/v1/numbers", json={"e164": number, **more}, headers={"Authorization": f"Bearer {company.manager}"})

    made = register(former, valid_from=begin.isoformat())
    assert made.status_code == 201, made.text
    old = former.callrail_text(customer, to=number, body="old", timestamp=(move - datetime.timedelta(hours=2)).isoformat())
    former.message(old["resource_id"])
    taken = register(owner, valid_from=move.isoformat())
    assert taken.status_code == 409 and taken.json()["errors"][0]["field"] in ("e164", "valid_from", "valid_to"), taken.text
    ended = stack.http.patch(f"/api/v1/numbers/{data(made)['id']}", json={"valid_to": move.isoformat()}, headers={"Authorization": f"Bearer {former.manager}"})
    assert ended.status_code == 200 and data(ended)["state"] == "past", ended.text
    taken = register(owner, valid_from=move.isoformat())
    assert taken.status_code == 201, taken.text
    assert former.id not in taken.text
    mine = eventually(lambda: (p := owner.callrail_text(customer, to=number, body="new", timestamp=(move + datetime.timedelta(minutes=5)).isoformat()))["events"][0]["status"] == 200 and '"authentic"' in p["events"][0]["body"] and p)
    assert owner.message(mine["resource_id"])["body"] == "new"
    late = former.callrail_text(customer, to=number, body="late", timestamp=(move - datetime.timedelta(minutes=5)).isoformat())
    assert former.message(late["resource_id"])["body"] == "late"
    assert {m["body"] for m in former.messages()} == {"old", "late"} and {m["body"] for m in owner.messages()} == {"new"}
    planned = stack.http.post("/api/v1/numbers", json={"e164": new_number(), "valid_from": (move + datetime.timedelta(days=30)).isoformat()}, headers={"Authorization": f"Bearer {owner.manager}"})
    assert data(planned)["state"] == "planned"


def test_a_rep_sees_the_texts_of_own_leads_and_other_companies_none(stack, texting):
    customer, rep = new_number(), f"user_{uuid.uuid4().hex}"
    text = texting.message(texting.text(customer)["sid"])
    token = texting.member("sales_rep", rep)
    assert data(stack.get("/api/v1/messages", token, contact_card_id=text["contact_card_id"]))["total"] == 0 and stack.get(f"/api/v1/messages/{text['id']}", token).status_code == 404
    stack.sql("UPDATE leads SET assigned_rep_id = %s, pool_status = 'assigned' WHERE company_id = %s AND id = %s", rep, texting.id, text["lead_id"])
    assert [m["id"] for m in data(stack.get("/api/v1/messages", token, contact_card_id=text["contact_card_id"]))["items"]] == [text["id"]]
    assert [m["id"] for m in thread(texting, text["contact_card_id"], token)] == [text["id"]]
    other = Company(stack, signing_key=None)
    for path in (f"/api/v1/messages/{text['id']}", f"/api/v1/contacts/{text['contact_card_id']}/messages"):
        assert stack.get(path, other.csr).status_code == 404
    assert data(stack.get("/api/v1/messages", other.csr))["total"] == 0
    filtered = data(stack.get("/api/v1/messages", texting.csr, contact_card_id=text["contact_card_id"], direction="outbound"))
    assert filtered["total"] == 0 and data(stack.get("/api/v1/messages", texting.csr, contact_card_id=text["contact_card_id"], direction="inbound"))["total"] == 1
    lead = data(stack.get(f"/api/v1/leads/{text['lead_id']}", texting.csr))
    assert lead["last_contacted_at"] is not None


def test_connecting_twilio_and_testing_the_connection(stack):
    company = Company(stack)
    connect = lambda **body: stack.http.post("/api/v1/onboarding/twilio/connect", json=body, headers={"Authorization": f"Bearer {company.manager}"})  # noqa: E731
    company.twilio_account, company.auth_token = f"AC{uuid.uuid4().hex}", uuid.uuid4().hex
    number = new_number()
    company.register_twilio([number])
    for wrong in ("AC123", company.twilio_account.upper(), "SK" + company.twilio_account[2:]):
        answer = connect(account_sid=wrong, auth_token=company.auth_token, primary_tracking_number=number)
        assert answer.status_code == 422 and answer.json()["errors"][0]["field"] == "account_sid", answer.text
    answer = connect(account_sid=company.twilio_account, auth_token=company.auth_token, primary_tracking_number=number)
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert said["success"] is True and said["provider"] == "twilio" and said["webhook_url"].endswith("/api/v1/twilio-webhook")
    assert set(said["webhook_urls"]) == {"sms", "message_status", "voice", "call_status", "voicemail"} and said["webhook_urls"]["message_status"].endswith("/api/aloha/webhooks/message-status")
    shown = data(stack.get(f"/api/v1/company/{company.id}", company.manager))
    assert (shown["call_provider"], shown["twilio_account_sid"], shown["twilio_auth_token_set"], shown["twilio_auth_token_last4"]) == ("twilio", company.twilio_account, True, company.auth_token[-4:])
    assert company.auth_token not in str(shown) + str(stack.sql("SELECT twilio_auth_token FROM companies WHERE id = %s", company.id)) + logged(stack, company.auth_token)
    tested = data(stack.http.post("/api/v1/onboarding/twilio/test", headers={"Authorization": f"Bearer {company.manager}"}))
    assert tested["ok"] is True and tested["checks"] and all(c["ok"] for c in tested["checks"]), tested
    company.auth_token = uuid.uuid4().hex  # changed at Twilio, and not here
    company.register_twilio([number])
    tested = data(stack.http.post("/api/v1/onboarding/twilio/test", headers={"Authorization": f"Bearer {company.manager}"}))
    assert tested["ok"] is False and any("account SID and auth token do not fit together" in f"{c['detail']} {c['cure']}" for c in tested["checks"] if not c["ok"]), tested
    answers = [stack.http.post("/api/v1/onboarding/twilio/test", headers={"Authorization": f"Bearer {company.manager}"}).status_code for _ in range(7)]
    assert answers[-1] == 429 and 200 in answers


# ---- completeness, faults


def test_a_text_whose_webhook_never_came_is_found_in_twilios_list(stack):
    company = Connected(stack)
    company.connect_twilio()
    company.register_twilio([company.texts])
    customer = new_number()
    at = (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=30)).replace(microsecond=0)
    missed = company.text(customer, events=[], body="never came", sent_at=at.isoformat())
    told = company.text(customer, direction="outbound", to=customer, events=["sent"], body="We come at nine.", sent_at=(at + datetime.timedelta(minutes=1)).isoformat(), **{"from": company.texts})
    assert company.message(told["sid"])["body"] is None
    company.ctl("sweep", "--now", company.twilio_account, "--json")
    text = company.message(missed["sid"])
    assert text["body"] == "never came" and datetime.datetime.fromisoformat(text["sent_at"]) == at
    assert company.message(told["sid"], where=lambda m: m["body"] is not None)["body"] == "We come at nine."
    assert len(company.messages()) == 2


def test_what_came_for_a_number_that_nobody_registered_is_found_too_and_shown(stack):
    """Held like its webhook, once, and there when the number is registered."""
    company = Connected(stack)
    company.connect_twilio()
    number, customer = new_number(), new_number()
    company.register_twilio([company.texts, number])
    at = (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=30)).replace(microsecond=0)
    missed = company.text(customer, to=number, events=[], body="never came", sent_at=at.isoformat(), media=1)
    company.text(customer, direction="outbound", to=customer, events=[], sent_at=at.isoformat(), listed={"status": "delivered"}, **{"from": number})
    company.ctl("sweep", "--now", company.twilio_account, "--json")
    ((reason, cure),) = eventually(lambda: waiting(stack, number))
    assert reason == f"No company found for tracking number {number}" and "POST /api/v1/numbers" in cure
    seen = eventually(lambda: next((n for n in data(stack.get("/api/v1/numbers", company.manager, limit=200))["items"] if n["e164"] == number), None), what="the number as seen")
    assert (seen["state"], seen["provider"], seen["purposes"]) == ("seen", "twilio", ["text"])
    probe = company.text(customer, events=[], sent_at=at.isoformat())
    company.ctl("sweep", "--now", company.twilio_account, "--json")
    company.message(probe["sid"])
    assert len(waiting(stack, number)) == 1 and len(company.messages()) == 1
    company.post("/api/v1/numbers", json={"e164": number, "provider": "twilio", "purposes": ["text"]})
    text = company.message(missed["sid"], within=60, where=lambda m: [item["state"] for item in m["media"]] == ["stored"])
    assert text["body"] == "never came" and datetime.datetime.fromisoformat(text["sent_at"]) == at
    assert eventually(lambda: not waiting(stack, number))


def test_texts_are_answered_within_a_second_while_kafka_is_away_and_come_afterwards_in_the_order_in_which_they_were_received(stack, texting):
    customer, run = new_number(), uuid.uuid4().hex[:30]

    def posted(n):
        """How long Otto took to answer."""
        pairs = [("MessageSid", f"SM{run}{n:02x}"), ("AccountSid", texting.twilio_account), ("From", customer), ("To", texting.texts), ("Body", str(n)), ("NumMedia", "0")]
        headers = signed(stack.url + "/sms/twilio-webhook", texting.auth_token, pairs)
        begun = time.monotonic()
        answer = stack.http.post("/sms/twilio-webhook", data=dict(pairs), headers=headers)
        took = time.monotonic() - begun
        assert (answer.status_code, answer.text) == (200, EMPTY), answer.text
        return took

    kafka = int((stack.folder / "pids" / "kafka").read_text())
    for n in range(5):
        posted(n)
    os.kill(kafka, signal.SIGSTOP)
    try:
        slowest = max(posted(n) for n in range(5, 15))
    finally:
        os.kill(kafka, signal.SIGCONT)
    for n in range(15, 20):
        posted(n)
    assert slowest < 1
    card = texting.message(f"SM{run}{19:02x}", within=60)["contact_card_id"]
    texts = eventually(lambda: (t := thread(texting, card)) and len(t) == 20 and t, within=60)
    assert [m["body"] for m in texts] == [str(n) for n in range(20)]
    assert len({m["sent_at"] for m in texts}) == 20 and sorted(m["sent_at"] for m in texts) == [m["sent_at"] for m in texts]
