"""What the measures share: a stack whose services start and stop one by one, CPU of processes, medians, rows of the table."""

import contextlib
import dataclasses
import json
import os
import pathlib
import resource
import shlex
import signal
import socket
import statistics
import subprocess
import time
import typing

import confluent_kafka
import httpx

from conftest import SERVICES, Company, Stack, eventually, free_port

SEED = 20261121
TICKS = os.sysconf("SC_CLK_TCK")
PARTITIONS = 12


@dataclasses.dataclass
class Row:
    """One line of the table. `better` says whether a larger ratio (or figure, where there is no limit) is good."""

    measure: str
    ours: float
    unit: str
    limit: float | None
    must: float
    aim: float
    better: str  # "more" or "less"
    limited_by: str
    rounds: list[dict[str, typing.Any]]
    what: str = ""       # the compared figure is the ratio; this says of what it is in words
    scale: float = 1.0   # ours / limit * scale
    busy: bool = False   # others used the machine in too many rounds: the figure says nothing, and the measure is to be repeated

    @property
    def ratio(self) -> float | None:
        return None if self.limit is None else self.ours / self.limit * self.scale

    @property
    def verdict(self) -> str:
        if self.busy:
            return "machine busy"
        figure = self.ours if self.limit is None else typing.cast(float, self.ratio)
        reached = (lambda bound: figure <= bound) if self.better == "less" else (lambda bound: figure >= bound)
        return "aim" if reached(self.aim) else "must" if reached(self.must) else "FAILED"


def median(rounds: list[dict[str, typing.Any]], key: str) -> float:
    return float(statistics.median(r[key] for r in rounds))


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


# ---- processes


