"""What a company's manager commands, and what comes of it outside and in the database."""

import uuid

import httpx
import pytest

from conftest import Company, eventually


def shown(stack, company):
    return stack.get(f"/api/v1/company/{company.id}", company.manager).json()["data"]


def numbers(stack, company):
    return {n["e164"]: n for n in stack.get("/api/v1/numbers", company.manager).json()["data"]["items"]}


def put(stack, company, **body):
    return stack.http.put(f"/api/v1/company/{company.id}", json=body, headers={"Authorization": f"Bearer {company.manager}"})


def register(stack, company, number):
    return stack.http.post("/api/v1/numbers", json={"e164": number}, headers={"Authorization": f"Bearer {company.manager}"})


def account(stack, **more):
    body = {"account_id": f"ACC{uuid.uuid4().hex}", "api_key": f"api key {uuid.uuid4()}", **more}
    assert httpx.post(stack.sandbox + "/sandbox/callrail/accounts", json=body).status_code == 200
    return body


@pytest.fixture
def fresh(stack):
    return Company(stack)


def test_a_number_that_ended_is_named_by_nothing_and_does_not_come_back(stack, fresh):
    """Another company takes it; nothing that the first one changes later fails on that or takes it back."""
    ended = numbers(stack, fresh)[fresh.number]
    assert stack.http.delete(f"/api/v1/numbers/{ended['id']}", headers={"Authorization": f"Bearer {fresh.manager}"}).json()["data"]["state"] == "past"
    assert shown(stack, fresh)["phone_number"] is None
    assert put(stack, fresh, address="1 Main St").status_code == 200
    other = Company(stack, signing_key=None)
    registered = register(stack, other, fresh.number)
    assert registered.status_code == 201 and registered.json()["data"] == numbers(stack, other)[fresh.number]  # a number is shown one way
    assert put(stack, fresh, address="2 Main St", timezone="America/New_York").status_code == 200
    fresh.post(f"/api/v1/company/set-callrail-signing-key/{fresh.id}", params={"signing_key": "another key"})
    assert numbers(stack, fresh)[fresh.number]["state"] == "past"
    assert numbers(stack, other)[fresh.number]["state"] == "unproven"


def test_ones_own_number_again_is_said_to_be_ones_own(stack, fresh):
    again = register(stack, fresh, fresh.number)
    assert again.status_code == 409 and "yours already" in again.json()["detail"] and numbers(stack, fresh)[fresh.number]["id"] in again.json()["detail"]


def test_the_list_of_the_companys_own_account_is_final_proof_and_beats_another_companys_claim(stack, fresh):
    owner = Company(stack)
    at_callrail = account(stack, numbers=[fresh.number])
    refused = register(stack, owner, fresh.number)
    assert refused.status_code == 409 and "set-callrail-api-key" in refused.json()["detail"] and fresh.id not in refused.text
    owner.post("/api/v1/onboarding/callrail/connect", json={"api_key": at_callrail["api_key"], "account_id": at_callrail["account_id"]})
    assert register(stack, owner, fresh.number).status_code == 201
    assert numbers(stack, owner)[fresh.number]["state"] == "registered"
    lost = numbers(stack, fresh)[fresh.number]
    assert lost["state"] == "past" and "proven" in lost["note"] and owner.id not in lost["note"]
    assert shown(stack, fresh)["phone_number"] is None
    assert register(stack, fresh, fresh.number).status_code == 409


def test_what_is_wrong_with_the_account_at_callrail_is_told(stack, fresh):
    at_callrail = account(stack)
    refused = stack.http.post("/api/v1/onboarding/callrail/connect", json={"api_key": "mistyped", "account_id": at_callrail["account_id"]}, headers={"Authorization": f"Bearer {fresh.manager}"})
    assert refused.status_code == 422 and refused.json()["errors"][0]["field"] == "api_key"
    assert shown(stack, fresh)["onboarding_step"] == "company_created" and not shown(stack, fresh)["callrail_api_key_set"]
    connected = fresh.post("/api/v1/onboarding/callrail/connect", json={"api_key": at_callrail["api_key"], "account_id": at_callrail["account_id"]}).json()
    assert connected["onboarding_step"] == shown(stack, fresh)["onboarding_step"] == "document_ingestion"
    assert shown(stack, fresh)["callrail_problem"] is None
    account(stack, **{**at_callrail, "api_key": "a newer key"})
    stack.sql("SELECT check_company(%s, 'callrail_numbers')", fresh.id)
    problem = eventually(lambda: shown(stack, fresh)["callrail_problem"])
    assert "API key" in problem["cause"] and "set-callrail-api-key" in problem["cure"]
    assert stack.get(f"/api/v1/company/{fresh.id}", fresh.csr).status_code == 403


def test_the_users_are_the_members_of_the_organisation(stack, fresh):
    def users():
        return {u["id"]: u for u in stack.get("/api/v1/users", fresh.manager).json()["data"]["items"]}

    creator = eventually(lambda: (u := users().get(fresh.user)) and u["email"] and u)
    assert creator["role"] == "manager" and creator["name"] == "Sandy Box"
    rep = f"user_{uuid.uuid4().hex}"
    stack.token("sales_rep", fresh.id, user=rep)  # becomes a member
    stack.sql("SELECT check_company(%s, 'members')", fresh.id)
    assert eventually(lambda: users().get(rep))["role"] == "sales_rep"
    gone = httpx.delete(f"{stack.sandbox}/v1/organizations/{fresh.id}/memberships/{rep}", headers={"Authorization": "Bearer sk_test"})
    assert gone.status_code == 200
    stack.sql("UPDATE company_users SET clerk_updated_at = clerk_updated_at - 120000 WHERE company_id = %s AND id = %s", fresh.id, rep)  # who came just now may be missing from a list
    stack.sql("SELECT check_company(%s, 'members')", fresh.id)
    assert eventually(lambda: (u := users().get(rep)) and u["status"] == "removed" and u)


def test_a_change_clears_and_says_what_it_changed(stack, fresh):
    assert put(stack, fresh, address="1 Main St", workflow_config={"appointment_minutes": 90}).json()["data"]["changed"] == ["address", "workflow_config"]
    assert put(stack, fresh, address="1 Main St").json()["data"]["changed"] == []
    assert put(stack, fresh, address=None, workflow_config=None, phone_number="").json()["data"]["changed"] == ["phone_number", "address", "workflow_config"]
    assert (shown(stack, fresh)["address"], shown(stack, fresh)["workflow_config"], shown(stack, fresh)["phone_number"]) == (None, None, None)
    assert put(stack, fresh, name="").json()["errors"][0]["field"] == "name"
    assert put(stack, fresh, color="red").json()["errors"][0]["field"] == "color"


def test_a_user_makes_few_companies_in_an_hour(stack):
    user = f"user_{uuid.uuid4().hex}"
    headers = {"Authorization": f"Bearer {stack.token('manager', user=user)}"}
    assert [stack.http.post("/company", json={"name": "Many", "timezone": "Nowhere/Bad"}, headers=headers).status_code for _ in range(3)] == [422] * 3
    made = [stack.http.post("/company", json={"name": f"Many {i}"}, headers=headers) for i in range(21)]
    assert [m.status_code for m in made] == [200] * 20 + [429]
    assert int(made[20].headers["Retry-After"]) > 3000
