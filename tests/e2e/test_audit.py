"""Who did what is on record: each write of the contract leaves one line for a 2xx, none for anything else, and none twice."""

import contextlib
import json
import typing
import uuid

import pytest

from conftest import Company, new_number
from test_company import account
from test_texts_out import standing_still

# What is not asked here: webhooks, whose x-audit is none; and what has a test of its own.
APART: dict[str, str] = {"reportCall": "", "reportJob": "", "reportMessage": "", "reportIdentity": "", "answerCall": "", "reportViolation": "", "createCompany": "below"}


@pytest.fixture(scope="module")
def world(stack):
    """A company with all that its people can write about; a place in a path has the value of that name."""
    company = Company(stack)
    company.connect_twilio()
    placed = company.call(recording_fault="html")
    call = company.call_in_state(placed, "recording_unavailable")
    other = company.settled_call(company.call(missed=True), "missed")
    voicemail = str(uuid.uuid4())
    stack.sql("INSERT INTO voicemail_messages (company_id, id, call_id, recording_sid, duration) VALUES (%s, %s, %s, %s, 12)", company.id, voicemail, call["call_id"], f"RE{uuid.uuid4().hex}")
    with contextlib.ExitStack() as meanwhile:
        yield {"stack": stack, "company": company, "callrail": account(stack, numbers=[company.number]), "meanwhile": meanwhile, "call_id": call["call_id"], "lead_id": other["lead_id"], "voicemail_id": voicemail}


def new_task(w):
    w["task_id"] = w["company"].post("/api/v1/tasks", json={"description": "Never mind"}).json()["data"]["id"]


def new_text(w):
    """One that is still to leave."""
    customer = new_number()
    w["meanwhile"].enter_context(standing_still(w["stack"], w["company"], customer))
    w["message_id"] = w["company"].sent("Never mind.", to=customer)["id"]


def new_person(w):
    """One who is invited, or whom Clerk knows as a member."""
    w["id"] = w["company"].post("/api/v1/users/invite", json={"email": f"{uuid.uuid4().hex}@example.com", "role": "csr"}).json()["data"]["id"]


def new_member(w):
    w["id"] = f"user_{uuid.uuid4().hex}"
    w["company"].member("csr", w["id"])
    # An appointment's rep must be one of the company's people: Otto asks Clerk for who has just joined.
    made = w["company"].post("/api/v1/tasks", json={"description": "Meet", "assignee_id": w["id"]})
    assert made.status_code == 201


class Asked(typing.NamedTuple):
    body: typing.Any = None
    before: typing.Any = None  # what is needed first
    keeps: tuple[str, str] | None = None  # a name for what the answer says


def own(w):
    w["id"] = w["company"].id


def number(w):
    w["id"] = w["number"]


# By operationId, in an order in which each can be asked. A new write needs a line here.
ASKED = {
    "retryAnalysis": Asked(),  # before other credentials have it tried anyhow
    "cancelMessage": Asked(None, new_text),
    "sendMessage": Asked(lambda w: {"to": new_number(), "body": "Hello."}),
    "changeCompany": Asked(lambda w: {"address": f"{uuid.uuid4()} Main St"}, own),
    "setCallRailApiKey": Asked(lambda w: {"api_key": "a key"}, own),
    "setCallRailSigningKey": Asked(lambda w: {"signing_key": f"{uuid.uuid4()}"}, own),
    "connectCallRail": Asked(lambda w: {name: w["callrail"][name] for name in ("api_key", "account_id")}),
    "setCallRailAccountId": Asked(lambda w: {"account_id": w["callrail"]["account_id"]}, own),
    "testCallRail": Asked(),
    "connectTwilio": Asked(lambda w: {"account_sid": w["company"].twilio_account, "auth_token": w["company"].auth_token}),
    "testTwilio": Asked(),
    "registerNumber": Asked(lambda w: {"e164": new_number()}, keeps=("number", "id")),
    "changeNumber": Asked(lambda w: {"voicemail_enabled": False}, number),
    "endNumber": Asked(None, number),
    "buyNumber": Asked(lambda w: {"phoneNumber": new_number()}, keeps=("bought", "phoneNumberId")),
    "configureWebhooks": Asked(lambda w: {"phoneNumberId": w["bought"]}),
    "createTask": Asked(lambda w: {"description": "Call back", "lead_id": w["lead_id"]}, keeps=("task_id", "id")),
    "changeTask": Asked(lambda w: {"priority": "high"}),
    "completeTask": Asked(),
    "cancelTask": Asked(None, new_task),
    "changeLead": Asked(lambda w: {"status": "warm"}),
    "claimLead": Asked(),
    "createAppointment": Asked(lambda w: {"lead_id": w["lead_id"], "scheduled_start": "2035-01-01T10:00:00-07:00"}, keeps=("appointment_id", "id")),
    "changeAppointment": Asked(lambda w: {"scheduled_start": "2035-01-01T12:00:00-07:00"}),
    "correctAnalysis": Asked(lambda w: {"lead_quality": "warm"}),
    "optOut": Asked(lambda w: {"phone": new_number(), "reason": "said so"}, keeps=("opt_out_id", "id")),
    "revokeOptOut": Asked(lambda w: {"reason": "a mistake"}),
    "changeVoicemail": Asked(lambda w: {"status": "listened"}),
    "inviteUser": Asked(lambda w: {"email": f"{uuid.uuid4().hex}@example.com", "role": "csr"}),
    "changeUser": Asked(lambda w: {"role": "executive"}, new_member),
    "removeUser": Asked(None, new_person),
}


