"""The sandbox as its users meet it, over HTTP, against the providers' published vectors and their own libraries."""

import hashlib
import json
import pathlib
import subprocess
import sys
import time
import typing

import httpx
import jwt
import pytest
from peers import API_KEY, SAMPLE, SECRET_KEY, VECTORS, otto, place, running, sandbox, shared  # noqa: F401

from sandbox.callrail.calls import DEFAULT_SIGNING_KEY, sign

# -- Clerk ------------------------------------------------------------------------------------------------------------


def token_of(sandbox: httpx.Client, **wanted: typing.Any) -> dict[str, typing.Any]:
    answer = sandbox.post("/sandbox/clerk/token", json=wanted)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def verified(sandbox: httpx.Client, token: str, issuer: str = "") -> dict[str, typing.Any]:
    """The claims, if a careful verifier takes the token."""
    keys = jwt.PyJWKSet.from_dict(sandbox.get(issuer + "/.well-known/jwks.json").json())
    wanted = jwt.get_unverified_header(token).get("kid")
    key = next((k for k in keys.keys if k.key_id == wanted), None)
    if key is None:
        raise jwt.InvalidKeyError("no such key")
    base = str(sandbox.base_url).rstrip("/")
    return dict(jwt.decode(token, key.key, algorithms=["RS256"], issuer=base + issuer, options={"require": ["exp", "iat", "nbf", "sub", "iss"]}))


def test_the_verifier_of_these_tests_takes_clerks_published_token():
    vector = json.loads((VECTORS / "clerk_rs256.json").read_text())
    claims = jwt.decode(vector["valid"], jwt.PyJWK(vector["jwk"]).key, algorithms=["RS256"], issuer=vector["issuer"], options={"verify_exp": False})
    assert claims["azp"] == vector["azp"]
    with pytest.raises(jwt.ExpiredSignatureError):
        jwt.decode(vector["valid"], jwt.PyJWK(vector["jwk"]).key, algorithms=["RS256"])


def test_keys_are_public_ones(sandbox):
    for issuer in ("", "/operator"):
        (key,) = sandbox.get(issuer + "/.well-known/jwks.json").json()["keys"]
        assert (key["kty"], key["alg"], key["use"]) == ("RSA", "RS256", "sig") and set(key) == {"kty", "alg", "use", "kid", "n", "e"}
    assert sandbox.get("/v1/jwks").status_code == 401
    assert sandbox.get("/v1/jwks", headers=SECRET_KEY).json() == sandbox.get("/.well-known/jwks.json").json()


@pytest.mark.parametrize(("role", "claimed"), [("manager", "admin"), ("csr", "csr"), ("sales_rep", "sales_rep"), ("executive", "executive")])
def test_both_versions_of_the_claims(sandbox, role, claimed):
    second = verified(sandbox, token_of(sandbox, role=role, company="org_a")["token"])
    assert second["v"] == 2 and second["o"] == {"id": "org_a", "slg": "org-a", "rol": claimed} and "org_id" not in second
    first = verified(sandbox, token_of(sandbox, role=role, company="org_a", version=1)["token"])
    assert (first["org_id"], first["org_role"]) == ("org_a", f"org:{claimed}") and "o" not in first and "v" not in first


def test_a_user_without_an_organisation(sandbox):
    made = token_of(sandbox, role="manager", user="user_alone")
    claims = verified(sandbox, made["token"])
    assert (made["user_id"], made["company_id"], claims["sub"]) == ("user_alone", None, "user_alone") and "o" not in claims


@pytest.mark.parametrize(
    ("kind", "error"),
    [("expired", jwt.ExpiredSignatureError), ("wrong_issuer", jwt.InvalidIssuerError), ("forged", jwt.InvalidSignatureError), ("none", jwt.InvalidAlgorithmError), ("hs256", jwt.InvalidAlgorithmError),
     ("no_exp", jwt.MissingRequiredClaimError), ("unknown_kid", jwt.InvalidKeyError), ("tampered", jwt.InvalidSignatureError)])
def test_each_bad_token_is_bad_in_its_own_way(sandbox, kind, error):
    with pytest.raises(error):
        verified(sandbox, token_of(sandbox, role="csr", company="org_a", kind=kind)["token"])


