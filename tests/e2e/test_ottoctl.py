"""The operators' command against a running stack: what is held, what is dead, what is behind, and what support gets."""

import json
import pathlib
import sqlite3
import subprocess
import time
import uuid

import httpx
import psycopg
import pytest
from conftest import REPO, Company, eventually, manifest, new_number

DONE, FAILED, USAGE, REFUSED = 0, 1, 2, 3


@pytest.fixture(scope="module")
def ottoctl(stack):
    """Runs ottoctl with the stack's own settings; the exit code that is expected, then the answer."""
    binary = pathlib.Path(stack.env.get("OTTO_BIN", REPO / ".build/release/bin")) / "ottoctl"

    def run(*arguments: str, code: int | tuple[int, ...] = DONE, js: bool = True, env: dict[str, str] | None = None):
        command = ["bash", "-c", 'set -a; . "$0"; set +a; exec "$@"', str(stack.folder / "env"), *(["env", *[f"{k}={v}" for k, v in env.items()]] if env else []), str(binary), *arguments, *(["--json"] if js else [])]
        done = subprocess.run(command, env={**stack.env, "OTTO_OPERATOR": "olga"}, cwd=stack.folder, capture_output=True, text=True, timeout=120)
        run.code = done.returncode
        assert done.returncode in (code if isinstance(code, tuple) else (code,)), f"{arguments} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        if js and done.returncode in (DONE, REFUSED) and done.stdout:
            return json.loads(done.stdout)
        return done.stdout + done.stderr

    return run


def held_of(stack, number):
    return stack.sql("SELECT event_id::text, reason FROM held_events WHERE number = %s AND released_at IS NULL ORDER BY received_at", number)


def test_wrong_usage_and_help(ottoctl):
    assert "no command" in ottoctl(js=False, code=USAGE)
    assert "there is no option --all-of-them" in ottoctl("held", "release", "--all-of-them", js=False, code=USAGE)
    assert "'12' is no id" in ottoctl("held", "show", "12", js=False, code=USAGE)
    text = ottoctl("--help", js=False)
    for words in ("held list", "held release", "dead-letters edit", "dead-letters discard", "lag", "spool", "event", "support-bundle", "otto_maintenance"):
        assert words in text
    assert "Example:\n  ottoctl dead-letters edit" in ottoctl("dead-letters", "edit", "--help", js=False)


def test_the_schema_and_its_roles_are_as_they_must_be_and_a_missing_right_is_told(ottoctl, stack):
    status = ottoctl("status")
    assert status["schema"]["version"] == status["schema"]["build"] and status["schema"]["missing"] == 0
    assert ottoctl("migrate")["schema"]["applied"] == 0
    assert ottoctl("roles", "plan")["missing"] == []
    assert "are there and as they must be" in ottoctl("roles", "plan", js=False)
    url = next(line.split("=", 1)[1].strip("'\"") for line in (stack.folder / "env").read_text().splitlines() if line.startswith("OTTO_PG_URL="))

    def as_owner(statement: str) -> None:
        with psycopg.connect(url, autocommit=True) as db:
            db.execute(statement)

    as_owner("GRANT otto_maintenance TO otto_workflow_service")
    try:
        assert "REVOKE otto_maintenance FROM otto_workflow_service;" in ottoctl("roles", "plan", js=False, code=REFUSED)
        assert ottoctl("roles", "apply")["missing"] == []
    finally:
        as_owner("REVOKE otto_maintenance FROM otto_workflow_service")
    assert ottoctl("roles", "plan")["missing"] == []
    assert "names no folder" in ottoctl("roles", "apply", "--passwords", "/nowhere", js=False, code=USAGE)
    # Of a later release: left alone, with a remark.
    as_owner("INSERT INTO schema_migrations VALUES ('20991231000000', 'later', '')")
    try:
        assert "a later release's" in ottoctl("migrate", js=False)
        assert ottoctl("status")["schema"]["newer"] == 1
        assert "partitions" in ottoctl("lag", "--partitions", code=(DONE, REFUSED))
    finally:
        as_owner("DELETE FROM schema_migrations WHERE version = '20991231000000'")


def test_a_role_that_sees_only_some_rows_is_refused(ottoctl, stack):
    url = next(line.split("=", 1)[1] for line in (stack.folder / "env").read_text().splitlines() if line.startswith("OTTO_PG_URL_QUERY_SERVICE="))
    assert "otto_query_service sees only some rows" in ottoctl("held", "list", js=False, code=FAILED, env={"OTTO_PG_URL_MAINTENANCE": url})
    gone = "postgresql://otto_maintenance@127.0.0.1:1/otto"
    assert "is Postgres running" in ottoctl("lag", js=False, code=FAILED, env={"OTTO_PG_URL_MAINTENANCE": gone})


