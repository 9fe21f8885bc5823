"""Texts that leave: seed 001's follow-up, each exactly once whatever becomes of the answer, none to who said STOP, and what people are told when one cannot go."""

import concurrent.futures
import contextlib
import datetime
import subprocess
import uuid

import httpx
import pytest

from conftest import Company, eventually, new_number
from test_sweep import Connected
from test_texts import data, logged, outs, thread

CALLBACK = "/api/aloha/webhooks/message-status"


def quick(company):
    """Texts of this company wait for no pace."""
    answer = company.stack.http.put(f"/api/v1/company/{company.id}", json={"workflow_config": {"text_rate_per_second": 100}}, headers={"Authorization": f"Bearer {company.manager}"})
    assert answer.status_code == 200, answer.text
    return company


@pytest.fixture(scope="module")
def writing(stack):
    """A company that calls over CallRail and texts over Twilio."""
    company = Connected(stack)
    company.connect_twilio()
    return quick(company)


@pytest.fixture(scope="module", autouse=True)
def doubtful(stack):
    """Texts whose answers are lost, of each kind, on their way from the beginning: nobody looks for one sooner than a minute after it was asked."""
    company = Company(stack)
    company.connect_twilio()
    quick(company)
    texts = {}
    for fault in ("takes_and_resets", "takes_and_fails", "takes_and_garbles", "lists_late", "resets", "fails"):
        customer = new_number()
        company.script(to=customer, fault=fault, times=1, callbacks=False, events=["sent"])
        texts[fault] = company.sent(f"We come on Monday ({fault}).", to=customer)["id"]
    told = new_number()
    company.script(to=told, fault="takes_and_resets", times=1)
    texts["told"] = company.sent("We come on Monday (told).", to=told)["id"]
    return company, texts


def held(stack, company, to):
    """The request of this text that stands still at Twilio."""
    return eventually(lambda: [h for h in httpx.get(stack.sandbox + "/sandbox/twilio/held").json() if (h["account_sid"], h["to"]) == (company.twilio_account, to)], what="a request at Twilio")


def release(stack):
    httpx.post(stack.sandbox + "/sandbox/twilio/held").raise_for_status()


@contextlib.contextmanager
def standing_still(stack, company, to, where="before"):
    """A text to this customer whose request stands still at Twilio, so that whatever comes to the same customer waits behind it."""
    company.script(to=to, hold=where, times=1)
    first = company.sent("Wait, please.", to=to)
    try:
        held(stack, company, to)
        yield first
    finally:
        release(stack)


