"""A start waits for what is away, for as long as it takes, and does meanwhile whatever does not need it."""

import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time
import typing

import httpx
import pytest

from chaos.proxy import Proxy
from conftest import SERVICES, Company, Stack, eventually, free_port, manifest

WITHIN = 15  # seconds after the return of what was away, all are ready


class Program:
    """A service by itself, on ports of its own, beside the stack."""

    def __init__(self, name: str, binary: pathlib.Path, env: dict[str, str], log: pathlib.Path) -> None:
        self.name, self.port, self.admin, self.log = name, free_port(), free_port(), log
        env = env | {"OTTO_PORT": str(self.port), "OTTO_ADMIN_PORT": str(self.admin)}
        with log.open("wb") as out:
            self.process = subprocess.Popen([binary], env=env, stdout=out, stderr=out, stdin=subprocess.DEVNULL)

    def get(self, path: str) -> httpx.Response | None:
        assert self.process.poll() is None, f"{self.name} ended: {self.log.read_text()[-2000:]}"
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(f"http://127.0.0.1:{self.admin}{path}", timeout=5, trust_env=False)
        return None

    def ready(self) -> bool:
        answer = self.get("/readyz")
        return answer is not None and answer.status_code == 200

    def waits(self) -> set[str]:
        """For what, as /readyz and the metric say."""
        answer = self.get("/readyz")
        said = set(re.findall(r"\bfor (\w+)", answer.json().get("waiting", ""))) if answer else set()
        metrics = self.get("/metrics")
        assert metrics is not None
        shown = set(re.findall(r'^otto_start_waiting\{for="(\w+)"\} 1$', metrics.text, re.MULTILINE))
        return said & shown


class Beside:
    """Programs that reach the stack's Kafka and Postgres over proxies, which are away at first."""

    def __init__(self, stack: Stack, folder: pathlib.Path) -> None:
        self.folder = folder
        name = next((n for n in ("all-in-one", *SERVICES) if (stack.folder / "pids" / n).exists()), None)
        if name is None:
            pytest.skip("the stack is none of this machine's processes")
        pid = int((stack.folder / "pids" / name).read_text())
        self.binaries = pathlib.Path(os.readlink(f"/proc/{pid}/exe")).parent
        lines = [line.partition("=") for line in (stack.folder / "env").read_text().splitlines() if line.startswith("OTTO_")]
        settings = {name: value.strip("'\"") for name, _, value in lines}
        environ = dict(item.split("=", 1) for item in pathlib.Path(f"/proc/{pid}/environ").read_text().split("\0") if "=" in item)
        self.env = {n: v for n, v in environ.items() if not n.startswith(("OTTO_PG_URL", "OTTO_PORT", "OTTO_ADMIN_PORT"))}
        pg_port = re.search(r":(\d+)/", settings["OTTO_PG_URL_MAINTENANCE"])
        assert pg_port
        self.kafka, self.postgres = Proxy(int(environ["OTTO_KAFKA_BROKERS"].rsplit(":", 1)[1])), Proxy(int(pg_port[1]))
        for proxy in (self.kafka, self.postgres):
            proxy.refuse(True)
        self.urls = {n: v.replace(pg_port[0], f":{self.postgres.port}/") for n, v in (settings | environ).items() if n.startswith("OTTO_PG_URL_")}
        spool = pathlib.Path(self.env["OTTO_SPOOL_DIR"])
        self.env |= {"OTTO_KAFKA_BROKERS": f"127.0.0.1:{self.kafka.port}", "OTTO_SPOOL_DIR": str(folder / "spool"), "OTTO_LANES": "1"}
        self.snapshot = spool / "callrail-ingress" / "directory.snapshot"
        self.programs: list[Program] = []

    def start(self, name: str, snapshot: bool = False) -> Program:
        own = self.folder / "spool" / name
        own.mkdir(parents=True, exist_ok=True)
        if snapshot:
            shutil.copy(self.snapshot, own)
        url = {n: v for n, v in self.urls.items() if n == f"OTTO_PG_URL_{name.upper().replace('-', '_')}"}
        program = Program(name, self.binaries / name, self.env | url, self.folder / f"{name}.log")
        self.programs.append(program)
        return program

    def end(self) -> None:
        for program in self.programs:
            program.process.send_signal(signal.SIGTERM)
        for program in self.programs:
            try:
                program.process.wait(40)
            except subprocess.TimeoutExpired:
                program.process.kill()
        for proxy in (self.kafka, self.postgres):
            proxy.close()


