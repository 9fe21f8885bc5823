"""Tasks, and what people do to leads: commands, roles, the pool, call-backs, overdue."""

import concurrent.futures
import datetime
import uuid

import pytest

from conftest import Company, eventually, new_number


def as_user(stack, token):
    def send(method, path, json=None, **headers):
        return stack.http.request(method, path, json=json, headers={"Authorization": f"Bearer {token}", **headers})

    return send


@pytest.fixture(scope="module")
def office(stack):
    """A company with one call; its manager, a csr, two reps; the first rep has the lead. What the call meant is known, so nothing changes but by what tests do."""
    company = Company(stack)
    placed = company.call(shunya={"outcome": "booked"})
    call = company.settled_call(placed, "completed")
    office = {"company": company, "call": call, "lead": call["lead_id"], "contact": call["contact_card_id"]}
    for name, role in (("manager", "manager"), ("csr", "csr"), ("csr2", "csr"), ("rep", "sales_rep"), ("rep2", "sales_rep"), ("executive", "executive")):
        office[name + "_id"] = f"user_{name}_{uuid.uuid4().hex[:8]}"
        office[name] = as_user(stack, company.member(role, office[name + "_id"]))
    answer = office["manager"]("PATCH", f"/api/v1/leads/{office['lead']}", {"assigned_rep_id": office["rep_id"]})
    assert answer.status_code == 200 and answer.json()["data"]["pool_status"] == "assigned", answer.text
    company.call_in_state(placed, "done")
    eventually(lambda: company.detail(call["call_id"])["lead"]["status"] == "qualified_booked", what="the lead as its call's analysis leaves it")
    return office


def created(send, **fields):
    answer = send("POST", "/api/v1/tasks", {"description": "Send the quote", **fields})
    assert answer.status_code == 201, answer.text
    return answer.json()["data"]


def test_a_task_from_beginning_to_end(stack, office):
    csr = office["csr"]
    task = created(csr, call_id=office["call"]["call_id"], due_at="2035-01-01T10:00:00-07:00", priority="high", action_type="send_quote", assigned_to="rep")
    assert (task["status"], task["source"], task["assigned_to"], task["due_at"], task["created_by"]) == ("open", "manual", "rep", "2035-01-01T17:00:00Z", office["csr_id"])
    assert (task["lead_id"], task["contact_card_id"], task["call_id"]) == (office["lead"], office["contact"], office["call"]["call_id"])  # a call gives its task lead and contact
    assert task["contact"]["primary_phone"] == office["call"]["phone_number"]
    path = f"/api/v1/tasks/{task['id']}"
    changed = csr("PATCH", path, {"description": "Send both quotes", "due_at": None, "assignee_id": office["rep2_id"]}).json()["data"]
    assert (changed["description"], changed["due_at"], changed["assignee_id"], changed["priority"]) == ("Send both quotes", None, office["rep2_id"], "high")
    done = csr("POST", path + "/complete").json()["data"]
    assert (done["status"], done["completed_by"]) == ("completed", office["csr_id"]) and done["completed_at"]
    again = office["manager"]("POST", path + "/complete")
    assert again.status_code == 200 and again.json()["data"] == done  # who did it first did it
    assert csr("DELETE", path).status_code == 409
    reopened = csr("PATCH", path, {"status": "open"}).json()["data"]
    assert (reopened["status"], reopened["completed_at"], reopened["completed_by"]) == ("open", None, None)
    assert csr("DELETE", path).json()["data"]["status"] == "cancelled"
    assert csr("DELETE", path).status_code == 200 and csr("POST", path + "/complete").status_code == 409
    actions = [a for (a,) in stack.sql("SELECT action FROM audit_log WHERE target = %s ORDER BY id", task["id"])]
    assert actions == ["task.create", "task.change", "task.complete", "task.complete", "task.change", "task.cancel", "task.cancel"]
    assert stack.sql("SELECT user_id, action FROM audit_log WHERE target = %s AND detail ->> 'unchanged' = 'true' ORDER BY id", task["id"]) == [(office["manager_id"], "task.complete"), (office["csr_id"], "task.cancel")]
    assert stack.sql("SELECT count(*) FROM audit_log WHERE target = %s AND user_id = %s", task["id"], office["csr_id"]) == [(6,)]