def test_what_the_bad_tokens_would_fool(sandbox):
    """Each is right in all but its one fault, else it would test nothing."""
    (jwk,) = sandbox.get("/.well-known/jwks.json").json()["keys"]
    key = jwt.PyJWK(jwk).key
    assert jwt.decode(token_of(sandbox, role="csr", kind="unknown_kid")["token"], key, algorithms=["RS256"])
    assert jwt.decode(token_of(sandbox, role="csr", kind="no_exp")["token"], key, algorithms=["RS256"])
    assert jwt.decode(token_of(sandbox, role="csr", kind="none")["token"], options={"verify_signature": False})["exp"] > time.time()
    forged = token_of(sandbox, role="csr", kind="forged")["token"]
    assert jwt.get_unverified_header(forged)["kid"] == jwk["kid"]


def test_a_negative_life_makes_an_ended_token(sandbox):
    token = token_of(sandbox, role="csr", ttl_s=-300)["token"]
    with pytest.raises(jwt.ExpiredSignatureError):
        verified(sandbox, token)
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["iat"] < claims["exp"] < time.time() - 290


def test_operators_have_an_issuer_of_their_own(sandbox):
    made = token_of(sandbox, role="operator", company="org_a")
    assert made["company_id"] is None and "o" not in verified(sandbox, made["token"], "/operator")
    with pytest.raises(jwt.PyJWTError):
        verified(sandbox, made["token"])


@pytest.mark.parametrize(("body", "named"), [({}, "role"), ({"role": "king"}, "role"), ({"role": "csr", "kind": "odd"}, "kind"), ({"role": "csr", "ttl_s": "long"}, "ttl_s"), ({"role": "csr", "version": 3}, "version"), ({"role": "csr", "ttl": 5}, "ttl")])
def test_a_wrong_command_names_what_is_wrong(sandbox, body, named):
    answer = sandbox.post("/sandbox/clerk/token", json=body)
    assert answer.status_code == 422 and named in answer.json()["error"]


def test_a_token_registers_user_organisation_and_membership(sandbox):
    made = token_of(sandbox, role="csr", company="org_members")
    again = token_of(sandbox, role="manager", company="org_members", user=made["user_id"])
    assert again["user_id"] == made["user_id"]
    listed = sandbox.get("/v1/organizations/org_members/memberships", headers=SECRET_KEY).json()
    assert listed["total_count"] == 1
    (membership,) = listed["data"]
    assert (membership["role"], membership["public_user_data"]["user_id"], membership["organization"]["members_count"]) == ("org:admin", made["user_id"], 1)
    user = sandbox.get(f"/v1/users/{made['user_id']}", headers=SECRET_KEY).json()
    assert user["object"] == "user" and user["email_addresses"][0]["id"] == user["primary_email_address_id"]


def test_organisations(sandbox):
    assert sandbox.post("/v1/organizations", json={"name": "A"}).status_code == 401
    creator = token_of(sandbox, role="manager")["user_id"]
    made = sandbox.post("/v1/organizations", json={"name": "Roofers", "created_by": creator}, headers=SECRET_KEY).json()
    assert made["id"].startswith("org_") and made["members_count"] == 1 and made["created_by"] == creator
    assert sandbox.get(f"/v1/users/{creator}/organization_memberships", headers=SECRET_KEY).json()["data"][0]["role"] == "org:admin"
    path = f"/v1/organizations/{made['id']}"
    assert sandbox.patch(path, json={"name": "Roofers & Sons"}, headers=SECRET_KEY).json()["name"] == "Roofers & Sons"
    assert sandbox.get(path, headers=SECRET_KEY).json()["name"] == "Roofers & Sons"
    refused = sandbox.patch(path, json={"nmae": "x"}, headers=SECRET_KEY)
    assert refused.status_code == 422 and refused.json()["errors"][0]["meta"]["param_name"] == "nmae"
    second = token_of(sandbox, role="csr")["user_id"]
    assert sandbox.post(path + "/memberships", json={"user_id": second, "role": "org:csr"}, headers=SECRET_KEY).status_code == 200
    assert sandbox.post(path + "/memberships", json={"user_id": second, "role": "org:csr"}, headers=SECRET_KEY).status_code == 400
    assert sandbox.delete(f"{path}/memberships/{second}", headers=SECRET_KEY).json()["role"] == "org:csr"
    assert sandbox.delete(path, headers=SECRET_KEY).json()["deleted"] is True
    assert sandbox.get(path, headers=SECRET_KEY).json()["errors"][0]["code"] == "resource_not_found"
    assert sandbox.post("/v1/organizations", json={}, headers=SECRET_KEY).json()["errors"][0]["meta"]["param_name"] == "name"
    assert sandbox.post("/v1/organizations", json={"name": "A", "created_by": "user_nobody"}, headers=SECRET_KEY).status_code == 404


