"""Who works in a company is what Clerk says: by webhooks in any order, by its list where they never came, and as managers command it. The sandbox keeps what comes about to itself until a test has it told."""

import concurrent.futures
import datetime
import json
import random
import time
import uuid

import httpx
import pytest
from svix.webhooks import Webhook

from conftest import Company, eventually

ROLES = ["org:admin", "admin", "manager", "org:manager", "org:customer_rep", "csr", "org:csr", "org:sales_rep", "rep", "exec", "org:executive", "org:member", "basic_member"]
OURS = {"admin": "manager", "manager": "manager", "customer_rep": "csr", "csr": "csr", "sales_rep": "sales_rep", "rep": "sales_rep", "exec": "executive", "executive": "executive", "member": "sales_rep", "basic_member": "sales_rep"}


class Clerk:
    def __init__(self, stack):
        self.stack, self.http = stack, httpx.Client(base_url=stack.sandbox, timeout=60)
        self.command("settings", sends=False, otto_url=stack.url)

    def command(self, name, **body):
        answer = self.http.post(f"/sandbox/clerk/{name}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def api(self, method, path, **body):
        answer = self.http.request(method, "/v1" + path, headers={"Authorization": "Bearer sk_test"}, **({"json": body} if body else {}))
        assert answer.status_code == 200, answer.text
        return answer.json()

    def member(self, company, user, role, **profile):
        self.command("member", company=company, user=user, role=role, **profile)

    def deliver(self, company, **how):
        """All that came about in a company, told (again); each webhook is taken."""
        told = self.command("deliver", company=company, **how)
        assert told and {t["status"] for t in told} == {200}, told
        return told

    def members(self, company):
        return {m["public_user_data"]["user_id"]: m["role"] for m in self.api("GET", f"/organizations/{company}/memberships?limit=500")["data"]}

    def fault(self, **fault):
        assert self.http.post("/sandbox/faults", json={"provider": "clerk", **fault}).status_code == 200

    def heal(self):
        self.http.delete("/sandbox/faults")


@pytest.fixture
def clerk(stack):
    made = Clerk(stack)
    yield made
    made.heal()
    made.http.delete("/sandbox/clerk/settings")
    made.http.close()


@pytest.fixture
def firm(stack, clerk):
    """A company whose creator Otto knows as its manager."""
    made = Company(stack, signing_key=None)
    clerk.deliver(made.id)
    return made


def someone():
    return f"user_{uuid.uuid4().hex}"


def people(firm, **params):
    answer = firm.stack.get("/api/v1/users", firm.manager, limit=200, **params)
    assert answer.status_code == 200, answer.text
    return {u["id"]: u for u in answer.json()["data"]["items"]}


def rows(firm):
    return {r[0]: r[1:] for r in firm.stack.sql("SELECT id, role, role_unknown, status, email, name FROM company_users WHERE company_id = %s", firm.id)}


# -- the webhook itself -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("signing", "said"), [("missing", "signature"), ("forged", "with our secret"), ("stale", "timestamp"), ("future", "timestamp"), ("v1a", "v1"), ("changed_body", "of this body")])
def test_what_is_not_proven_is_refused_with_the_check_that_failed(clerk, firm, signing, said):
    user = someone()
    data = clerk.api("GET", f"/organizations/{firm.id}/memberships")["data"][0] | {"public_user_data": {"user_id": user}}
    refused = clerk.command("webhook", type="organizationMembership.created", data=data, signing=signing)
    assert refused["status"] == 401 and said in json.loads(refused["body"])["detail"].lower(), refused
    assert user not in rows(firm)


def test_what_is_proven_is_taken_once_under_any_of_its_names(stack, clerk, firm):
    first, second = someone(), someone()
    data = clerk.api("GET", f"/organizations/{firm.id}/memberships")["data"][0]
    told = {"type": "organizationMembership.created", "svix_id": f"msg_{uuid.uuid4().hex}"}
    assert clerk.command("webhook", **told, data=data | {"public_user_data": {"user_id": first}}, names="webhook", signing="second")["status"] == 200
    assert clerk.command("webhook", **told, data=data | {"public_user_data": {"user_id": second}})["status"] == 200  # the id counts, whatever the body
    assert first in rows(firm) and second not in rows(firm)
    body, at, secret = json.dumps({"type": "session.created", "data": {}, "object": "event"}), datetime.datetime.now(datetime.timezone.utc), clerk_secret(stack)
    alias = stack.http.post("/user/clerk-webhook", content=body, headers={"svix-id": "msg_alias", "svix-timestamp": str(int(at.timestamp())), "svix-signature": Webhook(secret).sign("msg_alias", at, body)})
    assert alias.status_code == 200 and alias.json()["data"]["outcome"] == "other"


def clerk_secret(stack):
    return httpx.get(stack.sandbox + "/sandbox/clerk/settings").json()["webhook_secret"][0]


def test_proven_nonsense_breaks_nothing(clerk, firm):
    for body in ("{", "[]", "null", '{"type": 7}', json.dumps({"type": "user.created", "data": {"id": ["x"]}}), json.dumps({"type": "organizationMembership.deleted", "data": {"organization": {"id": firm.id}}}),
                 json.dumps({"type": "organization.updated", "data": {"id": "a,b", "name": "x"}}), "[" * 100_000):
        assert clerk.command("webhook", body=body)["status"] == 200
    assert clerk.command("webhook", body="x" * (2 << 20) + "x")["status"] == 413


# -- any order --------------------------------------------------------------------------------------------------------


def test_the_rows_are_the_same_in_whatever_order_and_however_often_it_is_told(stack, clerk):
    """What happened to twenty people in two companies, told three times over, shuffled by a seed."""
    seed = random.randrange(1 << 30)
    print("seed", seed)
    firms, chance, users = [Company(stack, signing_key=None) for _ in range(2)], random.Random(seed), [someone() for _ in range(20)]
    for turn in range(60):
        firm, user = chance.choice(firms).id, chance.choice(users)
        role = None if chance.random() < 0.3 else chance.choice([*ROLES, "org:janitor"])
        clerk.member(firm, user, role, **({"email": f"{user}.{turn}@roof.example", "first_name": f"N{turn}"} if chance.random() < 0.3 else {}))
    for user in chance.sample(users, 2):
        if clerk.http.get(f"/v1/users/{user}", headers={"Authorization": "Bearer sk_test"}).status_code == 200:
            clerk.api("DELETE", f"/users/{user}")
    for firm in firms:
        clerk.deliver(firm.id, seed=seed, times=3, side_by_side=8)
    for firm in firms:
        there, said = rows(firm), clerk.members(firm.id)
        assert {u for u, r in there.items() if r[2] == "active"} == said.keys()
        for user, word in said.items():
            role = OURS.get(word.removeprefix("org:"))
            assert there[user][:2] == ((role, None) if role else (None, word)), (user, word, there[user])
            profile = clerk.api("GET", f"/users/{user}")
            assert there[user][3:] == (profile["email_addresses"][0]["email_address"], f"{profile['first_name']} {profile['last_name']}".strip())
    before = [rows(firm) for firm in firms]
    clerk.command("deliver", company=firms[0].id, seed=seed + 1)
    assert [rows(firm) for firm in firms] == before


def test_a_user_of_two_companies_removed_from_one_and_then_deleted(stack, clerk, firm):
    other, user = Company(stack, signing_key=None), someone()
    for company in (firm, other):
        clerk.member(company.id, user, "org:csr")
        clerk.deliver(company.id)
    clerk.member(firm.id, user, None)
    clerk.deliver(firm.id)
    assert (rows(firm)[user][2], rows(other)[user][2]) == ("removed", "active")
    clerk.member(firm.id, user, "org:executive")  # and back again
    clerk.deliver(firm.id)
    assert rows(firm)[user][:3] == ("executive", None, "active")
    clerk.api("DELETE", f"/users/{user}")
    clerk.command("deliver", user=user)
    assert (rows(firm)[user][2], rows(other)[user][2]) == ("removed", "removed")


def test_odd_people(clerk, firm):
    """Markup, ten thousand letters, no name at all, another's address."""
    markup, long, nameless, twin = (someone() for _ in range(4))
    clerk.member(firm.id, markup, "org:csr", first_name="<script>alert(1)</script>", last_name="O'Neil; DROP TABLE")
    clerk.member(firm.id, long, "org:csr", first_name="x" * 10_000, last_name="\u00e9" * 10_000)
    clerk.member(firm.id, nameless, "org:csr", first_name=None, last_name=None, email="twin@roof.example")
    clerk.member(firm.id, twin, "org:csr", email="twin@roof.example")
    clerk.deliver(firm.id)
    shown = people(firm)
    assert shown[markup]["name"] == "<script>alert(1)</script> O'Neil; DROP TABLE" and len(shown[long]["name"].encode()) <= 200 and not shown[nameless]["name"]
    assert shown[nameless]["email"] == shown[twin]["email"] == "twin@roof.example"


def test_an_invitation_that_is_accepted_before_its_webhook(clerk, firm):
    made = clerk.api("POST", f"/organizations/{firm.id}/invitations", email_address=f"{uuid.uuid4().hex}@roof.example", role="org:csr")
    user = clerk.command("accept", invitation=made["id"], first_name="Ann", last_name="Lee")["user_id"]
    events = httpx.get(clerk.stack.sandbox + "/sandbox/clerk/events", params={"company": firm.id, "type": "organizationInvitation"}).json()
    clerk.deliver(firm.id, type="organizationMembership")
    clerk.deliver(firm.id, type="organizationInvitation.accepted")
    clerk.deliver(firm.id, type="organizationInvitation.created")
    assert len(events) == 2 and made["id"] not in rows(firm) and people(firm)[user]["status"] == "active"


def test_what_never_came_is_found_in_clerks_list(stack, clerk, firm):
    user, other = someone(), someone()
    for one in (user, other):
        clerk.member(firm.id, one, "org:csr")
    stack.sql("SELECT check_company(%s, 'members')", firm.id)
    eventually(lambda: {user, other} <= people(firm).keys(), what="those whose webhooks never came")
    clerk.member(firm.id, user, "org:executive")
    stack.sql("SELECT check_company(%s, 'members')", firm.id)
    eventually(lambda: people(firm)[user]["role"] == "executive", what="the role whose webhook never came")


def test_a_broken_off_list_removes_nobody(stack, clerk, firm):
    for _ in range(4):
        clerk.member(firm.id, someone(), "org:csr")
    clerk.deliver(firm.id)
    before = rows(firm)
    clerk.fault(path=f"/{firm.id}/memberships", method="GET", status=500)
    stack.sql("SELECT check_company(%s, 'members')", firm.id)
    eventually(lambda: stack.sql("SELECT 1 FROM work WHERE queue = 'company-service/members' AND company_id = %s AND error <> ''", firm.id), what="a look that failed")
    assert rows(firm) == before


def test_an_organisation_that_is_deleted_suspends_its_company_and_erases_nothing(stack, clerk):
    firm = Company(stack, signing_key=None)
    clerk.deliver(firm.id)
    clerk.api("DELETE", f"/organizations/{firm.id}")
    clerk.deliver(firm.id, type="organization")
    eventually(lambda: stack.get("/api/v1/calls", firm.manager).status_code == 403, what="the suspension's way")
    assert stack.sql("SELECT status FROM companies WHERE id = %s", firm.id) == [("suspended",)] and rows(firm)


def test_clerks_deeds_are_on_the_record_in_order(clerk, firm):
    user = someone()
    for role in ("org:csr", "org:executive", None):
        clerk.member(firm.id, user, role, first_name="Maria", last_name="Lopez")
        clerk.deliver(firm.id)
    answer = firm.stack.get("/api/v1/audit", firm.manager, target=user)
    assert answer.status_code == 200, answer.text
    lines = list(reversed(answer.json()["data"]["items"]))
    assert [(line["action"], line["actor"]) for line in lines] == [("user.add", "clerk"), ("user.change", "clerk"), ("user.remove", "clerk")]
    assert all("Maria Lopez" in line["sentence"] and line["sentence"].startswith("Clerk") for line in lines) and "csr" in lines[1]["sentence"] and "executive" in lines[1]["sentence"]


# -- removed means out ------------------------------------------------------------------------------------------------


def probes(firm):
    """A request to each service that people talk to; none of them would change anything."""
    return [("GET", "/api/v1/calls"), ("POST", "/api/v1/messages"), ("POST", "/api/v1/appointments"), ("PUT", f"/api/v1/company/{firm.id}"), ("POST", "/api/v1/numbers"), ("POST", "/api/v1/calls/1/analysis/retry")]


def asked(firm, token, method, path):
    return firm.stack.http.request(method, path, headers={"Authorization": f"Bearer {token}"}, **({} if method == "GET" else {"json": {}}))


def refused_everywhere(firm, token):
    return all(asked(firm, token, *probe).status_code == 403 for probe in probes(firm))


def test_a_removed_member_is_out_within_five_seconds_in_every_service(stack, clerk, firm):
    took = []
    for turn in range(10):
        user = someone()
        token = stack.token("manager", firm.id, user=user)
        clerk.deliver(firm.id, user=user)
        assert asked(firm, token, "GET", "/api/v1/calls").status_code == 200
        clerk.member(firm.id, user, None)
        clerk.deliver(firm.id, user=user, type="organizationMembership.deleted")
        told = time.monotonic()
        eventually(lambda: refused_everywhere(firm, token), within=5, what="the refusal in every service")
        took.append(time.monotonic() - told)
        assert stack.token("manager", firm.id, user=user, joins=False) and refused_everywhere(firm, stack.token("manager", firm.id, user=user, joins=False))  # nor does a newer token help
    print("known after", sorted(round(t, 2) for t in took))
    clerk.member(firm.id, user, "org:csr")  # a newer membership does
    clerk.deliver(firm.id, user=user)
    eventually(lambda: asked(firm, token, "GET", "/api/v1/calls").status_code == 200, what="the way back")


def test_a_role_that_was_changed_after_the_token_counts_up_and_down(stack, clerk, firm):
    user = someone()
    token = stack.token("csr", firm.id, user=user)
    clerk.deliver(firm.id, user=user)
    for role, status in (("org:admin", 200), ("org:csr", 403), ("org:janitor", 403)):
        clerk.member(firm.id, user, role)
        clerk.deliver(firm.id, user=user)
        eventually(lambda: asked(firm, token, "GET", "/api/v1/numbers").status_code == status, within=5, what=f"what {role} may")
    refused = asked(firm, token, "GET", "/api/v1/calls")
    assert refused.status_code == 403 and "csr, sales_rep, manager or executive" in refused.json()["detail"], refused.text


def test_who_is_not_known_yet_and_what_company_is_none(stack, clerk, firm):
    assert asked(firm, stack.token("csr", firm.id, user=someone()), "GET", "/api/v1/calls").status_code == 200  # Clerk signed it, nobody has told of him
    none = asked(firm, stack.token("manager", f"org_{uuid.uuid4().hex}"), "GET", "/api/v1/calls")
    assert none.status_code == 403 and none.json()["type"].endswith("/no-company") and "/api/v1/company" in none.json()["detail"], none.text


def test_another_signing_key_interrupts_nobody(stack, clerk, firm):
    """A token of the former key is let in all the time, one of the new key as soon as the keys may be asked for again (10 s after the last time)."""
    former = stack.token("csr", firm.id, user=someone())
    clerk.command("rotate")
    tokens = [former, stack.token("csr", firm.id, user=someone())]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        def turn():
            seen = list(pool.map(lambda n: asked(firm, tokens[n % 2], "GET", "/api/v1/calls").status_code, range(32)))
            assert set(seen[::2]) == {200} and set(seen[1::2]) <= {200, 401}, seen
            return set(seen) == {200}

        eventually(turn, within=15, what="the new key's way")
        assert turn()
