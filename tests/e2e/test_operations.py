"""What operators type, and what logs must not say."""

import json
import os
import signal
import socket
import subprocess
import uuid

from conftest import REPO, Company, eventually, free_port, new_number


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