# -- CallRail ---------------------------------------------------------------------------------------------------------


def test_the_published_signature():
    assert hashlib.sha256(SAMPLE).hexdigest() == "4c08427068fb350b43abc01ec131501ca0548945d483886f1a48c9937bef961a"
    assert sign(DEFAULT_SIGNING_KEY, SAMPLE) == "UZAHbUdfm3GqL7qzilGozGzWV64="


def test_an_account_that_nobody_registered(sandbox):
    assert sandbox.get("/v3/a/ACC_new/integrations.json").status_code == 401
    assert sandbox.get("/v3/a/ACC_new/integrations.json", headers={"Authorization": "Bearer x"}).status_code == 401
    (webhooks,) = sandbox.get("/v3/a/ACC_new/integrations.json", headers=API_KEY).json()["integrations"]
    assert (webhooks["type"], webhooks["signing_key"]) == ("Webhooks", DEFAULT_SIGNING_KEY)


def test_a_registered_account(sandbox):
    sandbox.post("/sandbox/callrail/accounts", json={"account_id": "ACC1", "api_key": "right", "signing_key": "its key", "company_id": "COMa", "numbers": ["(404) 555-8514"]})
    assert sandbox.get("/v3/a/ACC1/integrations.json", headers=API_KEY).status_code == 401
    right = {"Authorization": 'Token token="right"'}
    (webhooks,) = sandbox.get("/v3/a/ACC1/integrations.json", headers=right).json()["integrations"]
    assert (webhooks["signing_key"], webhooks["company_id"]) == ("its key", "COMa")
    assert sandbox.get("/v3/a/ACC1/integrations.json?company_id=COMb", headers=right).json()["integrations"] == []
    assert sandbox.get("/v3/a/ACC1/trackers.json", headers=right).json()["trackers"][0]["tracking_numbers"] == ["+14045558514"]
    assert sandbox.get("/v3/a/ACC1/companies.json", headers=right).json()["companies"][0]["id"] == "COMa"
    assert sandbox.get("/v3/a/ACC1/nothing.json", headers=right).json() == {"error": "Not Found"}


def test_a_webhook_integration_is_made_changed_and_dropped(sandbox):
    sandbox.post("/sandbox/callrail/accounts", json={"account_id": "ACC2", "signing_key": "its key", "integrations": "none"})
    assert sandbox.get("/v3/a/ACC2/integrations.json", headers=API_KEY).json()["total_records"] == 0
    wanted = {"type": "Webhooks", "company_id": "COMc", "config": {"post_call_webhook": ["https://otto.example/x"]}}
    made = sandbox.post("/v3/a/ACC2/integrations.json", json=wanted, headers=API_KEY)
    assert made.status_code == 201 and made.json()["signing_key"] == "its key"
    assert sandbox.post("/v3/a/ACC2/integrations.json", json=wanted, headers=API_KEY).status_code == 422
    path = f"/v3/a/ACC2/integrations/{made.json()['id']}.json"
    sandbox.put(path, json={"config": {"post_call_webhook": []}}, headers=API_KEY)
    assert sandbox.get(path, headers=API_KEY).json()["config"] == {"post_call_webhook": []}
    assert sandbox.delete(path, headers=API_KEY).status_code == 204
    assert sandbox.get("/v3/a/ACC2/integrations.json", headers=API_KEY).json()["integrations"] == []


def test_an_answered_call(sandbox, otto):
    placed = place(sandbox, otto, **{"from": "(214) 865-4559"})
    assert [(e["event"], e["path"], e["status"]) for e in placed["events"]] == [(n, f"call.{n}", 200) for n in ("incoming", "answered", "completed")]
    assert [path for path, _, _ in otto.seen] == [f"/api/v1/callrail/call.{n}" for n in ("incoming", "answered", "completed")]
    assert all(signature == sign(DEFAULT_SIGNING_KEY, body) for _, signature, body in otto.seen)
    assert placed["events"][0]["body"] == '{"success":true}'
    incoming, answered, completed = otto.bodies()
    # A pre-call looks like a missed call.
    assert (incoming["answered"], incoming["duration"], incoming["call_type"], incoming["voicemail"]) == (False, 0, "missed", False) and "recording" not in incoming
    assert (answered["answered"], answered["duration"], answered["call_type"]) == (True, "0", "answered") and "recording" not in answered
    assert (completed["answered"], completed["duration"], completed["recording_duration"], completed["call_type"]) == (True, "183", 183, "answered")
    for body in otto.bodies():
        assert (body["id"], body["resource_id"]) == (placed["id"], placed["resource_id"])
        assert body["customer_phone_number"] == body["callernum"] == "+12148654559" and body["tracking_phone_number"] == body["trackingnum"] == "+14045550100"
    assert isinstance(placed["id"], int) and placed["resource_id"].startswith("CAL") and len(placed["resource_id"]) == 35
    assert placed["id"] != place(sandbox, otto)["id"]


