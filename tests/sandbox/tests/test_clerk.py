"""Clerk's stand-in: invitations, what people do at Clerk, and the webhooks of it, held against Svix's published vector and its own verifier."""

import json
import typing
import uuid

import httpx
import jwt
import pytest
from peers import SECRET_KEY, otto, running, sandbox, shared  # noqa: F401
from svix.webhooks import Webhook, WebhookVerificationError

from sandbox.clerk.webhooks import DEFAULT_SECRET, headers_of, sign

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def told(sandbox, otto):
    """Otto hears of everything at once."""
    assert sandbox.post("/sandbox/clerk/settings", json={"sends": True, "otto_url": otto.url, "webhook_secret": SECRET, "retry_ms": 20}).status_code == 200
    yield otto
    sandbox.delete("/sandbox/clerk/settings")


def api(sandbox: httpx.Client, method: str, path: str, **body: typing.Any) -> typing.Any:
    answer = sandbox.request(method, "/v1" + path, headers=SECRET_KEY, **({"json": body} if body else {}))
    return answer.json() if answer.status_code == 200 else (answer.status_code, answer.json()["errors"][0]["code"])


def an_organization(sandbox: httpx.Client) -> tuple[str, str]:
    """Its id, and that of its administrator."""
    admin = api(sandbox, "POST", "/users", email_address=[f"{uuid.uuid4().hex}@roof.example"])["id"]
    return api(sandbox, "POST", "/organizations", name="Roofers", created_by=admin)["id"], admin


def test_the_published_signature():
    assert sign(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, '{"test": 2432232314}') == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("names", ["svix", "webhook"])
@pytest.mark.parametrize("signing", ["good", "second"])
def test_what_is_signed_well_is_taken_by_svix(names, signing):
    Webhook(SECRET).verify(b'{"a": 1}', headers_of([SECRET], "msg_1", '{"a": 1}', signing, names))
    for secret in (SECRET, DEFAULT_SECRET):  # while a secret is changed, either will do
        Webhook(secret).verify(b"{}", headers_of([SECRET, DEFAULT_SECRET], "msg_1", "{}"))


@pytest.mark.parametrize("signing", ["missing", "forged", "stale", "future", "v1a", "changed_body"])
def test_what_is_signed_badly_is_not(signing):
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(b'{"a": 1}', headers_of([SECRET], "msg_1", '{"a": 1}', signing))


def test_what_comes_about_is_told(sandbox, told):
    organization, admin = an_organization(sandbox)
    told.results(3)
    for (path, _, body), headers in zip(told.seen, told.headers):
        assert path == "/api/v1/clerk/webhook"
        Webhook(SECRET).verify(body, headers)
    events = {json.loads(body)["type"]: json.loads(body) for _, _, body in told.seen}
    assert events.keys() == {"user.created", "organization.created", "organizationMembership.created"}
    membership = events["organizationMembership.created"]
    assert (membership["object"], membership["data"]["organization"]["id"], membership["data"]["public_user_data"]["user_id"], membership["data"]["role"]) == ("event", organization, admin, "org:admin")
    assert membership["timestamp"] >= membership["data"]["updated_at"] > 1_600_000_000_000


def test_a_webhook_that_nobody_took_comes_again_signed_anew(sandbox, told):
    told.statuses = [503, 500]
    api(sandbox, "POST", "/users", first_name="Ann")
    told.results(3)
    assert len({headers["svix-id"] for headers in told.headers}) == 1 and len({body for _, _, body in told.seen}) == 1


