"""What Otto runs on, on the node beside the cluster: Kafka, Postgres, the provider sandbox. To tests it is a stack (conftest), whose services are pods."""

import base64
import contextlib
import json
import os
import pathlib
import secrets
import shutil
import signal
import subprocess
import time
import typing

import confluent_kafka
import httpx
import psycopg

from chaos.cluster import PG_BIN, as_postgres
from conftest import REPO, SERVICES, Stack, eventually, manifest

from .cluster import NODE_IP, Cluster, Part

KAFKA, POSTGRES, SANDBOX = 19092, 15432, 8090
EDGE = 30080  # the NodePort of edge: the stack's one address


class Stores(Stack):
    def __init__(self, cluster: Cluster, binaries: pathlib.Path) -> None:
        self.cluster, self.binaries = cluster, binaries
        self.folder = cluster.folder / "stores"
        self.folder.mkdir(mode=0o711)
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("OTTO_") or k in ("OTTO_VENV", "OTTO_CACHE_DIR")} | {"OTTO_RUN_DIR": str(self.folder), "OTTO_PORT": str(EDGE)}
        self.env.setdefault("KAFKA_JVM_PERFORMANCE_OPTS", "-XX:TieredStopAtLevel=1")
        self.url, self.sandbox = f"http://127.0.0.1:{EDGE}", f"http://{NODE_IP}:{SANDBOX}"
        self.http = httpx.Client(base_url=self.url, timeout=30, trust_env=False)
        self.brokers = f"{NODE_IP}:{KAFKA}"
        self.passwords = {name: secrets.token_hex(16) for name in (*(s.name for s in manifest.services().values() if "database" in s.needs), "maintenance", "owner", "admin")}
        self.clerk = {"secret-key": "sk_test_sandbox", "webhook-secret": "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()}
        self.shunya = {"webhook-secret": secrets.token_hex(16), "token-secret": secrets.token_hex(16)}  # the sandbox signs with the one and checks the other
        self.pg_data = self.folder / "postgres"

    # -- starting

    def up(self) -> None:
        self.start_kafka()
        self.init_postgres()
        self.start_sandbox()
        # As deploy/up leaves it: its tools work on this stack too.
        lines = {"OTTO_KAFKA_BROKERS": self.brokers, "OTTO_PG_URL": self.pg_url("owner"), "OTTO_PG_URL_MAINTENANCE": self.pg_url("maintenance"), "OTTO_SANDBOX_PORT": str(SANDBOX)}
        (self.folder / "env").write_text("".join(f"{k}={v}\n" for k, v in lines.items()))
        (self.folder / "stack.json").write_text(json.dumps({"url": self.url, "sandbox": self.sandbox}))
        self.kafka_answers()

    def down(self) -> None:
        for name in ("sandbox", "kafka"):
            if part := self.cluster.parts.get(name):
                part.stop()
        with contextlib.suppress(AssertionError):
            self.stop_postgres("immediate")

    def start_kafka(self) -> None:
        self.cluster.launch("kafka", REPO / "deploy/kafka/start", "--dir", self.folder / "kafka", "--port", str(KAFKA), "--address", NODE_IP, env=self.env)

    def stop_kafka(self, how: int = signal.SIGTERM) -> None:
        self.cluster.parts["kafka"].stop(how, within=60)

    def kafka_answers(self) -> None:
        self.cluster.await_("kafka", lambda: subprocess.run(["kcat", "-b", self.brokers, "-L", "-m", "2"], capture_output=True).returncode == 0, within=90)

    def init_postgres(self) -> None:
        """An administrator, and the database's owner, who may make no roles, as with managed Postgres; the services' logins are the roles' Job's to make."""
        self.pg_data.mkdir(mode=0o700)
        secret = self.folder / "admin"
        secret.write_text(self.passwords["admin"])
        for path in (self.pg_data, secret):
            shutil.chown(path, "postgres", "postgres")
        self.postgres(str(PG_BIN / "initdb"), "-D", str(self.pg_data), "-U", "postgres", "-A", "scram-sha-256", f"--pwfile={secret}", "-E", "UTF8", "--locale", "C.UTF-8", "--lc-collate", "C")
        with (self.pg_data / "postgresql.conf").open("a") as conf:
            conf.write(f"listen_addresses = '127.0.0.1,{NODE_IP}'\nport = {POSTGRES}\nunix_socket_directories = ''\nshared_buffers = '256MB'\nmax_connections = 500\ntimezone = 'UTC'\nlog_timezone = 'UTC'\n")
        with (self.pg_data / "pg_hba.conf").open("a") as hba:
            hba.write("host all all 10.244.0.0/16 scram-sha-256\nhost all all 172.30.0.0/24 scram-sha-256\n")
        self.start_postgres()
        with psycopg.connect(self.pg_url("admin", "postgres"), autocommit=True) as db:
            db.execute(typing.cast(typing.Any, f"CREATE ROLE otto_owner LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD '{self.passwords['owner']}'"))
            db.execute("CREATE DATABASE otto OWNER otto_owner")

    def start_postgres(self) -> None:
        self.pg_ctl("start", "-l", str(self.pg_data / "server.log"))

    def stop_postgres(self, how: str = "fast") -> None:
        self.pg_ctl("stop", "-m", how)

    def pg_ctl(self, *words: str) -> None:
        self.postgres(str(PG_BIN / "pg_ctl"), "-D", str(self.pg_data), "-w", "-t", "60", *words)

    @staticmethod
    def postgres(*command: str) -> None:
        done = as_postgres(*command)
        if done.returncode:
            raise AssertionError(f"{' '.join(command[:4])}: {done.stdout}")

    def start_sandbox(self) -> Part:
        part = self.cluster.launch("sandbox", pathlib.Path(os.environ["OTTO_VENV"]) / "bin/python", "-m", "sandbox", "--hosts", "172.30.0.1,172.30.0.2,172.30.0.3", "--port", str(SANDBOX), "--state-dir", self.folder / "sandbox",
                                   env={"OTTO_CLERK_WEBHOOK_SECRET": self.clerk["webhook-secret"], **{f"OTTO_SHUNYA_{name.replace('-', '_').upper()}": value for name, value in self.shunya.items()}})
        self.cluster.await_("sandbox", lambda: answers(f"{self.sandbox}/healthz"))
        return part

    # -- the database

    def pg_url(self, name: str, database: str = "otto") -> str:
        """As a service, `maintenance`, `owner` or `admin`."""
        return f"postgresql://{role(name)}:{self.passwords[name]}@{NODE_IP}:{POSTGRES}/{database}"

    def maintenance_url(self) -> str:
        return self.pg_url("maintenance")

    def as_owner(self, statement: str) -> list[tuple[typing.Any, ...]]:
        with psycopg.connect(self.pg_url("owner"), autocommit=True) as db:
            cursor = db.execute(typing.cast(typing.Any, statement))
            return cursor.fetchall() if cursor.description else []

    def as_admin(self, statement: str) -> list[tuple[typing.Any, ...]]:
        with psycopg.connect(self.pg_url("admin"), autocommit=True) as db:
            cursor = db.execute(typing.cast(typing.Any, statement))
            return cursor.fetchall() if cursor.description else []

    def applied(self, consumer: str, topic: str) -> int:
        return int(self.sql("SELECT coalesce(sum(next_offset), 0) FROM lanes WHERE consumer = %s AND topic = %s", consumer, topic)[0][0])

    def lag(self, consumer: str, topic: str) -> int:
        """Events of that topic which it has still to do."""
        asking = confluent_kafka.Consumer({"bootstrap.servers": self.brokers, "group.id": "k8s-lag", "enable.auto.commit": False})
        try:
            partitions = asking.list_topics(topic, timeout=20).topics[topic].partitions
            return sum(asking.get_watermark_offsets(confluent_kafka.TopicPartition(topic, p), timeout=20)[1] for p in partitions) - self.applied(consumer, topic)
        finally:
            asking.close()

    def ottoctl(self, *words: str) -> str:
        env = self.env | {"OTTO_KAFKA_BROKERS": self.brokers, "OTTO_PG_URL": self.pg_url("owner"), "OTTO_PG_URL_MAINTENANCE": self.maintenance_url()}
        done = subprocess.run([self.binaries / "ottoctl", *words], env=env, capture_output=True, text=True, timeout=120)
        if done.returncode:
            raise AssertionError(f"ottoctl {' '.join(words)} ended with {done.returncode}: {done.stderr[-1500:]}{done.stdout[-500:]}")
        return done.stdout

    # -- how it stands

    def pods(self, service: str = "") -> list[dict[str, typing.Any]]:
        return self.cluster.pods("otto", f"app.kubernetes.io/name={service}" if service else "")

    def metric(self, pod: dict[str, typing.Any], name: str, **labels: str) -> float:
        total = 0.0
        for line in httpx.get(f"http://{pod['status']['podIP']}:9080/metrics", timeout=5, trust_env=False).text.splitlines():
            if line.startswith(name) and line[len(name):len(name) + 1] in (" ", "{") and all(f'{k}="{v}"' in line for k, v in labels.items()):
                total += float(line.rsplit(" ", 1)[1])
        return total

    def standing(self) -> dict[str, int]:
        """What is still on its way, as the chaos tests' checker asks for it: all zero once everything has arrived."""
        ingresses = [s.name for s in manifest.services().values() if "spool" in s.needs]
        spooled = sum(int(self.metric(pod, "otto_spool_rows")) for name in ingresses for pod in self.pods(name) if pod["status"].get("podIP"))
        outbox, parked = self.sql("SELECT (SELECT count(*) FROM outbox WHERE not_before IS NULL OR not_before <= now() + interval '15 seconds'), (SELECT count(*) FROM parked)")[0]
        lags = {f"lag of {line.split()[0]}": int(line.split()[1]) for line in self.run("deploy/topics", "--lags").stdout.splitlines() if line.split("/")[0].split()[0] in SERVICES}
        return {"spool": spooled, "outbox": outbox, "parked": parked} | lags

    def settled(self, within: float = 90) -> float:
        begun = time.monotonic()
        eventually(lambda: not any(self.standing().values()), within=within, what="the end of all that was on its way")
        return time.monotonic() - begun


def role(name: str) -> str:
    return "postgres" if name == "admin" else f"otto_{name.replace('-', '_')}"


def answers(url: str) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(url, timeout=2, trust_env=False).status_code == 200
    return False
