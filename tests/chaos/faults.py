"""The faults. Each does its worst while the load runs, sees to the end of it, and says what it saw; a broken promise is an AssertionError."""

import contextlib
import dataclasses
import os
import pathlib
import signal
import sqlite3
import subprocess
import time
import typing

import confluent_kafka
import psycopg

from conftest import eventually, free_port, manifest

from .cluster import PG_BIN, Cluster, Instance, NotRun, alive, as_postgres
from .load import Load
from .proxy import Proxy
from .reader import Reader

Seen = dict[str, typing.Any]


@dataclasses.dataclass
class World:
    cluster: Cluster
    load: Load
    reads: Reader
    orderless: list[tuple[float, float]]
    slack: float = 1.0      # what is promised in seconds may take so many times as long: a busy machine is no broken promise
    tables: list[str] = dataclasses.field(default_factory=list)  # for the report
    texts: typing.Any = None  # what chaos/texts.py has sent

    def all_taken(self, since: float, within: float | None = None) -> Seen:
        """Every authentic webhook of this time was answered 2xx."""
        eventually(lambda: self.load.flying < 100, what="the answers under way")
        sends = self.load.during(since, time.time() - 0.2)
        refused = [s for s in sends if s.status // 100 != 2 and s.status != 401]
        assert not refused, f"{len(refused)} of {len(sends)} webhooks were not taken, such as {refused[:3]}"
        slowest = max((s.seconds for s in sends), default=0.0)
        assert within is None or slowest <= within, f"a webhook waited {slowest:.2f} s for its answer; {sum(s.seconds > within for s in sends)} of {len(sends)} over {within} s"
        return {"slowest answer": f"{slowest:.2f} s"}

    def progress_within(self, seconds: float) -> float:
        """Seconds until lead-pipeline writes again."""
        begun = time.monotonic()
        before = self.cluster.rows_applied()
        eventually(lambda: self.cluster.rows_applied() > before, within=seconds * self.slack + 30, what="lead-pipeline's next batch")
        took = time.monotonic() - begun
        assert took <= seconds * self.slack, f"lead-pipeline wrote again only after {took:.1f} s"
        return took

    def drained(self, within: float = 60) -> float:
        """Seconds until all that is in the spools now has left them; they go in order, and what comes meanwhile may be on its way through them too."""
        begun = time.monotonic()
        ingresses = self.cluster.ingresses()
        before = [(i.metric("otto_spool_rows"), i.metric("otto_spooled_total")) for i in ingresses]

        def left() -> float:
            added = [i.metric("otto_spooled_total") - total for i, (_, total) in zip(ingresses, before)]
            return sum(max(0.0, i.metric("otto_spool_rows") - new) for i, new in zip(ingresses, added))

        eventually(lambda: left() == 0, within=within * self.slack, what="the end of what the spools held")
        return time.monotonic() - begun


# ---- processes


def kill9(w: World, name: str) -> Seen:
    victim = w.cluster.one(name)
    victim.signal(signal.SIGKILL)
    w.cluster.gone(victim)
    begun = time.monotonic()
    w.cluster.restart(name)
    seen: Seen = {"ready again after": f"{time.monotonic() - begun:.1f} s"}
    if name in ("tenant-router", "lead-pipeline"):
        seen["writes again after"] = f"{w.progress_within(15):.1f} s"
    return seen


def rolling(w: World, name: str) -> Seen:
    """The new process joins before the old one gets SIGTERM; nobody is refused."""
    since = time.time()
    old = w.cluster.one(name)
    ingress = "spool" in manifest.services()[name].needs
    served = w.cluster.behind_nginx(name)
    folder = w.cluster.folder / f"spool-{free_port()}"  # a StatefulSet's pods do not share a disk
    folder.mkdir()
    new = w.cluster.start(name, **({"OTTO_SPOOL_DIR": str(folder)} if ingress else {}))
    if served:
        w.cluster.route(name, old, new)
    time.sleep(1)
    begun = time.monotonic()
    w.cluster.stop(old)
    seen: Seen = {"the old one's end took": f"{time.monotonic() - begun:.1f} s"}
    if served:
        w.cluster.route(name, new)
    time.sleep(1)
    if ingress:  # the pod comes back with its disk, and the other one leaves
        again = w.cluster.start(name, OTTO_SPOOL_DIR=old.env["OTTO_SPOOL_DIR"])
        w.cluster.route(name, again)
        w.orderless.append((since, time.time()))
        w.drained()
        w.cluster.stop(new)
        assert rows_in(folder) == 0, "the one that left has webhooks on its disk"
    seen |= w.all_taken(since)
    bad = [a for a in w.reads.during(since, time.time()) if a[1] != 200]
    assert not bad, f"{len(bad)} reads failed, such as {bad[:2]}"
    return seen


def rows_in(spool: pathlib.Path) -> int:
    """What an ingress that has ended left there."""
    rows = 0
    for file in spool.rglob("spool.db"):
        with contextlib.closing(sqlite3.connect(file)) as db:
            rows += int(db.execute("SELECT count(*) FROM spool").fetchone()[0])
    return rows


def rebalance(w: World, name: str) -> Seen:
    """A second process of a consumer joins, and leaves again."""
    since = time.time()
    second = w.cluster.start(name)
    eventually(lambda: second.metric("otto_partitions_owned") > 0, within=30, what=f"partitions of the second {name}")
    w.progress_within(15)
    time.sleep(2)
    w.cluster.stop(second)
    took = w.progress_within(15)
    return {"writes again after": f"{took:.1f} s"} | w.all_taken(since)


def zombie(w: World, name: str, frozen_for: float = 30) -> Seen:
    """Stopped in the middle of a transaction, and resumed when another has long taken over."""
    c = w.cluster
    old = c.one(name)
    second = c.start(name)
    partitions = c.sql("SELECT count(*) FROM lanes WHERE consumer = %s", name)[0][0]

    def shared_out() -> bool:
        owned = [i.metric("otto_partitions_owned", consumer=name) for i in (old, second)]
        return min(owned) > 0 and sum(owned) == partitions

    eventually(shared_out, within=30, what="partitions of both processes")
    w.progress_within(15)
    role = f"otto_{name.replace('-', '_')}"
    with psycopg.connect(c.owner_url()) as db:
        # What every batch touches first is locked, so that the process waits in the middle of its transaction: of a batch, or, after an unclean owner, of putting its begin on record. Its sessions are told
        # by their client's port.
        ports = ports_of(old.pid)
        db.execute("SELECT 1 FROM lanes WHERE consumer = %s FOR UPDATE", [name])
        with psycopg.connect(c.owner_url(), autocommit=True) as look:
            stuck = lambda: [pid for pid, port in look.execute("SELECT pid, client_port FROM pg_stat_activity WHERE usename = %s AND state = 'active' AND wait_event_type = 'Lock' AND (query LIKE '%%otto_fence%%' OR query LIKE '%%trying_count%%')", [role]).fetchall() if port in ports]  # noqa: E731
            eventually(stuck, within=4.5, what="a transaction of the old process that waits")
            old.signal(signal.SIGSTOP)
            sessions = stuck()
        db.rollback()
    begun = time.time()
    took = 0.0
    try:
        held = {p for (p,) in c.sql("SELECT partition FROM lanes WHERE consumer = %s AND backend_pid = ANY(%s)", name, sessions)}
        assert held, "the stopped process holds no partition"
        before = dict(c.sql("SELECT partition, epoch FROM lanes WHERE consumer = %s AND topic = 'otto.routed'", name))

        def taken_over() -> bool:
            now = dict(c.sql("SELECT partition, epoch FROM lanes WHERE consumer = %s AND topic = 'otto.routed'", name))
            return all(now[p] > before[p] for p in held if p in now)

        eventually(taken_over, within=40 * w.slack, what="the other's take-over")
        took = time.time() - begun
        assert took <= 15 * w.slack, f"the other took over only after {took:.1f} s"
        time.sleep(max(0.0, frozen_for - took))
    finally:
        old.signal(signal.SIGCONT)
    eventually(lambda: old.ready() and not c.as_owner("SELECT 1 FROM pg_stat_activity WHERE pid = ANY(%s)", sessions), within=30, what="the end of the stopped sessions")
    w.progress_within(15)
    c.stop(second)
    w.progress_within(15)
    return {"taken over after": f"{took:.1f} s", "partitions held": len(held)}


def ports_of(pid: int) -> set[int]:
    inodes = set()
    for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            link = os.readlink(fd)
            if link.startswith("socket:["):
                inodes.add(link[8:-1])
    ports = set()
    for line in pathlib.Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[9] in inodes:
            ports.add(int(fields[1].rsplit(":", 1)[1], 16))
    return ports


def poison(w: World, topic: str = "otto.routed", n: int = 2_000) -> Seen:
    """A partition's worth of records that nobody can read."""
    before = w.cluster.sql("SELECT count(*) FROM dead_letters")[0][0]
    producer = confluent_kafka.Producer({"bootstrap.servers": w.cluster.brokers, "linger.ms": 5})
    for i in range(n):
        producer.produce(topic, key=f"poison{i}", value=os.urandom(200), partition=3, headers=[("ce_specversion", b"1.0"), ("ce_type", b"nonsense")] if i % 2 else [])
    assert producer.flush(30) == 0
    begun = time.monotonic()
    readers = 4 if topic == "otto.routed" else 1  # lead-pipeline, lead-pipeline/messages, tenant-router/calls and shunya-orchestrator; tenant-router
    count = lambda: w.cluster.sql("SELECT count(*) FROM dead_letters")[0][0] - before  # noqa: E731
    eventually(lambda: count() == readers * n, within=120, what=f"{readers * n} dead letters")
    w.progress_within(15)
    return {"dead letters": count(), "after": f"{time.monotonic() - begun:.1f} s"}


# ---- Kafka


def kafka_away(w: World, seconds: float, how: int) -> Seen:
    since = time.time()
    w.cluster.kafka_end(how)
    time.sleep(seconds)
    spooled = sum(int(i.metric("otto_spool_rows")) for i in w.cluster.ingresses())
    assert spooled > 0, "nothing went to the spool"
    start = w.cluster.kafka_start()
    took = w.drained()
    seen = w.all_taken(since, within=1.0 * w.slack)
    w.progress_within(15)
    return seen | {"in the spool": spooled, "Kafka's start": f"{start:.1f} s", "drained after": f"{took:.1f} s"}


def kafka_disk_full(w: World) -> Seen:
    """Kafka's disk fills up while webhooks come; it gets a larger one."""
    c = w.cluster
    disk = c.small_disk("kafka-disk", 200)
    since = time.time()
    c.kafka_end(signal.SIGTERM)
    subprocess.run(["cp", "-a", f"{c.folder}/kafka/.", str(disk)], check=True)
    for p in disk.glob("server.properties"):
        p.unlink()
    c.kafka_start(disk)
    w.drained()
    filler = disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb") as f:
        while True:
            f.write(bytes(1 << 20))
    eventually(lambda: not alive(c.kafka_pid), within=90, what="Kafka's end on a full disk")
    time.sleep(5)
    spooled = sum(int(i.metric("otto_spool_rows")) for i in c.ingresses())
    filler.unlink()
    c.grow_disk(disk, 1500)
    c.kafka_start(disk)
    took = w.drained()
    seen = w.all_taken(since, within=1.0 * w.slack)
    w.progress_within(20)
    c.kafka_end(signal.SIGTERM)  # back to where it was
    subprocess.run(["cp", "-a", f"{disk}/.", f"{c.folder}/kafka"], check=True)
    c.kafka_start()
    w.drained()
    return seen | {"in the spool": spooled, "drained after": f"{took:.1f} s"}


def spool_disk_full(w: World) -> Seen:
    """Kafka is away and the spool's disk is full: 503, loudly, and what was taken is kept."""
    c = w.cluster
    disk = c.small_disk("spool-disk", 16)
    old = c.one("callrail-ingress")
    new = c.start("callrail-ingress", OTTO_SPOOL_DIR=str(disk))
    since = time.time()
    c.route("callrail-ingress", new)
    c.stop(old)
    w.orderless.append((since, time.time()))
    since = time.time()
    c.kafka_end(signal.SIGKILL)
    eventually(lambda: any(s.status == 503 for s in w.load.during(since, time.time())), within=90, what="a 503")
    time.sleep(3)
    full = new.metric("otto_spool_refused_total")
    refused = [s for s in w.load.during(since, time.time()) if s.status == 503]
    taken = [s for s in w.load.during(since, time.time()) if s.status // 100 == 2]
    spooled = int(new.metric("otto_spool_rows"))
    c.kafka_start()
    took = w.drained()
    eventually(lambda: (recent := w.load.during(time.time() - 2, time.time())) and all(s.status in (200, 204, 401) for s in recent), within=20, what="webhooks that are taken again")
    since = time.time()
    again = c.start("callrail-ingress", OTTO_SPOOL_DIR=old.env["OTTO_SPOOL_DIR"])
    c.route("callrail-ingress", again)
    c.stop(new)
    w.orderless.append((since, time.time()))
    assert rows_in(disk) == 0, "the one that left has webhooks on its disk"
    assert full > 0, "no metric says that the spool is full"
    return {"taken": len(taken), "refused 503": len(refused), "in the spool": spooled, "drained after": f"{took:.1f} s"}


def kafka_network(w: World) -> Seen:
    """Resets and stalls between the services and the broker."""
    c = w.cluster
    since = time.time()
    inner = free_port()
    proxy = Proxy(inner)
    c.kafka_end(signal.SIGTERM)
    c.kafka_start(None, "--also", f"{inner}={proxy.port}")
    through = {"OTTO_KAFKA_BROKERS": f"127.0.0.1:{proxy.port}"}
    for name in ("callrail-ingress", "twilio-ingress", "tenant-router", "lead-pipeline", "company-service"):
        c.stop(c.one(name))
        c.restart(name, **through)
    began = time.time()
    w.drained()
    stalls = resets = 0
    for _ in range(6):
        proxy.reset()
        resets += 1
        time.sleep(2)
        proxy.stall()
        stalls += 1
        time.sleep(3)
        proxy.reset()
        proxy.flow()
        time.sleep(2)
    proxy.stall()
    time.sleep(15)
    proxy.flow()
    w.drained()
    seen = w.all_taken(began, within=1.0 * w.slack)
    w.progress_within(20)
    for name in ("callrail-ingress", "twilio-ingress", "tenant-router", "lead-pipeline", "company-service"):
        c.stop(c.one(name))
        c.restart(name, OTTO_KAFKA_BROKERS=c.brokers)
    proxy.close()
    w.progress_within(20)
    w.orderless.append((since, began))
    return seen | {"resets": resets, "stalls": stalls + 1}


# ---- Postgres


def unavailable_but_for_cause(w: World, since: float, until: float) -> int:
    """Reads while Postgres was away: 503 that says why, or a right answer."""
    answers = w.reads.during(since, until)
    strange = [a for a in answers if a[1] not in (200, 503)]
    assert not strange, f"{len(strange)} reads were answered otherwise, such as {strange[:2]}"
    silent = [a for a in answers if a[1] == 503 and "database" not in a[2].lower()]
    assert not silent, f"a 503 without its cause: {silent[:1]}"
    return sum(a[1] == 503 for a in answers)


def postgres_away(w: World, seconds: float, killed: bool) -> Seen:
    c = w.cluster
    since = time.time()
    if killed:
        pid = c.postmaster()
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: not alive(pid), what="Postgres's end")
    else:
        c.pg_ctl("-m", "fast", "stop")
    gone = time.time()
    time.sleep(seconds)
    back = time.time()
    c.pg_ctl("start")
    took = w.progress_within(5)
    seen = w.all_taken(since)
    refused = unavailable_but_for_cause(w, gone + 0.5, back)
    assert refused, "no read was answered 503"
    eventually(lambda: (last := w.reads.answers[-1])[1] == 200 and last[0] > back, within=5 * w.slack, what="reads again")
    return seen | {"reads answered 503": refused, "writes again after": f"{took:.1f} s"}


def postgres_out_of_connections(w: World, seconds: float = 15) -> Seen:
    c = w.cluster
    since = time.time()
    held: list[psycopg.Connection[typing.Any]] = []
    # The sessions of the services end, and others take every place.
    c.as_owner("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename <> current_user AND backend_type = 'client backend'")
    url = c.settings["OTTO_PG_URL_MAINTENANCE"]
    while True:
        try:
            held.append(psycopg.connect(url))
        except psycopg.OperationalError:
            break
    c.as_owner("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename <> current_user AND usename <> 'otto_maintenance' AND backend_type = 'client backend'")
    for _ in range(30):
        with contextlib.suppress(psycopg.OperationalError):
            held.append(psycopg.connect(url))
    time.sleep(seconds)
    back = time.time()
    for connection in held:
        connection.close()
    took = w.progress_within(5)
    return w.all_taken(since) | {"places taken": len(held), "reads answered 503": unavailable_but_for_cause(w, since, back), "writes again after": f"{took:.1f} s"}


class Standby:
    """A second Postgres that follows the first, without a commit that only one has."""

    def __init__(self, c: Cluster) -> None:
        self.c = c
        self.port = free_port()
        self.data = c.pg_data.parent / f"{c.pg_data.name}-standby-{self.port}"
        password = c.settings["OTTO_PG_OWNER_PASSWORD"]
        for command in (["install", "-d", "-o", "postgres", "-g", "postgres", "-m", "700", str(self.data)],):
            subprocess.run(command, check=True)
        url = f"postgresql://otto_owner:{password}@127.0.0.1:{c.env['OTTO_PG_PORT']}/postgres?application_name=standby"
        done = as_postgres(str(PG_BIN / "pg_basebackup"), "-D", str(self.data), "-d", url, "-R", "-X", "stream", "-c", "fast")
        if done.returncode != 0:
            raise AssertionError(f"pg_basebackup: {done.stdout}")
        c.pg_ctl("start", data=self.data, port=self.port)
        c.as_owner("ALTER SYSTEM SET synchronous_standby_names = 'standby'")
        c.as_owner("SELECT pg_reload_conf()")
        eventually(lambda: c.as_owner("SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'"), what="the standby in step")

    def promote(self) -> None:
        self.c.pg_ctl("promote", data=self.data, port=self.port)
        url = self.c.owner_url().replace(f":{self.c.env['OTTO_PG_PORT']}/", f":{self.port}/")
        self.c.as_owner("ALTER SYSTEM RESET synchronous_standby_names", url=url)
        self.c.as_owner("SELECT pg_reload_conf()", url=url)
        self.c.promoted = self.port

    def adopt(self) -> None:
        """From now on it is the cluster's Postgres, at the first one's port."""
        self.c.pg_ctl("-m", "fast", "stop", data=self.data, port=self.port)
        former = self.c.pg_data
        link = self.c.folder / "postgres"
        subprocess.run(["rm", "-rf", str(former)], check=True)
        os.rename(self.data, former)
        assert link.resolve() == former
        self.c.pg_ctl("start")
        self.c.promoted = None


def through(c: Cluster, port: int | str, more: str = "") -> dict[str, dict[str, str]]:
    """Settings with which each service reaches Postgres elsewhere."""
    out = {}
    for name in c.instances:
        variable = "OTTO_PG_URL_" + name.replace("-", "_").upper()
        if variable not in c.settings:
            continue  # an ingress knows no Postgres
        url = c.settings[variable]
        out[name] = {variable: url.replace(f"127.0.0.1:{c.env['OTTO_PG_PORT']}", str(port) if isinstance(port, str) else f"127.0.0.1:{port}") + more}
    return out


def restart_all(c: Cluster, settings: dict[str, dict[str, str]]) -> None:
    for name, values in settings.items():
        c.stop(c.one(name))
        c.restart(name, **values)


def postgres_failover(w: World) -> Seen:
    """The primary dies; behind the same address stands the standby, which only reads for 10 s, then is promoted."""
    c = w.cluster
    standby = Standby(c)
    proxy = Proxy(int(c.env["OTTO_PG_PORT"]))
    restart_all(c, through(c, proxy.port))
    since = time.time()
    c.pg_ctl("-m", "immediate", "stop")
    proxy.point_at(standby.port)
    time.sleep(10)
    back = time.time()
    standby.promote()
    took = w.progress_within(5)
    seen = w.all_taken(since)
    refused = unavailable_but_for_cause(w, since + 0.5, back)
    standby.adopt()
    restart_all(c, through(c, int(c.env["OTTO_PG_PORT"])))
    proxy.close()
    w.progress_within(20)
    return seen | {"reads answered 503": refused, "writes again after": f"{took:.1f} s"}


def postgres_two_hosts(w: World) -> Seen:
    """Two hosts in the URL, target_session_attrs=read-write; the primary moves from one to the other."""
    c = w.cluster
    standby = Standby(c)
    restart_all(c, through(c, f"127.0.0.1:{c.env['OTTO_PG_PORT']},127.0.0.1:{standby.port}", "?target_session_attrs=read-write"))
    since = time.time()
    c.pg_ctl("-m", "immediate", "stop")
    time.sleep(3)
    standby.promote()
    took = w.progress_within(5)
    seen = w.all_taken(since)
    standby.adopt()
    restart_all(c, through(c, int(c.env["OTTO_PG_PORT"])))
    w.progress_within(20)
    return seen | {"writes again after": f"{took:.1f} s"}


# ---- time


def clock_steps(w: World) -> Seen:
    """The clock of every process of Otto steps an hour ahead, and back; by each clock Kafka is silent for a moment."""
    c = w.cluster
    library = next(pathlib.Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
    if library is None:
        raise NotRun("libfaketime is not installed")
    waits = c.folder / "waits.so"
    try:
        subprocess.run(["gcc", "-O1", "-shared", "-fPIC", "-o", waits, pathlib.Path(__file__).with_name("waits.c")], check=True)
    except FileNotFoundError as e:
        raise NotRun("there is no gcc") from e
    offset = c.folder / "offset"
    offset.write_text("+0")
    fake = {"LD_PRELOAD": f"{waits}:{library}", "FAKETIME_TIMESTAMP_FILE": str(offset), "FAKETIME_CACHE_DURATION": "1", "DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    began = time.time()
    names = ("callrail-ingress", "twilio-ingress", "tenant-router", "lead-pipeline", "company-service", "query-service", "shunya-ingress")
    for name in names:
        c.stop(c.one(name))
        c.restart(name, **fake)
    since = time.time()
    time.sleep(3)
    try:
        for step in ("+3600", "+0", "-3600", "+0"):
            offset.write_text(step)
            time.sleep(3)
            os.kill(c.kafka_pid, signal.SIGSTOP)  # so that the ingress goes to its spool by this clock
            time.sleep(1.5)
            os.kill(c.kafka_pid, signal.SIGCONT)
            time.sleep(3)
            w.progress_within(10)
        seen = w.all_taken(since)
        # By a clock that is an hour off, a token is not valid yet or has expired; nothing else may be wrong with a read.
        answers = w.reads.during(since, time.time())
        bad = [a for a in answers if a[1] != 200 and not (a[1] == 401 and ("not valid yet" in a[2] or "expired" in a[2]))]
        assert not bad, f"{len(bad)} reads failed, such as {bad[:2]}"
    finally:
        for name in names:
            c.stop(c.one(name))
            c.restart(name, **{k: "" for k in fake})
        w.orderless += [(began - 4000, time.time() + 4000)]
    return seen | {"steps": 4}


def mixed(w: World) -> Seen:
    """Kafka and Postgres are killed, and then each service; all come back in no order."""
    c = w.cluster
    since = time.time()
    c.kafka_end(signal.SIGKILL)
    time.sleep(2)
    os.kill(c.postmaster(), signal.SIGKILL)
    for name in ("lead-pipeline", "tenant-router", "query-service"):
        victim = c.one(name)
        victim.signal(signal.SIGKILL)
        c.gone(victim)
    eventually(lambda: not alive(c.postmaster()), what="Postgres's end")
    time.sleep(5)
    victim = c.one("callrail-ingress")
    victim.signal(signal.SIGKILL)
    c.gone(victim)
    c.start("callrail-ingress", outside=False, **{k: victim.env[k] for k in ("OTTO_PORT", "OTTO_ADMIN_PORT")})  # with neither Kafka nor Postgres
    down = time.time()
    time.sleep(5)
    taken = w.load.during(down, time.time() - 0.5)
    assert taken and all(s.status in (200, 204, 401) for s in taken), "an ingress that starts without Kafka takes nothing"
    for name in ("lead-pipeline", "tenant-router", "query-service"):
        before = c.base_env(name)
        c.start(name, wait=False, OTTO_PORT=before["OTTO_PORT"], OTTO_ADMIN_PORT=before["OTTO_ADMIN_PORT"])
    time.sleep(3)
    c.pg_ctl("start")
    c.kafka_start()
    w.drained()
    for name in ("lead-pipeline", "tenant-router", "query-service"):
        c.wait_ready(c.one(name))  # which fails if it has ended: a start waits
    w.progress_within(20)
    return {"lasted": f"{time.time() - since:.0f} s"}
