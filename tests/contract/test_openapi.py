"""Every route of the contract, called; status, headers and body against the contract."""

import json
import uuid

import httpx
import jsonschema
import pytest

from conftest import Company, eventually, manifest, new_number


@pytest.fixture(scope="session")
def document(stack):
    return stack.http.get("/openapi.json").json()


@pytest.fixture(scope="session")
def world(stack):
    company = Company(stack)
    company.connect_twilio()
    company.member("sales_rep", "user_rep")
    call = company.settled_call(company.call(), "completed")
    number = company.post("/api/v1/numbers", json={"e164": new_number()}).json()["data"]["id"]
    task = company.post("/api/v1/tasks", json={"description": "Call back", "lead_id": call["lead_id"]}).json()["data"]["id"]
    mine = (company.id, call["call_id"])
    appointment = str(uuid.uuid4())
    stack.sql("INSERT INTO recordings (company_id, call_id, id, status, object_key) VALUES (%s, %s, %s, 'stored', %s) ON CONFLICT (company_id, call_id) WHERE call_id IS NOT NULL DO UPDATE SET status = 'stored', object_key = excluded.object_key", *mine, appointment, f"{company.id}/calls/1.mp3")
    stack.sql("INSERT INTO call_transcripts (company_id, call_id, transcript_text, received_at) VALUES (%s, %s, 'Hello.', now()) ON CONFLICT DO NOTHING", *mine)
    stack.sql("INSERT INTO call_analyses (company_id, call_id, booking_status, lead_quality, raw, received_at) VALUES (%s, %s, 'not_booked', 'hot', '{}', now()) ON CONFLICT DO NOTHING", *mine)
    stack.sql("INSERT INTO appointments (company_id, id, lead_id, contact_card_id, needs_time, assigned_rep_id) VALUES (%s, %s, %s, %s, true, 'user_rep')", company.id, appointment, call["lead_id"], call["contact_card_id"])
    message = str(uuid.uuid4())
    stack.sql("INSERT INTO messages (company_id, id, provider, provider_message_id, direction, status, body, media, contact_card_id, sent_at) VALUES (%s, %s, 'twilio', %s, 'inbound', 'received', 'Hello.', %s, %s, now())",
              company.id, message, f"MM{uuid.uuid4().hex}", json.dumps([{"n": 0, "content_type": "image/png", "bytes": 3, "state": "stored", "object_key": f"{company.id}/messages/{message}/0"}]), call["contact_card_id"])
    voicemail = str(uuid.uuid4())
    stack.sql("INSERT INTO voicemail_messages (company_id, id, call_id, recording_sid, recording_url, duration) VALUES (%s, %s, %s, %s, 'https://api.twilio.example/RE1', 12)", company.id, voicemail, call["call_id"], f"RE{uuid.uuid4().hex}")
    opt_out = company.post("/api/v1/opt-outs", json={"phone": new_number(), "reason": "said so"}).json()["data"]["id"]
    recording = stack.folder / "objects" / company.id / "calls" / "1.mp3"
    recording.parent.mkdir(parents=True, exist_ok=True)
    recording.write_bytes(b"ID3 a recording")
    link = stack.http.get(f"/api/v1/calls/{call['call_id']}/recording", headers={"Authorization": f"Bearer {company.manager}", "Accept": "application/json"}).json()["data"]["url"]
    return company, {"token": link.rsplit("/", 1)[1], "call_id": call["call_id"], "lead_id": call["lead_id"], "contact_id": call["contact_card_id"], "number": number, "task_id": task, "appointment_id": appointment, "rep_id": "user_rep", "message_id": message, "n": 0, "opt_out_id": opt_out, "voicemail_id": voicemail}


def operations(document):
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method != "parameters":
                yield path, method, operation


def check(document, operation, answer):
    """The answer is one that the contract knows, with the body it promises."""
    responses = operation["responses"]
    expected = responses.get(str(answer.status_code)) or responses.get("default")
    assert expected, f"{answer.status_code} is not in the contract: {answer.text[:300]}"
    if "$ref" in expected:
        expected = document["components"]["responses"][expected["$ref"].rsplit("/", 1)[1]]
    assert answer.headers["X-Request-Id"] and answer.headers["traceparent"].startswith("00-")
    if "content" not in expected:
        assert answer.content == b"", answer.text[:200]
        return
    media = answer.headers["Content-Type"].split(";")[0]
    assert media in expected["content"], f"{media} for {answer.status_code}"
    if "json" in media:
        schema = {"components": document["components"], **expected["content"][media]["schema"]}
        jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker()).validate(answer.json())
    if answer.status_code >= 400:
        problem = answer.json()
        assert problem["status"] == answer.status_code and problem["request_id"] == answer.headers["X-Request-Id"]
        assert not any(word in answer.text for word in ("SELECT", "INSERT", "/src/", "libpq"))


def call(stack, path, method, token, where, **kwargs):
    filled = path
    for name, value in where.items():
        filled = filled.replace("{" + name + "}", str(value))
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with stack.http.stream(method.upper(), filled, headers=headers, **kwargs) as answer:
        if not answer.headers.get("Content-Type", "").startswith("text/event-stream"):  # which has no end
            answer.read()
    return answer


