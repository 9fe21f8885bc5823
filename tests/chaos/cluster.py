"""The stack under test, and what can be done to it: processes killed, stopped and started one by one, Kafka and Postgres taken away and given back."""

import contextlib
import dataclasses
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
import typing

import httpx
import psycopg

from conftest import REPO, SERVICES, Stack, eventually, free_port, manifest

PG_BIN = pathlib.Path("/usr/lib/postgresql/15/bin")


# One client for all: each new one reads the system's certificates, 30 ms of CPU that Otto would lack.
HTTP = httpx.Client(trust_env=False, verify=False)


class NotRun(Exception):
    """This machine does not allow it; the reason."""


@dataclasses.dataclass
class Instance:
    """One process of a service."""

    name: str
    pid: int
    env: dict[str, str]
    process: subprocess.Popen[bytes] | None = None

    @property
    def port(self) -> int:
        return int(self.env["OTTO_PORT"])

    @property
    def admin(self) -> int:
        return int(self.env["OTTO_ADMIN_PORT"])

    def alive(self) -> bool:
        if self.process:
            return self.process.poll() is None
        return alive(self.pid)

    def ready(self, outside: bool = True) -> bool:
        """Also what is outside: Kafka, Postgres, the identity provider."""
        with contextlib.suppress(httpx.HTTPError):
            return HTTP.get(f"http://127.0.0.1:{self.admin}/readyz{'?all=1' if outside else ''}", timeout=5).status_code == 200
        return False

    def metric(self, name: str, **labels: str) -> float:
        """The sum over all series of that name with these labels."""
        total = 0.0
        for line in HTTP.get(f"http://127.0.0.1:{self.admin}/metrics", timeout=5).text.splitlines():
            if line.startswith(name) and line[len(name):len(name) + 1] in (" ", "{") and all(f'{k}="{v}"' in line for k, v in labels.items()):
                total += float(line.rsplit(" ", 1)[1])
        return total

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def rss_mb(self) -> float:
        return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{self.pid}/status").read_text()).group(1)) / 1024  # type: ignore[union-attr]

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))


def alive(pid: int) -> bool:
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


