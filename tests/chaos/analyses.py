"""Calls with recordings, analysed all the while by the sandbox's Shunya: each is paid for once, and ends in one appointment or its tasks, whatever happens to whom."""

import itertools
import random
import threading
import time
import typing

import httpx

from conftest import Company, eventually, new_number

from .cluster import Cluster

OUTCOMES = ("booked", "warm", "booked_no_time", "service_not_offered")


class Analyses:
    """Places a call every `pause` seconds from start() to stop(), in a thread of its own."""

    def __init__(self, cluster: Cluster, seed: int, pause: float) -> None:
        self.cluster, self.pause = cluster, pause
        self.company = Company(cluster)
        self.random = random.Random(seed)
        self.placed: list[tuple[str, str]] = []  # customer, outcome: all webhooks taken
        self.refused = 0
        self.running = True
        self.thread = threading.Thread(target=self._run)

    def start(self) -> None:
        self.thread.start()

    def stop(self) -> None:
        self.running = False
        if self.thread.is_alive():
            self.thread.join()

    def _run(self) -> None:
        for n in itertools.count():
            if not self.running:
                return
            outcome, customer = OUTCOMES[n % len(OUTCOMES)], new_number()
            script: dict[str, typing.Any] = {"outcome": outcome, "delay_ms": self.random.choice((50, 50, 1_000)), "behaviour": self.random.choice(("normal", "normal", "normal", "twice"))}
            body = {"to": self.company.number, "from": customer, "otto_url": self.cluster.url, "signing_key": self.company.key, "shunya": script}
            try:
                answer = httpx.post(self.cluster.sandbox + "/sandbox/callrail/place-call", json=body, timeout=60)
                taken = answer.status_code == 200 and all(w["status"] // 100 == 2 for w in answer.json()["events"])
            except (httpx.HTTPError, KeyError, TypeError):
                taken = False
            if taken:
                self.placed.append((customer, outcome))
            else:
                self.refused += 1
            time.sleep(self.pause)

    def waiting(self) -> int:
        """Calls whose end has not come yet."""
        return len(self.placed) - int(self.cluster.sql(
            "SELECT count(*) FROM calls c JOIN call_analyses USING (company_id, call_id) JOIN call_transcripts USING (company_id, call_id) WHERE c.company_id = %s AND c.phone_number = ANY(%s)",
            self.company.id, [customer for customer, _ in self.placed])[0][0])

    def check(self) -> tuple[dict[str, int], list[str]]:
        broken: list[str] = []
        try:
            eventually(lambda: self.waiting() == 0, within=180, what="all analyses")
        except AssertionError as e:
            states = self.cluster.sql("SELECT state, why, count(*) FROM analysis_states WHERE company_id = %s GROUP BY 1, 2", self.company.id)
            broken.append(f"{e}; {states}")
        wanted = {c: o for c, o in self.placed}
        booked = {c for c, o in wanted.items() if o.startswith("booked")}

        def appointments() -> list[tuple[str, bool]]:
            return [(c, n) for c, n in self.cluster.sql("SELECT c.phone_number, a.needs_time FROM appointments a JOIN calls c USING (company_id, call_id) WHERE a.company_id = %s AND a.status = 'scheduled'", self.company.id)]

        try:
            eventually(lambda: {c for c, _ in appointments()} >= booked, within=60, what="all appointments")
        except AssertionError as e:
            broken.append(str(e)[:300])
        found = appointments()
        if len({c for c, _ in found}) != len(found):
            broken.append("a call has two appointments")
        if strange := [c for c, n in found if c in wanted and (c not in booked or n != (wanted[c] == "booked_no_time"))]:
            broken.append(f"{len(strange)} appointments are not what the analysis said")
        tasks = self.cluster.sql("SELECT c.phone_number, t.action_type, t.raw_text, count(*) FROM tasks t JOIN calls c USING (company_id, call_id) WHERE t.company_id = %s AND t.source = 'shunya' GROUP BY 1, 2, 3", self.company.id)
        if doubled := [t for t in tasks if t[3] > 1]:
            broken.append(f"{len(doubled)} tasks stand twice")
        if lost := {c for c, o in wanted.items() if o == "warm"} - {t[0] for t in tasks}:
            broken.append(f"{len(lost)} calls lack their tasks")
        jobs = dict(self.cluster.sql("SELECT job_status, count(*) FROM shunya_jobs WHERE company_id = %s GROUP BY 1", self.company.id))
        paid = httpx.get(self.cluster.sandbox + "/sandbox/shunya/paid", params={"company": self.company.id}, timeout=30).json()
        if paid["more_than_once"]:
            broken.append(f"{len(paid['more_than_once'])} calls were paid for twice, such as {paid['more_than_once'][:2]}")
        counts = {"calls analysed": len(self.placed), "calls not taken": self.refused, "transcriptions paid": paid["transcription"], "appointments": len(found), "tasks": len(tasks), "jobs succeeded": int(jobs.get("succeeded", 0))}
        return counts, broken
