"""One visit of a customer who calls again, the whole way."""

from conftest import Company, eventually, new_number


def items(company, path, **params):
    answer = company.stack.get(path, company.manager, **params)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]["items"]


def booked(company, customer, at):
    """One more call of the customer that books a visit; its lead, once it is analysed."""
    before = len(items(company, "/api/v1/calls", phone=customer, booking_status="booked"))
    company.call(**{"from": customer}, shunya={"outcome": "booked", "appointment_at": at})
    calls = eventually(lambda: (c := items(company, "/api/v1/calls", phone=customer, booking_status="booked")) and len(c) == before + 1 and c, within=90, what="the analysis")
    return calls[0]["lead_id"]


def test_who_calls_to_move_the_visit_has_one_planned_afterwards(stack):
    company = Company(stack)
    customer = new_number()
    lead = booked(company, customer, "2026-12-21T10:00:00")
    first = eventually(lambda: items(company, "/api/v1/appointments", lead_id=lead), what="the appointment")[0]
    assert booked(company, customer, "2026-12-22T10:00:00") == lead
    moved = eventually(lambda: (a := items(company, "/api/v1/appointments", lead_id=lead)) and a[0]["moved_from"] and a, what="the appointment's move")
    assert len(moved) == 1 and moved[0]["id"] == first["id"]
    assert (moved[0]["scheduled_start"], moved[0]["moved_from"]) == ("2026-12-22T17:00:00Z", "2026-12-21T17:00:00Z")
    card = stack.get(f"/api/v1/contacts/{moved[0]['contact_card_id']}", company.csr).json()["data"]
    assert "from 2026-12-21T17:00:00Z to 2026-12-22T17:00:00Z" in [m["detail"] for m in card["timeline"]]
    for call in card["calls"]:
        timeline = stack.get(f"/api/v1/calls/{call['call_id']}/timeline", company.csr).json()["data"]["items"]
        assert "The appointment was moved" in [m["title"] for m in timeline]

    # A person's is not moved: somebody looks.
    answer = stack.http.patch(f"/api/v1/appointments/{first['id']}", json={"scheduled_start": "2026-12-23T10:00:00-07:00"}, headers={"Authorization": f"Bearer {company.csr}"})
    assert answer.status_code == 200 and (answer.json()["data"]["moved_from"], answer.json()["data"]["moved_by_call_id"]) == ("2026-12-22T17:00:00Z", None), answer.text
    booked(company, customer, "2026-12-24T10:00:00")
    task = eventually(lambda: next((t for t in items(company, "/api/v1/tasks", lead_id=lead) if t["action_type"] == "check_appointment"), None), what="the task")
    assert (task["source"], task["assigned_to"], task["status"], task["appointment_id"]) == ("otto", "csr", "open", first["id"])
    assert "2026-12-23 10:00" in task["description"] and "2026-12-24 10:00" in task["description"]
    assert [a["scheduled_start"] for a in items(company, "/api/v1/appointments", lead_id=lead)] == ["2026-12-23T17:00:00Z"]