def test_held_is_listed_shown_and_released_by_the_router_alone(ottoctl, stack):
    company = Company(stack, signing_key=None)
    number = company.number
    placed = stack.place_call(number, signing_key="the later key", name="Zebulon Pike")
    rows = eventually(lambda: (r := held_of(stack, number)) and len(r) == 3 and r)

    listed = ottoctl("held", "list", "--number", f"({number[2:5]}) {number[5:8]}-{number[8:]}")
    assert {r["event_id"] for r in listed["held"]} == {r[0] for r in rows} and listed["held"][0]["number"] == number
    assert sum(r["events"] for r in listed["by_reason"]) == 3
    assert rows[0][0] in ottoctl("held", "list", "--number", number, js=False)
    assert ottoctl("held", "list", "--number", new_number(), code=REFUSED)["held"] == []

    # The router may have held them before it heard of the company; it says the right reason at its next look.
    shown = eventually(lambda: (s := ottoctl("held", "show", rows[0][0])) and "no signing key" in s["held"]["reason"] and s)
    assert shown["held"]["number"] == number and "set-callrail-signing-key" in shown["held"]["cure"]
    assert shown["owners_of_the_number"][0]["company_id"] == company.id and shown["owners_of_the_number"][0]["signing_key"] == "not set"
    for hidden in ("Zebulon", placed["from"], placed["from"][2:]):
        assert hidden not in json.dumps(shown)
    assert placed["from"][2:] in json.dumps(ottoctl("held", "show", rows[0][0], "--show-persons")).replace("-", "")
    assert "ottoctl event" in ottoctl("held", "show", str(uuid.uuid4()), js=False, code=FAILED)

    # It cannot flow: the answer is the router's own, with the cure, and nothing moved.
    kept = ottoctl("held", "release", rows[0][0], code=REFUSED)
    assert kept["released"][0]["outcome"] == "stays held" and "no signing key" in kept["released"][0]["reason"] and "Set it" in kept["released"][0]["cure"]
    assert len(held_of(stack, number)) == 3
    # Many need --yes.
    asked = ottoctl("held", "release", "--number", number, code=REFUSED)
    assert sum(r["events"] for r in asked["to_be_tried"]) == 3 and "--yes" in asked["notes"][-1]
    assert stack.sql("SELECT count(*) FROM held_events WHERE number = %s AND asked_at IS NOT NULL", number) == [(0,)]
    assert "takes ids" in ottoctl("held", "release", js=False, code=USAGE)

    company.post(f"/api/v1/company/set-callrail-signing-key/{company.id}", params={"signing_key": "the later key"})
    went = ottoctl("held", "release", *[r[0] for r in rows], "--yes", "--wait", "30s", code=DONE if held_of(stack, number) else REFUSED)
    if "released" in went:
        assert {r["outcome"] for r in went["released"]} == {"went on"}
    call = eventually(lambda: next((c for c in company.calls(phone=placed["from"]) if c["status"] == "completed"), None), within=15)
    assert call and len(company.calls(phone=placed["from"])) == 1
    again = ottoctl("held", "release", rows[0][0], code=REFUSED)
    assert company.id in again["not_held"][0]["why"]
    assert ("olga", "held.release") in stack.sql("SELECT operator, action FROM operator_actions WHERE target = %s", rows[0][0])


def test_a_forged_event_stays_held_and_says_so(ottoctl, stack):
    company = Company(stack, signing_key=None)
    stack.place_call(company.number, signing_key="not the key")
    eventually(lambda: len(held_of(stack, company.number)) == 3)
    company.post(f"/api/v1/company/set-callrail-signing-key/{company.id}", params={"signing_key": "the true key"})
    eventually(lambda: all("does not match" in r[1] for r in held_of(stack, company.number)))
    kept = ottoctl("held", "release", "--number", company.number, "--yes", code=REFUSED)
    assert {r["outcome"] for r in kept["released"]} == {"stays held"} and all("does not match" in r["reason"] for r in kept["released"])