def test_a_change_is_answered_as_its_row_is_then_read(stack, office):
    manager, rep = office["manager"], office["rep"]
    visit = manager("POST", "/api/v1/appointments", {"lead_id": office["lead"], "scheduled_start": "2035-01-01T10:00:00-07:00", "assigned_rep_id": office["rep_id"]})
    assert visit.status_code == 201, visit.text
    changes = {f"/api/v1/tasks/{created(manager, lead_id=office['lead'])['id']}": {"priority": "high", "assignee_id": office["rep_id"]},
               f"/api/v1/leads/{office['lead']}": {"assigned_rep_id": office["rep_id"]},
               f"/api/v1/appointments/{visit.json()['data']['id']}": {"notes": "two ladders"}}
    for path, change in changes.items():
        for person in (manager, rep):
            answer = person("PATCH", path, change)
            if person is rep and "leads" in path:
                assert answer.status_code == 403
                continue
            assert answer.status_code == 200, answer.text
            row = person("GET", path).json()["data"]
            assert answer.json()["data"] == {name: row[name] for name in answer.json()["data"]}


def test_what_is_wrong_is_named(stack, office):
    csr = office["csr"]
    for body, field in (({}, "description"), ({"description": " "}, "description"), ({"description": "x", "assigned_to": "boss"}, "assigned_to"), ({"description": "x", "priority": "asap"}, "priority"),
                        ({"description": "x", "due_at": "soon"}, "due_at"), ({"description": "x", "lead_id": "1"}, "lead_id"), ({"description": "x", "call_id": "one"}, "call_id"),
                        ({"description": "x", "action_type": "Call back!"}, "action_type"), ({"description": "x" * 2001}, "description")):
        answer = csr("POST", "/api/v1/tasks", body)
        assert answer.status_code == 422 and answer.json()["errors"][0]["field"] == field, (body, answer.text)
    for body, field in (({"lead_id": str(uuid.uuid4())}, "lead_id"), ({"call_id": 1}, "call_id"), ({"contact_card_id": str(uuid.uuid4())}, "contact_card_id"), ({"appointment_id": str(uuid.uuid4())}, "appointment_id"),
                        ({"assignee_id": "somebody"}, "assignee_id"), ({"asignee_id": office["rep_id"]}, "asignee_id"), ({"due_at": "2035-01-01T10:00:00"}, "due_at")):
        answer = csr("POST", "/api/v1/tasks", {"description": "x", **body})
        assert answer.status_code == 422 and answer.json()["errors"][0]["field"] == field, answer.text
    other = office["company"].settled_call(office["company"].call(), "completed")
    answer = csr("POST", "/api/v1/tasks", {"description": "x", "call_id": other["call_id"], "lead_id": office["lead"]})
    assert answer.status_code == 422 and answer.json()["errors"][0]["field"] == "lead_id"
    task = created(csr)
    for body, field in (({}, "body"), ({"status": "overdue"}, "status"), ({"status": None}, "status"), ({"description": ""}, "description"), ({"lead_id": office["lead"]}, "lead_id")):
        answer = csr("PATCH", f"/api/v1/tasks/{task['id']}", body)
        assert answer.status_code == 422 and answer.json()["errors"][0]["field"] == field, (body, answer.text)
    for path in ("/api/v1/tasks/x", f"/api/v1/tasks/{uuid.uuid4()}"):
        assert csr("PATCH", path, {"priority": "low"}).status_code == 404 and csr("DELETE", path).status_code == 404 and csr("POST", path + "/complete").status_code == 404


