"""Somebody who is removed from a company while a fault happens, and goes on asking: five seconds after the webhook's 2xx nothing of his may succeed while Kafka is there."""

import datetime
import json
import threading
import time
import typing
import uuid

import httpx
from svix.webhooks import Webhook

from conftest import Company

from .cluster import Cluster

PROMISED_S = 5.0
# A request to each service that people talk to; none of them would change anything.
PROBES = (("GET", "/api/v1/calls?limit=1"), ("POST", "/api/v1/tasks"), ("POST", "/api/v1/appointments"), ("POST", "/api/v1/numbers"), ("POST", "/api/v1/calls/1/analysis/retry"))


class Leaver(threading.Thread):
    """Made before the fault, when all is well; removed a second after it began, again and again until the webhook is taken."""

    def __init__(self, cluster: Cluster, company: Company) -> None:
        super().__init__(daemon=True)
        self.cluster, self.company, self.user = cluster, company, f"user_leaver{uuid.uuid4().hex}"
        self.secret = next(line.split("=", 1)[1].strip("'") for line in (cluster.folder / "env").read_text().splitlines() if line.startswith("OTTO_CLERK_WEBHOOK_SECRET=")).split(",")[0]
        self.token = cluster.token("manager", company.id, user=self.user, ttl_s=86_400)
        self.client = httpx.Client(base_url=cluster.url, timeout=10)
        self.over = threading.Event()
        self.removed_at: float | None = None
        self.let_in: list[tuple[float, str]] = []  # when it was asked, what
        if self.tell("created") != 200:
            raise AssertionError("a new member's webhook was not taken")

    def tell(self, end: str) -> int:
        at = datetime.datetime.now(datetime.timezone.utc)
        ms = int(at.timestamp() * 1000)
        body = json.dumps({"object": "event", "type": f"organizationMembership.{end}", "timestamp": ms, "data": {
            "object": "organization_membership", "id": f"orgmem_{self.user}", "role": "org:admin", "created_at": ms, "updated_at": ms, "organization": {"id": self.company.id, "name": "Roofers & Sons"},
            "public_user_data": {"user_id": self.user, "identifier": f"{self.user}@roof.example", "first_name": "A", "last_name": "Leaver"}}})
        svix_id = f"msg_{uuid.uuid4().hex}"
        headers = {"Content-Type": "application/json", "svix-id": svix_id, "svix-timestamp": str(int(at.timestamp())), "svix-signature": Webhook(self.secret).sign(svix_id, at, body)}
        return self.status("POST", "/api/v1/clerk/webhook", content=body, headers=headers)

    def status(self, method: str, path: str, **more: typing.Any) -> int:
        """0: no answer."""
        try:
            return self.client.request(method, path, **more).status_code
        except httpx.HTTPError:
            return 0

    def ask(self) -> None:
        for method, path in PROBES:
            at = time.time()
            # What is let in is answered 200, or told what its empty body lacks.
            if self.status(method, path, headers={"Authorization": f"Bearer {self.token}"}, **({"json": {}} if method == "POST" else {})) in (200, 404, 409, 422):
                self.let_in.append((at, f"{method} {path}"))

    def run(self) -> None:
        self.over.wait(1)
        while self.removed_at is None:
            if self.tell("deleted") == 200:
                self.removed_at = time.time()
            elif self.over.wait(0.3):
                self.over.clear()  # the fault is over: now it has to be taken
        while not self.over.wait(0.2):
            self.ask()

    def broken(self, kafka_was_away: bool) -> list[str]:
        """After the fault: what was let in too late. While Kafka was away nobody could be told."""
        came_back = time.time()
        end = came_back + 30
        while self.removed_at is None and time.time() < end:
            self.over.set()
            time.sleep(0.1)
        if self.removed_at is None:
            return ["the webhook of a member's removal was not taken within 30 s of the fault's end"]
        due = (max(self.removed_at, came_back) if kafka_was_away else self.removed_at) + PROMISED_S
        time.sleep(max(0.0, due - time.time()))
        self.over.set()
        self.join(30)
        self.ask()
        self.client.close()
        return [f"a removed member was let in {at - self.removed_at:.1f} s after the webhook's 2xx: {what}" for at, what in self.let_in if at > due]