def cpu_of(pid: int, with_children: bool = False) -> float:
    """Seconds of CPU that a process has used; with those of its children, living and dead (Postgres is many processes)."""

    def ticks(p: int, dead: bool) -> int:
        try:
            fields = pathlib.Path(f"/proc/{p}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            return 0
        return int(fields[11]) + int(fields[12]) + (int(fields[13]) + int(fields[14]) if dead else 0)

    total = ticks(pid, with_children)
    if with_children:
        with contextlib.suppress(OSError):
            total += sum(ticks(int(child), True) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
    return total / TICKS


def compilers_cpu(pid: int) -> float:
    """Seconds of CPU that the compilers of a JVM have used: those of its threads that live now."""
    total = 0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            name, _, fields = (task / "stat").read_text().partition("(")[2].rpartition(")")
            total += sum(map(int, fields.split()[11:13])) if "CompilerThre" in name else 0
    return total / TICKS


def pss_mb(pid: int) -> float:
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("smaps_rollup shows no Pss")


class Bench(Stack):
    """A split stack of its own. Everything runs on the same two cores: the driver has pinned itself to them, and what it starts inherits that."""

    def __init__(self, folder: pathlib.Path, programs: pathlib.Path) -> None:
        super().__init__(folder, "--split")
        self.env["KAFKA_JVM_PERFORMANCE_OPTS"] = os.environ.get("KAFKA_JVM_PERFORMANCE_OPTS", "")  # the broker as deploy/up starts it: here it is warmed up, and measured for minutes
        self.programs = programs
        self.extra: dict[str, subprocess.Popen[bytes]] = {}  # processes that deploy/ knows nothing of
        self.profiles: pathlib.Path | None = None            # where perf's findings go, if they are wanted

    def up(self) -> None:
        super().up()
        words = [line for line in (self.folder / "env").read_text().splitlines() if line and not line.startswith("#")]
        self.settings = {k: "".join(shlex.split(v)) for k, v in (line.split("=", 1) for line in words)}
        self.brokers = self.settings["OTTO_KAFKA_BROKERS"]

    def owner_url(self, database: str = "otto") -> str:
        return self.settings["OTTO_PG_URL"].rsplit("/", 1)[0] + "/" + database

    # -- services

    def pid(self, name: str) -> int | None:
        if name in self.extra:
            return self.extra[name].pid if self.extra[name].poll() is None else None
        if name == "postgres":
            return int((self.folder / "postgres" / "postmaster.pid").read_text().split()[0])
        try:
            pid = int((self.folder / "pids" / name).read_text())
            state = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except (OSError, ValueError):
            return None
        return None if state == "Z" else pid

    def stop(self, *names: str) -> None:
        for name in names:
            pid = self.pid(name)
            if pid is None:
                continue
            os.kill(pid, signal.SIGQUIT if name == "nginx" else signal.SIGTERM)
            if name in self.extra:
                self.extra.pop(name).wait(60)
            else:
                eventually(lambda: self.pid(name) is None, within=60, what=f"the end of {name}")

    def keep_only(self, *names: str) -> None:
        """Of Otto's processes, nginx and the sandbox only these run on."""
        self.stop(*[n for n in (*SERVICES, "nginx", "sandbox", "all-in-one", *list(self.extra)) if n not in names])

    def start(self, name: str, binary: str | None = None, **settings: str) -> int:
        """One service alone, ready. Returns its HTTP port."""
        port, admin = free_port(), int(settings.get("OTTO_ADMIN_PORT", free_port()))
        env = {k: v for k, v in os.environ.items() if not k.startswith("OTTO_")} | self.settings | {"OTTO_PORT": str(port), "OTTO_ADMIN_PORT": str(admin)} | settings
        log = (self.folder / "logs" / f"{name}.log").open("ab")
        self.extra[name] = subprocess.Popen([self.programs / (binary or name)], env=env, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

        def ready() -> bool:
            if self.extra[name].poll() is not None:
                raise AssertionError(f"{name} ended: {(self.folder / 'logs' / f'{name}.log').read_text()[-2000:]}")
            with contextlib.suppress(httpx.HTTPError):
                return httpx.get(f"http://127.0.0.1:{admin}/readyz?all=1", timeout=5).status_code == 200
            return False

        eventually(ready, within=60, what=f"{name}, ready")
        return port

    def bare_server(self) -> int:
        """What webhooks are compared with, listening; stop("bare-server") ends it. Returns its port."""
        port = free_port()
        self.extra["bare-server"] = subprocess.Popen(self.program("bare-server", "--port", port))

        def listens() -> bool:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return True
            return False

        eventually(listens, within=10, what="the bare server")
        return port

    def all_up(self) -> None:
        """The whole split stack again."""
        self.stop(*list(self.extra))
        super().up()

    def program(self, name: str, *args: typing.Any) -> list[str]:
        return [str(self.programs / f"bench-{name}"), *map(str, args)]

    def report(self, name: str, *args: typing.Any, timeout: float = 300) -> dict[str, typing.Any]:
        """Runs a program of this suite and returns what it prints: one object."""
        done = subprocess.run(self.program(name, *args), capture_output=True, text=True, timeout=timeout)
        if done.returncode != 0:
            raise RuntimeError(f"bench-{name} ended with {done.returncode}: {done.stderr[-2000:]}")
        return dict(json.loads(done.stdout.strip().splitlines()[-1]))

    @contextlib.contextmanager
    def profiled(self, name: str) -> typing.Iterator[None]:
        """Where its CPU goes meanwhile, as text. Costs a few per cent, so not while figures count."""
        pid = self.pid(name)
        if self.profiles is None or pid is None:
            yield
            return
        self.profiles.mkdir(parents=True, exist_ok=True)
        data = self.folder / f"{name}.perf"
        who = ["-p", str(pid)] if name != "postgres" else ["-a"]  # each session of Postgres is a process of its own
        with subprocess.Popen(["perf", "record", "-q", "-F", "499", *who, "-o", str(data)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as perf:
            try:
                yield
            finally:
                perf.send_signal(signal.SIGINT)
        only = ["--comm", "postgres"] if name == "postgres" else []
        with (self.profiles / f"{name}.txt").open("w") as out:
            for order in ("dso", "comm,dso,symbol"):
                subprocess.run(["perf", "report", "-i", str(data), "--stdio", "--percent-limit", "0.2", "--sort", order, *only], stdout=out, stderr=subprocess.DEVNULL, timeout=120)
        data.unlink()

    # -- Kafka

    def make_topic(self, name: str) -> None:
        from confluent_kafka.admin import AdminClient, NewTopic

        admin = AdminClient({"bootstrap.servers": self.brokers})
        for made in admin.create_topics([NewTopic(name, PARTITIONS, 1)]).values():
            made.result(20)

    # -- databases

    def make_database(self, name: str) -> str:
        """A database with Otto's schema beside the stack's own; returns its owner's URL."""
        self.sql_as_owner(f"CREATE DATABASE {name}")
        done = subprocess.run([self.programs / "ottoctl", "migrate"], env={**os.environ, "OTTO_PG_URL": self.owner_url(name)}, capture_output=True, text=True, timeout=120)
        if done.returncode != 0:
            raise RuntimeError(f"migrating {name} failed: {done.stdout}{done.stderr}")
        return self.owner_url(name)

    def sql_as_owner(self, statement: str, database: str = "otto") -> list[tuple[typing.Any, ...]]:
        import psycopg

        with psycopg.connect(self.owner_url(database), autocommit=True) as db:
            cursor = db.execute(typing.cast(typing.Any, statement))
            return cursor.fetchall() if cursor.description else []


class Ends:
    """Where a topic's partitions end, and where a group stands in them."""

    def __init__(self, brokers: str, topic: str, group: str = "bench-ends") -> None:
        self.consumer = confluent_kafka.Consumer({"bootstrap.servers": brokers, "group.id": group, "enable.auto.commit": False})
        self.partitions = [confluent_kafka.TopicPartition(topic, p) for p in range(PARTITIONS)]

    def __enter__(self) -> "Ends":
        return self

    def __exit__(self, *_: object) -> None:
        self.consumer.close()

    def each(self) -> list[int]:
        return [self.consumer.get_watermark_offsets(p, timeout=10)[1] for p in self.partitions]

    def total(self) -> int:
        return sum(self.each())

    def lag(self) -> int:
        return sum(end - max(0, at.offset) for at, end in zip(self.consumer.committed(self.partitions, timeout=10), self.each()))

    def commit_all(self) -> None:
        """The group, none of whose members may run, goes on from the end."""
        ends = [confluent_kafka.TopicPartition(p.topic, p.partition, end) for p, end in zip(self.partitions, self.each())]
        self.consumer.commit(offsets=ends, asynchronous=False)


def follow(count: typing.Callable[[], int], start: int, expected: int, pause: float, within: float, what: str) -> tuple[float, int]:
    """Watches a counter go from `start` by `expected`: seconds and steps between its first move and its end."""
    deadline = time.monotonic() + within
    first: tuple[float, int] | None = None
    while True:
        now, value = time.monotonic(), count() - start
        if first is None and value > 0:
            first = (now, value)
        if first and value >= expected:
            return now - first[0], value - first[1]
        if now > deadline:
            raise RuntimeError(f"{what}: only {value} of {expected} after {within:.0f} s")
        time.sleep(pause)


def skip(bench: Bench) -> None:
    """What other measures have left in the topics is nobody's work: every consumer goes on from the end. None may run."""
    bench.sql_as_owner("DELETE FROM work WHERE queue = 'shunya-orchestrator'")
    known = bench.sql("SELECT DISTINCT consumer, topic FROM lanes") + [("tenant-router", "otto.inbound"), ("tenant-router/calls", "otto.routed"), ("lead-pipeline", "otto.routed"),
                                                                          ("lead-pipeline/messages", "otto.routed")]
    for consumer, topic in dict.fromkeys(known):
        with Ends(bench.brokers, topic, consumer) as ends:
            ends.commit_all()
            for partition, end in enumerate(ends.each()):
                bench.sql("INSERT INTO lanes (consumer, topic, partition, next_offset) VALUES (%s, %s, %s, %s) ON CONFLICT (consumer, topic, partition) DO UPDATE SET next_offset = excluded.next_offset, clean = true",
                          consumer, topic, partition, end)


class Cpu:
    """Who used the two cores meanwhile: processes by name, and the programs of this suite that ended in between ("load")."""

    def __init__(self, bench: Bench, *names: str) -> None:
        self.pids = {name: bench.pid(name) for name in names}
        self.before = self.read()
        self.began = time.monotonic()

    def read(self) -> dict[str, float]:
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        out = {name: cpu_of(pid, name == "postgres") for name, pid in self.pids.items() if pid}
        return out | {"load": children.ru_utime + children.ru_stime}

    def used(self) -> dict[str, float]:
        return {name: now - self.before[name] for name, now in self.read().items()}

    def shares(self) -> dict[str, float]:
        """Cores that each kept busy."""
        took = time.monotonic() - self.began
        return {name: round(seconds / took, 2) for name, seconds in self.used().items()}


def limited_by(rounds: list[dict[str, typing.Any]], key: str = "cores", names: dict[str, str] | None = None) -> str:
    """In words: how busy the two cores were and with whom, over the median round."""
    shares = {name: statistics.median(r[key].get(name, 0.0) for r in rounds) for name in rounds[0][key]}
    total = sum(shares.values())
    parts = ", ".join(f"{(names or {}).get(n, n)} {s:.2f}" for n, s in sorted(shares.items(), key=lambda x: -x[1]) if s >= 0.02)
    busy = "CPU: both cores busy" if total > 1.8 else "waiting, not CPU" if total < 1.2 else "CPU in part"
    return f"{busy} ({total:.2f} cores: {parts})"


__all__ = ["Bench", "Company", "Cpu", "Ends", "Row", "SEED", "SERVICES", "compilers_cpu", "eventually", "follow", "free_port", "limited_by", "median", "pss_mb", "say", "skip"]