def writes(document):
    """operationId -> method, path, action of each write, the aliases of a path beside it under the name of the first."""
    out = {}
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method not in ("parameters", "get"):
                name = next((n for n in (*ASKED, *APART) if operation["operationId"].startswith(n)), operation["operationId"])
                out.setdefault(name, []).append((method.upper(), path, operation["x-audit"]))
    return out


def lines(stack, company):
    return stack.sql("SELECT action, actor, user_id, client_address, request_id, target FROM audit_log WHERE company_id = %s ORDER BY id", company.id)


def asked_once(stack, world, method, path, action, wanted):
    company = world["company"]
    before = lines(stack, company)
    body = wanted.body(world) if wanted.body else None
    send = lambda token=company.manager, json=body, **headers: stack.http.request(method, path, json=json, headers={"Authorization": f"Bearer {token}", **headers})  # noqa: E731
    refused = send(stack.token("executive", company.id)), send(json={"no_such_field": 1})
    assert [r.status_code // 100 for r in refused] == [4, 4], (method, path, [r.text for r in refused])
    assert lines(stack, company) == before, f"{method} {path}: a refusal left a line"
    key = {"Idempotency-Key": str(uuid.uuid4())}
    answer, again = send(**key), send(**key)
    assert answer.status_code // 100 == 2, (method, path, body, answer.text)
    assert again.content == answer.content
    (line,) = [li for li in lines(stack, company)[len(before):] if li[1] != "clerk"]
    assert line[:5] == (action, "user", company.user, "127.0.0.1", answer.headers["X-Request-Id"]) and line[5], (method, path, line)
    return answer.json()


def test_every_write_leaves_one_line_once_and_for_a_2xx_only(stack, world):
    document = stack.http.get("/openapi.json").json()
    operations = writes(document)
    assert not (unknown := set(operations) - set(ASKED) - set(APART)), f"{unknown}: say in ASKED how they are asked"
    for name, wanted in ((n, w) for n, w in ASKED.items() if n in operations):
        for method, path, action in operations[name]:
            assert action != "none", path
            if wanted.before:
                wanted.before(world)
            at = path.format(**{key: value for key, value in world.items() if isinstance(value, (str, int))})
            answer = asked_once(stack, world, method, at, action, wanted)
            if wanted.keeps:
                world[wanted.keeps[0]] = answer.get("data", answer)[wanted.keeps[1]]
    for name, reason in APART.items():
        assert reason or all(action == "none" for _, _, action in operations[name]), f"{name} has a line, and no test"


def test_making_a_company_leaves_its_first_line(stack):
    for path in ("/api/v1/company", "/api/v1/company/", "/company", "/company/"):
        user = f"user_{uuid.uuid4().hex}"
        headers = {"Authorization": f"Bearer {stack.token('manager', user=user)}", "Idempotency-Key": "once"}
        answers = [stack.http.post(path, json={"name": "On record"}, headers=headers) for _ in range(2)]
        assert [a.status_code for a in answers] == [200, 200], answers[0].text
        assert stack.sql("SELECT action, user_id, target FROM audit_log WHERE company_id = %s", answers[0].json()["company_id"]) == [("company.create", user, answers[0].json()["company_id"])]


def test_the_record_tells_the_whole_of_it_in_order(stack, world):
    """What the first test did, as the company's manager reads it: each line a sentence, newest first, whatever way it is paged."""
    company = world["company"]
    seen, cursor = [], None
    while True:
        answer = stack.get("/api/v1/audit", company.manager, limit=7, **({"cursor": cursor} if cursor else {}))
        assert answer.status_code == 200, answer.text
        data = answer.json()["data"]
        seen += data["items"]
        cursor = data["next_cursor"]
        if not cursor:
            break
    kept = stack.sql("SELECT id FROM audit_log WHERE company_id = %s ORDER BY at DESC, id DESC", company.id)
    assert [line["id"] for line in seen] == [i for (i,) in kept] and data["total"] == len(kept)
    assert seen[-1]["sentence"].endswith("created the company")
    for line in seen:
        assert line["sentence"] and " did " not in line["sentence"] and company.auth_token not in json.dumps(line)
    assert any("changed the priority of the task" in line["sentence"] and line["sentence"].endswith("from medium to high") for line in seen)
    for filters in ({"user_id": company.user, "action": "task.create,task.change"}, {"target": company.id}, {"actor": "user"}):
        found = stack.get("/api/v1/audit", company.manager, limit=200, **filters).json()["data"]["items"]
        assert found and len(found) <= len(seen)
    assert stack.get("/api/v1/audit", company.manager, actor="nobody").json()["errors"][0]["field"] == "actor"
    assert stack.get("/api/v1/audit", company.csr).status_code == 403
    assert stack.get("/api/v1/audit", Company(stack, signing_key=None).manager, target=company.id).json()["data"]["items"] == []
