"""What must be true once everything has arrived: every 2xx is exactly one set of rows, and nothing else exists."""

import collections
import dataclasses
import re
import time
import typing

import confluent_kafka

from .cluster import Cluster
from .load import Call, Load, Text, Voice, Webhook

RANKS = ("queued", "sending", "sent", "failed", "undelivered", "delivered", "read")  # of a text that was sent
# What a record of Twilio's says of itself, in the form that it carries: the answers to these say no event's id.
ABOUT = re.compile(rb"(?:MessageSid=(SM[0-9a-f]{32})&(SmsStatus=[a-z]+)|CallSid=(CA[0-9a-f]{32})&([A-Za-z]+Status=[a-z-]+))")


@dataclasses.dataclass(slots=True)
class Record:
    partition: int
    offset: int
    key: str
    id: str
    cause: str
    time: str
    type: str
    source: str
    about: str


def about(value: bytes) -> str:
    found = ABOUT.search(value)
    return " ".join(part.decode() for part in found.groups() if part) if found else ""


def scan(brokers: str, topic: str) -> list[Record]:
    """Every record of a topic, by partition and offset."""
    consumer = confluent_kafka.Consumer({"bootstrap.servers": brokers, "group.id": "chaos-checker", "enable.auto.commit": False, "enable.partition.eof": False, "queued.max.messages.kbytes": 65536})
    try:
        partitions = consumer.list_topics(topic, timeout=20).topics[topic].partitions
        ends = {p: consumer.get_watermark_offsets(confluent_kafka.TopicPartition(topic, p), timeout=20) for p in partitions}
        left = {p: high for p, (low, high) in ends.items() if high > low}
        consumer.assign([confluent_kafka.TopicPartition(topic, p, ends[p][0]) for p in left])
        out: list[Record] = []
        last = time.monotonic()
        while left:
            batch = consumer.consume(5_000, timeout=0.3)
            if batch:
                last = time.monotonic()
            elif time.monotonic() - last > 20:
                raise AssertionError(f"{topic}: no more records, {left} still to come")
            for m in batch:
                if m.error():
                    raise AssertionError(f"{topic}: {m.error()}")
                headers = {k: v.decode(errors="replace") for k, v in (m.headers() or []) if v is not None}
                out.append(Record(m.partition(), m.offset(), (m.key() or b"").decode(errors="replace"), headers.get("ce_id", ""), headers.get("ce_causationid", ""), headers.get("ce_time", ""), headers.get("ce_type", ""),
                                  headers.get("ce_source", ""), about(m.value() or b"")))
                if m.offset() + 1 >= left.get(m.partition(), 1 << 62):
                    left.pop(m.partition())
        out.sort(key=lambda r: (r.partition, r.offset))
        return out
    finally:
        consumer.close()


class Findings:
    def __init__(self) -> None:
        self.faults: list[str] = []
        self.counts: dict[str, int] = {}

    def count(self, name: str, value: int) -> None:
        self.counts[name] = value

    def expect(self, good: bool, what: str) -> None:
        if not good:
            self.faults.append(what)

    def same(self, what: str, seen: typing.Iterable[typing.Any], least: typing.Iterable[typing.Any], most: typing.Iterable[typing.Any] | None = None) -> None:
        """`seen` holds each of `least` once and nothing beyond `most`."""
        counted = collections.Counter(seen)
        must = set(least)
        may = must if most is None else must | set(most)
        lost, doubled, strange = must - set(counted), [k for k, n in counted.items() if n > 1], set(counted) - may
        for name, found in (("lost", lost), ("doubled", doubled), ("from nowhere", strange)):
            self.expect(not found, f"{what}: {len(found)} {name}, such as {sorted(map(str, found))[:3]}")


def status_of(call: Call, events: set[str]) -> str:
    return "missed" if "missed" in events or ("modified" in events and call.missed) else "completed" if events & {"completed", "modified"} else "in_progress" if "answered" in events else "ringing"


