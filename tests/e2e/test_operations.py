"""What operators type, and what logs must not say."""

import json
import os
import signal
import socket
import subprocess
import uuid

import pytest

from conftest import REPO, Company, eventually, free_port, manifest, new_number


def all_logs(stack):
    names = ("all-in-one", "company-service", "callrail-ingress", "shunya-ingress", "shunya-orchestrator", "tenant-router", "lead-pipeline", "appointment-service", "query-service")
    return "".join(p.read_text(errors="replace") for n in names if (p := stack.folder / "logs" / f"{n}.log").exists())


def test_logs_hold_no_number_no_secret_and_no_words_of_people(stack):
    company = Company(stack)
    api_key = f"api-key-{uuid.uuid4()}"
    company.post(f"/company/set-callrail-api-key/{company.id}", params={"api_key": api_key})
    name = f"Zebulon{uuid.uuid4().hex[:8]}"
    placed = company.call(name=f"{name} Smith")
    company.settled_call(placed, "completed")
    lonely = new_number()
    stack.place_call(lonely)
    eventually(lambda: stack.sql("SELECT 1 FROM held_events WHERE number = %s", lonely))
    logs = all_logs(stack)
    for forbidden in (company.key, api_key, company.manager, placed["from"], placed["from"][2:], company.number[2:], lonely[2:], name):
        assert forbidden not in logs, f"the logs hold {forbidden}"
    assert "No company found for tracking number" in logs
    lines = [json.loads(line) for line in logs.splitlines() if line.startswith("{")]
    webhook = next(line for line in lines if line["message"] == "CallRail call.completed webhook" and line.get("company_id") == company.id)
    assert webhook["customer"]["last4"] == placed["from"][-4:] and len(webhook["trace_id"]) == 32


def test_a_number_is_found_in_the_logs_by_its_hash(stack, company):
    placed = company.call()
    company.settled_call(placed, "completed")
    out = stack.run("deploy/logs", "--filter", placed["from"], "--tail", "100").stdout
    assert "CallRail call.completed webhook" in out
    assert "CallRail call.completed webhook" in stack.run("deploy/logs", "--filter", "callrail", "--tail", "50").stdout


def test_the_seeds_statements_run_as_written(stack):
    """Seed 001 §4.2 "Immediate", seed 003 §4."""
    company = Company(stack)
    placed = company.call()
    call = company.settled_call(placed, "completed")
    psql = lambda statement: stack.run("deploy/psql", "-X", "-A", "-t", "-c", statement).stdout.strip()  # noqa: E731
    assert str(call["call_id"]) in psql(f"SELECT call_id, phone_number, company_id, recording_url, duration, created_at FROM calls WHERE company_id = '{company.id}' ORDER BY created_at DESC LIMIT 1;")
    assert placed["from"] in psql(f"SELECT id, primary_phone, company_id FROM contact_cards WHERE company_id = '{company.id}' AND primary_phone = '{placed['from']}';")
    assert call["lead_id"] in psql(f"SELECT id, contact_card_id, status, company_id FROM leads WHERE company_id = '{company.id}' ORDER BY created_at DESC LIMIT 1;")
    assert placed["from"] in psql(f"SELECT * FROM call_logs WHERE to_number = '{company.number}' ORDER BY started_at DESC LIMIT 5;")


def test_status_topics_and_env(stack):
    rows = json.loads(stack.run("deploy/status", "--json").stdout)
    assert {"kafka", "postgres", "sandbox"} <= {r["name"] for r in rows} and all(r["running"] and set(r) == {"name", "running", "pid", "port", "version", "lag"} for r in rows)
    topics = stack.run("deploy/topics").stdout
    assert all(t in topics for t in ("otto.inbound", "otto.routed", "otto.directory", "tenant-router", "lead-pipeline"))
    shown = stack.run("deploy/env").stdout
    secret = next(line.split("=", 1)[1] for line in stack.run("deploy/env", "--secrets").stdout.splitlines() if line.startswith("OTTO_SECRET_KEYS="))
    assert secret not in shown and "OTTO_PORT=" in shown


def test_a_port_that_is_promised_or_taken_is_not_given_again():
    with socket.socket() as s:
        s.bind(("127.0.0.1", int(subprocess.check_output([REPO / "deploy/free-port"]))))
        taken = s.getsockname()[1]
        free = free_port()
        promised = [str(port) for port in range(20000, 32000) if port not in (taken, free)]
        assert int(subprocess.check_output([REPO / "deploy/free-port", *promised])) == free
        none_left = subprocess.run([REPO / "deploy/free-port", *promised, str(free)], capture_output=True, text=True)
        assert none_left.returncode == 1 and "20000" in none_left.stderr


def test_a_port_that_only_an_outgoing_connection_holds_is_waited_for():
    waits = lambda port: subprocess.Popen([REPO / "deploy/free-port", "--await", str(port)])  # noqa: E731
    with socket.socket() as listener, socket.socket() as outgoing:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        outgoing.bind(("127.0.0.1", int(subprocess.check_output([REPO / "deploy/free-port"]))))
        port = outgoing.getsockname()[1]
        outgoing.connect(listener.getsockname())
        assert waits(listener.getsockname()[1]).wait(5) == 1  # somebody listens: no use in waiting
        waiting = waits(port)
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(1)
        accepted, _ = listener.accept()
        accepted.close()
        outgoing.close()
        assert waiting.wait(10) == 0