def test_the_end_of_a_membership_is_told_with_all_of_it(sandbox, told):
    organization, admin = an_organization(sandbox)
    user = api(sandbox, "POST", "/users", first_name="Rep")["id"]
    made = api(sandbox, "POST", f"/organizations/{organization}/memberships", user_id=user, role="org:sales_rep")
    changed = api(sandbox, "PATCH", f"/organizations/{organization}/memberships/{user}", role="org:csr")
    assert changed["role"] == "org:csr" and changed["updated_at"] > made["updated_at"]
    api(sandbox, "DELETE", f"/organizations/{organization}/memberships/{user}")
    api(sandbox, "DELETE", f"/users/{user}")
    types = [e["type"] for e in sandbox.get("/sandbox/clerk/events", params={"user": user}).json()]
    assert types == ["user.created", "organizationMembership.created", "organizationMembership.updated", "organizationMembership.deleted", "user.deleted"]
    told.results(8)
    ended = next(json.loads(body) for _, _, body in told.seen if json.loads(body)["type"] == "organizationMembership.deleted")
    assert ended["data"]["organization"]["id"] == organization and ended["data"]["updated_at"] == changed["updated_at"] and ended["timestamp"] >= changed["updated_at"]
    gone = next(json.loads(body) for _, _, body in told.seen if json.loads(body)["type"] == "user.deleted")
    assert gone["data"] == {"object": "user", "id": user, "deleted": True}
    assert api(sandbox, "DELETE", f"/organizations/{organization}")["deleted"] is True


def test_an_invitation_and_its_three_ends(sandbox):
    organization, admin = an_organization(sandbox)
    path = f"/organizations/{organization}/invitations"
    made = api(sandbox, "POST", path, email_address="Ann@roof.example", role="org:csr", inviter_user_id=admin)
    assert made["id"].startswith("orginv_") and (made["status"], made["role"], made["organization_id"]) == ("pending", "org:csr", organization)
    assert api(sandbox, "POST", path, email_address="ann@Roof.example", role="org:csr") == (400, "duplicate_record")
    assert [i["id"] for i in api(sandbox, "GET", path + "?status=pending")["data"]] == [made["id"]]
    assert api(sandbox, "GET", f"{path}/{made['id']}")["email_address"] == "Ann@roof.example"
    assert api(sandbox, "POST", f"{path}/{made['id']}/revoke", requesting_user_id=admin)["status"] == "revoked"
    assert api(sandbox, "POST", f"{path}/{made['id']}/revoke", requesting_user_id=admin) == (400, "organization_invitation_not_pending")
    again = api(sandbox, "POST", path, email_address="ann@roof.example", role="org:csr")
    user = sandbox.post("/sandbox/clerk/accept", json={"invitation": again["id"], "first_name": "Ann"}).json()["user_id"]
    (membership,) = api(sandbox, "GET", f"/organizations/{organization}/memberships?user_id={user}")["data"]
    assert membership["role"] == "org:csr" and membership["public_user_data"]["identifier"] == "ann@roof.example"
    told = [e["type"] for e in sandbox.get("/sandbox/clerk/events", params={"company": organization, "type": "organizationInvitation"}).json()]
    assert told == [f"organizationInvitation.{end}" for end in ("created", "revoked", "created", "accepted")]
    assert api(sandbox, "POST", path, email_address="ann@roof.example", role="org:csr") == (400, "already_a_member_in_organization")
    assert api(sandbox, "POST", path, email_address="no address", role="org:csr") == (422, "form_param_format_invalid")
    assert api(sandbox, "POST", path, email_address="b@roof.example", role="org:king") == (404, "resource_not_found")
    assert api(sandbox, "POST", path, email_address="b@roof.example", role="org:csr", inviter_user_id=user) == (403, "not_an_admin_in_organization")
    assert api(sandbox, "GET", path + "/orginv_none") == (404, "resource_not_found")


def test_what_the_dashboard_does(sandbox):
    for role, count in (("org:king", 1), ("org:queen", 1), (None, 0)):
        assert sandbox.post("/sandbox/clerk/member", json={"company": "org_dashboard", "user": "user_d", "role": role, "email": "d@roof.example"}).status_code == 200
        assert [m["role"] for m in api(sandbox, "GET", "/organizations/org_dashboard/memberships")["data"]] == [role] * count
    assert "user.updated" in [e["type"] for e in sandbox.get("/sandbox/clerk/events", params={"user": "user_d"}).json()]