def test_payloads_are_of_the_published_shape(sandbox, otto):
    """All members of CallRail's sample, each of the sample's type unless absent, which is an empty text there."""
    place(sandbox, otto, voicemail=True)
    sample, body = json.loads(SAMPLE), otto.bodies()[-1]
    assert sample.keys() - body.keys() == set()
    odd = {k for k in sample if body[k] != "" and sample[k] != "" and type(body[k]) is not type(sample[k])}
    assert odd == set() and None not in body.values()
    assert [body[k] for k in ("answered", "voicemail", "call_type", "duration")] == [sample[k] for k in ("answered", "voicemail", "call_type", "duration")]
    assert " " in body["datetime"] and "+" not in body["datetime"] and body["start_time"].endswith("-07:00")


def test_a_missed_call_and_a_voicemail(sandbox, otto):
    place(sandbox, otto, missed=True)
    place(sandbox, otto, voicemail=True)
    assert otto.paths() == ["call.incoming", "call.missed", "call.incoming", "call.completed"]
    _, missed, _, voicemail = otto.bodies()
    assert (missed["answered"], missed["duration"], missed["call_type"], missed["recording"], missed["recording_duration"]) == (False, "0", "missed", "", "")
    assert (voicemail["answered"], voicemail["voicemail"]) == (False, True) and voicemail["recording"] != ""


def test_the_post_call_of_a_missed_call_goes_to_its_path(sandbox, otto):
    place(sandbox, otto, missed=True, events=["completed"])
    place(sandbox, otto, missed=True, events=["completed"], paths={"completed": "call.completed"})
    assert otto.paths() == ["call.missed", "call.completed"]


def test_whose_key_signs(sandbox, otto):
    sandbox.post("/sandbox/callrail/accounts", json={"account_id": "ACC3", "signing_key": "the owner's", "numbers": ["404-555-0177"]})
    place(sandbox, otto, to="14045550177", events=["completed"])
    place(sandbox, otto, to="14045550177", events=["completed"], signing_key="another")
    place(sandbox, otto, to="+14045550178", events=["completed"], signing_key=None)
    assert [signature for _, signature, _ in otto.seen] == [sign(key, body) for key, (_, _, body) in zip(("the owner's", "another", DEFAULT_SIGNING_KEY), otto.seen, strict=True)]


def test_what_can_be_chosen(sandbox, otto):
    wanted = {"duration": 7, "name": "Zoë O'Neil", "callrail_company_id": "COMz", "recording": False, "events": ["modified", "completed"], "start_time": "2026-02-19T13:41:00.236-05:00"}
    place(sandbox, otto, **wanted, **{"from": "Anonymous"}, fields={"source_name": "Yelp"})
    modified, body = otto.bodies()
    assert modified["changes"] == ["tags", "note"] and modified["tags"] == ["estimate"] and "changes" not in body
    assert [body[k] for k in ("duration", "customer_name", "company_resource_id", "recording", "callernum", "source_name", "datetime", "start_time")] == [
        "7", "Zoë O'Neil", "COMz", "", "Anonymous", "Yelp", "2026-02-19 18:41:00", "2026-02-19T13:41:00.236-05:00"]
    assert "Zoë".encode() in otto.seen[1][2]


def test_a_repeated_call_sends_the_same_bytes(sandbox, otto):
    first = place(sandbox, otto, events=["completed"])
    assert place(sandbox, otto, events=["completed"], id=first["id"])["resource_id"] == first["resource_id"]
    assert otto.seen[0] == otto.seen[1]


def test_refusals_and_silence_are_reported_and_the_rest_is_still_sent(sandbox, otto):
    otto.status = 401
    assert {e["status"] for e in place(sandbox, otto)["events"]} == {401} and len(otto.seen) == 3
    unreachable = place(sandbox, otto, otto_url="http://127.0.0.1:9", events=["incoming", "completed"])
    assert [e["status"] for e in unreachable["events"]] == [0, 0] and "no answer" in unreachable["events"][0]["body"]