def test_a_release_takes_place_at_once_and_not_with_the_next_full_round(ottoctl, stack, company):
    """An old held event is looked at once a minute; an operator does not wait for that."""
    number = new_number()
    stack.place_call(number)
    rows = eventually(lambda: (r := held_of(stack, number)) and len(r) == 3 and r)
    stack.sql("UPDATE held_events SET held_at = now() - interval '1 day', reason = 'long ago' WHERE number = %s", number)
    started = time.monotonic()
    kept = ottoctl("held", "release", rows[0][0], code=REFUSED)
    assert time.monotonic() - started < 14
    assert kept["released"][0]["reason"] == f"No company found for tracking number {number}"


def poison(stack, value: bytes, partition: int = 0, key: str = "", **headers: str) -> None:
    broker = next(line.split("=", 1)[1] for line in (stack.folder / "env").read_text().splitlines() if line.startswith("OTTO_KAFKA_BROKERS="))
    more = [x for name, text in headers.items() for x in ("-H", f"{name}={text}")]
    subprocess.run(["kcat", "-P", "-b", broker, "-t", "otto.routed", "-p", str(partition), "-k", key or str(uuid.uuid4()), "-D", "\\0", *more], input=value, check=True, timeout=60)


def cloud_event(event_id: str) -> dict[str, str]:
    return {"ce_specversion": "1.0", "ce_id": event_id, "ce_type": "otto.routed.v1.CallReported", "ce_source": "/test", "ce_time": "2026-11-21T10:00:00Z"}


def payload(company: Company, phone: str, call: str) -> dict:
    return {"company_id": company.id, "phone": phone, "kind": "call.completed", "receipt": {"provider": "callrail", "received_at_us": str(int(time.time() * 1e6)), "verdict": "VERDICT_AUTHENTIC"},
            "call": {"provider_call_id": call, "aliases": [call], "stage": "STAGE_POST_CALL", "customer_phone": phone, "customer_phone_callable": True, "tracking_number": company.number,
                     "direction": "inbound", "status": "completed", "answered": True, "duration_s": "30", "customer_name": "Zebulon Pike"}}


def dead_of(stack, event_id):
    return stack.sql("SELECT id::text FROM dead_letters WHERE consumer = 'lead-pipeline' AND event_id = %s", event_id)


def test_a_dead_letter_is_listed_shown_edited_and_redriven(ottoctl, stack, company, tmp_path):
    event_id, phone, call = str(uuid.uuid4()), new_number(), f"CAL{uuid.uuid4().hex}"
    poison(stack, b"\xff\xff no message", key=f"{company.id}:{phone}", **cloud_event(event_id))
    letter = eventually(lambda: dead_of(stack, event_id))[0][0]
    listed = ottoctl("dead-letters", "list", "--consumer", "lead-pipeline", "--error", "the value is no")
    assert letter in {r["id"] for r in listed["dead_letters"]}
    assert letter in ottoctl("dead-letters", "list", js=False)
    shown = ottoctl("dead-letters", "show", letter)
    assert shown["dead_letter"]["event_id"] == event_id and "is no otto.routed" in shown["dead_letter"]["error"] and shown["dead_letter"]["key"].endswith("…" + phone[-4:])
    assert "edit" in shown["notes"][0]

    refused = ottoctl("dead-letters", "redrive", letter, code=REFUSED)
    assert "edit it first" in refused["refused"][0]["why"] and dead_of(stack, event_id)
    assert "give the whole payload" in ottoctl("dead-letters", "edit", letter, "--set", "phone=+1", js=False, code=REFUSED)

    whole = tmp_path / "payload.json"
    whole.write_text(json.dumps(payload(company, phone, call)))
    preview = ottoctl("dead-letters", "edit", letter, "--file", str(whole), code=REFUSED)
    assert "Nothing was done" in preview["notes"][-1] and "payload" not in preview["before"]
    assert "Zebulon" not in json.dumps(preview) and phone[2:] not in json.dumps(preview)
    ottoctl("dead-letters", "edit", letter, "--file", str(whole), "--reason", "written by hand", "--yes")
    # One field more; another company is refused.
    ottoctl("dead-letters", "edit", letter, "--set", "call.duration_s=35", "--yes")
    assert "does not move to another company" in ottoctl("dead-letters", "edit", letter, "--set", "company_id=org_other", "--yes", js=False, code=REFUSED)
    history = stack.sql("SELECT history FROM dead_letters WHERE id = %s", letter)[0][0]
    assert [h.get("action") for h in history] == [None, "edit", "edit"] and history[1]["by"] == "olga" and history[1]["reason"] == "written by hand"
    assert history[1]["former_value"] == "//8gbm8gbWVzc2FnZQ=="

    redriven = ottoctl("dead-letters", "redrive", letter, "--wait", "30s")
    assert redriven["redriven"][0]["outcome"] == "done"
    rows = company.calls(phone=phone)
    assert len(rows) == 1 and rows[0]["duration"] == 35
    assert not dead_of(stack, event_id)
    assert stack.sql("SELECT company_id FROM inbox WHERE consumer = 'lead-pipeline' AND event_id = %s", event_id) == [(company.id,)]
    gone = ottoctl("dead-letters", "show", letter, code=REFUSED)
    assert [a["action"] for a in gone["operators"]] == ["dead_letter.edit", "dead_letter.edit", "dead_letter.redrive"]
    # The other consumer of the topic could not read it either, and has a letter of its own.
    known = ottoctl("event", event_id, "--limit", "20000")
    assert "tenant-router/calls gave it up" in known["notes"][-1] and [r["action"] for r in known["operators"]][-1] == "dead_letter.redrive"
    ottoctl("dead-letters", "discard", known["dead_letters"][0]["id"], "--reason", "not needed", "--yes")
    known = ottoctl("event", event_id, "--limit", "20000")
    assert "olga discarded it for tenant-router/calls" in known["notes"][-2] and "is applied" in known["notes"][-1]