def tell(stack, sid, status, **more):
    answer = httpx.post(stack.sandbox + "/sandbox/twilio/tell", json={"sid": sid, "status": status, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


def taken(company, **wanted):
    return [a["sid"] for a in company.at_twilio(**wanted) if a["sid"]]


# ---- seed 001


def test_the_follow_up_by_text(stack, writing):
    """Seed 001 §4.3, Follow-Up Action (SMS), with curl and deploy/logs as it says; the thread in the contact card."""
    customer = new_number()
    call = writing.settled_call(writing.call(**{"from": customer}, shunya={"outcome": "warm"}), "completed")
    contact = call["contact_card_id"]
    # Send SMS via Twilio to customer
    sent = subprocess.run(["curl", "-sS", "--noproxy", "*", "-X", "POST", f"{stack.url}/api/v1/messages", "-H", f"Authorization: Bearer {writing.csr}", "-H", "Content-Type: application/json",
                           "-d", f'{{"contact_id": "{contact}", "body": "Can we come on Monday at nine?"}}'], capture_output=True, text=True, check=True, timeout=60)
    assert '"status":"queued"' in sent.stdout.replace(" ", ""), sent.stdout
    (ours,) = eventually(lambda: [m for m in thread(writing, contact) if m["status"] == "delivered"], what="the text as delivered")
    assert (ours["direction"], ours["from_number"], ours["to_number"], ours["body"], ours["automatic"], ours["segments"]) == ("outbound", writing.texts, customer, "Can we come on Monday at nine?", False, 1)
    assert taken(writing, to=customer) == [ours["provider_message_id"]] and ours["asked_at"] and ours["sent_by"]
    # Verify SMS webhook received: the customer answers
    came = writing.text(customer, body="Yes, please.")
    answer = writing.message(came["sid"])
    assert "Twilio SMS webhook received from" in stack.run("deploy/logs", "--filter", "twilio", "--tail", "20").stdout
    # Verify SMS linked to contact
    assert stack.sql("SELECT direction, status FROM messages WHERE company_id = %s AND contact_card_id = %s ORDER BY sent_at", writing.id, uuid.UUID(contact)) == [("outbound", "delivered"), ("inbound", "received")]
    # SMS thread visible in Contact Card
    card = data(stack.get(f"/api/v1/contacts/{contact}", writing.csr))
    assert {m["id"] for m in card["messages"]} == {ours["id"], answer["id"]} and [m["body"] for m in thread(writing, contact)] == ["Can we come on Monday at nine?", "Yes, please."]
    assert answer["lead_id"] == ours["lead_id"] == call["lead_id"]
    assert not logged(stack, "Monday at nine") and customer[1:] not in logged(stack, customer)


def test_a_text_to_a_number_that_nobody_knows_makes_a_contact(stack, writing):
    customer = new_number()
    row = writing.sent("Hello.", to=f"({customer[2:5]}) {customer[5:8]}-{customer[8:]}")
    assert (row["to_number"], row["status"], row["provider_message_id"], row["scheduled_at"], row["paused_why"]) == (customer, "queued", None, None, None)
    assert data(stack.get(f"/api/v1/contacts/{row['contact_card_id']}", writing.csr))["primary_phone"] == customer
    writing.becomes(row["id"], status="delivered")


# ---- once; see also the end of this file


def test_two_tabs_send_two_texts_and_one_key_one(stack, writing):
    customer, keys = new_number(), [uuid.uuid4().hex for _ in range(2)]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        answers = list(pool.map(lambda key: writing.send("The same words.", to=customer, key=key), [*keys, *keys]))
    assert {a.status_code for a in answers} <= {202, 409}, [a.text for a in answers]  # 409: the first of that key is still under way
    ids = {data(writing.send("The same words.", to=customer, key=key))["id"] for key in keys}
    assert len(ids) == 2
    rows = [writing.becomes(i, status="delivered") for i in ids]
    assert sorted(taken(writing, to=customer)) == sorted(r["provider_message_id"] for r in rows) and len(writing.at_twilio(to=customer)) == 2


def test_429_is_repeated_by_itself(stack, writing):
    customer = new_number()
    writing.script(to=customer, fault="busy", times=2, retry_after=1)
    row = writing.sent("Hello.", to=customer)
    row = writing.becomes(row["id"], status="delivered", within=60)
    assert taken(writing, to=customer) == [row["provider_message_id"]] and len(writing.at_twilio(to=customer)) == 3


def test_callbacks_before_the_answer_and_in_another_order(stack, writing):
    customer = new_number()
    writing.script(to=customer, fault="slow", seconds=3, callback_first=True, events=["delivered", "sent", "queued"], times=1)
    row = writing.sent("Hello.", to=customer)
    held_sid = writing.becomes(row["id"], status="delivered")["provider_message_id"]
    assert held_sid == taken(writing, to=customer)[0]
    next_ = writing.becomes(writing.sent("And again.", to=customer)["id"], status="delivered")
    assert writing.becomes(row["id"])["status"] == "delivered" and next_["provider_message_id"] != held_sid and len(writing.at_twilio(to=customer)) == 2


def test_an_answer_that_comes_after_fifteen_seconds(stack, writing):
    customer = new_number()
    writing.script(to=customer, fault="slow", seconds=20, events=[], times=1)
    other = writing.sent("Slowly.", to=customer)
    writing.becomes(writing.sent("Quickly.", to=new_number())["id"], status="delivered", within=10)  # nobody else waits for it
    eventually(lambda: taken(writing, to=customer))
    tell(stack, taken(writing, to=customer)[0], "delivered")
    assert writing.becomes(other["id"], status="delivered")["provider_message_id"] == taken(writing, to=customer)[0] and len(writing.at_twilio(to=customer)) == 1


def test_a_status_that_comes_nine_days_later(stack, writing):
    customer = new_number()
    writing.script(to=customer, events=["sent"], times=1)
    row = writing.becomes(writing.sent("Hello.", to=customer)["id"], status="sent")
    stack.sql("UPDATE messages SET sent_at = sent_at - interval '9 days', asked_at = asked_at - interval '9 days', created_at = created_at - interval '9 days' WHERE company_id = %s AND id = %s", writing.id, uuid.UUID(row["id"]))
    stack.sql("DELETE FROM inbox WHERE company_id = %s", writing.id)
    tell(stack, row["provider_message_id"], "delivered")
    assert writing.becomes(row["id"], status="delivered")["id"] == row["id"]
    assert [m["id"] for m in thread(writing, row["contact_card_id"])] == [row["id"]]


@pytest.mark.parametrize("body", ["🏠", "é" * 1600, "漢" * 1600, "one\ntwo", "<b>&amp;</b> \"'", "👨\u200d👩\u200d👧" * 100])
def test_odd_bodies_arrive_as_they_were_written(stack, writing, body):
    customer = new_number()
    row = writing.becomes(writing.sent(body, to=customer)["id"], status="delivered")
    assert [a["body"] for a in writing.at_twilio(to=customer)] == [body] and row["body"] == body


# ---- what people are told


SENTENCES = {21211: "Check the customer's number", 21408: "country", 21606: "cannot send texts", 21608: "trial", 21610: "START", 21611: "text_rate_per_second", 21614: "no mobile number", 21635: "landline",
             30001: "waited at Twilio too long", 30003: "could not be reached", 30005: "not in service", 30006: "landline", 30007: "filtered", 30022: "campaign", 30034: "not registered",
             21999: "An error that was asked for", 30008: "Unknown error"}


def test_each_error_code_is_shown_in_plain_words_with_the_cure(stack, writing):
    sent = {}
    for code in SENTENCES:
        customer = new_number()
        writing.script(to=customer, code=code)
        sent[code] = writing.sent(f"Hello ({code}).", to=customer)["id"]
    for code, words in SENTENCES.items():
        row = writing.becomes(sent[code], error_code=str(code))
        assert row["status"] in ("failed", "undelivered") and words in row["error_message"], (code, row["error_message"])
        assert row["status"] == ("failed" if code < 30000 or code in (30001, 30022) else "undelivered")
        (shown,) = thread(writing, row["contact_card_id"])
        assert (shown["status"], shown["error_message"]) == (row["status"], row["error_message"])
        assert len(writing.at_twilio(to=row["to_number"])) == 1, code


def test_bad_texts_are_refused_by_name(stack, writing):
    for body, field in (({"body": ""}, "body"), ({"body": "x" * 1601}, "body"), ({"body": "bell \x07"}, "body"), ({"body": "x", "to": "24242"}, "to"), ({"body": "x", "to": writing.texts}, "to"),
                        ({"body": "x", "to": writing.number}, "to"), ({"body": "x", "to": new_number(), "from": new_number()}, "from"), ({"body": "x", "contact_id": "no id"}, "contact_id"),
                        ({"body": "x", "colour": "red"}, "colour"), ({"body": "x"}, None)):
        if "to" not in body and field == "body":
            body["to"] = new_number()
        answer = stack.http.post("/api/v1/messages", json=body, headers={"Authorization": f"Bearer {writing.csr}"})
        assert answer.status_code == 422 and (field is None or answer.json()["errors"][0]["field"] == field), (body, answer.text)
    none = Company(stack, signing_key=None)
    answer = none.send("Hello.", to=new_number())
    assert answer.status_code == 409 and "/api/v1/onboarding/twilio/connect" in answer.text or "numbers" in answer.text, answer.text


def test_a_rep_writes_to_contacts_of_own_leads(stack, writing):
    customer, user = new_number(), f"user_{uuid.uuid4().hex}"
    text = writing.message(writing.text(customer)["sid"])
    rep = writing.member("sales_rep", user)
    assert writing.send("Hello.", token=rep, contact_id=text["contact_card_id"]).status_code == 404 and writing.send("Hello.", token=rep, to=customer).status_code == 404
    assert writing.send("Hello.", token=rep, to=new_number()).status_code == 404
    stack.sql("UPDATE leads SET assigned_rep_id = %s, pool_status = 'assigned' WHERE company_id = %s AND id = %s", user, writing.id, text["lead_id"])
    row = writing.sent("Hello.", token=rep, contact_id=text["contact_card_id"])
    assert writing.becomes(row["id"], status="delivered")["sent_by"] == user
    assert writing.send("Hello.", token=stack.token("executive", writing.id), to=customer).status_code == 403
    stranger = Company(stack, signing_key=None)
    assert stranger.send("Hello.", contact_id=text["contact_card_id"]).status_code in (404, 409) and stranger.cancel(row["id"]).status_code == 404


# ---- cancel, STOP


def test_what_was_not_asked_yet_is_cancelled_and_what_was_is_not(stack, writing):
    customer = new_number()
    with standing_still(stack, writing, customer) as first:
        second = writing.sent("Never mind.", to=customer)
        assert writing.cancel(first["id"]).status_code == 409
        gone = writing.cancel(second["id"])
        assert gone.status_code == 200 and gone.json()["data"]["status"] == "canceled" and writing.cancel(second["id"]).status_code == 200
        third = writing.sent("On Tuesday.", to=customer)
    assert writing.becomes(third["id"], status="delivered") and writing.becomes(first["id"], status="delivered")
    assert [a["body"] for a in writing.at_twilio(to=customer)] == ["Wait, please.", "On Tuesday."] and writing.becomes(second["id"])["status"] == "canceled"
    assert writing.cancel(str(uuid.uuid4())).status_code == 404


def test_a_stop_ends_what_waits_and_a_start_lets_it_go_again(stack, writing):
    customer = new_number()
    with standing_still(stack, writing, customer) as first:
        behind = [writing.sent(f"{n}", to=customer)["id"] for n in range(3)]
        writing.text(customer, body="Stop")
        eventually(lambda: outs(writing, customer))
        refused = writing.send("More?", to=customer)
        assert refused.status_code == 409 and refused.json()["type"].endswith("/opted-out"), refused.text
    writing.becomes(first["id"], status="delivered")
    for id_ in behind:
        assert "opted out" in writing.becomes(id_, status="canceled")["error_message"]
    writing.text(customer, body="START")
    eventually(lambda: [r for r in outs(writing, customer) if r["revoked_at"]])
    writing.becomes(writing.sent("Welcome back.", to=customer)["id"], status="delivered")
    assert [a["body"] for a in writing.at_twilio(to=customer)] == ["Wait, please.", "Welcome back."]


def test_a_stop_that_only_twilio_heard_of_is_in_the_ledger_after_21610(stack, writing):
    customer = new_number()
    writing.text(customer, body="STOP", events=[])  # the webhook never came
    row = writing.becomes(writing.sent("Hello.", to=customer)["id"], status="failed")
    assert row["error_code"] == "21610" and "START" in row["error_message"]
    (out,) = eventually(lambda: outs(writing, customer))
    assert (out["source"], out["message_id"], out["revoked_at"]) == ("provider", row["id"], None)
    refused = writing.send("Again?", to=customer)
    assert refused.status_code == 409 and refused.json()["type"].endswith("/opted-out") and len(writing.at_twilio(to=customer)) == 1
    writing.text(customer, body="START")
    eventually(lambda: all(r["revoked_at"] for r in outs(writing, customer)), what="the end of the entry")
    writing.becomes(writing.sent("Welcome back.", to=customer)["id"], status="delivered")


def test_stop_and_text_in_one_instant(stack, writing):
    """Whatever comes first: what is not canceled was asked for once, and what is canceled or refused never."""
    customers = [new_number() for _ in range(20)]

    def both(customer):
        with concurrent.futures.ThreadPoolExecutor() as two:
            answer, _ = two.submit(writing.send, "Hello.", to=customer), two.submit(writing.text, customer, body="STOP")
            return answer.result()

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        answers = dict(zip(customers, pool.map(both, customers)))
    for customer, answer in answers.items():
        eventually(lambda: "keyword" in {r["source"] for r in outs(writing, customer)}, what="the STOP in the ledger")  # noqa: B023
        if answer.status_code == 409:
            assert answer.json()["type"].endswith("/opted-out") and writing.at_twilio(to=customer) == []
            continue
        id_ = data(answer)["id"]
        row = eventually(lambda: (r := writing.becomes(id_))["status"] in ("delivered", "canceled", "failed") and r)  # noqa: B023
        asked = writing.at_twilio(to=customer)
        assert len(asked) == (row["status"] != "canceled") and bool(row["asked_at"]) == bool(asked), (row, asked)


# ---- what is wrong with the account, the number, the company


def test_refused_credentials_pause_the_company_until_they_are_renewed(stack):
    company = Company(stack)
    number = company.connect_twilio()
    quick(company)
    company.auth_token = uuid.uuid4().hex  # changed at Twilio, and not here
    company.register_twilio([number])
    rows = [company.sent(f"{n}", to=new_number())["id"] for n in range(3)]
    for id_ in rows:
        row = eventually(lambda: (r := company.becomes(id_))["paused_why"] and r)  # noqa: B023
        assert row["status"] in ("queued", "sending") and row["provider_message_id"] is None and "SID and auth token do not fit together" in row["paused_why"], row
    tested = data(stack.http.post("/api/v1/onboarding/twilio/test", headers={"Authorization": f"Bearer {company.manager}"}))
    assert tested["ok"] is False and any("wait" in f"{c['detail']} {c['cure']}" for c in tested["checks"] if not c["ok"]), tested
    assert company.at_twilio() == []
    company.post("/api/v1/onboarding/twilio/connect", json={"account_sid": company.twilio_account, "auth_token": company.auth_token, "primary_tracking_number": number})
    for id_ in rows:
        assert company.becomes(id_, status="delivered", within=60)["paused_why"] is None
    assert len(taken(company)) == 3


def test_a_suspended_account_and_a_suspended_company_wait(stack):
    company = Company(stack)
    number = company.connect_twilio()
    quick(company)
    company.register_twilio([number], status="suspended")
    id_ = company.sent("Hello.", to=new_number())["id"]
    eventually(lambda: company.becomes(id_)["paused_why"])
    company.register_twilio([number])
    Connected.ctl(company, "texts", "retry", "--company", company.id, "--yes")
    company.becomes(id_, status="delivered", within=60)
    # The company itself.
    customer = new_number()
    with standing_still(stack, company, customer):
        waits = company.sent("Later.", to=customer)["id"]
        stack.sql("UPDATE companies SET status = 'suspended' WHERE id = %s", company.id)
        eventually(lambda: company.cancel(str(uuid.uuid4())).status_code == 403, what="the news that it is suspended")
    eventually(lambda: stack.sql("SELECT why FROM text_pauses WHERE company_id = %s", company.id))
    assert len(company.at_twilio(to=customer)) == 1
    stack.sql("UPDATE companies SET status = 'active' WHERE id = %s", company.id)
    eventually(lambda: stack.get("/api/v1/messages", company.csr).status_code == 200, what="the news that it is active")
    company.becomes(waits, status="delivered", within=90)


@pytest.mark.parametrize("change", [{"purposes": ["voice"]}, {"valid_to": "now"}])
def test_a_text_whose_number_is_no_text_number_any_more_fails_with_the_cure(stack, change):
    company = Company(stack)
    number = company.connect_twilio()
    quick(company)
    listed = data(stack.get("/api/v1/numbers", company.manager, limit=200))["items"]
    (entry,) = [n for n in listed if n["e164"] == number]
    customer = new_number()
    if "valid_to" in change:
        change = {"valid_to": datetime.datetime.now(datetime.timezone.utc).isoformat()}
    with standing_still(stack, company, customer):
        waits = company.sent("Hello.", to=customer)["id"]
        changed = stack.http.patch(f"/api/v1/numbers/{entry['id']}", json=change, headers={"Authorization": f"Bearer {company.manager}"})
        assert changed.status_code == 200, changed.text
        refused = eventually(lambda: (a := company.send("Hello?", to=new_number(), from_=number)).status_code == 422 and a or a.status_code == 409 and a, what="the news that it is no number for texts any more")
    row = company.becomes(waits, status="failed")
    assert number in row["error_message"] or "number" in row["error_message"], row
    assert len(company.at_twilio(to=customer)) == 1 and refused.json()["errors" if refused.status_code == 422 else "detail"]


# ---- what is said of texts by others


def test_a_callback_with_somebody_elses_id_is_held(stack, writing):
    other = Company(stack)
    other.connect_twilio()
    customer = new_number()
    writing.script(to=customer, events=["sent"], times=1)
    mine = writing.becomes(writing.sent("Hello.", to=customer)["id"], status="sent")

    def forge(company, to, sender, sid):
        placed = company.text(to, direction="outbound", to=to, events=["failed"], sid=sid, path=f"{CALLBACK}?m={mine['id']}", **{"from": sender})
        assert placed["events"][0]["status"] == 204, placed  # it is signed well
        return eventually(lambda: stack.sql("SELECT error FROM dead_letters WHERE company_id = %s AND consumer LIKE 'lead-pipeline%%' AND dead_at > now() - interval '1 minute'", company.id), what="the letter")

    for company, to, sender in ((other, customer, other.texts), (writing, new_number(), writing.texts), (writing, customer, writing.texts[:-1] + str((int(writing.texts[-1]) + 1) % 10))):
        sid = f"SM{uuid.uuid4().hex}"
        if sender in (other.texts, writing.texts):
            forge(company, to, sender, sid)
        else:  # nobody's number: it is held by the router
            company.text(to, direction="outbound", to=to, events=["failed"], sid=sid, path=f"{CALLBACK}?m={mine['id']}", **{"from": sender})
        row = writing.becomes(mine["id"])
        assert (row["status"], row["provider_message_id"]) == ("sent", mine["provider_message_id"])
        assert not stack.sql("SELECT 1 FROM messages WHERE provider_message_id = %s", sid)
    # The customer's other events go on.
    tell(stack, mine["provider_message_id"], "delivered")
    writing.becomes(mine["id"], status="delivered")
    writing.message(writing.text(customer, body="Thanks.")["sid"])


def test_texts_that_others_send_from_the_account_are_found_by_the_sweep(stack, writing):
    customer = new_number()
    mine = writing.becomes(writing.sent("From Otto.", to=customer)["id"], status="delivered")
    at = (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=20)).replace(microsecond=0)
    theirs = writing.text(customer, direction="outbound", to=customer, events=[], listed={"status": "delivered"}, body="From the console.", sent_at=at.isoformat(), **{"from": writing.texts})
    writing.ctl("sweep", "--now", writing.twilio_account, "--json")
    found = writing.message(theirs["sid"])
    assert (found["body"], found["sent_by"], found["automatic"], found["contact_card_id"]) == ("From the console.", None, False, mine["contact_card_id"])
    assert {m["id"] for m in thread(writing, mine["contact_card_id"])} == {mine["id"], found["id"]} and writing.becomes(mine["id"])["sent_by"] is not None


def test_ottoctl_shows_what_waits(stack, writing):
    customer = new_number()
    with standing_still(stack, writing, customer):
        writing.sent("Behind it.", to=customer)
        shown = writing.ctl("texts", writing.id, "--json")
        assert writing.id in shown.stdout and customer not in shown.stdout, shown.stdout
    assert eventually(lambda: not stack.sql("SELECT 1 FROM text_sends WHERE company_id = %s", writing.id), what="the end of the line")
    assert writing.ctl("texts", writing.id, check=False).stdout.strip()


def test_more_replays_of_what_was_reported_send_nothing(stack, writing):
    """A text leaves because somebody asked for it, and for nothing that is said of it."""
    before = len(writing.at_twilio())
    customer = new_number()
    row = writing.becomes(writing.sent("Hello.", to=customer)["id"], status="delivered")
    for status in ("queued", "sending", "sent", "failed", "delivered"):
        tell(stack, row["provider_message_id"], status)
    writing.message(writing.text(customer, body="The last.")["sid"])
    assert len(writing.at_twilio()) == before + 1 and writing.becomes(row["id"])["status"] == "delivered"


# ---- the last, because nobody looks sooner


def test_each_text_is_at_twilio_once_whatever_became_of_the_answer(stack, doubtful):
    company, texts = doubtful
    told = company.becomes(texts["told"], status="delivered")  # a callback says what no answer said, long before anybody looks
    assert taken(company, to=told["to_number"]) == [told["provider_message_id"]]
    again = {"resets", "fails"}  # what was not taken is asked for again, and nothing happens to it then
    rows = {fault: company.becomes(id_, status="delivered" if fault in again else "sent", within=240) for fault, id_ in texts.items() if fault != "told"}
    for fault, row in rows.items():
        asked = company.at_twilio(to=row["to_number"])
        assert [a["sid"] for a in asked if a["sid"]] == [row["provider_message_id"]], (fault, asked)
        assert len(asked) == (2 if fault in again else 1), (fault, asked)
    # And the sweep, which lists them all, knows each.
    before = len(company.messages(limit=200))
    Connected.ctl(company, "sweep", "--now", company.twilio_account, "--json")
    assert len(company.messages(limit=200)) == before