@pytest.mark.parametrize(("more", "named"), [({"otto_url": "localhost"}, "otto_url"), ({"to": ""}, "to"), ({"events": ["rung"]}, "events"), ({"duration": -1}, "duration"), ({"start_time": "soon"}, "start_time"), ({"form": "+1"}, "form"), ({"id": "CAL1"}, "id")])
def test_a_wrong_call_is_not_placed(sandbox, otto, more, named):
    answer = sandbox.post("/sandbox/callrail/place-call", json={"to": "+14045550100", "from": "+12148654559", "otto_url": otto.url, **more})
    assert answer.status_code == 422 and named in answer.json()["error"] and otto.seen == []


def test_the_api_knows_placed_calls(sandbox, otto):
    sandbox.post("/sandbox/callrail/accounts", json={"account_id": "ACC4", "numbers": ["+14045550144"]})
    placed = [place(sandbox, otto, to="+14045550144", missed=missed, duration=20, start_time=f"2026-01-0{day}T10:00:00-07:00") for day, missed in ((1, False), (2, True), (3, False))]
    listed = sandbox.get("/v3/a/ACC4/calls.json?per_page=2", headers=API_KEY).json()
    assert (listed["total_records"], listed["total_pages"]) == (3, 2)
    assert [c["id"] for c in listed["calls"]] == [placed[2]["resource_id"], placed[1]["resource_id"]]
    following = sandbox.get("/v3/a/ACC4/calls.json?per_page=2&relative_pagination=true", headers=API_KEY).json()
    assert following["has_next_page"] and [c["id"] for c in sandbox.get(following["next_page"], headers=API_KEY).json()["calls"]] == [placed[0]["resource_id"]]
    assert [c["id"] for c in sandbox.get("/v3/a/ACC4/calls.json?answered=false", headers=API_KEY).json()["calls"]] == [placed[1]["resource_id"]]
    assert len(sandbox.get("/v3/a/ACC4/calls.json?start_date=2026-01-02&end_date=2026-01-02", headers=API_KEY).json()["calls"]) == 1
    assert placed[0]["resource_id"] not in str(sandbox.get("/v3/a/ACC_new/calls.json", headers=API_KEY).json())

    path = f"/v3/a/ACC4/calls/{placed[0]['id']}.json"
    call = sandbox.get(path, headers=API_KEY).json()
    assert (call["id"], call["duration"], call["business_phone_number"]) == (placed[0]["resource_id"], 20, None) and "note" not in call
    assert sandbox.put(path, json={"note": "called back"}, headers=API_KEY).json()["note"] == "called back"
    assert sandbox.get(path + "?fields=note,source", headers=API_KEY).json()["note"] == "called back"
    assert sandbox.get(path + "?fields=notes", headers=API_KEY).status_code == 422
    assert sandbox.get("/v3/a/ACC4/calls/CALnone.json", headers=API_KEY).status_code == 404


def test_a_recording_can_be_fetched(sandbox, otto):
    placed = place(sandbox, otto, events=["completed"])
    in_webhook = otto.bodies()[0]["recording"]
    through_api = sandbox.get(f"/v3/a/ACC_new/calls/{placed['resource_id']}/recording.json", headers=API_KEY).json()["url"]
    for url in (in_webhook, through_api):
        sound = httpx.get(url, follow_redirects=True, trust_env=False)
        assert sound.headers["Content-Type"] == "audio/wav" and sound.content[:4] == b"RIFF"
    assert httpx.get(in_webhook.split("?")[0], trust_env=False).status_code == 401


# -- faults, records, the process ---------------------------------------------------------------------------------------


def test_a_fault_counts_down(sandbox):
    sandbox.post("/sandbox/faults", json={"provider": "callrail", "path": "ACC5", "status": 429, "retry_after": 1, "times": 2})
    answers = [sandbox.get("/v3/a/ACC5/integrations.json", headers=API_KEY) for _ in range(3)]
    assert [a.status_code for a in answers] == [429, 429, 200] and answers[0].headers["Retry-After"] == "1"
    assert [r["status"] for r in sandbox.get("/sandbox/requests?provider=callrail").json()] == [429, 429, 200]


def test_a_fault_hits_only_its_provider_and_path_until_it_is_cleared(sandbox):
    sandbox.post("/sandbox/faults", json={"provider": "clerk", "path": "/.well-known/", "status": 503})
    assert sandbox.get("/v3/a/ACC5/integrations.json", headers=API_KEY).status_code == 200
    assert sandbox.get("/v1/users", headers=SECRET_KEY).status_code == 200
    assert {sandbox.get("/.well-known/jwks.json").status_code for _ in range(3)} == {503}
    assert sandbox.get("/sandbox/faults").json() != [] and sandbox.delete("/sandbox/faults").json() == []
    assert sandbox.get("/.well-known/jwks.json").status_code == 200