def test_a_record_that_was_no_event_becomes_one_for_each_consumer_once(ottoctl, stack, company, tmp_path):
    phone, call = new_number(), f"CAL{uuid.uuid4().hex}"
    marker = uuid.uuid4().bytes
    poison(stack, b"\xff" + marker.replace(b"\0", b"x"), partition=3)
    letters = eventually(lambda: (r := stack.sql("SELECT consumer, id::text FROM dead_letters WHERE value = %s", b"\xff" + marker.replace(b"\0", b"x"))) and len(r) == 4 and r)
    others = {"lead-pipeline/messages", "shunya-orchestrator"}
    assert {r[0] for r in letters} == {"lead-pipeline", "tenant-router/calls", *others}
    # They take no reports of calls: what this record becomes is nothing to them.
    for letter in (i for c, i in letters if c in others):
        ottoctl("dead-letters", "discard", letter, "--reason", "not for it", "--yes")
    letters = [r for r in letters if r[0] not in others]
    whole = tmp_path / "payload.json"
    whole.write_text(json.dumps(payload(company, phone, call)))
    assert "--type" in ottoctl("dead-letters", "edit", letters[0][1], "--file", str(whole), js=False, code=REFUSED)
    for _, letter in letters:
        ottoctl("dead-letters", "edit", letter, "--type", "otto.routed.v1.CallReported", "--file", str(whole), "--yes")
    assert len(stack.sql("SELECT DISTINCT event_id FROM dead_letters WHERE id = ANY (%s::uuid[])", [r[1] for r in letters])) == 1
    summary = ottoctl("dead-letters", "redrive", *[r[1] for r in letters], code=REFUSED)
    assert "--yes" in summary["notes"][-1] and stack.sql("SELECT count(*) FROM dead_letters WHERE id = ANY (%s::uuid[])", [r[1] for r in letters]) == [(2,)]
    done = ottoctl("dead-letters", "redrive", *[r[1] for r in letters], "--yes", "--wait", "30s")
    assert {r["outcome"] for r in done["redriven"]} == {"done"}
    assert len(company.calls(phone=phone)) == 1
    assert stack.sql("SELECT company_id FROM provider_calls WHERE provider_call_id = %s", call) == [(company.id,)]


def test_an_event_that_fails_again_is_told_and_stays(ottoctl, stack, company, tmp_path):
    event_id, phone = str(uuid.uuid4()), new_number()
    poison(stack, b"\xff\xff", key=f"{company.id}:{phone}", **cloud_event(event_id))
    letter = eventually(lambda: dead_of(stack, event_id))[0][0]
    bad = payload(company, phone, f"CAL{uuid.uuid4().hex}")
    bad["call"]["direction"] = "sideways"
    (tmp_path / "bad.json").write_text(json.dumps(bad))
    ottoctl("dead-letters", "edit", letter, "--file", str(tmp_path / "bad.json"), "--yes")
    failed = ottoctl("dead-letters", "redrive", letter, "--wait", "30s", code=REFUSED)
    assert failed["redriven"][0]["outcome"] in ("failed, tried again", "dead again") and failed["redriven"][0]["error"]
    # Its key is not blocked by it.
    good = company.call(**{"from": phone})
    assert company.settled_call({**good, "from": phone}, "completed")
    known = ottoctl("event", event_id, "--limit", "20000")
    assert "tries it again" in known["notes"][-1] or "gave it up" in known["notes"][-1]
    assert stack.sql("DELETE FROM parked WHERE event_id = %s RETURNING 1", event_id) or dead_of(stack, event_id)