def places(path, company, ids):
    return {**ids, "id": ids["number"] if "/numbers/" in path else company.id}


def arguments(path, method, lead=None, number="none"):
    if method == "get":
        return {}
    if "callrail/c" in path and "onboarding" in path:
        return {"json": {"api_key": "an api key", "account_id": "ACC1"}}
    if path == "/api/v1/onboarding/twilio/connect":
        return {"json": {"account_sid": f"AC{uuid.uuid4().hex}", "auth_token": uuid.uuid4().hex, "primary_tracking_number": new_number()}}
    if path == "/api/telephony/twilio/purchase-number":
        return {"json": {"phoneNumber": new_number()}}
    if path == "/api/aloha/configure-webhooks":
        return {"json": {"phoneNumberId": number}}
    if path.startswith("/api/v1/callrail"):
        return {"content": b'{"id": 1}', "headers": {}}
    if path.startswith("/api/v1/messages"):
        return {"json": {"to": new_number(), "body": "We come on Monday."}} if method == "post" else {}
    if "/opt-outs" in path:
        return {"json": {"reason": "said so", **({"phone": new_number()} if method == "post" else {})}}
    if "/voicemails" in path:
        return {"json": {"status": "listened"}}
    if "/tasks" in path or "/leads" in path:
        bodies = {("post", "/api/v1/tasks"): {"description": "Call back"}, ("patch", "/api/v1/tasks/{task_id}"): {"priority": "high"}, ("patch", "/api/v1/leads/{lead_id}"): {"status": "nurturing"}}
        return {"json": bodies[method, path]} if (method, path) in bodies else {}
    if "/appointments" in path:
        return {"json": {"notes": "By the gate", **({"lead_id": lead, "scheduled_start": "2027-03-01T10:00:00-07:00"} if method == "post" else {})}}
    if "/numbers" in path:
        return {"json": {"e164": new_number(), "voicemail_enabled": False}}
    if "set-callrail" in path:
        return {"data": {"api_key": "some api key", "account_id": "ACC1", "signing_key": "some signing key"}}
    return {"json": {"name": "A name"}}


def test_every_route_answers_a_manager_as_promised(stack, document, world):
    company, ids = world
    for path, method, operation in operations(document):
        args = arguments(path, method, ids["lead_id"], ids["number"])
        args.pop("headers", None)
        answer = call(stack, path, method, company.manager, places(path, company, ids), **args)
        assert answer.status_code != 404 or "company" in path, f"{method} {path}: {answer.status_code} {answer.text[:200]}"
        check(document, operation, answer)


def test_every_guarded_route_is_401_without_a_token_and_403_for_the_wrong_role(stack, document, world):
    company, ids = world
    for path, method, operation in operations(document):
        roles = operation["x-roles"]
        if roles in (["nobody"], ["provider"]):
            continue
        answer = call(stack, path, method, None, places(path, company, ids))
        assert answer.status_code == 401, f"{method} {path}"
        check(document, operation, answer)
        for role in ("csr", "sales_rep", "manager", "executive"):
            if roles != ["any"] and role not in roles:
                answer = call(stack, path, method, stack.token(role, company.id), places(path, company, ids), **{k: v for k, v in arguments(path, method).items() if k != "headers"})
                assert answer.status_code == 403, f"{role} {method} {path}: {answer.status_code}"
                check(document, operation, answer)


def roles_of(operation):
    return ["csr", "sales_rep", "manager", "executive"] if operation["x-roles"] == ["any"] else operation["x-roles"]


def test_every_role_that_the_contract_names_is_let_in(stack, document, world):
    company, ids = world
    for path, method, operation in operations(document):
        if method != "get" or operation["x-roles"] == ["nobody"]:
            continue
        for role in roles_of(operation):
            answer = call(stack, path, method, stack.token(role, company.id), places(path, company, ids))
            assert answer.status_code in (200, 302, 404), f"{role} {path}: {answer.status_code}"


def test_what_an_operation_does_not_take_is_refused_by_name(stack, document, world):
    company, ids = world
    for path, method, operation in operations(document):
        if method != "get" or operation["x-roles"] == ["nobody"]:
            continue
        named = {p["name"] for p in (document["components"]["parameters"][p["$ref"].rsplit("/", 1)[1]] if "$ref" in p else p for p in operation.get("parameters", []))}
        token = stack.token("manager" if "manager" in roles_of(operation) else roles_of(operation)[0], company.id)
        for name in {"colour", "limit", "offset", "cursor", "sort", "search"} - named:
            answer = call(stack, path, method, token, places(path, company, ids), params={name: "1"})
            assert answer.status_code == 422 and answer.json()["errors"][0]["field"] == name, f"{path}?{name}=1: {answer.status_code} {answer.text[:200]}"
            check(document, operation, answer)