class Cluster(Stack):
    """`deploy/up --split` in a folder of its own, then every part in the hand of the tests."""

    def __init__(self) -> None:
        super().__init__(pathlib.Path(tempfile.mkdtemp(prefix="otto-chaos-")), "--split")
        self.instances: dict[str, list[Instance]] = {}
        self.mounts: list[pathlib.Path] = []
        self.promoted: int | None = None  # the port of a standby that is the primary for now
        self.extra: list[subprocess.Popen[bytes]] = []

    def up(self) -> None:
        super().up()
        words = [line for line in (self.folder / "env").read_text().splitlines() if line and not line.startswith("#")]
        self.settings = {k: "".join(shlex.split(v)) for k, v in (line.split("=", 1) for line in words)}
        self.brokers = self.settings["OTTO_KAFKA_BROKERS"]
        for name in SERVICES:
            pid = int((self.folder / "pids" / name).read_text())
            env = dict(item.split("=", 1) for item in pathlib.Path(f"/proc/{pid}/environ").read_text().split("\0") if "=" in item)
            self.instances[name] = [Instance(name, pid, env)]
        self.binaries = pathlib.Path(os.readlink(f"/proc/{self.instances['lead-pipeline'][0].pid}/exe")).parent

    def down(self) -> None:
        for list_ in self.instances.values():
            for i in list_:
                if i.process and i.alive():
                    i.process.kill()
        for process in self.extra:
            if process.poll() is None:
                process.kill()
        super().down()
        for mount in self.mounts:
            subprocess.run(["umount", "-l", str(mount)], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def maintenance_url(self) -> str:
        url = super().maintenance_url()
        return url.replace(f":{self.env['OTTO_PG_PORT']}/", f":{self.promoted}/") if self.promoted else url

    # -- services

    def ingresses(self) -> list[Instance]:
        """Every process that takes webhooks, and keeps them on its disk while Kafka is away."""
        return [i for name, service in manifest.services().items() if "spool" in service.needs for i in self.instances[name]]

    def one(self, name: str) -> Instance:
        return self.instances[name][0]

    def start(self, name: str, wait: bool = True, outside: bool = True, **settings: str) -> Instance:
        """One more process of a service; ready on return, and so is what is outside."""
        env = self.base_env(name) | {"OTTO_PORT": str(free_port()), "OTTO_ADMIN_PORT": str(free_port())} | settings
        log = (self.folder / "logs" / f"{name}.log").open("ab")
        process = subprocess.Popen([self.binaries / name], env=env, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
        instance = Instance(name, process.pid, env, process)
        self.instances[name].append(instance)
        if wait:
            self.wait_ready(instance, outside=outside)
        return instance

    def base_env(self, name: str) -> dict[str, str]:
        self.last_env = getattr(self, "last_env", {})
        if self.instances[name]:
            self.last_env[name] = self.instances[name][0].env
        return dict(self.last_env[name])

    def wait_ready(self, instance: Instance, within: float = 60, outside: bool = True) -> None:
        def ready() -> bool:
            if not instance.alive():
                raise AssertionError(f"{instance.name} ended:\n" + (self.folder / "logs" / f"{instance.name}.log").read_text()[-1500:])
            return instance.ready(outside)

        eventually(ready, within=within, what=f"{instance.name} ready")

    def gone(self, instance: Instance, within: float = 60) -> None:
        eventually(lambda: not instance.alive(), within=within, what=f"the end of {instance.name}")
        if instance in self.instances[instance.name]:
            self.base_env(instance.name)
            self.instances[instance.name].remove(instance)

    def restart(self, name: str, **settings: str) -> Instance:
        """As an orchestrator does for a process that has ended: the same settings, the same ports."""
        before = self.base_env(name)
        return self.start(name, **({"OTTO_PORT": before["OTTO_PORT"], "OTTO_ADMIN_PORT": before["OTTO_ADMIN_PORT"]} | settings))

    def stop(self, instance: Instance) -> None:
        if instance.alive():
            instance.signal(signal.SIGTERM)
        self.gone(instance)

    # -- nginx

    def behind_nginx(self, name: str) -> bool:
        return f"upstream {name.replace('-', '_')} " in (self.folder / "nginx.conf").read_text()

    def route(self, name: str, *instances: Instance) -> None:
        """nginx sends that service's requests to these processes from now on."""
        conf = self.folder / "nginx.conf"
        servers = " ".join(f"server 127.0.0.1:{i.port} max_fails=0;" for i in instances)
        text, n = re.subn(rf"(upstream {name.replace('-', '_')} {{ )(server [^;]*; )+", lambda m: m.group(1) + servers + " ", conf.read_text())
        assert n == 1
        conf.write_text(text)
        pid = int((self.folder / "pids" / "nginx").read_text())
        workers = set(children(pid))
        os.kill(pid, signal.SIGHUP)
        eventually(lambda: set(children(pid)) - workers, what="nginx's new worker")
        # The former workers still answer whom they had accepted, by the former table.
        eventually(lambda: not set(children(pid)) & workers, within=40, what="the end of nginx's former workers")

    # -- Kafka

    @property
    def kafka_pid(self) -> int:
        return int((self.folder / "pids" / "kafka").read_text())

    def kafka_end(self, number: int) -> None:
        pid = self.kafka_pid
        os.kill(pid, number)
        eventually(lambda: not alive(pid), within=60, what="Kafka's end")

    def kafka_start(self, folder: pathlib.Path | None = None, *options: str) -> float:
        """Seconds until it answers."""
        begun = time.monotonic()
        log = (self.folder / "logs" / "kafka.log").open("ab")
        process = subprocess.Popen([REPO / "deploy/kafka/start", "--dir", str(folder or self.folder / "kafka"), "--port", self.env["OTTO_KAFKA_PORT"], *options], stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                   start_new_session=True)
        self.extra.append(process)
        (self.folder / "pids" / "kafka").write_text(str(process.pid))
        stat = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        (self.folder / "pids" / ".kafka.start").write_text(stat[19])
        self.kafka_answers()
        return time.monotonic() - begun

    def kafka_answers(self) -> None:
        eventually(lambda: subprocess.run(["kcat", "-b", self.brokers, "-L", "-m", "2"], capture_output=True).returncode == 0, within=90, what="Kafka's answer")

    # -- Postgres

    @property
    def pg_data(self) -> pathlib.Path:
        return (self.folder / "postgres").resolve()

    def pg_ctl(self, *words: str, data: pathlib.Path | None = None, port: int | None = None) -> None:
        folder = data or self.pg_data
        command = [str(PG_BIN / "pg_ctl"), "-D", str(folder), "-w", "-t", "60", "-l", str(folder / "server.log"), "-o", f"-p {port or self.env['OTTO_PG_PORT']}", *words]
        done = as_postgres(*command)
        if done.returncode != 0:
            raise AssertionError(f"pg_ctl {words}: {done.stdout}{done.stderr}")

    def postmaster(self, data: pathlib.Path | None = None) -> int:
        return int(((data or self.pg_data) / "postmaster.pid").read_text().split()[0])

    def owner_url(self) -> str:
        return self.settings["OTTO_PG_URL"]

    def as_owner(self, statement: str, *params: typing.Any, url: str = "") -> list[tuple[typing.Any, ...]]:
        with psycopg.connect(url or self.owner_url(), autocommit=True) as db:
            cursor = db.execute(typing.cast(typing.Any, statement), params)
            return cursor.fetchall() if cursor.description else []

    # -- disks

    def small_disk(self, name: str, mib: int) -> pathlib.Path:
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", str(folder)], capture_output=True, text=True)
        if done.returncode != 0:
            raise NotRun(f"mounting is not allowed here: {done.stderr.strip()}")
        self.mounts.append(folder)
        return folder

    def grow_disk(self, folder: pathlib.Path, mib: int) -> None:
        subprocess.run(["mount", "-o", f"remount,size={mib}m", str(folder)], check=True)

    # -- how it stands

    def standing(self) -> dict[str, int]:
        """What is still on its way: all zero once everything has arrived. The timers of missed calls (OTTO_MISSED_CALL_GRACE, 3 s here) are on their way too."""
        def leaving() -> tuple[int, ...]:
            outbox, parked = self.sql("SELECT (SELECT count(*) FROM outbox WHERE not_before IS NULL OR not_before <= now() + interval '15 seconds'), (SELECT count(*) FROM parked)")[0]
            return sum(int(i.metric("otto_spool_rows")) for i in self.ingresses()), outbox, parked

        before = leaving()
        lags = {f"lag of {r['name']}": int(r["lag"]) for r in self.status() if r["lag"] is not None} or {"lags that nobody could read": UNKNOWN}
        # What left meanwhile may have come after the lag was read.
        return dict(zip(("spool", "outbox", "parked"), map(max, before, leaving()), strict=True)) | lags

    def status(self) -> list[dict[str, typing.Any]]:
        import json

        return typing.cast(list[dict[str, typing.Any]], json.loads(self.run("deploy/status", "--json", check=False).stdout))

    def rows_applied(self) -> int:
        return int(self.sql("SELECT coalesce(sum(next_offset), 0) FROM lanes WHERE consumer = 'lead-pipeline' AND topic = 'otto.routed'")[0][0])


UNKNOWN = 1_000_000  # events that may be behind: more than any wait for the rest allows


def children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(p) for p in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def as_postgres(*command: str) -> subprocess.CompletedProcess[str]:
    """Postgres refuses to run as root. Its output goes to a file: a server that lives on would keep a pipe open."""
    words = ["runuser", "-u", "postgres", "--", *command] if os.geteuid() == 0 else list(command)
    with tempfile.TemporaryFile("w+") as out:
        code = subprocess.run(words, cwd="/", stdout=out, stderr=out, stdin=subprocess.DEVNULL, timeout=120, start_new_session=True).returncode
        out.seek(0)
        return subprocess.CompletedProcess(words, code, out.read(), "")