def test_the_routers_dead_letter_goes_back_onto_its_topic(ottoctl, stack, company):
    """A pass-through has no parked events. The letter is a real event of its topic."""
    placed = company.call()
    company.settled_call(placed, "completed")
    number = new_number()
    stack.place_call(number)
    held = eventually(lambda: held_of(stack, number))[0][0]
    record = stack.sql("SELECT record FROM held_events WHERE event_id = %s", held)[0][0]
    headers = [[k, v] for k, v in {**cloud_event(held), "ce_type": "otto.inbound.v1.ProviderEvent"}.items()]
    letter = stack.sql("INSERT INTO dead_letters (consumer, topic, partition, \"offset\", key, event_id, type, value, headers, error) VALUES ('tenant-router', 'otto.inbound', 0, 1, 'k', %s,"
                       " 'otto.inbound.v1.ProviderEvent', %s, %s::jsonb, 'the process ended 3 times') RETURNING id::text", held, record, json.dumps(headers))[0][0]
    stack.sql("DELETE FROM held_events WHERE event_id = %s", held)
    done = ottoctl("dead-letters", "redrive", letter, "--wait", "30s")
    assert done["redriven"][0]["outcome"] == "published again"
    assert eventually(lambda: stack.sql("SELECT 1 FROM held_events WHERE event_id = %s", held))


def test_what_kafka_refused_is_shown_and_goes_back_into_the_outbox(ottoctl, stack, company):
    """Too large for its topic, perhaps because that takes less than it should: a dead letter of who emitted it. company-service reads the topic to which it emits, so the letter itself says what it is."""
    event_id, call = str(uuid.uuid4()), company.settled_call(company.call(), "completed")
    headers = [[k, v] for k, v in {**cloud_event(event_id), "ce_type": "otto.changes.v1.RowChanged"}.items()]
    value = b"\x0a" + bytes([len(company.id)]) + company.id.encode() + b"\x12\x04call\x1a" + bytes([len(str(call["call_id"]))]) + str(call["call_id"]).encode()
    assert eventually(lambda: stack.sql("SELECT 1 FROM lanes WHERE consumer = 'company-service' AND topic = 'otto.changes' AND next_offset IS NOT NULL"))
    letter = stack.sql("INSERT INTO dead_letters (consumer, topic, partition, key, event_id, company_id, type, value, headers, error, unpublished) VALUES ('company-service', 'otto.changes', -1, %s, %s, %s,"
                       " 'otto.changes.v1.RowChanged', %s, %s::jsonb, 'Broker: Message size too large', true) RETURNING id::text", company.id, event_id, company.id, value, json.dumps(headers))[0][0]
    assert next(r for r in ottoctl("dead-letters", "list", "--company", company.id)["dead_letters"] if r["id"] == letter)["unpublished"]
    shown = ottoctl("dead-letters", "show", letter)
    assert shown["dead_letter"]["unpublished"] and "Kafka refused it" in shown["notes"][0] and "topics plan" in shown["notes"][0]
    assert ottoctl("dead-letters", "redrive", letter, "--wait", "30s")["redriven"][0]["outcome"] == "published again"
    assert eventually(lambda: event_id in json.dumps(ottoctl("event", event_id, "--limit", "20000")["topics"]))
    assert ottoctl("dead-letters", "show", letter, code=REFUSED)["operators"][0]["action"] == "dead_letter.redrive"


def test_a_discarded_dead_letter_stays_on_record(ottoctl, stack, company):
    event_id = str(uuid.uuid4())
    poison(stack, b"\xff\xff", **cloud_event(event_id))
    letter = eventually(lambda: dead_of(stack, event_id))[0][0]
    assert "--reason" in ottoctl("dead-letters", "discard", letter, "--yes", js=False, code=USAGE)
    asked = ottoctl("dead-letters", "discard", letter, "--reason", "a test", code=REFUSED)
    assert "--yes" in asked["notes"][-1] and dead_of(stack, event_id)
    ottoctl("dead-letters", "discard", letter, "--reason", "a test", "--yes")
    assert not dead_of(stack, event_id)
    operator, login, reason, detail = stack.sql("SELECT operator, login, reason, detail FROM operator_actions WHERE target = %s AND action = 'dead_letter.discard'", letter)[0]
    assert (operator, login, reason) == ("olga", "otto_maintenance", "a test") and detail["value"] == "\\xffff" and detail["event_id"] == event_id
    assert "dead_letter.discard by olga" in ottoctl("dead-letters", "discard", letter, "--reason", "again", "--yes", code=REFUSED)["refused"][0]["why"]
    assert ottoctl("dead-letters", "show", letter, code=REFUSED)["operators"][0]["reason"] == "a test"
    others = [r[0] for r in stack.sql("SELECT id::text FROM dead_letters WHERE event_id = %s", event_id)]
    ottoctl("dead-letters", "discard", *others, "--reason", "a test", "--yes")
    assert "olga discarded it for" in ottoctl("event", event_id, "--limit", "20000")["notes"][-1]


