"""Cards of numbers that are read otherwise than when they were made become one, or are parted, in every service's rows; flags follow from the status."""

import json
import random

from conftest import Company, eventually, new_number
from test_calls import signed


def by_former_rules(stack, company, calls, phone, card_phone=None):
    """The rows as a former version left them, and the company put down to be looked through, as the migration does."""
    for call in calls:
        stack.sql("UPDATE contact_cards SET primary_phone = %s WHERE company_id = %s AND id = %s", card_phone, company.id, call["contact_card_id"])
        stack.sql("UPDATE calls SET phone_number = %s WHERE company_id = %s AND call_id = %s", phone, company.id, call["call_id"])
    stack.sql("INSERT INTO renumbering (company_id) VALUES (%s) ON CONFLICT (company_id) DO UPDATE SET due_at = now(), cards_after = excluded.cards_after, calls_after = 0, pass = 1", company.id)


def analysed(company, stack, caller, **shunya):
    placed = company.call(**{"from": caller}, shunya=shunya)
    found = eventually(lambda: next((c for c in company.calls(search=placed["resource_id"]) if c["status"] == "completed"), None), what="the call")
    eventually(lambda: company.detail(found["call_id"])["analysis_state"]["state"] == "done", within=60, what="the analysis")
    return found


def homes(stack, company, table, key="call_id"):
    """Lead and contact by call, as one service has them."""
    return {str(k): (str(lead), str(card)) for k, lead, card in stack.sql(f"SELECT {key}, lead_id, contact_card_id FROM {table} WHERE company_id = %s", company.id)}


def test_cards_of_one_number_become_one_with_appointments_tasks_and_what_is_under_way(stack):
    company, n = Company(stack), new_number()
    known = analysed(company, stack, n, outcome="warm")  # without an appointment
    old = analysed(company, stack, "Anonymous", outcome="booked", appointment_at="2027-03-01T10:00:00", pending_actions=[{"type": "send_quote", "raw_text": "send the quote"}])
    assert old["lead_id"] != known["lead_id"]
    # What the call booked must stand first: to a visit that people have planned already the call adds none.
    eventually(lambda: str(old["call_id"]) in homes(stack, company, "appointments"), what="the appointment that the call booked")
    by_hand = company.post("/api/v1/appointments", json={"lead_id": old["lead_id"], "scheduled_start": "2027-03-05T10:00:00Z"}).json()["data"]["id"]
    eventually(lambda: [lead for lead, _ in homes(stack, company, "appointments", "id").values()] == [old["lead_id"]] * 2 and str(old["call_id"]) in homes(stack, company, "tasks"), what="appointments and task")
    by_former_rules(stack, company, [old], f"\u202a{n[:8]}\u2011{n[8:]}\u202c")
    home = (known["lead_id"], known["contact_card_id"])
    for table in ("calls", "tasks", "appointments", "recorded_calls"):
        eventually(lambda table=table: set(homes(stack, company, table).values()) == {home}, what=f"all {table} with the number's card and lead")
    assert by_hand in homes(stack, company, "appointments", "id")
    assert {c["phone_number"] for c in company.calls()} == {n} and stack.get("/api/v1/contacts", company.csr, phone=n).json()["data"]["total"] == 1
    assert stack.sql("SELECT phone FROM recorded_calls WHERE company_id = %s AND call_id = %s", company.id, old["call_id"]) == [(n,)]
    # The former ids lead there.
    assert stack.get(f"/api/v1/leads/{old['lead_id']}", company.csr).json()["data"]["id"] == known["lead_id"]
    assert stack.get(f"/api/v1/contacts/{old['contact_card_id']}", company.csr).json()["data"]["id"] == known["contact_card_id"]
    assert stack.get("/api/v1/leads", company.csr).json()["data"]["total"] == 1
    eventually(lambda: company.calls(phone=n, booking_status="booked") and stack.get(f"/api/v1/leads/{known['lead_id']}", company.csr).json()["data"]["status"] == "qualified_booked", what="the lead's status")


def test_the_card_of_hidden_callers_is_parted_with_appointments(stack):
    company, n = Company(stack), new_number()
    calls = [analysed(company, stack, n, outcome="booked", appointment_at=f"2027-03-0{day}T10:00:00") for day in (2, 3)]
    assert len({c["lead_id"] for c in calls}) == 1
    by_hand = company.post("/api/v1/appointments", json={"lead_id": calls[0]["lead_id"], "scheduled_start": "2027-03-05T10:00:00Z"}).json()["data"]["id"]
    by_former_rules(stack, company, calls, "+266696687", "+266696687")
    eventually(lambda: len({c["contact_card_id"] for c in company.calls()}) == 2, what="a card each")
    rows = homes(stack, company, "calls")
    assert rows[str(calls[0]["call_id"])] == (calls[0]["lead_id"], calls[0]["contact_card_id"]) and len(set(rows.values())) == 2
    eventually(lambda: homes(stack, company, "recorded_calls") == rows, what="what the orchestrator has")
    eventually(lambda: all(rows[call] == home for call, home in homes(stack, company, "appointments").items() if call != "None"), what="the appointments")
    assert homes(stack, company, "appointments", "id")[by_hand] == rows[str(calls[0]["call_id"])]  # what people did stays with the oldest
    assert stack.sql("SELECT count(*) FROM contact_cards WHERE company_id = %s AND primary_phone IS NOT NULL", company.id) == [(0,)]


def test_of_calls_that_are_over_each_is_answered_or_missed_in_rows_lists_and_figures(stack):
    company = Company(stack)
    said = [(True, "inbound", "61", "completed"), (None, "first_call", "61", "completed"), (None, "inbound", "95", "completed"), (False, "missed", "0", "missed"), (False, "voicemail", "20", "voicemail"),
            (None, "voicemails", "20", "voicemail"), (None, "Missed Calls", "0", "missed"), (None, "failed", "0", "failed"), (None, "no-answer", "0", "missed"), (True, "missed", "61", "completed")]
    ids = {}
    for answered, kind, duration, status in said:
        ident = random.randrange(10**9, 2 * 10**9)
        ids[str(ident)] = status
        body = json.dumps({"id": ident, "answered": answered, "call_type": kind, "direction": "inbound", "duration": duration, "customer_phone_number": new_number(), "tracking_phone_number": company.number}).encode()
        assert stack.http.post("/api/v1/callrail/call.completed", content=body, headers=signed(company.key, body)).status_code == 200
    ringing = json.dumps({"id": 1, "answered": True, "direction": "inbound", "customer_phone_number": new_number(), "tracking_phone_number": company.number}).encode()
    assert stack.http.post("/api/v1/callrail/call.answered", content=ringing, headers=signed(company.key, ringing)).status_code == 200
    calls = eventually(lambda: (c := company.calls(limit=100)) and len(c) == len(said) + 1 and c, what="all calls")
    for call in calls:
        status = ids.get(str(call["provider_call_id"]), "in_progress")
        assert (call["status"], call["answered"], call["missed_call"]) == (status, status == "completed", status in ("missed", "voicemail", "failed"))
    figures = eventually(lambda: (o := stack.get("/api/v1/metrics/csr/overview", company.manager).json()["data"])["total_calls"] == len(calls) and o, what="the figures")
    assert (figures["answered_calls"], figures["missed_calls"]) == (4, 6)
    for word, figure in (("answered", "answered_calls"), ("missed_call", "missed_calls")):
        assert stack.get("/api/v1/calls", company.manager, **{word: "true", "direction": "inbound"}).json()["data"]["total"] == figures[figure]
