"""CallRail sends a webhook once and never again: what did not come is found in its list of calls."""

import datetime
import json
import pathlib
import subprocess
import uuid

import httpx
import pytest

from conftest import REPO, Company, eventually, new_number


class Connected(Company):
    """A company whose account at CallRail is registered, so that its list holds the calls to its number."""

    def __init__(self, stack, **more):
        super().__init__(stack, **more)
        self.account, self.api_key = f"ACC{uuid.uuid4().hex}", f"api key {uuid.uuid4()}"
        self.register()
        self.post(f"/api/v1/company/set-callrail-api-key/{self.id}", params={"api_key": self.api_key})
        self.post(f"/api/v1/company/set-callrail-account-id/{self.id}", params={"account_id": self.account})

    def register(self, **more):
        body = {"account_id": self.account, "api_key": self.api_key, "signing_key": self.key, "numbers": [self.number], **more}
        assert httpx.post(self.stack.sandbox + "/sandbox/callrail/accounts", json=body).status_code == 200

    def sweep(self, check=True):
        done = self.ctl("sweep", "--now", self.account, "--json", check=check)
        return json.loads(done.stdout)["sweeps"][0]

    def ctl(self, *words, check=True):
        binary = pathlib.Path(self.stack.env.get("OTTO_BIN", REPO / ".build/release/bin")) / "ottoctl"
        command = ["bash", "-c", 'set -a; . "$0"; set +a; exec "$@"', str(self.stack.folder / "env"), str(binary), *words]
        done = subprocess.run(command, env=self.stack.env, cwd=self.stack.folder, capture_output=True, text=True, timeout=120)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done


@pytest.fixture(scope="module")
def connected(stack):
    return Connected(stack)


def ago(minutes):
    return (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=minutes)).isoformat(timespec="seconds")


def test_a_call_whose_webhooks_never_came_appears_within_one_sweep(stack, connected):
    placed = connected.call(events=[], start_time=ago(90))
    recent = connected.call(events=[])
    assert connected.calls(phone=placed["from"]) == []
    swept = connected.sweep()
    assert swept["error"] is None and swept["missing"] == 1 and swept["early"] == 1 and swept["seen"] >= 2
    call = connected.settled_call(placed, "completed")
    assert call["duration"] == 183 and call["tracking_number"] == connected.number
    connected.settled_call(recent, "completed")
    # Its event says where it came from.
    line = next(line for line in logs(stack) if line.get("provider_call_id") == placed["resource_id"] and line.get("swept"))
    shown = json.loads(connected.ctl("event", line["event_id"], "--json").stdout)["event"]
    assert shown["swept"] is True and shown["kind"] == "call.swept" and shown["routed_to"] == connected.id
    # A second sweep finds nothing new.
    again = connected.sweep()
    assert again["missing"] == 0 and again["early"] == 0 and again["missing_total"] == 1
    assert len(connected.calls(phone=placed["from"])) == 1


def test_a_call_whose_note_was_cut_in_the_middle_of_an_emoji_costs_no_other(connected):
    first = connected.call(events=[], start_time=ago(50))
    cut = {"to": connected.number, "from": new_number(), "otto_url": connected.stack.url, "events": [], "start_time": ago(45), "listed": {"note": "roof leaks \ud83d"}}
    assert httpx.post(connected.stack.sandbox + "/sandbox/callrail/place-call", content=json.dumps(cut), headers={"Content-Type": "application/json"}).status_code == 200
    last = connected.call(events=[], start_time=ago(40))
    swept = connected.sweep()
    assert swept["error"] is None and swept["missing"] == 3
    for placed in (first, last):
        connected.settled_call(placed, "completed")
    assert connected.settled_call(cut, "completed")["note"] == "roof leaks \ufffd"


def logs(stack):
    for name in ("all-in-one", "company-service"):
        path = stack.folder / "logs" / f"{name}.log"
        if path.exists():
            yield from (json.loads(line) for line in path.read_text(errors="replace").splitlines() if line.startswith("{"))


def test_a_known_call_is_not_entered_again_and_its_late_webhook_wins(stack, connected):
    placed = connected.call(events=["incoming"], start_time=ago(60))
    connected.settled_call(placed, "ringing")
    swept = connected.sweep()
    assert swept["missing"] == 0 and swept["differing"] == 1
    call = connected.settled_call(placed, "completed")
    assert call["duration"] == 183
    late = connected.call(id=placed["id"], events=["completed"], duration=200, start_time=ago(60), **{"from": placed["from"]})
    assert late["events"][0]["status"] == 200
    eventually(lambda: connected.calls(phone=placed["from"])[0]["duration"] == 200)
    assert len(connected.calls(phone=placed["from"])) == 1


def test_the_agents_e_mail_gives_the_owner(stack, connected):
    user, email = f"user_{uuid.uuid4().hex}", f"{uuid.uuid4().hex}@example.com"
    stack.sql("INSERT INTO company_users (company_id, id, email, role) VALUES (%s, %s, %s, 'csr')", connected.id, user, email)
    placed = connected.call(agent_email=email.upper(), start_time=ago(45))
    connected.settled_call(placed, "completed")
    connected.sweep()
    eventually(lambda: connected.calls(phone=placed["from"])[0]["owner_id"] == user)


def test_all_pages_are_read_and_429_is_waited_out(stack):
    company = Connected(stack)
    first = [company.call(events=[], start_time=ago(100 + i)) for i in range(3)]
    fault = {"provider": "callrail", "path": company.account, "status": 429, "retry_after": 2, "times": 20}
    httpx.post(stack.sandbox + "/sandbox/faults", json=fault)
    swept = company.sweep(check=False)
    assert "429" in swept["error"] and swept["not_before"] is not None and swept["missing"] == 0
    httpx.delete(stack.sandbox + "/sandbox/faults")
    swept = eventually(lambda: (s := company.sweep(check=False)) and s["error"] is None and s)
    assert swept["missing_total"] == 3
    for placed in first:
        company.settled_call(placed, "completed")


def test_two_companies_of_one_account_get_their_own_calls(stack, connected):
    other = Company(stack)
    connected.register(numbers=[connected.number, other.number])
    other.post(f"/api/v1/company/set-callrail-api-key/{other.id}", params={"api_key": connected.api_key})
    other.post(f"/api/v1/company/set-callrail-account-id/{other.id}", params={"account_id": connected.account})
    placed = other.call(events=[], start_time=ago(30))
    eventually(lambda: connected.sweep() and other.calls(phone=placed["from"]), within=20)
    other.settled_call(placed, "completed")
    assert connected.calls(phone=placed["from"]) == []


def test_signatures_that_failed_are_counted_for_the_company(stack, connected):
    refused = connected.stack.place_call(connected.number, signing_key="not the key", events=["completed"])
    assert refused["events"][0]["status"] == 401

    def counted():
        rows = json.loads(connected.ctl("sweep", connected.id, "--json").stdout).get("signatures", [])
        return rows and rows[0]["provider"] == "callrail" and rows[0]["failures"] >= 1 and rows[0]["why"] == "no key matched"

    eventually(counted)
