"""A telephone number is what people read: one contact in every spelling, from the webhook to the filter; nobody for a hidden caller."""

import json
import random

import pytest

from conftest import Company, eventually, new_number
from test_calls import signed


@pytest.fixture(scope="module")
def company(stack):
    return Company(stack)


def hook(stack, company, customer, **more):
    """A signed webhook of a call that ended; the call's id at CallRail."""
    ident = random.randrange(10**9, 2 * 10**9)
    body = json.dumps({"id": ident, "answered": True, "call_type": "answered", "direction": "inbound", "duration": "61", "customer_phone_number": customer, "tracking_phone_number": company.number, **more}).encode()
    answer = stack.http.post("/api/v1/callrail/call.completed", content=body, headers=signed(company.key, body))
    assert answer.status_code == 200 and answer.json()["data"]["verdict"] == "authentic", answer.text
    return str(ident)


def recorded(company, idents):
    """The calls of these ids at CallRail, in that order, once all are there."""
    def look():
        found = {str(c["provider_call_id"]): c for c in company.calls(limit=200)}
        return [found[i] for i in idents] if set(idents) <= set(found) else None
    return eventually(look, what=f"{len(idents)} calls")


def spellings(n):
    """Of a North American number, as people, phones and programs write it."""
    a, b, d = n[2:5], n[5:8], n[8:]
    return [n, n[1:], n[2:], f"({a}) {b}-{d}", f"{a}.{b}.{d}", f"1-{a}-{b}-{d}", f" 1{a}{b}{d}", f"+1 ({a}) {b}/{d}",
            f"\u202a{n}\u202c", f"\u2068({a}) {b}-{d}\u2069", f"({a})\u00a0{b}\u2011{d}", f"+1\ufe0d-{a}-{b}-{d}", f"\u200b{n}",
            f"{a}-{b}-{d} x45", f"{a}-{b}-{d} ext. 45", f"{n};ext=45", f"tel:{n};ext=45", f"{a}{b}{d}#45", f"{a}{b}{d},45", f"00{n[1:]}", f"011{n[1:]}", f"+1 (0) {a} {b} {d}",
            "".join(chr(0xFF10 + int(c)) for c in n[1:]), "+" + "".join(chr(0x660 + int(c)) for c in n[1:])]


def test_a_number_is_one_contact_and_one_lead_in_every_spelling_of_webhooks_and_of_filters(stack, company):
    n = new_number()
    calls = recorded(company, [hook(stack, company, said) for said in spellings(n)])
    assert {c["phone_number"] for c in calls} == {n}
    assert len({c["contact_card_id"] for c in calls}) == 1 and len({c["lead_id"] for c in calls}) == 1
    for said in spellings(n):
        assert [k["id"] for k in stack.get("/api/v1/contacts", company.csr, phone=said).json()["data"]["items"]] == [calls[0]["contact_card_id"]], said
        assert stack.get("/api/v1/calls", company.csr, phone=said).json()["data"]["total"] == len(calls), said


@pytest.mark.parametrize("said", ["Anonymous", "-1", "+266696687", "+7378742833", "+86282452253", "266696687", "+8656696", "+2562533", "+10000000000", "555-555-5555"])
def test_hidden_callers_are_not_one_person(stack, company, said):
    two = recorded(company, [hook(stack, company, said, customer_name=who) for who in ("Ann One", "Bob Two")])
    assert len({c["contact_card_id"] for c in two}) == 2 and len({c["lead_id"] for c in two}) == 2
    assert sorted(c["contact"]["first_name"] for c in two) == ["Ann", "Bob"]


def test_a_webhook_finds_its_company_by_its_tracking_number_in_any_spelling(stack, company):
    n = company.number
    for said in (f"\u202a{n}\u202c", f"{n[2:5]}\u2011{n[5:8]}\u2011{n[8:]}", f"tel:{n}", f"00{n[1:]}"):
        (call,) = recorded(company, [hook(stack, company, new_number(), tracking_phone_number=said)])
        assert call["tracking_number"] == n


def test_a_company_registers_a_number_in_any_spelling_and_none_that_nobody_can_call(stack, company):
    n = new_number()
    register = lambda said: stack.http.post("/api/v1/numbers", json={"e164": said}, headers={"Authorization": f"Bearer {company.manager}"})  # noqa: E731
    made = register(f"\u202a{n}\u202c ")
    assert made.status_code == 201 and made.json()["data"]["e164"] == n
    for said in spellings(n):
        again = register(said)
        assert again.status_code == 409 and made.json()["data"]["id"] in again.json()["detail"], said
    for said in ("+266696687", "7378742833", "+86282452253", "+15555555555", "+1 102 555 0100", "+1 202 555", "anonymous"):
        refused = register(said)
        assert refused.status_code == 422 and refused.json()["errors"][0]["field"] == "e164", said
    assert stack.http.put(f"/api/v1/company/{company.id}", json={"phone_number": "+266696687"}, headers={"Authorization": f"Bearer {company.manager}"}).status_code == 422