def test_lag_counts_what_is_still_to_be_done(ottoctl, stack, company):
    company.settled_call(company.call(), "completed")

    def idle():
        answer = ottoctl("lag", "--above", "0", code=(DONE, REFUSED))
        none = sum(r["lag"] for r in answer["lag"]) == 0
        assert (ottoctl.code == DONE) == none
        return answer if none else None

    answer = eventually(idle, within=60, what="a lag of 0")
    consumers = {(r["consumer"], r["topic"]): r for r in answer["lag"]}
    assert set(consumers) == {(consumer, topic) for service in manifest.services().values() for consumer, topics in service.consumes.items() for topic in topics}
    assert all(r["partitions"] == 12 for r in consumers.values()) and consumers["lead-pipeline", "otto.routed"]["end"] > 0
    assert {"consumer", "topic", "partition", "end", "next", "by", "lag"} == set(answer["partitions"][0])
    assert {r["by"] for r in answer["partitions"] if r["consumer"] == "lead-pipeline" and r["end"] > 0} <= {"lane", "beginning"}
    assert {r["by"] for r in answer["partitions"] if r["consumer"] == "tenant-router"} <= {"group", "beginning"}
    waiting = {r["consumer"]: r for r in answer["waiting"]}
    assert waiting["lead-pipeline"]["outbox"] >= 0 and waiting["lead-pipeline"]["parked"] >= 0
    assert answer["held"]["held"] == stack.sql("SELECT count(*) FROM held_events WHERE released_at IS NULL")[0][0]
    # A lane that stands further back is behind by that much.
    topic, partition, end = next((r["topic"], r["partition"], r["end"]) for r in answer["partitions"] if r["consumer"] == "lead-pipeline" and r["end"] >= 1)
    stack.sql("INSERT INTO lanes (consumer, topic, partition, next_offset) VALUES ('lead-pipeline/test', %s, %s, %s)", topic, partition, end - 1)
    try:
        behind = ottoctl("lag", "--above", "0", code=REFUSED)
        assert next(r["lag"] for r in behind["lag"] if r["consumer"] == "lead-pipeline/test") >= 1
        assert "lead-pipeline/test" in ottoctl("lag", js=False)
    finally:
        stack.sql("DELETE FROM lanes WHERE consumer = 'lead-pipeline/test'")
    away = ottoctl("lag", js=False, code=FAILED, env={"OTTO_KAFKA_BROKERS": "127.0.0.1:1"})
    assert "lag is not known" in away and "lead-pipeline" in away


def test_spool_of_a_running_ingress_and_of_one_that_left_rows(ottoctl, stack, company, tmp_path):
    live = ottoctl("spool")["spools"][0]
    assert live["rows"] == 0 and live["ingress_pid"] in {r["pid"] for r in json.loads(stack.run("deploy/status", "--json").stdout)}
    company.settled_call(company.call(), "completed")  # it was not in its way
    assert ottoctl("spool", str(tmp_path), code=REFUSED)["spools"] == []
    assert "no folder" in ottoctl("spool", str(tmp_path / "none"), js=False, code=FAILED)
    left = tmp_path / "left"
    left.mkdir()
    with sqlite3.connect(left / "spool.db") as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE spool (id INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, headers TEXT NOT NULL)")
        db.executemany("INSERT INTO spool (topic, key, value, headers) VALUES ('otto.inbound', x'6b', x'7676', ?)", [(json.dumps([["ce_time", f"2026-11-21T10:00:0{i}Z"]]),) for i in range(3)])
        db.commit()
        answer = ottoctl("spool", str(tmp_path))["spools"][0]  # while it is open elsewhere
    db.close()
    assert (answer["rows"], answer["bytes"], answer["oldest_at"], answer["newest_at"], answer["ingress_pid"]) == (3, 909, "2026-11-21T10:00:00Z", "2026-11-21T10:00:02Z", None)
    ottoctl("spool", str(left), "--above", "2", code=REFUSED)
    # Nothing is sent before it was shown and --yes was said; what a running ingress has open is its own to send.
    shown = ottoctl("spool", "drain", str(tmp_path), code=REFUSED)
    assert [s["rows"] for s in shown["spools"]] == [3] and shown["spools"][0]["why"] == "no ingress has it open" and "--yes" in json.dumps(shown)
    assert ottoctl("spool", "drain", str(tmp_path), "--older", "36500d", code=REFUSED)["spools"] == []
    assert ottoctl("spool", "drain", code=REFUSED)["spools"] == []
    assert ottoctl("spool", str(tmp_path))["spools"][0]["rows"] == 3