def test_a_rep_reaches_tasks_of_own_leads_and_own_tasks_only(stack, office):
    of_lead, foreign = created(office["csr"], lead_id=office["lead"]), created(office["csr"])
    for task, status in ((of_lead, 200), (foreign, 404)):
        assert office["rep"]("PATCH", f"/api/v1/tasks/{task['id']}", {"priority": "low"}).status_code == status
        assert office["rep2"]("PATCH", f"/api/v1/tasks/{task['id']}", {"priority": "low"}).status_code == 404
        assert office["rep2"]("POST", f"/api/v1/tasks/{task['id']}/complete").status_code == 404 and office["rep2"]("DELETE", f"/api/v1/tasks/{task['id']}").status_code == 404
    mine = created(office["rep2"])
    assert (mine["assigned_to"], mine["assignee_id"]) == ("rep", office["rep2_id"])
    assert office["rep2"]("POST", f"/api/v1/tasks/{mine['id']}/complete").status_code == 200
    assert created(office["rep"], lead_id=office["lead"], assigned_to="csr")["assigned_to"] == "csr"
    for body in ({"lead_id": office["lead"]}, {"call_id": office["call"]["call_id"]}, {"contact_card_id": office["contact"]}):
        assert office["rep2"]("POST", "/api/v1/tasks", {"description": "x", **body}).status_code == 422
    mine = created(office["rep2"])
    for body, field in (({"assignee_id": office["rep_id"]}, "assignee_id"), ({"assigned_to": "csr"}, "assigned_to")):  # given away neither when it is made nor later
        for answer in (office["rep2"]("POST", "/api/v1/tasks", {"description": "x", **body}), office["rep2"]("PATCH", f"/api/v1/tasks/{mine['id']}", body)):
            assert answer.status_code == 422 and answer.json()["errors"][0]["field"] == field, answer.text
    assert office["rep2"]("POST", "/api/v1/tasks", {"description": "x", "assignee_id": "somebody"}).json()["errors"][0]["field"] == "assignee_id"
    for send in (office["rep"], office["executive"]):
        assert send("PATCH", f"/api/v1/leads/{office['lead']}", {"status": "hot"}).status_code == 403
    assert office["executive"]("POST", "/api/v1/tasks", {"description": "x"}).status_code == 403


def test_another_company_s_tasks_and_leads_do_not_exist(stack, office):
    stranger = as_user(stack, Company(stack, signing_key=None).manager)
    task = created(office["csr"], lead_id=office["lead"])
    for method, path, body in (("PATCH", f"/api/v1/tasks/{task['id']}", {"priority": "low"}), ("DELETE", f"/api/v1/tasks/{task['id']}", None), ("POST", f"/api/v1/tasks/{task['id']}/complete", None),
                               ("PATCH", f"/api/v1/leads/{office['lead']}", {"status": "hot"}), ("POST", f"/api/v1/leads/{office['lead']}/claim", None)):
        assert stranger(method, path, body).status_code == 404, path
    assert stranger("POST", "/api/v1/tasks", {"description": "x", "lead_id": office["lead"]}).status_code == 422
    for path, body in ((f"/api/v1/tasks/{task['id']}", {"assignee_id": "user_of_another"}), (f"/api/v1/leads/{office['lead']}", {"assigned_rep_id": "user_of_another"})):
        answer = office["csr"]("PATCH", path, body)
        assert answer.status_code == 422 and answer.json()["errors"][0]["field"] == next(iter(body)), answer.text


def test_idempotency_key(stack, office):
    key = {"Idempotency-Key": str(uuid.uuid4())}
    first = office["csr"]("POST", "/api/v1/tasks", {"description": "once"}, **key)
    again = office["csr"]("POST", "/api/v1/tasks", {"description": "once"}, **key)
    assert (first.status_code, again.status_code, again.content) == (201, 201, first.content)
    assert office["csr"]("POST", "/api/v1/tasks", {"description": "twice"}, **key).status_code == 409
    assert stack.sql("SELECT count(*) FROM tasks WHERE company_id = %s AND description = 'once'", office["company"].id) == [(1,)]


def test_a_task_is_overdue_once_its_time_has_come_and_open_again_with_a_later_one(stack, office):
    past = (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=1)).isoformat()
    task = created(office["csr"], due_at=past)

    def status():
        return stack.sql("SELECT status FROM tasks WHERE id = %s", task["id"])[0][0]

    eventually(lambda: status() == "overdue")
    assert office["csr"]("PATCH", f"/api/v1/tasks/{task['id']}", {"due_at": "2035-01-01T00:00:00Z"}).json()["data"]["status"] == "open"
    assert office["csr"]("POST", f"/api/v1/tasks/{task['id']}/complete").json()["data"]["status"] == "completed"


