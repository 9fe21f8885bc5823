"""Texts that leave while lead-pipeline is killed at each point of a text's way, with each thing that can become of Twilio's answer.

A cell is one kill with one fault: some hundred texts of one company with words of their own are accepted and wait for their number's pace; then they leave, a third of them into the fault, and lead-pipeline is
killed as soon as one stands at the point. At the end the sandbox says what Twilio was asked to send, and what it took."""

import collections
import concurrent.futures
import contextlib
import dataclasses
import functools
import signal
import time
import typing
import uuid

import httpx
import psycopg

from conftest import Company, eventually, new_number

from .cluster import HTTP, Cluster
from .faults import Seen, World

POINTS = ("before the note", "after the note", "after Twilio took it", "before the answer is written")
FAULTS = {"takes and resets": "takes_and_resets", "takes and answers 500": "takes_and_fails", "resets without taking": "resets", "takes and lists 30 s later": "lists_late"}
TEXTS = 2_000
AT_POINT = 2  # texts of a cell that stand still where the kill is to happen
WAIT_S = 120  # for the pace, while a cell's texts are accepted


@dataclasses.dataclass
class Text:
    cell: tuple[str, str]
    company: Company
    customer: str
    body: str
    kind: str  # point, lost, told, plain; refused, cancelled, stopped
    id: str = ""  # of ours, once it was accepted


class Outgoing:
    """The companies that write, and all that they wrote."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.companies = [Company(cluster) for _ in range(4)]
        for company in self.companies:
            company.connect_twilio()
            HTTP.put(f"{cluster.url}/api/v1/company/{company.id}", json={"workflow_config": {"text_rate_per_second": 100}}, headers={"Authorization": f"Bearer {company.manager}"}).raise_for_status()
            company.csr = cluster.token("csr", company.id, ttl_s=86_400)
        self.texts: list[Text] = []
        self.cells: collections.Counter[tuple[str, str]] = collections.Counter()

    def ask(self, text: Text, method: str = "POST", path: str = "", key: str = "") -> httpx.Response:
        """Until somebody answers: with one key, that is one text."""
        headers = {"Authorization": f"Bearer {text.company.csr}", "Idempotency-Key": key or uuid.uuid4().hex}
        end = time.monotonic() + 60
        while True:
            with contextlib.suppress(httpx.HTTPError):
                answer = HTTP.request(method, f"{self.cluster.url}/api/v1/messages{path}", json={"to": text.customer, "body": text.body} if method == "POST" else None, headers=headers, timeout=20)
                if answer.status_code not in (429, 502, 503) and not (answer.status_code == 409 and "opted-out" not in answer.text and method == "POST"):
                    return answer
            assert time.monotonic() < end, "nobody takes texts"
            time.sleep(0.2)

    def accept(self, text: Text) -> None:
        answer = self.ask(text)
        if text.kind == "refused":
            assert answer.status_code == 409 and "opted-out" in answer.text, answer.text
            return
        assert answer.status_code == 202, answer.text
        text.id = answer.json()["data"]["id"]

    def cancel(self, text: Text) -> None:
        answer = self.ask(text, "DELETE", f"/{text.id}")
        assert answer.status_code == 200, answer.text

    def hold_back(self, company: Company, seconds: float) -> None:
        """The number's pace is used up for so long."""
        self.cluster.sql("INSERT INTO text_paces (company_id, from_number, free_at) VALUES (%s, %s, now() + make_interval(secs => %s)) ON CONFLICT (company_id, from_number) DO UPDATE SET free_at = excluded.free_at",
                         company.id, company.texts, seconds)


def outgoing(w: World) -> Outgoing:
    if w.texts is None:
        w.texts = Outgoing(w.cluster)
    return typing.cast(Outgoing, w.texts)