def test_a_delay(sandbox):
    sandbox.post("/sandbox/faults", json={"provider": "clerk", "delay_ms": 300, "times": 1})
    began = time.monotonic()
    assert sandbox.get("/.well-known/jwks.json").status_code == 200 and time.monotonic() - began >= 0.3


def test_a_reset_cuts_the_connection(sandbox):
    sandbox.post("/sandbox/faults", json={"provider": "callrail", "reset": True, "times": 1})
    with pytest.raises(httpx.ReadError, match="reset"):
        sandbox.get("/v3/a/ACC5/integrations.json", headers=API_KEY)
    assert sandbox.get("/v3/a/ACC5/integrations.json", headers=API_KEY).status_code == 200
    assert [r["status"] for r in sandbox.get("/sandbox/requests?provider=callrail").json()] == [0, 200]


def test_a_rate_of_errors(sandbox):
    sandbox.post("/sandbox/faults", json={"provider": "clerk", "status": 500, "rate": 0})
    assert sandbox.get("/.well-known/jwks.json").status_code == 200
    sandbox.post("/sandbox/faults", json={"provider": "clerk", "status": 500, "rate": 1})
    assert sandbox.get("/.well-known/jwks.json").status_code == 500


@pytest.mark.parametrize(("fault", "named"), [({"status": 500}, "provider"), ({"provider": "nobody", "status": 500}, "provider"), ({"provider": "clerk"}, "status"), ({"provider": "clerk", "status": 42}, "status"), ({"provider": "clerk", "delay": 5}, "delay"), ({"provider": "clerk", "status": 500, "rate": 2}, "rate")])
def test_a_wrong_fault_is_not_set(sandbox, fault, named):
    answer = sandbox.post("/sandbox/faults", json=fault)
    assert answer.status_code == 422 and named in answer.json()["error"] and sandbox.get("/sandbox/faults").json() == []


def test_what_was_received_and_sent_is_on_record(sandbox, otto):
    place(sandbox, otto, events=["completed"])
    sandbox.post("/v1/organizations", json={"name": "On record"}, headers=SECRET_KEY)
    sent, received = sandbox.get("/sandbox/requests").json()
    assert (sent["direction"], sent["provider"], sent["status"], sent["answer"]) == ("sent", "callrail", 200, '{"success":true}')
    assert sent["body"].encode() == otto.seen[0][2] and sent["headers"]["Signature"] == otto.seen[0][1]
    assert (received["direction"], received["provider"], received["method"]) == ("received", "clerk", "POST")
    assert received["headers"]["authorization"] == "Bearer sk_test" and json.loads(received["body"]) == {"name": "On record"} and json.loads(received["answer"])["id"]
    assert len(sandbox.get("/sandbox/requests?provider=clerk").json()) == 1 and sandbox.get("/sandbox/requests?path=nowhere").json() == []
    assert sandbox.delete("/sandbox/requests").json() == []


def test_it_explains_itself(sandbox):
    assert sandbox.get("/healthz").text == "ok"
    page = sandbox.get("/sandbox").text
    assert all(word in page for word in ("place-call", "unknown_kid", "integrations", str(sandbox.base_url).rstrip("/")))


def test_keys_and_registrations_survive_a_restart(tmp_path):
    with running(tmp_path) as first:
        made = token_of(first, role="csr", company="org_kept")
        first.post("/sandbox/callrail/accounts", json={"account_id": "ACC6", "api_key": "kept"})
        port = first.base_url.port
    with running(tmp_path, port) as second:
        assert verified(second, made["token"])["sub"] == made["user_id"]
        assert second.get("/v1/organizations/org_kept/memberships", headers=SECRET_KEY).json()["total_count"] == 1
        assert second.get("/v3/a/ACC6/integrations.json", headers=API_KEY).status_code == 401
        assert (tmp_path / "clerk.pem").stat().st_mode & 0o77 == 0


def test_a_taken_port_is_a_plain_error(sandbox, tmp_path):
    command = [sys.executable, "-m", "sandbox", "--port", str(sandbox.base_url.port), "--state-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=pathlib.Path(__file__).parents[2], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "--port" in done.stderr and "Traceback" not in done.stderr