def call_backs(stack, company):
    return stack.sql("SELECT contact_card_id::text, description, assigned_to, status, lead_id::text, call_id FROM tasks WHERE company_id = %s AND source = 'otto' AND action_type = 'call_back'", company.id)


def test_a_missed_call_becomes_one_call_back_task_a_contact_and_day(stack):
    company = Company(stack)
    caller = new_number()
    silent = company.call(**{"from": "Anonymous"}, missed=True)
    answered = company.call()
    company.settled_call(company.call(**{"from": caller}, missed=True), "missed")
    company.call(**{"from": caller}, voicemail=True)
    calls = eventually(lambda: (c := company.calls(phone=caller)) and len(c) == 2 and {x["status"] for x in c} == {"missed", "voicemail"} and c)
    company.settled_call(answered, "completed")
    eventually(lambda: company.calls(search=silent["resource_id"]))
    rows = eventually(lambda: call_backs(stack, company), what="the call-back task")
    # Everything that was waited for has come due by then.
    eventually(lambda: stack.sql("SELECT count(*) FROM work WHERE company_id = %s AND queue = 'lead-pipeline/missed-calls'", company.id) == [(0,)])
    assert call_backs(stack, company) == rows and len(rows) == 1
    contact, description, assigned_to, status, lead, call_id = rows[0]
    assert (contact, assigned_to, status, lead) == (calls[0]["contact_card_id"], "csr", "open", calls[0]["lead_id"]) and caller in description
    assert call_id in {c["call_id"] for c in calls}


def test_a_call_that_was_answered_after_all_makes_no_task(stack):
    company = Company(stack)
    caller, known_as = new_number(), 1 + uuid.uuid4().int % 10**9
    company.call(**{"from": caller}, id=known_as, missed=True, events=["missed"])
    company.settled_call(company.call(**{"from": caller}, id=known_as, events=["completed"]), "completed")
    eventually(lambda: stack.sql("SELECT count(*) FROM work WHERE company_id = %s AND queue LIKE 'lead-pipeline/%%'", company.id) == [(0,)])
    assert call_backs(stack, company) == []


def test_of_many_who_claim_a_lead_one_wins(stack):
    company = Company(stack)
    lead = company.settled_call(company.call(), "completed")["lead_id"]
    eventually(lambda: stack.get(f"/api/v1/leads/{lead}", company.csr).json()["data"]["last_qualified_at"], what="what the analysis does to the lead")  # nothing but claims changes it after
    users = [f"user_claim_{i}" for i in range(6)]
    sends = [as_user(stack, stack.token("csr", company.id, user=u)) for u in users]
    with concurrent.futures.ThreadPoolExecutor(len(users)) as pool:
        answers = list(pool.map(lambda send: send("POST", f"/api/v1/leads/{lead}/claim"), sends))
    assert sorted(a.status_code for a in answers) == [200] + [409] * 5
    winner = next(i for i, a in enumerate(answers) if a.status_code == 200)
    data = answers[winner].json()["data"]
    assert (data["assigned_rep_id"], data["pool_status"]) == (users[winner], "assigned") and data["contact"]["primary_phone"]
    assert sends[winner]("POST", f"/api/v1/leads/{lead}/claim").status_code == 200
    assert {a.json()["errors"][0]["field"] for a in answers if a.status_code == 409} == {"assigned_rep_id"}
    listed = stack.get(f"/api/v1/leads/{lead}", company.csr).json()["data"]
    assert listed["assigned_rep_id"] == users[winner] and {k: v for k, v in data.items()} == {k: listed[k] for k in data}
    # Claimed, and claimed again: a line of each that was answered, and of nobody who was refused.
    assert stack.sql("SELECT user_id, detail ? 'unchanged' FROM audit_log WHERE target = %s AND action = 'lead.claim' ORDER BY id", lead) == [(users[winner], False), (users[winner], True)]


