"""What managers command of their people: Clerk is changed first, then the row; whatever becomes of Clerk's answer, within a minute it is one or the other, once."""

import concurrent.futures
import uuid

import pytest

from conftest import Company, eventually
from test_people import clerk, firm, people, rows, someone  # noqa: F401

SETTLES = 75  # seconds: a minute, and what a busy machine adds
FAULTS = {"down": {"reset": True}, "busy": {"status": 429, "retry_after": 1}, "loses the answer": {"reset": True, "after": True}}


def command(firm, method, path, token=None, **body):
    return firm.stack.http.request(method, path, headers={"Authorization": f"Bearer {token or firm.manager}"}, **({"json": body} if method != "DELETE" else {}))


def invite(firm, email, role="csr", **more):
    return command(firm, "POST", "/api/v1/users/invite", email=email, role=role, **more)


def address():
    return f"{uuid.uuid4().hex}@roof.example"


def invitations(clerk, firm):
    return [(i["email_address"], i["role"]) for i in clerk.api("GET", f"/organizations/{firm.id}/invitations?status=pending&limit=100")["data"]]


def member(clerk, firm, role="org:csr"):
    user = someone()
    clerk.member(firm.id, user, role)
    clerk.deliver(firm.id, user=user)
    return user


def settled(firm, user):
    return eventually(lambda: (u := people(firm).get(user)) and u["changing"] is None and u, within=SETTLES, what="what was asked of Clerk")


def test_invited_accepted_and_at_work(clerk, firm):
    email = address()
    made = invite(firm, email.upper(), "sales_rep", name="Ann Lee")
    assert made.status_code == 201, made.text
    row = made.json()["data"]
    assert (row["email"], row["role"], row["status"], row["name"]) == (email, "sales_rep", "invited", "Ann Lee")
    again = invite(firm, email, "sales_rep")
    assert (again.status_code, again.json()["data"]["id"]) == (200, row["id"]) and invitations(clerk, firm) == [(email, "org:sales_rep")]
    assert invite(firm, email, "csr").status_code == 409  # invited with another role
    assert list(people(firm, status="invited")) == [row["id"]] and row["id"] in people(firm, search=email[:12])
    user = clerk.command("accept", invitation=row["id"], first_name="Ann", last_name="Lee")["user_id"]
    clerk.deliver(firm.id)
    there = people(firm)
    assert row["id"] not in there and (there[user]["status"], there[user]["role"]) == ("active", "sales_rep")
    assert invite(firm, email, "sales_rep").status_code == 409


def test_an_invitation_is_taken_back(clerk, firm):
    row = invite(firm, address()).json()["data"]
    assert command(firm, "DELETE", f"/api/v1/users/{row['id']}").status_code == 200
    assert invitations(clerk, firm) == [] and people(firm)[row["id"]]["status"] == "removed"


def test_a_role_a_removal_and_the_way_back(clerk, firm):
    user = member(clerk, firm)
    for body, role, word in (({"role": "manager"}, "manager", "org:admin"), ({"role": "executive"}, "executive", "org:executive")):
        changed = command(firm, "PATCH", f"/api/v1/users/{user}", **body)
        assert changed.status_code == 200 and changed.json()["data"]["role"] == role and clerk.members(firm.id)[user] == word, changed.text
    assert command(firm, "PATCH", f"/api/v1/users/{user}", status="removed").json()["data"]["status"] == "removed" and user not in clerk.members(firm.id)
    back = command(firm, "PATCH", f"/api/v1/users/{user}", status="active", role="csr")
    assert back.json()["data"]["status"] == "active" and clerk.members(firm.id)[user] == "org:csr"
    clerk.deliver(firm.id, seed=1, times=2)  # what Clerk tells of it changes nothing
    assert rows(firm)[user][:3] == ("csr", None, "active")


def test_bad_commands_name_the_field(clerk, firm):
    user = member(clerk, firm)
    for body, field in (({"email": "no address", "role": "csr"}, "email"), ({"email": address(), "role": "king"}, "role"), ({"role": "csr"}, "email"), ({"email": address()}, "role")):
        refused = command(firm, "POST", "/api/v1/users/invite", **body)
        assert refused.status_code == 422 and refused.json()["errors"][0]["field"] == field, refused.text
    assert command(firm, "PATCH", f"/api/v1/users/{user}", role="king").status_code == 422
    assert command(firm, "PATCH", "/api/v1/users/user_nobody", role="csr").status_code == 404
    assert command(firm, "POST", "/api/v1/users/invite", token=firm.csr, email=address(), role="csr").status_code == 403
    for method, body in (("PATCH", {"role": "csr"}), ("PATCH", {"status": "removed"}), ("DELETE", {})):
        assert command(firm, method, f"/api/v1/users/{firm.user}", **body).status_code == 409  # nobody changes himself