def test_events_are_delivered_again_shuffled_and_repeated(sandbox, otto):
    organization, admin = an_organization(sandbox)
    sandbox.post("/sandbox/clerk/settings", json={"otto_url": otto.url})
    sent = sandbox.post("/sandbox/clerk/deliver", json={"company": organization, "seed": 7, "times": 3}).json()
    assert len(sent) == 9 and {s["status"] for s in sent} == {200} and len(otto.seen) == 9
    again = sandbox.post("/sandbox/clerk/deliver", json={"company": organization, "seed": 7, "times": 3, "side_by_side": 4}).json()
    assert [s["svix_id"] for s in again] == [s["svix_id"] for s in sent] and len({s["svix_id"] for s in sent}) == 3
    (one,) = sandbox.post("/sandbox/clerk/deliver", json={"svix_ids": [sent[0]["svix_id"]]}).json()
    assert one["svix_id"] == sent[0]["svix_id"]
    sandbox.delete("/sandbox/clerk/settings")


def test_a_webhook_by_hand(sandbox, otto):
    body = {"type": "user.deleted", "data": {"object": "user", "id": "user_x", "deleted": True}, "svix_id": "msg_hand", "otto_url": otto.url, "names": "webhook", "secret": SECRET}
    assert sandbox.post("/sandbox/clerk/webhook", json=body).json()["status"] == 200
    assert otto.headers[0]["webhook-id"] == "msg_hand"
    Webhook(SECRET).verify(otto.seen[0][2], otto.headers[0])
    assert sandbox.post("/sandbox/clerk/webhook", json={"body": "{", "otto_url": otto.url}).json()["status"] == 200 and otto.seen[1][2] == b"{"


def test_another_key_signs(sandbox):
    def keys() -> set[str]:
        return {k["kid"] for k in sandbox.get("/.well-known/jwks.json").json()["keys"]}

    def kid() -> str:
        return str(jwt.get_unverified_header(sandbox.post("/sandbox/clerk/token", json={"role": "csr"}).json()["token"])["kid"])

    former = kid()
    turned = sandbox.post("/sandbox/clerk/rotate").json()
    assert turned["former"] == former and kid() == turned["kid"] and keys() == {former, turned["kid"]}
    assert sandbox.post("/sandbox/clerk/rotate", json={"keep": False}).json()["kid"] == kid() and keys() == {kid()}


def test_a_lost_answer_and_faults_by_method(sandbox):
    organization, admin = an_organization(sandbox)
    sandbox.post("/sandbox/faults", json={"provider": "clerk", "path": "/invitations", "method": "POST", "status": 500, "after": True, "times": 1})
    path = f"/organizations/{organization}/invitations"
    assert api(sandbox, "GET", path)["total_count"] == 0
    assert api(sandbox, "POST", path, email_address="lost@roof.example", role="org:csr") == (500, "internal_clerk_error")
    assert api(sandbox, "GET", path)["total_count"] == 1


@pytest.mark.parametrize(("path", "body", "named"), [("settings", {"sends": "yes"}, "sends"), ("settings", {"webhook_secret": "hush"}, "webhook_secret"), ("settings", {"otto_url": "here"}, "otto_url"),
                                                     ("accept", {"invitation": "orginv_none"}, "invitation"), ("webhook", {"type": "user.created"}, "data"), ("member", {"user": "user_1"}, "company"),
                                                     ("deliver", {"times": 0}, "times")])
def test_a_wrong_command_names_what_is_wrong(sandbox, path, body, named):
    answer = sandbox.post(f"/sandbox/clerk/{path}", json=body)
    assert answer.status_code == 422 and named in answer.json()["error"]


def test_people_survive_a_restart(tmp_path):
    with running(tmp_path) as first:
        organization, admin = an_organization(first)
        made = api(first, "POST", f"/organizations/{organization}/invitations", email_address="ann@roof.example", role="org:csr")
        kid = first.post("/sandbox/clerk/rotate").json()["kid"]
    with running(tmp_path) as second:
        assert api(second, "GET", f"/organizations/{organization}/invitations/{made['id']}") == made
        assert kid in {k["kid"] for k in second.get("/.well-known/jwks.json").json()["keys"]}