def test_texts_that_wait_are_shown_and_looked_at_again(ottoctl, stack):
    texting = Company(stack)
    number = texting.connect_twilio()

    def account(status):
        body = {"account_sid": texting.twilio_account, "auth_token": texting.auth_token, "numbers": [number], "sms_url": stack.url + "/sms/twilio-webhook", "status": status}
        assert httpx.post(stack.sandbox + "/sandbox/twilio/accounts", json=body).status_code == 200

    def write(**body):
        return eventually(lambda: (a := stack.http.post("/api/v1/messages", json=body, headers={"Authorization": f"Bearer {texting.csr}"})).status_code == 202 and a.json()["data"], what="an accepted text")

    def shown(text):
        return stack.get(f"/api/v1/messages/{text['id']}", texting.csr).json()["data"]

    def line():
        return next(iter(ottoctl("texts", texting.id, code=(DONE, REFUSED))["companies"]), {})

    account("suspended")
    people = [new_number() for _ in range(2)]
    texts = [write(to=person, body=f"We come at {n}") for n, person in enumerate(people)]
    assert eventually(lambda: (a := line()).get("paused_why") and a["texts"] == 2 and a, what="the pause")["oldest_s"] >= 0
    assert all(shown(t)["paused_why"] and shown(t)["provider_message_id"] is None for t in texts)
    assert people[0][2:] not in json.dumps(ottoctl("texts", texting.id)) and "PAUSED WHY" in ottoctl("texts", js=False)

    waits = ottoctl("texts", "retry", texts[1]["id"], "--wait", "30s", code=REFUSED)["retried"][0]
    assert (waits["id"], waits["outcome"]) == (texts[1]["id"], "waits") and waits["why"]
    assert "Nothing was done" in ottoctl("texts", "retry", "--company", texting.id, js=False, code=REFUSED)
    account("active")
    done = ottoctl("texts", "retry", "--company", texting.id, "--yes", "--wait", "30s", code=(DONE, REFUSED))  # the second waits for its number's pace
    assert {r["id"] for r in done["retried"]} <= {t["id"] for t in texts} and any(r["outcome"] == "taken" for r in done["retried"])
    assert stack.sql("SELECT count(*) FROM operator_actions WHERE action = 'text.retry' AND company_id = %s AND operator = 'olga'", texting.id)[0][0] >= 2
    for text in texts:
        assert eventually(lambda: (s := shown(text))["provider_message_id"] and s)["paused_why"] is None
    assert eventually(lambda: not line(), what="an empty line")
    assert "the provider has it" in ottoctl("texts", "retry", texts[0]["id"], code=REFUSED)["not_in_line"][0]["why"]

    httpx.post(stack.sandbox + "/sandbox/twilio/sends", json={"account_sid": texting.twilio_account, "to": (landline := new_number()), "code": 21614}).raise_for_status()
    failed = write(to=landline, body="Is anybody there?")
    eventually(lambda: shown(failed)["status"] == "failed", what="the refusal")
    assert "never sent again" in ottoctl("texts", "retry", failed["id"], code=REFUSED)["not_in_line"][0]["why"]
    assert "no such text" in ottoctl("texts", "retry", str(uuid.uuid4()), code=REFUSED)["not_in_line"][0]["why"]
    assert "takes ids" in ottoctl("texts", "retry", js=False, code=USAGE)