def kinds(n: int) -> list[str]:
    """What becomes of a cell's texts: those of the point in their midst, so that the kill meets all the others on their way too."""
    out = ["refused"] * 4 + ["cancelled"] * 4 + ["stopped"] * 4
    rest = n - len(out) - AT_POINT
    flow = (["lost", "plain", "told", "plain", "lost", "plain"] * (rest // 6 + 1))[:rest]
    return out + flow[: rest // 3] + ["point"] * AT_POINT + flow[rest // 3:]


class Locked:
    """The cards, texts and places in the line of these customers, held by us: whoever works on them waits."""

    def __init__(self, c: Cluster, company: Company, customers: list[str]) -> None:
        self.c, self.company, self.customers = c, company, customers

    def __enter__(self) -> "Locked":
        self.db = psycopg.connect(self.c.maintenance_url())
        self.db.execute("SELECT 1 FROM contact_cards WHERE company_id = %s AND primary_phone = ANY(%s) ORDER BY id FOR UPDATE", [self.company.id, self.customers])
        self.db.execute("SELECT 1 FROM messages WHERE company_id = %s AND to_number = ANY(%s) ORDER BY id FOR UPDATE", [self.company.id, self.customers])
        self.pid = self.db.info.backend_pid
        return self

    def wait_for_somebody(self) -> None:
        def somebody() -> bool:
            return bool(self.c.as_owner("SELECT 1 FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))", self.pid))

        eventually(somebody, within=60, what="a text's transaction that waits for us")

    def __exit__(self, *_: object) -> None:
        self.db.rollback()
        self.db.close()


def held(c: Cluster, company: Company) -> list[typing.Any]:
    return [h for h in HTTP.get(c.sandbox + "/sandbox/twilio/held").json() if h["account_sid"] == company.twilio_account]


def release(c: Cluster) -> None:
    HTTP.post(c.sandbox + "/sandbox/twilio/held").raise_for_status()


def kill(w: World) -> None:
    victim = w.cluster.one("lead-pipeline")
    victim.signal(signal.SIGKILL)
    w.cluster.gone(victim)


def prepare(w: World, point: str, fault: str, texts: list[Text]) -> None:
    """What the sandbox makes of a cell's texts: by words in them, since their order is nobody's promise."""
    company, how, mark = texts[0].company, FAULTS[fault], texts[0].body.split()[0]
    lost, told = (sum(t.kind == kind for t in texts) for kind in ("lost", "told"))
    company.script(word=f"{mark} lost", times=lost, fault=how, callbacks=False)
    company.script(word=f"{mark} told", times=told, fault=how)
    if point != "before the note":
        # What is never taken stands still before that; a kill after Twilio took it meets, with that fault, texts that it did take.
        never = how == "resets" and point != "after Twilio took it"
        where = "before" if point == "after the note" or never else "after"
        company.script(word=f"{mark} point", times=AT_POINT, hold=where, callbacks=False, **({} if how == "resets" and not never else {"fault": how}))


def cell(w: World, point: str, fault: str) -> Seen:
    """One kill with one fault."""
    o, c = outgoing(w), w.cluster
    number = POINTS.index(point) * len(FAULTS) + list(FAULTS).index(fault)
    company, mark = o.companies[number % len(o.companies)], f"cell{number}"
    texts = [Text((point, fault), company, new_number(), f"{mark} {kind} {n} {uuid.uuid4().hex}", kind) for n, kind in enumerate(kinds(TEXTS // (len(POINTS) * len(FAULTS))))]
    o.texts += texts
    prepare(w, point, fault, texts)
    of = lambda kind: [t for t in texts if t.kind == kind]  # noqa: E731
    for text in of("refused"):
        HTTP.post(f"{c.url}/api/v1/opt-outs", json={"phone": text.customer, "reason": "said so"}, headers={"Authorization": f"Bearer {company.manager}"}).raise_for_status()
    o.hold_back(company, WAIT_S)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        *others, last = texts
        list(pool.map(o.accept, others))
        list(pool.map(o.cancel, of("cancelled")))
        victims = [t.customer for t in of("point")]
        with contextlib.ExitStack() as until:
            if point == "before the note":
                locked = until.enter_context(Locked(c, company, victims))
            o.hold_back(company, 0)
            o.accept(last)  # upon which the number is looked at again
            stops = [pool.submit(company.text, t.customer, body="STOP") for t in of("stopped")]
            if point != "before the note":
                eventually(lambda: held(c, company), within=60, what="a request that stands still at Twilio")
            if point == "before the answer is written":
                locked = until.enter_context(Locked(c, company, victims))
                release(c)
            if point in ("before the note", "before the answer is written"):
                locked.wait_for_somebody()
            on_their_way = c.sql("SELECT state, count(*) FROM text_sends WHERE company_id = %s GROUP BY 1 ORDER BY 1", company.id)
            kill(w)
            release(c)
        for stop in stops:
            stop.result()
    begun = time.monotonic()
    c.restart("lead-pipeline")
    w.progress_within(15)
    return {"texts": len(texts), "on their way at the kill": ", ".join(f"{n} {state}" for state, n in on_their_way), "writes again after": f"{time.monotonic() - begun:.1f} s"}


def at_twilio(o: Outgoing) -> dict[str, tuple[int, int, set[str]]]:
    """Of each text by its words: how often it was asked for and taken, and the SIDs."""
    found: dict[str, tuple[int, int, set[str]]] = {}
    for company in o.companies:
        for a in company.at_twilio():
            asked, taken, sids = found.get(a["body"], (0, 0, set()))
            found[a["body"]] = (asked + 1, taken + (a["sid"] is not None), sids | ({a["sid"]} if a["sid"] else set()))
    return found


def each_once(w: World) -> Seen:
    """What became of all of them, once nothing is on its way: at Twilio once, and refused and cancelled ones never."""
    o = outgoing(w)
    ids = [c.id for c in o.companies]
    begun = time.monotonic()
    eventually(lambda: not w.cluster.sql("SELECT 1 FROM text_sends WHERE company_id = ANY(%s) LIMIT 1", ids), within=420 * w.slack, what="the end of all lines")
    took = time.monotonic() - begun
    rows = {str(i): (status, code, sid, body, segments) for i, status, code, sid, body, segments in
            w.cluster.sql("SELECT id, status, error_code, provider_message_id, body, segments FROM messages WHERE company_id = ANY(%s) AND direction = 'outbound'", ids)}
    twilio = at_twilio(o)
    wrong: list[str] = []
    cells: dict[tuple[str, str], collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for t in o.texts:
        asked, taken, sids = twilio.get(t.body, (0, 0, set()))
        status, code, sid, body, _ = rows.get(t.id, ("none", None, None, t.body, 1))
        wanted = 0 if status in ("none", "canceled") or (status, code) == ("failed", "21610") else 1
        count = cells[t.cell]
        count["texts"] += 1
        count["once"] += taken == wanted == 1
        count["never, rightly"] += taken == wanted == 0
        count["asked again"] += asked > 1
        count["lost"] += taken < wanted
        count["doubled"] += taken > max(wanted, 1)
        count["against the will"] += (taken > 0 and not wanted) or (asked > 0 and t.kind in ("refused", "cancelled"))
        if taken != wanted or (asked and (t.kind == "refused" or status == "canceled")) or (t.kind == "cancelled" and status != "canceled") or (t.kind not in ("refused", "cancelled", "stopped") and wanted != 1) \
                or (wanted and sid not in sids) or body != t.body:
            wrong.append(f"{t.cell} {t.kind}: asked {asked}, taken {taken}, row {status} {code} {sid in sids}")
    w.tables.append(table(cells))
    assert not wrong, f"{len(wrong)} of {len(o.texts)} texts: {wrong[:5]}"
    strange = len(rows) - sum(bool(t.id) for t in o.texts)
    assert strange == 0, f"there are {strange} texts more than were accepted"
    return {"texts": len(o.texts), "at Twilio once": sum(c["once"] for c in cells.values()), "never, rightly": sum(c["never, rightly"] for c in cells.values()), "lines ended after": f"{took:.0f} s"}


def table(cells: dict[tuple[str, str], collections.Counter[str]]) -> str:
    columns = ("texts", "once", "never, rightly", "asked again", "lost", "doubled", "against the will")
    lines = [f"{'texts that leave: lead-pipeline killed':40} {'Twilio':28} " + " ".join(f"{c:>{max(6, len(c))}}" for c in columns)]
    return "\n".join([*lines, *(f"{point:40} {fault:28} " + " ".join(f"{count[c]:>{max(6, len(c))}}" for c in columns) for (point, fault), count in cells.items())])


def replay(w: World) -> Seen:
    """Everything on otto.routed once more, with nothing that remembers it: no text leaves by what is reported."""
    o, c = outgoing(w), w.cluster
    ids = [company.id for company in o.companies]
    before = {body: asked for body, (asked, _, _) in at_twilio(o).items()}
    rows = c.sql("SELECT id, status FROM messages WHERE company_id = ANY(%s) ORDER BY id", ids)
    c.stop(c.one("lead-pipeline"))
    ends = dict(c.sql("SELECT partition, next_offset FROM lanes WHERE consumer = 'lead-pipeline/messages' AND topic = 'otto.routed'"))
    c.sql("DELETE FROM inbox WHERE consumer = 'lead-pipeline/messages' AND company_id = ANY(%s)", ids)
    c.sql("UPDATE lanes SET next_offset = 0 WHERE consumer = 'lead-pipeline/messages' AND topic = 'otto.routed' AND next_offset IS NOT NULL")
    c.restart("lead-pipeline")

    def caught_up() -> bool:
        now = dict(c.sql("SELECT partition, next_offset FROM lanes WHERE consumer = 'lead-pipeline/messages' AND topic = 'otto.routed'"))
        return all(end is None or (now[p] or 0) >= end for p, end in ends.items())

    eventually(caught_up, within=120 * w.slack, what="the end of the replay")
    again = int(c.sql("SELECT count(*) FROM inbox WHERE consumer = 'lead-pipeline/messages' AND company_id = ANY(%s)", ids)[0][0])
    assert {body: asked for body, (asked, _, _) in at_twilio(o).items()} == before, "the replay made texts leave"
    assert c.sql("SELECT id, status FROM messages WHERE company_id = ANY(%s) ORDER BY id", ids) == rows, "the replay changed texts"
    return {"events applied again": again, "texts that left by it": 0}


ENDS: list[tuple[str, typing.Callable[[World], Seen]]] = [("each text is at Twilio once", each_once), ("otto.routed once more", replay)]
SCENARIO = [*((f"lead-pipeline killed {point}, Twilio {fault}", functools.partial(cell, point=point, fault=fault)) for point in POINTS for fault in FAULTS), *ENDS]