@pytest.fixture
def beside(stack: Stack, tmp_path: pathlib.Path) -> typing.Iterator[Beside]:
    beside = Beside(stack, tmp_path)
    try:
        yield beside
    finally:
        beside.end()


def test_every_service_waits_for_kafka_and_postgres_and_goes_on_soon_after_they_are_back(stack: Stack, company: Company, beside: Beside) -> None:
    eventually(lambda: beside.snapshot.exists() and company.id in beside.snapshot.read_text(), what="the company in the snapshot")
    needs = {name: service.needs for name, service in manifest.services().items()}
    programs = {name: beside.start(name, snapshot=name == "callrail-ingress") for name in SERVICES}
    for name, program in programs.items():
        wanted = {"kafka"} if "directory" in needs[name] and name != "callrail-ingress" else set()
        if "database" in needs[name]:
            wanted |= {"postgres"}
        if wanted:
            eventually(lambda: wanted <= program.waits(), what=f"{name}, waiting for {wanted}")  # noqa: B023
        alive = program.get("/healthz")
        assert alive is not None and alive.status_code == 200
        if wanted:
            assert not program.ready()

    # Who needs neither takes what comes: the directory is known from the snapshot, and the spool has room.
    ingress = programs["callrail-ingress"]
    eventually(lambda: ingress.ready() and programs["shunya-ingress"].ready(), within=20, what="the ingresses that need no Kafka")
    placed = stack.place_call(company.number, signing_key=company.key, otto_url=f"http://127.0.0.1:{ingress.port}")
    assert placed["events"] and all(event["status"] // 100 == 2 for event in placed["events"]), placed
    shown = ingress.get("/readyz?all=1")
    assert shown is not None and shown.status_code == 503 and [c["name"] for c in shown.json()["outside"] if not c["ok"]] == ["kafka"]

    # An API says itself what is the matter, and to whom it is to be told again.
    for name, method, path in (("query-service", "GET", "/api/v1/calls"), ("company-service", "POST", "/api/v1/numbers")):
        answer = httpx.request(method, f"http://127.0.0.1:{programs[name].port}{path}", timeout=5, trust_env=False)
        assert answer.status_code == 503 and answer.headers["retry-after"], answer.text
        assert answer.json()["detail"] == "This service starts, and waits for postgres. Try again shortly."

    # The stack's Postgres has sessions for one of each service, and some: a consumer, one with an API, one with nothing else, and those without Postgres go on.
    for name in ("appointment-service", "lead-pipeline", "shunya-orchestrator"):
        program = programs.pop(name)
        program.process.send_signal(signal.SIGTERM)
        assert program.process.wait(20) == 0

    for proxy in (beside.kafka, beside.postgres):
        proxy.refuse(False)
    begun = time.monotonic()
    for name, program in programs.items():
        eventually(program.ready, within=WITHIN - (time.monotonic() - begun), what=f"{name}, ready")
        assert program.process.poll() is None
    print(f"all ready {time.monotonic() - begun:.1f} s after Kafka and Postgres")
    assert not any(program.waits() for program in programs.values())
    company.settled_call(placed, "completed")  # what the spool kept has arrived


def test_a_start_that_waits_ends_at_once_when_it_is_told_to(beside: Beside) -> None:
    programs = [beside.start(name) for name in ("query-service", "tenant-router", "twilio-ingress")]
    for program in programs:
        eventually(lambda: program.waits(), what=f"{program.name}, waiting")  # noqa: B023
    begun = time.monotonic()
    for program in programs:
        program.process.send_signal(signal.SIGTERM)
    assert [program.process.wait(20) for program in programs] == [0, 0, 0]
    assert time.monotonic() - begun < 8


def test_a_start_that_no_waiting_mends_ends_with_the_reason(beside: Beside) -> None:
    beside.env |= {"OTTO_SECRET_KEYS": "not a key ring"}
    program = beside.start("tenant-router")
    assert program.process.wait(20) == 2
    assert "key" in program.log.read_text()