def test_every_list_pages(stack, document, world):
    company, ids = world
    for path, method, operation in operations(document):
        if method != "get" or "List'" not in str(operation["responses"].get("200")):
            continue
        token = stack.token("manager" if "manager" in roles_of(operation) else roles_of(operation)[0], company.id)
        ask = lambda **params: call(stack, path, method, token, places(path, company, ids), params=params)  # noqa: E731
        seen, cursor = [], None
        while True:
            answer = ask(limit=1, **({"cursor": cursor} if cursor else {}))
            check(document, operation, answer)
            data = answer.json()["data"]
            assert len(data["items"]) <= 1 and data["limit"] == 1, path
            seen += [str(item) for item in data["items"]]
            cursor = data["next_cursor"]
            if not cursor:
                break
        assert len(seen) == len(set(seen)) == data["total"], path
        for name, bad in (("limit", "0"), ("limit", "201"), ("limit", "abc"), ("offset", "-4"), ("offset", "10001"), ("cursor", "zzz"), ("sort", "nope")):
            answer = ask(**{name: bad})
            assert answer.status_code == 422 and answer.json()["errors"][0]["field"] == name, f"{path}?{name}={bad}"


def test_ids_that_are_none_are_404_and_nothing_breaks(stack, document, world):
    company, _ = world
    for path, method, operation in operations(document):
        if "{" not in path:
            continue
        for odd in ("0", "99999999999999999999", "x", "..%2F..", "%00", "'%20OR%201=1", "00000000-0000-0000-0000-000000000000"):
            args = {k: v for k, v in arguments(path, method).items() if k != "headers"}
            answer = stack.http.request(method.upper(), path[: path.index("{")] + odd + path[path.index("}") + 1:], headers={"Authorization": f"Bearer {company.manager}"}, **args)
            assert answer.status_code in (404, 400, 422), f"{method} {path} {odd}: {answer.status_code}"


def test_unknown_paths_and_methods(stack):
    assert stack.http.get("/api/v1/nothing").status_code == 404
    answer = stack.http.request("DELETE", "/api/v1/calls")
    assert answer.status_code == 405 and "GET" in answer.headers["Allow"]


def service_of(method, path):
    """Whose it is behind nginx (deploy/routes.txt)."""
    return next(route.service for route in manifest.routes() if route.fits(method.upper(), path))


def fits(template, path):
    """Whether the path, itself a template, is one that the template takes."""
    ours, theirs = template.split("/"), path.split("/")
    return len(ours) == len(theirs) and all(a == b or a.startswith("{") for a, b in zip(ours, theirs))


def test_nothing_is_served_that_the_contract_does_not_know(stack, document, world):
    company, ids = world
    for path, item in document["paths"].items():
        known = {method.upper() for method in item if method != "parameters"}
        # What may stand where {id} does is that route's too: /users/invite could be a user's id.
        known |= {method.upper() for other, of in document["paths"].items() if fits(other, path) for method in of if method != "parameters"}
        unknown = next(method for method in ("PUT", "DELETE") if method not in known)
        answer = call(stack, path, unknown, company.manager, places(path, company, ids))
        if "--split" in stack.options and not any(service_of(method, path) == service_of(unknown, path) for method in known):
            assert answer.status_code == 404, f"{unknown} {path}: {answer.status_code}"  # a service that knows nothing of the path
            continue
        assert answer.status_code == 405, f"{unknown} {path}: {answer.status_code}"
        assert {method.strip() for method in answer.headers["Allow"].split(",")} <= known | {"HEAD", "OPTIONS"}, path


def test_what_a_write_answers_is_what_the_read_after_it_answers(stack, world):
    company, ids = world
    of = {"appointments": {"lead_id": ids["lead_id"], "scheduled_start": "2027-04-01T10:00:00-07:00", "assigned_rep_id": "user_rep", "deal_size_cents": 1_250_000},
          "tasks": {"description": "Send the quote", "lead_id": ids["lead_id"], "due_at": "2027-04-02T10:00:00.123456Z"}}
    for kind, body in of.items():
        made = company.post(f"/api/v1/{kind}", json=body).json()["data"]
        assert made == stack.get(f"/api/v1/{kind}/{made['id']}", company.manager).json()["data"]
        changed = stack.http.patch(f"/api/v1/{kind}/{made['id']}", json={"status": "completed"}, headers={"Authorization": f"Bearer {company.csr}"}).json()["data"]
        assert changed["status"] == "completed" and changed == stack.get(f"/api/v1/{kind}/{made['id']}", company.csr).json()["data"]
    voicemail = f"/api/v1/voicemails/{ids['voicemail_id']}"
    changed = stack.http.patch(voicemail, json={"status": "done"}, headers={"Authorization": f"Bearer {company.csr}"}).json()["data"]
    assert changed["status"] == "done" and changed == stack.get(voicemail, company.csr).json()["data"]


def test_the_page_to_read(stack):
    assert "<h1>Otto</h1>" in stack.http.get("/docs").text


def test_readiness_and_metrics_are_on_the_admin_port_only(stack):
    ready = httpx.get(stack.admin + "/readyz?all=1")
    assert ready.status_code == 200 and ready.json()["ready"] is True
    assert "# TYPE" in httpx.get(stack.admin + "/metrics").text
    assert stack.http.get("/metrics").status_code == 404
    eventually(lambda: httpx.get(stack.admin + "/healthz").status_code == 200)
