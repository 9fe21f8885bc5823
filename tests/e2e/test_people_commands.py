"""Managers invite people, give them roles and remove them: at Clerk first, whatever becomes of Clerk's answer."""

import uuid

from conftest import eventually
from test_people import clerk, firm, people, someone  # noqa: F401  (fixtures)


def command(firm, method, path, **body):
    return firm.stack.http.request(method, "/api/v1/users" + path, json=body or None, headers={"Authorization": f"Bearer {firm.manager}"})


def test_a_person_is_invited_accepts_gets_a_role_and_is_removed(clerk, firm):
    address = f"{uuid.uuid4().hex}@roof.example"
    made = command(firm, "POST", "/invite", email=address.upper(), role="csr", name="Maria")
    assert made.status_code == 201, made.text
    invited = made.json()["data"]
    assert (invited["status"], invited["email"], invited["role"]) == ("invited", address, "csr")
    again = command(firm, "POST", "/invite", email=address, role="csr")
    assert (again.status_code, again.json()["data"]["id"]) == (200, invited["id"])
    user = clerk.command("accept", invitation=invited["id"], first_name="Maria", last_name="Lopez")["user_id"]
    clerk.deliver(firm.id)
    assert people(firm)[user]["status"] == "active" and invited["id"] not in people(firm, status="invited")
    assert command(firm, "POST", "/invite", email=address, role="csr").status_code == 409
    changed = command(firm, "PATCH", f"/{user}", role="sales_rep")
    assert (changed.status_code, changed.json()["data"]["role"]) == (200, "sales_rep"), changed.text
    assert clerk.members(firm.id)[user] == "org:sales_rep" and list(people(firm, role="sales_rep", search="LOPEZ")) == [user]
    card, lead, appointment = (str(uuid.uuid4()) for _ in range(3))
    sql = firm.stack.sql
    sql("WITH c AS (INSERT INTO contact_cards (company_id, id) VALUES (%s, %s)), l AS (INSERT INTO leads (company_id, id, contact_card_id, status, pool_status, assigned_rep_id) VALUES (%s, %s, %s, 'new', 'assigned', %s)) "
        "INSERT INTO appointments (company_id, id, lead_id, contact_card_id, scheduled_start, scheduled_end, assigned_rep_id, touched_by) VALUES (%s, %s, %s, %s, now() + interval '1 day', now() + interval '25 hours', %s, 'user_m') RETURNING id",
        firm.id, card, firm.id, lead, card, user, firm.id, appointment, lead, card, user)
    gone = command(firm, "DELETE", f"/{user}")
    assert (gone.status_code, gone.json()["data"]["status"]) == (200, "removed"), gone.text
    assert user not in clerk.members(firm.id)
    eventually(lambda: sql("SELECT l.pool_status, l.assigned_rep_id, a.assigned_rep_id FROM leads l JOIN appointments a ON a.company_id = l.company_id AND a.lead_id = l.id WHERE l.company_id = %s AND l.id = %s", firm.id, lead) == [("in_pool", None, None)],
               what="a removed rep's lead and appointment to be nobody's")


def test_the_last_manager_stays_and_nobody_changes_himself(clerk, firm):
    me = next(u for u, p in people(firm).items() if p["role"] == "manager")
    assert command(firm, "PATCH", f"/{me}", role="csr").status_code == 409
    other = someone()
    clerk.member(firm.id, other, "org:admin")
    clerk.deliver(firm.id)
    assert command(firm, "DELETE", f"/{other}").status_code == 200


def test_clerks_answers_are_lost_and_nothing_is_half_made(clerk, firm):
    user, address = someone(), f"{uuid.uuid4().hex}@roof.example"
    clerk.member(firm.id, user, "org:csr")
    clerk.deliver(firm.id)
    clerk.fault(path=f"/{firm.id}/", method="PATCH", status=500, after=True, times=1)
    assert command(firm, "PATCH", f"/{user}", role="executive").json()["data"]["role"] == "executive"  # seen at once
    clerk.fault(path=f"/{firm.id}/invitations", method="POST", reset=True, after=True, times=1)
    assert command(firm, "POST", "/invite", email=address, role="csr").status_code == 201
    pending = [i for i in clerk.api("GET", f"/organizations/{firm.id}/invitations?status=pending&limit=100")["data"] if i["email_address"] == address]
    assert len(pending) == 1
    clerk.fault(path=f"/{firm.id}/", status=503)
    refused = command(firm, "DELETE", f"/{user}")
    assert refused.status_code == 503 and "Retry-After" in refused.headers
    assert people(firm)[user]["changing"]["status"] == "removed"
    clerk.heal()
    eventually(lambda: (people(firm)[user]["status"], people(firm)[user]["changing"]) == ("removed", None), within=60, what="a removal to be done once Clerk is back")
    assert user not in clerk.members(firm.id)