def test_up_names_the_port_that_is_none(tmp_path):
    for name in ("OTTO_KAFKA_PORT", "OTTO_PORT_TENANT_ROUTER", "OTTO_ADMIN_PORT_QUERY_SERVICE"):
        said = subprocess.run([REPO / "deploy/up", "--split"], env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "OTTO_RUN_DIR": str(tmp_path), name: "eight"}, capture_output=True, text=True)
        assert said.returncode == 2 and f"{name} is 'eight'; it takes a port from 1 to 65535" in said.stderr


def test_a_second_up_changes_nothing_and_brings_back_what_is_missing(stack):
    before = {r["name"]: r["pid"] for r in json.loads(stack.run("deploy/status", "--json").stdout)}
    victim = "lead-pipeline" if "lead-pipeline" in before else "all-in-one"
    os.kill(before[victim], signal.SIGKILL)
    eventually(lambda: stack.run("deploy/status", check=False).returncode == 1)
    stack.up()
    after = {r["name"]: r["pid"] for r in json.loads(stack.run("deploy/status", "--json").stdout)}
    assert after.pop(victim) != before.pop(victim) and after == before
    fresh = Company(stack)
    fresh.settled_call(fresh.call(), "completed")


def test_up_brings_postgres_back_while_children_of_the_former_one_live(stack):
    postgres = next(r["pid"] for r in json.loads(stack.run("deploy/status", "--json").stdout) if r["name"] == "postgres")
    child = int(subprocess.check_output(["pgrep", "-P", str(postgres), "-f", "checkpointer"], text=True).split()[0])
    os.kill(child, signal.SIGSTOP)  # it cannot end by itself, and holds the memory that a new one would take
    os.kill(postgres, signal.SIGKILL)
    eventually(lambda: "postgres" not in {r["name"] for r in json.loads(stack.run("deploy/status", "--json", check=False).stdout) if r["running"]})
    stack.up()
    assert subprocess.run(["ps", "-o", "stat=", "-p", str(child)], capture_output=True, text=True).stdout.strip()[:1] in ("", "Z")  # it has ended, though its parent may not have asked yet
    assert all(r["running"] for r in json.loads(stack.run("deploy/status", "--json").stdout))
    fresh = Company(stack)
    fresh.settled_call(fresh.call(), "completed")


def test_no_log_holds_a_request_s_query_or_a_link_to_a_recording(stack):
    """Not of what went well, not of what a handler could not do, and not of what a service that is away could not answer."""
    company = Company(stack)
    headers = {"Authorization": f"Bearer {company.manager}"}
    planted = f"PLANTED{uuid.uuid4().hex}"
    call = company.settled_call(company.call(), "completed")
    key = f"{company.id}/calls/{uuid.uuid4().hex}.mp3"
    broken = stack.folder / "objects" / key
    broken.parent.mkdir(parents=True, exist_ok=True)
    broken.symlink_to(broken)  # it leads nowhere, and whoever opens it fails
    stack.sql("INSERT INTO recordings (company_id, call_id, id, status, object_key) VALUES (%s, %s, %s, 'stored', %s) ON CONFLICT (company_id, call_id) WHERE call_id IS NOT NULL DO UPDATE SET status = 'stored', object_key = excluded.object_key",
              company.id, call["call_id"], str(uuid.uuid4()), key)
    link = stack.http.get(f"/api/v1/calls/{call['call_id']}/recording", headers={**headers, "Accept": "application/json"}).json()["data"]["url"]
    token = link.rsplit("/", 1)[1]

    def ask():
        return [stack.http.get(f"/media/{token}").status_code, stack.http.get(f"/media/{token}x").status_code, stack.get("/api/v1/calls", company.csr, search=planted).status_code,
                stack.http.post(f"/api/v1/company/set-callrail-api-key/{company.id}", params={"api_key": planted}, headers=headers).status_code,
                stack.http.get(f"/api/v1/nothing?key={planted}").status_code, stack.http.post(f"/api/v1/callrail/call.completed?key={planted}", json={"id": planted}).status_code]

    assert ask()[0] == 500
    if "--split" in stack.options:
        pids = {r["name"]: r["pid"] for r in json.loads(stack.run("deploy/status", "--json").stdout)}
        for name in ("company-service", "shunya-orchestrator", "query-service", "callrail-ingress"):
            os.kill(pids[name], signal.SIGKILL)
        eventually(lambda: set(ask()) == {503}, what="nobody answers")
        stack.up()
    files = [p for p in [*(stack.folder / "logs").iterdir(), *stack.folder.glob("*.log"), *(stack.folder / "postgres").resolve().glob("*.log"), *(stack.folder / "kafka").rglob("*.log")] if p.is_file() and p.name != "sandbox.log"]
    assert any(p.name in ("all-in-one.log", "nginx.log") for p in files)
    # Kafka's own data is in files of that name too: what was posted is kept there on purpose.
    told = [p.name for p in files if not p.name.startswith("0000") and any(secret.encode() in p.read_bytes() for secret in (planted, token))]
    assert told == []


def test_no_service_has_more_sessions_than_its_manifest_says(stack, company):
    """What is summed up for Postgres's max_connections is what programs open: the manifest's `sessions`, and what --describe says."""
    company.settled_call(company.call(), "completed")
    lanes = {"lead-pipeline": 2}  # lanes a core of its first consumer
    cores = os.cpu_count() or 1
    seen = dict(stack.sql("SELECT usename, count(*) FROM pg_stat_activity WHERE usename LIKE 'otto\\_%%' GROUP BY 1"))
    for name, service in manifest.services().items():
        has = seen.get("otto_" + service.variable, 0)
        each = min(12, cores) * service.sessions["each_lane"] + min(12, cores) * (lanes.get(name, 1) - 1)
        assert has <= each + service.sessions["others"], f"{name} has {has} sessions"
        assert bool(has) == ("database" in service.needs), name
