"""One stack for all end-to-end and contract tests: own run directory, own ports, own database; a stack of deploy/up is left alone."""

import datetime
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import typing
import uuid
import zoneinfo

import httpx
import psycopg
import pytest

REPO = pathlib.Path(__file__).resolve().parent.parent
sys.path.append(str(REPO / "deploy"))
import manifest  # noqa: E402

SERVICES = tuple(manifest.services())

promised_ports: set[int] = set()


def free_port() -> int:
    """One that no other caller here has been given, used yet or not."""
    command = [str(REPO / "deploy/free-port"), *map(str, promised_ports)]
    port = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    promised_ports.add(port)
    return port


def eventually(check: typing.Callable[[], typing.Any], within: float = 30, what: str = "it") -> typing.Any:
    """What `check` returns once that is true; fails after a while with what it was last."""
    end = time.monotonic() + within
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come about within {within} s; last: {value!r}")
        time.sleep(0.05)


class Stack:
    def __init__(self, folder: pathlib.Path, *options: str) -> None:
        self.folder = folder
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("OTTO_")}
        self.env["OTTO_RUN_DIR"] = str(folder)
        for name in ("OTTO_BIN", "OTTO_VENV"):
            if os.environ.get(name):
                self.env[name] = os.environ[name]
        for name in ("OTTO_PORT", "OTTO_ADMIN_PORT", "OTTO_SANDBOX_PORT", "OTTO_PG_PORT", "OTTO_KAFKA_PORT", "OTTO_PROMETHEUS_PORT"):
            self.env[name] = str(free_port())
        # A broker that lives for minutes is best off with the JVM's quick compiler: the thorough one takes half a core away from Otto meanwhile.
        self.env.setdefault("KAFKA_JVM_PERFORMANCE_OPTS", "-XX:TieredStopAtLevel=1")
        self.env["OTTO_DASHBOARD_DIR"] = str(REPO / "tests/e2e/app")  # Otto's own takes npm, and tests/web/run tries it
        self.env["OTTO_MISSED_CALL_GRACE"] = "3s"  # two minutes are too long for a test
        self.env["OTTO_HELD_EVENTS"] = "25"  # so that what waits on a company's account can be used up
        self.env["OTTO_SHUNYA_POLL_AFTER"] = "4s,4s,10s"  # so are two, five and fifteen
        self.options = options
        self.url = f"http://127.0.0.1:{self.env['OTTO_PORT']}"
        self.sandbox = f"http://127.0.0.1:{self.env['OTTO_SANDBOX_PORT']}"
        self.admin = f"http://127.0.0.1:{self.env['OTTO_ADMIN_PORT']}"
        self.http = httpx.Client(base_url=self.url, timeout=30)

    @classmethod
    def there(cls, folder: pathlib.Path) -> "Stack":
        """A stack that runs already: `folder` holds its `env`, and in `stack.json` where it and its sandbox answer."""
        made = cls(folder)
        said = json.loads((folder / "stack.json").read_text())
        made.url, made.sandbox = said["url"], said["sandbox"]
        made.http = httpx.Client(base_url=made.url, timeout=30)
        return made

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(command, cwd=REPO, env=self.env, capture_output=True, text=True, timeout=300)
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
        return done

    def up(self) -> None:
        self.run("deploy/up", *self.options)

    def down(self) -> None:
        self.run("deploy/down", "--purge", check=False)

    def maintenance_url(self) -> str:
        return next(line.split("=", 1)[1] for line in (self.folder / "env").read_text().splitlines() if line.startswith("OTTO_PG_URL_MAINTENANCE="))

    def sql(self, statement: str, *params: typing.Any) -> list[tuple[typing.Any, ...]]:
        """As the maintenance role, which sees all rows."""
        with psycopg.connect(self.maintenance_url(), autocommit=True) as db:
            cursor = db.execute(statement, params)
            return cursor.fetchall() if cursor.description else []

    def token(self, role: str = "manager", company: str | None = None, **more: typing.Any) -> str:
        body = {"role": role, **({"company": company} if company else {}), **more}
        return str(httpx.post(self.sandbox + "/sandbox/clerk/token", json=body).json()["token"])

    def get(self, path: str, token: str, **params: typing.Any) -> httpx.Response:
        return self.http.get(path, headers={"Authorization": f"Bearer {token}"}, params=params)

    def place_call(self, to: str, **more: typing.Any) -> dict[str, typing.Any]:
        body = {"to": to, "from": new_number(), "otto_url": self.url, **more}
        answer = httpx.post(self.sandbox + "/sandbox/callrail/place-call", json=body, timeout=60)
        assert answer.status_code == 200, answer.text
        return {**answer.json(), "from": body["from"]}

    def place_text(self, provider: str, to: str, sender: str, **more: typing.Any) -> dict[str, typing.Any]:
        """A text over that provider, its webhooks posted."""
        answer = httpx.post(self.sandbox + f"/sandbox/{provider}/place-text", json={"to": to, "from": sender, "otto_url": self.url, **more}, timeout=60)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