def check(cluster: Cluster, load: Load, orderless: list[tuple[float, float]] = []) -> Findings:
    """`orderless`: times (since, until) in which more than one ingress stamped webhooks, or the clock stood elsewhere: their order is nobody's promise."""
    f = Findings()
    good = [c for c in load.calls if c.kind == "good"]
    texts = [t for t in load.texts if t.kind == "good"]
    voices = [v for v in load.voices if v.kind == "good"]
    things = [*load.calls, *load.texts, *load.voices]
    companies = {c.id: c for c in load.companies}
    inbound, routed = scan(cluster.brokers, "otto.inbound"), scan(cluster.brokers, "otto.routed")
    named = {(r.about, r.id) for r in inbound if r.about}
    ids = dict(named)
    f.expect(len(ids) == len(named), "a report of Twilio's has two ids")
    for hook in (w for t in [*load.texts, *load.voices] for w in t.taken if w.named):
        hook.event_id = ids.get(hook.named, hook.named)
    taken = {w.event_id: w for c in things for w in c.taken}
    f.count("webhooks sent", len(load.sends))
    f.count("answered 2xx", sum(s.status // 100 == 2 for s in load.sends))
    f.count("refused 401", sum(s.status == 401 for s in load.sends))
    f.count("other answers", sum(s.status // 100 != 2 and s.status not in (0, 401) for s in load.sends))
    f.count("no answer", sum(s.status == 0 for s in load.sends))
    f.expect(len(taken) == sum(len(c.taken) for c in things), "two webhooks got one event id")

    # -- rows
    rows = cluster.sql("SELECT company_id, provider_call_id, status, note, contact_card_id, lead_id, phone_number, duration FROM calls WHERE company_id = ANY(%s)", list(companies))
    f.count("calls", len(rows))
    must = {(c.company.id, str(c.id)) for c in good if c.taken and c.company}
    may = {(c.company.id, str(c.id)) for c in good if c.perhaps and c.company}
    must |= {(v.company.id, v.id) for v in voices if named_by(v.taken) and v.company}
    may |= {(v.company.id, v.id) for v in voices if named_by(v.perhaps) and v.company}
    alias = {}  # CallRail's masked id is the better name
    from sandbox.state import resource_id

    for c in good:
        alias[resource_id("CAL", c.id)] = str(c.id)
    named = [(company, alias.get(call, call)) for company, call, *_ in rows]
    f.same("calls", named, must, may)
    by_call = dict(zip(named, rows))

    # -- topics
    first: dict[str, Record] = {}
    for r in inbound:
        first.setdefault(r.id, r)
    f.count("records on otto.inbound", len(inbound))
    f.count("repeats among them", len(inbound) - len(first))
    f.count("records on otto.routed", len(routed))
    f.expect(not (set(taken) - set(first)), f"{len(set(taken) - set(first))} webhooks answered 2xx are not on otto.inbound")

    wrong_status, wrong_note = [], []
    for c in good:
        row = by_call.get((c.company.id if c.company else "", str(c.id)))
        if row is None:
            continue
        sure, perhaps = {w.event for w in c.taken}, {w.event for w in c.perhaps}
        if row[2] not in ({status_of(c, sure | p) for p in subsets(perhaps)}):
            wrong_status.append((c.id, row[2], sorted(sure)))
        notes = [w for w in c.taken if w.note]
        if notes and not [w for w in c.perhaps if w.note]:
            last = max(notes, key=lambda w: (first[w.event_id].time, w.event_id) if w.event_id in first else ("", ""))
            if row[3] != last.note:
                wrong_note.append((c.id, row[3], last.note, sorted((first[w.event_id].time, w.event_id, w.note) for w in notes if w.event_id in first)))
    f.expect(not wrong_status, f"{len(wrong_status)} calls have a wrong status, such as {wrong_status[:3]}")
    f.expect(not wrong_note, f"{len(wrong_note)} calls have not the last note, such as {wrong_note[:3]}")

    # -- calls over Twilio, and what callers left
    twilio_calls(f, cluster, load, voices, by_call)

    # -- texts, message by message
    threads(f, cluster, load, texts)

    # -- people and leads
    contacts = cluster.sql("SELECT company_id, primary_phone FROM contact_cards WHERE company_id = ANY(%s)", list(companies))
    f.same("contacts", contacts, {(c.company.id, c.customer) for c in [*good, *texts, *voices] if named_by(c.taken) and c.company},
           {(c.company.id, c.customer) for c in [*good, *texts, *voices] if named_by(c.perhaps) and c.company})
    led = cluster.sql("SELECT company_id, contact_card_id FROM messages WHERE company_id = ANY(%s) AND lead_id IS NOT NULL", list(companies))
    f.same("open leads", cluster.sql("SELECT company_id, contact_card_id FROM leads WHERE company_id = ANY(%s) AND status NOT IN ('closed_won', 'closed_lost', 'abandoned')", list(companies)),
           {*((company, contact) for company, _, _, _, contact, *_ in rows), *led})
    f.expect(all(r[5] for r in rows), "there are calls without a lead")

    # -- once
    causes = {r.id: r.cause for r in routed}
    applied = [causes.get(str(i), f"? {i}") for (i,) in cluster.sql("SELECT event_id FROM inbox WHERE consumer IN ('lead-pipeline', 'lead-pipeline/messages') AND company_id = ANY(%s)", list(companies))]
    seen = {r.id for r in inbound}
    # A recording names no number: where its call is known by nothing else, it waits.
    authentic = {i for i, w in taken.items() if w.of.kind == "good" and (named_by([w]) or named_by(w.of.taken))}
    f.same("events applied by lead-pipeline", applied, authentic, seen)
    f.count("events applied", len(applied))

    # -- forged and unknown
    strangers = {str(c.id) for c in [*load.calls, *load.voices] if c.kind == "forged"}
    forged_taken = [c.id for c in things if c.kind == "forged" and c.taken]
    f.expect(not forged_taken, f"{len(forged_taken)} forged webhooks were taken")
    f.expect(not [n for n in named if n[1] in strangers], "there are rows of forged calls")
    held = [str(i) for (i,) in cluster.sql("SELECT event_id FROM held_events WHERE number = ANY(%s)", load.unowned)]
    unknown = {w.event_id for c in things if c.kind == "unknown" for w in c.taken}
    f.same("held events", held, unknown, seen)
    f.count("held", len(held))
    f.count("forged", sum(c.kind == "forged" for c in things))
    f.expect(len(seen) - len(taken) <= sum(len(c.perhaps) for c in things) + len({r.id for r in inbound if r.key not in set(load.customers)}),
             "otto.inbound holds events that nobody sent")

    # -- order
    ours = set(load.customers)

    def apart(time: str) -> bool:
        import datetime

        at = datetime.datetime.fromisoformat(time.replace("Z", "+00:00")).timestamp()
        return any(since <= at <= until for since, until in orderless)

    late: dict[tuple[str, str], str] = {}  # by customer and who took it: of two ingresses each keeps its own order
    disordered = []
    for r in first.values():
        if r.key not in ours or apart(r.time):
            continue
        way = r.key, r.source
        if r.time < late.get(way, ""):
            disordered.append((r.key[-4:], r.time, late[way]))
        late[way] = max(late.get(way, ""), r.time)
    f.expect(not disordered, f"otto.inbound: {len(disordered)} events stand before earlier ones of their customer, such as {disordered[:3]}")
    position = {id_: n for n, id_ in enumerate(first)}
    latest: dict[str, int] = {}
    done: set[str] = set()
    overtaken = []
    for r in routed:
        # Shunya's reports find their company in a table, on a way of their own: calls of their customer may pass them.
        # So do recordings, which are found by their call.
        if r.id in done or r.cause not in position or r.type.endswith(".JobReported") or first[r.cause].key not in ours:
            continue
        done.add(r.id)
        if position[r.cause] < latest.get(r.key, -1):
            overtaken.append((r.key[-4:], r.cause))
        latest[r.key] = max(latest.get(r.key, -1), position[r.cause])
    f.expect(not overtaken, f"otto.routed: {len(overtaken)} events were overtaken by later ones of their customer, such as {overtaken[:3]}")
    f.expect(not (set(applied) - {"?"} - seen), "events were applied that otto.inbound does not hold")
    standing = cluster.standing()
    f.expect(not any(standing.values()), f"something is still on its way: {standing}")
    return f


def named_by(webhooks: list[Webhook]) -> list[Webhook]:
    """Those that say whose the call or text is: a recording's callback has neither From nor To."""
    return [w for w in webhooks if not w.event.startswith("RecordingStatus")]


def end_of(events: set[str]) -> str:
    """How a call over Twilio ends by what was told of it; "": not told that it is over."""
    if "CallStatus=completed" not in events:
        return ""
    return "completed" if "DialCallStatus=completed" in events else "voicemail" if "RecordingStatus=completed" in events else "missed"


def twilio_calls(f: Findings, cluster: Cluster, load: Load, voices: list[Voice], by_call: dict[tuple[str, str], tuple[typing.Any, ...]]) -> None:
    """Each ended as what was told of it says, as long as it says; each voicemail is there once, and is its call's."""
    wrong = []
    for v in voices:
        row = by_call.get((v.company.id if v.company else "", v.id))
        sure, perhaps = {w.event for w in v.taken}, {w.event for w in v.perhaps}
        ends = {end_of(sure | p) for p in subsets(perhaps)}
        if row and "" not in ends and (row[2] not in ends or row[6] != v.customer or row[7] != v.duration):
            wrong.append((v.id, row[2], row[6], row[7], sorted(ends), v.customer, v.duration))
    f.expect(not wrong, f"{len(wrong)} calls over Twilio ended otherwise than was told, such as {wrong[:3]}")
    left = cluster.sql("SELECT m.company_id, c.provider_call_id, m.recording_sid FROM voicemail_messages m JOIN calls c USING (company_id, call_id) WHERE m.company_id = ANY(%s)", [c.id for c in load.companies])

    def recorded(of: typing.Callable[[Voice], list[Webhook]]) -> set[tuple[str, str, str]]:
        return {(v.company.id, v.id, v.recording) for v in voices if v.company and v.recording and any(not named_by([w]) for w in of(v)) and named_by([*v.taken, *of(v)])}

    f.same("voicemails", left, recorded(lambda v: v.taken), recorded(lambda v: [*v.taken, *v.perhaps]))
    f.count("calls over Twilio", len(voices))
    f.count("voicemails", len(left))


def standings(text: Text) -> set[str]:
    """How a text may stand: by its reports that were taken, with any of those that perhaps were."""
    if text.provider == "callrail":
        return {"received" if text.direction == "inbound" else "sent"}
    sure, perhaps = {w.event for w in text.taken}, {w.event for w in text.perhaps}
    ends = [sure | p for p in subsets(perhaps)]
    return {"received"} if text.direction == "inbound" else {max(end, key=RANKS.index) for end in ends if end}


def threads(f: Findings, cluster: Cluster, load: Load, texts: list[Text]) -> None:
    """Each customer's thread holds each of its texts once, with its words, its standing and its time, and nothing else."""
    companies = [c.id for c in load.companies]
    rows = cluster.sql("SELECT m.company_id, m.provider, m.provider_message_id, m.direction, m.body, m.status, m.sent_at, m.lead_id, c.primary_phone FROM messages m"
                       " JOIN contact_cards c ON (c.company_id, c.id) = (m.company_id, m.contact_card_id) WHERE m.company_id = ANY(%s)", companies)
    f.count("texts", len(rows))

    def thread(text: Text) -> tuple[str, str, str, str]:
        assert text.company
        return text.company.id, text.customer, text.provider, text.id

    seen = {(company, phone, provider, id_): (direction, body, status, sent_at) for company, provider, id_, direction, body, status, sent_at, _, phone in rows}
    f.same("texts in threads", [(company, phone, provider, id_) for company, provider, id_, *_, phone in rows], {thread(t) for t in texts if t.taken}, {thread(t) for t in texts if t.perhaps})
    wrong = []
    for t in texts:
        row = seen.get(thread(t))
        if row and (row[:2] != (t.direction, t.body) or row[2] not in standings(t) or (t.sent_at and row[3] != t.sent_at)):
            wrong.append((t.id, row, t.direction, t.body, sorted(standings(t)), t.sent_at))
    f.expect(not wrong, f"{len(wrong)} texts are not what was told, such as {wrong[:3]}")
    f.expect(not cluster.sql("SELECT 1 FROM opt_outs WHERE company_id = ANY(%s)", companies), "somebody is said to want no texts who said nothing of the kind")


def subsets(of: set[str]) -> list[set[str]]:
    out: list[set[str]] = [set()]
    for x in of:
        out += [s | {x} for s in out]
    return out
