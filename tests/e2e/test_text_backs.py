"""Missed call → text back: who called and was not answered gets a text, once a day, unless somebody took care of him."""

import pytest

from conftest import Company, by_day, eventually, never_quiet, new_number
from test_voice import Voice

BODY = "Sorry we missed your call – how can we help?"


def set_(company, **what):
    answer = company.stack.http.put(f"/api/v1/company/{company.id}", json=what, headers={"Authorization": f"Bearer {company.manager}"})
    assert answer.status_code == 200, answer.text


def flow(enabled=True, body=BODY):
    return {"missed_call_text": {"enabled": enabled, "body": body}}


@pytest.fixture(scope="module")
def company(stack):
    """It calls over CallRail and texts over Twilio."""
    company = Company(stack, timezone=by_day())
    company.connect_twilio()
    set_(company, call_flow=flow(), workflow_config={"quiet_hours": never_quiet(), "text_rate_per_second": 100})
    return company


def missed(company, caller, **more):
    return company.settled_call(company.call(**{"from": caller}, **{"missed": True, **more}), "voicemail" if more.get("voicemail") else "missed")


def texts(company, caller):
    return company.at_twilio(to=caller)


def nothing_waits(company):
    """What followed from the calls has followed."""
    eventually(lambda: company.stack.sql("SELECT count(*) FROM work WHERE company_id = %s AND queue IN ('lead-pipeline/missed-calls', 'lead-pipeline/text-backs')", company.id) == [(0,)])


def test_who_was_missed_gets_one_text(stack, company):
    caller = new_number()
    call = missed(company, caller)
    (text,) = eventually(lambda: [m for m in company.messages(contact_card_id=call["contact_card_id"]) if m["status"] == "delivered"], what="the text")
    assert (text["body"], text["automatic"], text["reason"], text["sent_by"], text["from_number"], text["to_number"], text["lead_id"]) == (BODY, True, "missed_call", None, company.texts, caller, call["lead_id"])
    assert text["id"] in [m["id"] for m in stack.get(f"/api/v1/contacts/{call['contact_card_id']}", company.csr).json()["data"]["messages"]]
    missed(company, caller)
    missed(company, caller, missed=False, voicemail=True)
    nothing_waits(company)
    assert len(texts(company, caller)) == 1


def test_who_wants_no_texts_gets_none_and_who_was_answered_neither(company):
    stopped, answered, other = new_number(), new_number(), new_number()
    company.message(company.text(stopped, body="STOP")["sid"])
    missed(company, stopped)
    company.settled_call(company.call(**{"from": answered}, missed=True), "missed")
    company.settled_call(company.call(**{"from": answered}), "completed")
    missed(company, other, missed=False, voicemail=True)
    eventually(lambda: texts(company, other), what="a text for a voicemail")
    nothing_waits(company)
    assert texts(company, stopped) == texts(company, answered) == []


def test_it_is_off_until_somebody_says_so_and_once_it_is_switched_off(stack, company):
    set_(company, call_flow=flow(enabled=False))  # known to all before the grace of a call that comes after it is over
    silent = Company(stack, timezone=by_day())
    silent.connect_twilio()
    callers = {c: new_number() for c in (silent, company)}
    for c, caller in callers.items():
        missed(c, caller)
    for c, caller in callers.items():
        nothing_waits(c)
        assert texts(c, caller) == []


def test_a_call_on_twilio_is_answered_by_the_number_that_was_called(stack):
    shop = Voice(stack, timezone=by_day())
    set_(shop, workflow_config={"quiet_hours": never_quiet(), "text_rate_per_second": 100})
    shop.flow(**flow())
    hung_up, left_word = shop.phone(hangs_up="ringing"), shop.phone()
    for placed in (hung_up, left_word):
        (asked,) = eventually(lambda p=placed: texts(shop, p["from"]), what="the text")
        assert (asked["from"], asked["body"]) == (shop.texts, BODY)
    nothing_waits(shop)
    assert [len(texts(shop, p["from"])) for p in (hung_up, left_word)] == [1, 1]