def test_an_events_whole_way_is_told_from_any_of_its_ids(ottoctl, stack, company):
    placed = company.call(name="Zebulon Pike", events=["completed"])
    call = company.settled_call(placed, "completed")
    body = placed["events"][0]["body"]
    event_id = (body if isinstance(body, dict) else json.loads(body))["data"]["event_id"]
    known = eventually(lambda: (a := ottoctl("event", event_id, "--since", "1h")) and a["inbox"] and len(a["topics"]) >= 4 and a)
    head = known["event"]
    assert (head["provider"], head["verdict"], head["proven_company_id"], head["routed_to"], head["tracking_number"]) == ("callrail", "authentic", company.id, company.id, company.number)
    assert head["customer"] == "…" + placed["from"][-4:]
    assert [t["topic"] for t in known["topics"]][:2] == ["otto.inbound", "otto.routed"] and {"otto.calls", "otto.changes"} <= {t["topic"] for t in known["topics"]}
    consumers = {r["consumer"] for r in known["inbox"]}
    assert "lead-pipeline" in consumers and not any(c.startswith("tenant-router") for c in consumers)  # tenant-router keeps none: its repeats do no harm
    assert known["rows"][0]["call_id"] == call["call_id"] and known["rows"][0]["first_name"] == "(masked)"
    for hidden in ("Zebulon", placed["from"][2:]):
        assert hidden not in json.dumps(known)
    assert "Zebulon" in json.dumps(ottoctl("event", event_id, "--show-persons"))
    derived = next(t["event_id"] for t in known["topics"] if t["topic"] == "otto.calls")
    assert {t["topic"] for t in ottoctl("event", derived)["topics"]} >= {"otto.inbound", "otto.routed", "otto.calls"}
    assert "stands at completed" in ottoctl("event", event_id, js=False)
    assert ottoctl("event", event_id, "--no-topics")["inbox"]
    assert "Nothing is known" in ottoctl("event", str(uuid.uuid4()), code=REFUSED)["notes"][0]


def test_a_support_bundle_has_what_support_asks_for_and_no_secret_and_no_person(ottoctl, stack, tmp_path):
    company = Company(stack)
    api_key = f"api-key-{uuid.uuid4()}"
    company.post(f"/company/set-callrail-api-key/{company.id}", params={"api_key": api_key})
    placed = company.call(name="Zebulon Pike")
    call = company.settled_call(placed, "completed")
    event_id = str(uuid.uuid4())
    poison(stack, b"\xff Zebulon", key=f"{company.id}:{placed['from']}", **cloud_event(event_id))
    eventually(lambda: dead_of(stack, event_id))
    stack.sql("UPDATE dead_letters SET company_id = %s, error = %s WHERE event_id = %s", company.id, f"refused 'Zebulon Pike' of {placed['from']}", event_id)
    out = tmp_path / "bundle"
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    command = ("support-bundle", "--company", company.id, "--number", company.number, "--at", moment, "--logs", str(stack.folder / "logs"), "--out", str(out))
    answer = ottoctl(*command)
    assert answer["summary"]["calls"] == 1 and answer["summary"]["dead_letters"] >= 1 and answer["summary"]["number_registered"] and answer["summary"]["signing_key"] == "set"
    assert {p.name for p in out.iterdir()} >= {"summary.txt", "company.json", "numbers.json", "calls.json", "texts_to_leave.json", "texts_of_the_number.json", "held.json", "dead_letters.json", "parked.json", "versions.json", "lag.json", "settings.json", "logs.jsonl"}
    assert out.stat().st_mode & 0o777 == 0o700
    text = "".join(p.read_text() for p in out.iterdir())
    assert company.id in text and str(call["call_id"]) in text and "CallRail call.completed webhook" in text and "…" + placed["from"][-4:] in text
    assert json.loads((out / "company.json").read_text())["company"][0]["callrail_api_key"] == "set"
    env = dict(line.split("=", 1) for line in (stack.folder / "env").read_text().splitlines() if "=" in line)
    secrets = [v for k, v in env.items() if any(w in k for w in ("SECRET", "PASSWORD", "TOKEN", "KEY", "PG_URL")) and not k.endswith("_FILE") and len(v) >= 8]
    assert secrets
    for hidden in (placed["from"], placed["from"][2:], company.number, company.number[2:], "Zebulon", company.key, api_key, *secrets):
        assert hidden not in text
    assert "exists already" in ottoctl(*command, js=False, code=FAILED)
    assert "no company" in ottoctl("support-bundle", "--company", "org_nobody", "--number", company.number, "--at", moment, js=False, code=REFUSED)
    for unclear in ("noon", moment.rstrip("Z")):
        assert "takes a time" in ottoctl("support-bundle", "--company", company.id, "--number", company.number, "--at", unclear, js=False, code=USAGE)