def new_number() -> str:
    n = uuid.uuid4().int
    return f"+1{200 + n % 700}555{n // 1000 % 10000:04d}" if n % 2 else f"+1{200 + n % 700}{200 + n // 7 % 700}{n // 1000 % 10000:04d}"


PROBE = "+14805550142"  # who calls to see whether a flow has arrived


def by_day() -> str:
    """A zone in which it is between eight in the morning and eight in the evening, whenever a test runs: what it does falls on one day there, and not into the usual quiet hours."""
    hour = datetime.datetime.now(zoneinfo.ZoneInfo("America/Phoenix")).hour
    return "America/Phoenix" if 8 <= hour < 20 else "Asia/Karachi"  # twelve hours ahead; neither has summer time


def never_quiet() -> list[str]:
    """Quiet hours that no test meets: a minute, half an hour from now, on the clocks of any zone that differs from others by whole hours."""
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=30)
    return [f"{at:%H:%M}", f"{at + datetime.timedelta(minutes=1):%H:%M}"]


class Company:
    """A company that is connected to CallRail, its key known to the ingress; and to Twilio once it asks for that."""

    def __init__(self, stack: Stack, signing_key: str | None = "a signing key of a test", timezone: str = "America/Phoenix") -> None:
        self.stack = stack
        self.number = new_number()
        self.key = f"{signing_key} {uuid.uuid4()}" if signing_key else None
        user = f"user_{uuid.uuid4().hex}"
        made = stack.http.post("/api/v1/company/", params={"name": "Roofers & Sons", "phone_number": self.number, "timezone": timezone},
                               headers={"Authorization": f"Bearer {stack.token('manager', user=user)}"})
        assert made.status_code == 200, made.text
        self.id = made.json()["company_id"]
        self.user = user
        self.manager = stack.token("manager", self.id, user=user)
        self.csr = stack.token("csr", self.id)
        if self.key:
            self.post(f"/api/v1/company/set-callrail-signing-key/{self.id}", data={"signing_key": self.key})
            eventually(lambda: self.verifies(), what="the key's way to the ingress")

    def verifies(self) -> bool:
        """An unsigned webhook is refused once the ingress knows the key."""
        return self.stack.http.post("/api/v1/callrail/call.incoming", json={"id": 1, "tracking_phone_number": self.number}).status_code == 401

    def post(self, path: str, **kwargs: typing.Any) -> httpx.Response:
        answer = self.stack.http.post(path, headers={"Authorization": f"Bearer {self.manager}", **kwargs.pop("headers", {})}, **kwargs)
        assert answer.status_code // 100 == 2, answer.text
        return answer

    def connect_twilio(self, number: str | None = None, account: str | None = None, token: str | None = None) -> str:
        """A Twilio account (a new one by default) with that number, or a new one, registered in the sandbox and connected; the number. The ingress knows the token on return."""
        self.texts = number or new_number()
        self.twilio_account, self.auth_token = account or f"AC{uuid.uuid4().hex}", token or uuid.uuid4().hex
        self.register_twilio([self.texts])
        self.post("/api/v1/onboarding/twilio/connect", json={"account_sid": self.twilio_account, "auth_token": self.auth_token, "primary_tracking_number": self.texts})
        eventually(lambda: self.text(sid="SM" + "0" * 32, auth_token="not the token", listed=False)["events"][0]["status"] == 401, what="the token's way to the ingress")
        return self.texts

    def register_twilio(self, numbers: list[str], **more: typing.Any) -> None:
        body = {"account_sid": self.twilio_account, "auth_token": self.auth_token, "numbers": numbers, "sms_url": self.stack.url + "/sms/twilio-webhook", "voice_url": self.stack.url + "/api/aloha/webhooks/incoming-call",
                "status_callback": self.stack.url + "/api/aloha/webhooks/call-status", **more}
        answer = httpx.post(self.stack.sandbox + "/sandbox/twilio/accounts", json=body)
        assert answer.status_code == 200, answer.text

    def text(self, sender: str = "+14805550111", **more: typing.Any) -> dict[str, typing.Any]:
        """A text of a customer over Twilio."""
        return self.stack.place_text("twilio", more.pop("to", self.texts), sender, **{"account_sid": self.twilio_account, **more})

    def phone(self, **more: typing.Any) -> dict[str, typing.Any]:
        """A call of a customer over Twilio, played to its end (sandbox/README.md, "Calls"). Whatever answered it was a document that Twilio takes, unless `error` says what it is to refuse."""
        error = more.pop("error", None)
        body = {"to": self.texts, "from": new_number(), "otto_url": self.stack.url, "account_sid": self.twilio_account, **more}
        answer = httpx.post(self.stack.sandbox + "/sandbox/twilio/place-call", json=body, timeout=60)
        assert answer.status_code == 200, answer.text
        placed = dict(answer.json())
        assert (placed["error"] or {}).get("code") == error, (placed["error"], placed["requests"])
        return placed

    def set_flow(self, flow: dict[str, typing.Any]) -> None:
        """The company's call flow; on return calls are answered by it."""
        answer = self.stack.http.put(f"/api/v1/company/{self.id}", json={"call_flow": flow}, headers={"Authorization": f"Bearer {self.manager}"})
        assert answer.status_code == 200, answer.text
        notice = flow.get("consent_notice", "")
        eventually(lambda: (said := self.phone(**{"from": PROBE}, hangs_up="saying", statuses=[])["said"]) is not None and (not notice or notice in said), what="the flow's way to the ingress")

    def callrail_text(self, sender: str, **more: typing.Any) -> dict[str, typing.Any]:
        return self.stack.place_text("callrail", more.pop("to", self.number), sender, **{"signing_key": self.key, **more})

    def messages(self, **params: typing.Any) -> list[dict[str, typing.Any]]:
        """The newest first."""
        answer = self.stack.get("/api/v1/messages", self.csr, **params)
        assert answer.status_code == 200, answer.text
        return list(answer.json()["data"]["items"])

    def message(self, provider_id: str, *, within: float = 30, where: typing.Callable[[dict[str, typing.Any]], bool] = lambda _: True) -> dict[str, typing.Any]:
        """The text with that id at its provider, once it is there and so."""
        def found() -> dict[str, typing.Any] | None:
            rows = self.stack.sql("SELECT id FROM messages WHERE company_id = %s AND provider_message_id = %s", self.id, provider_id)
            answer = self.stack.get(f"/api/v1/messages/{rows[0][0]}", self.csr) if rows else None
            return answer.json()["data"] if answer and answer.status_code == 200 and where(answer.json()["data"]) else None

        return typing.cast(dict[str, typing.Any], eventually(found, within=within, what=f"text {provider_id}"))

    def send(self, body: str, token: str | None = None, key: str | None = None, **more: typing.Any) -> httpx.Response:
        """Asks Otto to send a text: to=, or contact_id=; from_=."""
        headers = {"Authorization": f"Bearer {token or self.csr}", **({"Idempotency-Key": key} if key else {})}
        return self.stack.http.post("/api/v1/messages", json={"body": body, **{name.rstrip("_"): value for name, value in more.items()}}, headers=headers)

    def sent(self, body: str, **more: typing.Any) -> dict[str, typing.Any]:
        """The row of a text that Otto has accepted."""
        answer = self.send(body, **more)
        assert answer.status_code == 202, answer.text
        return dict(answer.json()["data"])

    def cancel(self, message: str, token: str | None = None) -> httpx.Response:
        return self.stack.http.delete(f"/api/v1/messages/{message}", headers={"Authorization": f"Bearer {token or self.csr}"})

    def becomes(self, message: str, *, within: float = 30, **wanted: typing.Any) -> dict[str, typing.Any]:
        """The text with that id of ours, once these fields of it are so."""
        def seen() -> dict[str, typing.Any]:
            answer = self.stack.get(f"/api/v1/messages/{message}", self.csr)
            assert answer.status_code == 200, answer.text
            return dict(answer.json()["data"])

        last: dict[str, typing.Any] = {}

        def so() -> bool:
            last.update(seen())
            return all(last[name] == value for name, value in wanted.items())

        try:
            eventually(so, within=within)
        except AssertionError as e:
            raise AssertionError(f"text {message} did not become {wanted} within {within} s: {last}") from e
        return last

    def script(self, **wanted: typing.Any) -> None:
        """What becomes of texts that this company's Twilio account is asked to send (sandbox/README.md, "Texts that are sent")."""
        answer = httpx.post(self.stack.sandbox + "/sandbox/twilio/sends", json={"account_sid": self.twilio_account, **wanted})
        assert answer.status_code == 200, answer.text

    def at_twilio(self, **wanted: str) -> list[dict[str, typing.Any]]:
        """What this company's Twilio account was asked to send, each with the SID that it took it under, or null."""
        return list(httpx.get(self.stack.sandbox + "/sandbox/twilio/sent", params={"account_sid": self.twilio_account, **wanted}, timeout=30).json())

    def member(self, role: str, user: str) -> str:
        """Somebody who joins this company at the identity provider; the token. Otto learns of it when it next asks there."""
        return self.stack.token(role, self.id, user=user)

    def call(self, **more: typing.Any) -> dict[str, typing.Any]:
        return self.stack.place_call(self.number, signing_key=self.key, **more)

    def calls(self, **params: typing.Any) -> list[dict[str, typing.Any]]:
        answer = self.stack.get("/api/v1/calls", self.csr, **params)
        assert answer.status_code == 200, answer.text
        return list(answer.json()["data"]["items"])

    def settled_call(self, placed: dict[str, typing.Any], status: str) -> dict[str, typing.Any]:
        return eventually(lambda: next((c for c in self.calls(phone=placed["from"]) if c["status"] == status), None), what=f"a call with status {status}")

    def detail(self, call_id: str) -> dict[str, typing.Any]:
        answer = self.stack.get(f"/api/v1/calls/{call_id}", self.csr)
        assert answer.status_code == 200, answer.text
        return dict(answer.json()["data"])

    def call_in_state(self, placed: dict[str, typing.Any], *states: str, status: str = "completed", within: float = 60) -> dict[str, typing.Any]:
        """The call once its analysis_state is one of these."""
        call = self.settled_call(placed, status)
        return eventually(lambda: (c := self.detail(call["call_id"]))["analysis_state"]["state"] in states and c, within=within, what=f"the state {' or '.join(states)}")


def started(*options: str, **settings: str) -> typing.Iterator[Stack]:
    """One of its own, with other settings than the shared one has."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="otto-e2e-"))
    stack = Stack(folder, *options)
    stack.env.update(settings)
    try:
        stack.up()
        yield stack
    finally:
        if (folder / "logs").exists() and os.environ.get("OTTO_KEEP_LOGS"):
            shutil.copytree(folder / "logs", os.environ["OTTO_KEEP_LOGS"], dirs_exist_ok=True)
        stack.down()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def stack() -> typing.Iterator[Stack]:
    if os.environ.get("OTTO_E2E_STACK"):  # one that runs already, and that somebody else will end
        yield Stack.there(pathlib.Path(os.environ["OTTO_E2E_STACK"]))
        return
    yield from started(*os.environ.get("OTTO_E2E_OPTIONS", "").split())


@pytest.fixture(scope="session")
def company(stack: Stack) -> Company:
    return Company(stack)
