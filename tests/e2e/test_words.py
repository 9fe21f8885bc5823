"""What carriers and models write where they have nothing, and names in capitals, from webhook and analysis to card and visit."""

import pytest

from conftest import eventually, new_number

CARRIERS = ("WIRELESS CALLER", "UNAVAILABLE", "UNKNOWN CALLER", "NOT AVAILABLE", "NAME UNAVAILABLE", "UNKNOWN NAME", "ANONYMOUS CALLER", "PRIVATE CALLER", "PRIVATE NUMBER", "WIRELESS CALL", "CELL PHONE", "TOLL FREE", "SPAM RISK",
            "SCAM LIKELY")
NAMES = (("JOSE O'BRIEN", ("Jose", "O'Brien")), ("JOSÉ GARCÍA", ("José", "García")), ("SEÁN O’BRIEN", ("Seán", "O’Brien")), ("ÉLISE NÉERLAND-ÖZTÜRK", ("Élise", "Néerland-Öztürk")))


def name_of(company, placed):
    contact = company.settled_call(placed, "completed")["contact"]
    return contact["first_name"], contact["last_name"]


def test_carriers_words_are_no_name_and_capitals_become_names(company):
    placed = {said: company.call(name=said) for said in CARRIERS + tuple(said for said, _ in NAMES)}
    right = {said: (None, None) for said in CARRIERS} | dict(NAMES)
    assert {said: name_of(company, p) for said, p in placed.items()} == right


def test_unknown_wipes_no_name(company):
    caller = new_number()
    assert name_of(company, company.call(**{"from": caller}, name="Maria Lopez")) == ("Maria", "Lopez")
    assert name_of(company, company.call(**{"from": caller}, name="UNKNOWN", shunya={"outcome": "warm"})) == ("Maria", "Lopez")


@pytest.mark.parametrize(("name", "address"), [("N/A", "Not provided"), ("Not mentioned", "n/a"), ("null", "None"), ("-", "TBD"), ("Unknown", "unknown")])
def test_a_model_that_found_nothing_names_nobody_and_no_place(stack, company, name, address):
    placed = company.call(name="MARIA LOPEZ", shunya={"outcome": "booked", "analysis": {"entities": {"name": name, "address": address}, "qualification": {"service_requested": "N/A"}}})
    call = company.call_in_state(placed, "done")
    visit = eventually(lambda: stack.get("/api/v1/appointments", company.csr, lead_id=call["lead_id"]).json()["data"]["items"], what="the appointment")[0]
    contact = stack.get(f"/api/v1/contacts/{call['contact_card_id']}", company.csr).json()["data"]
    assert (contact["first_name"], contact["last_name"], contact["address"]) == ("Maria", "Lopez", None)
    assert (visit["location_address"], visit["service_type"]) == (None, None)