def test_a_lead_is_closed_opened_and_given_away(stack):
    company = Company(stack)
    placed = company.call()
    first = company.settled_call(placed, "completed")["lead_id"]
    csr = as_user(stack, company.csr)
    company.member("sales_rep", "user_r")

    def change(lead, **fields):
        return csr("PATCH", f"/api/v1/leads/{lead}", fields)

    assert change(first, status="nurturing", assigned_rep_id="user_r").json()["data"]["pool_status"] == "assigned"
    assert change(first, assigned_rep_id=None).json()["data"]["pool_status"] == "in_pool"
    closed = change(first, status="closed_lost").json()["data"]
    assert (closed["status"], closed["pool_status"]) == ("closed_lost", "closed") and closed["closed_at"]
    assert csr("POST", f"/api/v1/leads/{first}/claim").status_code == 409
    # The next call of the customer opens another one, and then the first stays closed.
    company.call(**{"from": placed["from"]})
    second = eventually(lambda: next((c["lead_id"] for c in company.calls(phone=placed["from"]) if c["lead_id"] != first), None))
    refused = change(first, status="hot")
    assert refused.status_code == 409 and refused.json()["errors"][0]["field"] == "status"
    assert change(second, status="abandoned").json()["data"]["pool_status"] == "archived"
    opened = change(first, status="hot").json()["data"]
    assert (opened["status"], opened["pool_status"], opened["closed_at"]) == ("hot", "in_pool", None)
    for fields, field in (({}, "body"), ({"status": "won"}, "status"), ({"status": None}, "status"), ({"pool_status": "closed"}, "pool_status")):
        answer = change(first, **fields)
        assert answer.status_code == 422 and answer.json()["errors"][0]["field"] == field, answer.text
    assert stack.sql("SELECT edited_status, status_edited_at IS NOT NULL, status_edited_by IS NOT NULL FROM leads WHERE id = %s", first) == [("hot", True, True)]


def test_what_a_person_did_stands_when_the_call_s_analysis_is_corrected(stack):
    company = Company(stack)
    call = company.settled_call(company.call(shunya={"outcome": "warm"}), "completed")
    csr, manager = as_user(stack, company.csr), as_user(stack, company.manager)

    def tasks():
        return stack.sql("SELECT id::text, description, status FROM tasks WHERE company_id = %s AND source = 'shunya' ORDER BY id", company.id)

    def verdict():
        return stack.sql("SELECT lead_quality, booking_status FROM call_verdicts WHERE company_id = %s AND call_id = %s", company.id, call["call_id"])

    def lead():
        return stack.get(f"/api/v1/leads/{call['lead_id']}", company.csr).json()["data"]

    made = eventually(tasks, what="tasks of the analysis")
    assert lead()["status"] in ("qualified_unbooked", "warm") and lead()["last_qualified_at"]
    assert csr("POST", f"/api/v1/tasks/{made[0][0]}/complete").status_code == 200
    assert csr("PATCH", f"/api/v1/leads/{call['lead_id']}", {"status": "nurturing"}).status_code == 200
    assert manager("PATCH", f"/api/v1/calls/{call['call_id']}/analysis", {"lead_quality": "hot", "booking_status": "not_booked"}).status_code == 200
    eventually(lambda: verdict() == [("hot", "not_booked")], what="the correction's way to the lead")
    assert lead()["status"] == "nurturing"
    after = tasks()
    assert [t[:2] for t in after] == [t[:2] for t in made]  # no second task of any
    assert dict((t[0], t[2]) for t in after)[made[0][0]] == "completed"


def test_an_unqualified_call_closes_the_lead_and_a_correction_opens_it_again(stack):
    company = Company(stack)
    call = company.settled_call(company.call(shunya={"outcome": "unqualified"}), "completed")

    def lead():
        return stack.get(f"/api/v1/leads/{call['lead_id']}", company.csr).json()["data"]

    closed = eventually(lambda: (now := lead())["status"] == "closed_lost" and now)
    assert closed["pool_status"] == "closed" and closed["closed_at"]
    manager = as_user(stack, company.manager)
    assert manager("PATCH", f"/api/v1/calls/{call['call_id']}/analysis", {"booking_status": "booked", "lead_quality": "hot"}).status_code == 200
    opened = eventually(lambda: (now := lead())["status"] == "qualified_booked" and now)
    assert (opened["pool_status"], opened["closed_at"]) == ("in_pool", None) and opened["last_qualified_at"]