def test_a_role_that_clerk_does_not_know_is_told_with_the_cure(clerk, firm):
    clerk.command("settings", roles=["org:admin", "org:member"])
    refused = invite(firm, address(), "csr")
    assert refused.status_code == 409 and "org:csr" in refused.json()["detail"], refused.text
    assert invitations(clerk, firm) == [] and not people(firm, status="invited")


def test_the_last_manager_stays_also_when_two_managers_remove_each_other(clerk, firm):
    other = member(clerk, firm, "org:admin")
    token = firm.stack.token("manager", firm.id, user=other)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda pair: command(firm, "PATCH", f"/api/v1/users/{pair[1]}", token=pair[0], status="removed"), [(firm.manager, other), (token, firm.user)]))
    assert sorted(a.status_code for a in answers)[0] == 200 and sorted(a.status_code for a in answers)[1] in (403, 409), [a.text for a in answers]
    assert [r[2] for r in rows(firm).values() if r[0] == "manager"].count("active") == 1


@pytest.mark.parametrize("fault", FAULTS)
def test_whatever_clerk_does_with_a_command_it_is_done_once_or_not_at_all(clerk, firm, fault):
    """Invite, role and removal, each with the fault at its one request; within a minute Clerk and the row say the same."""
    changed, removed, email = member(clerk, firm), member(clerk, firm), address()
    for path, method in (("/invitations", "POST"), (f"/memberships/{changed}", "PATCH"), (f"/memberships/{removed}", "DELETE")):
        clerk.fault(path=path, method=method, times=1, **FAULTS[fault])
    answers = [invite(firm, email), command(firm, "PATCH", f"/api/v1/users/{changed}", role="executive"), command(firm, "DELETE", f"/api/v1/users/{removed}")]
    assert {a.status_code for a in answers} <= {200, 201, 503}, [a.text for a in answers]
    assert all("Retry-After" in a.headers for a in answers if a.status_code == 503)
    role, status = settled(firm, changed)["role"], settled(firm, removed)["status"]
    assert clerk.members(firm.id)[changed] == f"org:{role}" and (removed in clerk.members(firm.id)) == (status == "active")
    # Repeated, each is done, and the invitation is one.
    eventually(lambda: invite(firm, email).status_code in (200, 201), within=SETTLES, what="the invitation")
    assert invitations(clerk, firm) == [(email, "org:csr")] and [u["email"] for u in people(firm, status="invited").values()] == [email]
    assert command(firm, "PATCH", f"/api/v1/users/{changed}", role="executive").json()["data"]["role"] == "executive"
    assert command(firm, "DELETE", f"/api/v1/users/{removed}").json()["data"]["status"] == "removed"


@pytest.mark.parametrize("fault", ["down", "loses the answer"])
def test_a_company_whose_making_broke_off_is_finished_and_has_one_organisation(stack, clerk, fault):
    user, name = someone(), f"Roofers {uuid.uuid4().hex}"
    headers = {"Authorization": f"Bearer {stack.token('manager', user=user)}"}
    clerk.fault(path="/v1/organizations", method="POST", times=1, **FAULTS[fault])
    def make():
        answer = stack.http.post("/api/v1/company/", params={"name": name}, headers=headers)
        return answer.status_code == 200 and answer.json()["company_id"]

    made = make() or eventually(make, within=SETTLES, what="the company")  # a lost answer may be found at once
    organizations = [m["organization"]["id"] for m in clerk.api("GET", f"/users/{user}/organization_memberships")["data"]]
    assert organizations == [made], "never a second organisation"
    assert stack.sql("SELECT count(*) FROM company_users WHERE company_id = %s AND id = %s", made, user) == [(1,)]


def test_a_removed_reps_work_returns(stack, clerk, firm):
    """His task is his role's."""
    rep = member(clerk, firm, "org:sales_rep")
    task = command(firm, "POST", "/api/v1/tasks", description="Call back", assigned_to="rep", assignee_id=rep)
    assert task.status_code == 201, task.text
    assert command(firm, "DELETE", f"/api/v1/users/{rep}").status_code == 200
    eventually(lambda: stack.sql("SELECT assignee_id, assigned_to, status FROM tasks WHERE id = %s", task.json()["data"]["id"]) == [(None, "rep", "open")], what="the task's return to its role")
