#!/usr/bin/env python3
"""What a day's webhooks ask for: deploy/growth.md, made from the inputs below.

usage: deploy/growth.py [--write]
  no option   prints the page
  --write     writes deploy/growth.md anew
"""
import argparse
import dataclasses
import math
import pathlib
import sys

PAGE = pathlib.Path(__file__).resolve().parent / "growth.md"
KB, MB, GB, TB = 1e3, 1e6, 1e9, 1e12
DAY = 86_400


@dataclasses.dataclass(frozen=True)
class Inputs:
    """What is measured or given; all else follows. Each with where it comes from, which the page repeats."""

    cpu_s: float = 4e-3               # a webhook, all services, Kafka and Postgres
    records: float = 3.4              # a webhook, on all topics
    kafka_bytes: float = 4 * KB       # a webhook, a replica
    webhooks_a_call: int = 3
    rows_bytes: float = 3.4 * KB      # a call: rows and their indexes
    documents_bytes: float = 8 * KB   # a call: transcript and analysis
    recording_bytes: float = 1.4 * MB
    minutes: float = 3.0              # of speech, a call
    inbox_rows: float = 5.8           # a call
    inbox_bytes: float = 158          # a row
    inbox_days: int = 8
    peak: float = 10                  # times the day's mean
    kafka_days: int = 7
    kafka_replicas: int = 3
    speech_dollars: float = 0.024     # a minute
    restore: float = 300 * MB         # bytes a second
    restore_s: float = 2 * 3600       # what a restore may take
    callrail_requests: int = 10_000   # a day and account
    callrail_a_call: float = 2        # requests: the recording, the sweep
    company_changes: int = 1_900      # a second: one key, so one lane
    sessions: int = 500               # at Postgres
    partitions: int = 12
    topic_events: float = 2e4         # a second, at that many partitions
    company_bytes: float = 5 * KB     # of the directory, in memory
    ingress_webhooks: int = 27_000    # a second and core
    archive_months: int = 13


SOURCES = (
    ("CPU of a webhook, all services, Kafka and Postgres", lambda i: f"{i.cpu_s * 1e3:.0f} ms", "`tests/run bench` on two cores: 3 to 4"),
    ("records of a webhook; bytes in Kafka, a replica", lambda i: f"{i.records}; {i.kafka_bytes / KB:.0f} KB at most", "`tests/run bench`"),
    ("webhooks a call", lambda i: f"{i.webhooks_a_call}", "what CallRail posts: at the ring, at the end, later"),
    ("rows of a call, with indexes", lambda i: f"{i.rows_bytes / KB} KB", "measured at 10⁶ calls"),
    ("transcript and analysis of a call", lambda i: f"{i.documents_bytes / KB:.0f} KB", "assumed: three minutes of speech"),
    ("recording of a call", lambda i: f"{i.recording_bytes / MB} MB", "assumed: three minutes, 64 kbit/s"),
    ("inbox rows of a call", lambda i: f"{i.inbox_rows}, of {i.inbox_bytes:.0f} B, kept {i.inbox_days} days", "measured; `OTTO_INBOX_DAYS`"),
    ("peak", lambda i: f"{i.peak:.0f} × the day's mean", "assumed: office hours, and a storm"),
    ("Kafka", lambda i: f"{i.kafka_days} days, {i.kafka_replicas} replicas, {i.partitions} partitions", "the topics' declaration"),
    ("speech to text", lambda i: f"${i.speech_dollars} a minute", "the provider's list price"),
    ("requests to CallRail of a call", lambda i: f"{i.callrail_a_call:.0f}, of {i.callrail_requests:,} a day and account", "assumed: its recording, its share of the sweep"),
    ("a restore", lambda i: f"{i.restore / MB:.0f} MB/s, {i.restore_s / 3600:.0f} hours at most", "assumed"),
)


@dataclasses.dataclass(frozen=True)
class Size:
    webhooks: float  # a day
    i: Inputs

    @property
    def calls(self) -> float:
        return self.webhooks / self.i.webhooks_a_call

    @property
    def peak(self) -> float:
        return self.webhooks / DAY * self.i.peak

    @property
    def cores(self) -> float:
        return self.peak * self.i.cpu_s

    @property
    def rows_a_year(self) -> float:
        return self.calls * 365 * (self.i.rows_bytes + self.i.documents_bytes)

    @property
    def recordings(self) -> float:
        return self.calls * self.i.recording_bytes

    @property
    def inbox(self) -> float:
        return self.calls * self.i.inbox_rows * self.i.inbox_bytes * self.i.inbox_days

    @property
    def kafka(self) -> float:
        """On each of as many brokers as there are replicas."""
        return self.webhooks * self.i.kafka_bytes * self.i.kafka_days

    @property
    def events(self) -> float:
        return self.peak * self.i.records

    @property
    def speech(self) -> float:
        return self.calls * self.i.minutes * self.i.speech_dollars

    @property
    def restore_h(self) -> float:
        return self.rows_a_year / self.i.restore / 3600

    def cells(self, years: float) -> int:
        """So many that each restores in time: documents of the last months, rows of all years."""
        documents = self.calls * min(years * 365, self.i.archive_months * 365 / 12) * self.i.documents_bytes
        rows = self.calls * years * 365 * self.i.rows_bytes
        return math.ceil((documents + rows) / (self.i.restore * self.i.restore_s))


def number(value: float, unit: str = "") -> str:
    """Two figures are as many as these inputs bear."""
    if value == 0:
        return "0" + unit
    digits = 1 - math.floor(math.log10(abs(value)))
    value = round(value, digits)
    return (f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:,.{max(digits, 1)}f}") + unit


def bytes_(value: float) -> str:
    for size, unit in ((TB, " TB"), (GB, " GB"), (MB, " MB")):
        if value >= size * 0.95:
            return number(value / size, unit)
    return number(value / KB, " KB")


def power(value: float) -> str:
    exponent = math.floor(math.log10(value) + 1e-9)
    mantissa = value / 10 ** exponent
    raised = "10" + str(exponent).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return raised if abs(mantissa - 1) < 0.05 else f"{mantissa:.2g} × {raised}"


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    return "\n".join(f"| {' | '.join(r)} |" for r in (head, tuple("---" for _ in head), *rows)) + "\n"


def page(i: Inputs = Inputs()) -> str:
    sizes = [Size(w, i) for w in (1e6, 1e7, 1e8)]
    have = ("`small`: two of each, 12 partitions, one Postgres of 4 cores and 16 GB",
            "`large`: Postgres of 16 cores, archive, figures from a replica; cells once a restore takes too long", "cells")
    a_call = i.rows_bytes + i.documents_bytes
    fits = i.restore * i.restore_s
    first, _, last = sizes
    by_callrail = i.callrail_requests / i.callrail_a_call
    return f"""# Growth

What a day's webhooks ask for, what ends first, and what is done then. `deploy/growth.py` makes this page of its inputs (`--write`; ctest `services.growth` compares): another measure, another
page. Two figures are as many as the inputs bear.

## Inputs

{table(("what", "how much", "from"), [(what, how(i), whence) for what, how, whence in SOURCES])}
## Sizes

{table(("webhooks a day", "calls a day", "peak", "cores at peak", "events at peak", "rows a year", "restored in", "recordings a day", "Kafka, a broker of three", "inbox"), [
    (power(s.webhooks), power(s.calls), number(s.peak, "/s"), number(s.cores), number(s.events, "/s"), bytes_(s.rows_a_year), number(s.restore_h, " h"), bytes_(s.recordings), bytes_(s.kafka), bytes_(s.inbox)) for s in sizes])}
{table(("webhooks a day", "what to have", "cells after one year", "after three"), [(power(s.webhooks), what, str(s.cells(1)), str(s.cells(3))) for s, what in zip(sizes, have)])}
## What ends first, in this order

1. **Providers.** CallRail takes {i.callrail_requests:,} requests a day and account: {by_callrail:,.0f} calls with a recording. Speech at ${i.speech_dollars} a minute is ${number(first.speech)} a day at {power(first.webhooks)} webhooks.
2. **The object store**: {bytes_(last.recordings)} of recordings a day at {power(last.webhooks)}. It grows without Otto's doing; `OTTO_OBJECT_STORE` then names a bucket.
3. **Postgres's size.** In {i.restore_s / 3600:.0f} hours {bytes_(fits)} are restored: {power(fits / a_call)} calls with their documents, {power(fits / i.rows_bytes)} without. At {power(first.webhooks)} webhooks a day that is {number(fits / a_call / first.calls / 365)} years, at {power(sizes[1].webhooks)} {number(fits / a_call / sizes[1].calls)} days.
4. **One company's changes**: its key leads to one lane, {i.company_changes:,} a second.
5. **Sessions at Postgres**: {i.sessions}. `k8s/generate --sums` adds them up.
6. **{i.partitions} partitions**: {power(i.topic_events)} events a second, {power(i.topic_events / i.records / i.peak * DAY)} webhooks a day. Then new topics with 48.
7. **The directory in memory**: {bytes_(i.company_bytes * 1e4)} for 10⁴ companies, in each process that reads it.
8. **An ingress**: {i.ingress_webhooks:,} webhooks a second and core, {power(i.ingress_webhooks * DAY / i.peak)} a day. Never.

## What is done then

None of this is built; the rules that keep it possible are (company_id leads every key, no foreign key crosses services, ids are names).

- **Archive.** Transcripts and analyses older than {i.archive_months} months go to the object store: one object a company and month, listed in Postgres, so that one person's can be erased. Calls and their facts
  stay: 10⁹ calls in {bytes_(1e9 * i.rows_bytes)} instead of {bytes_(1e9 * a_call)}.
- **Cells, not Citus.** A cell is a whole Otto behind shared ingresses and routers. The directory names a company's cell, and the router writes to `otto.routed.<cell>`. The company is the key in either design, but
  a batch spans companies, so on Citus each would be a two-phase commit over workers. Cells keep every guarantee, bound a fault to 1/N, and put a company in its region. A company is moved so: copy its rows, hold
  its events, drain, switch its cell, release. Citus stays possible, since company_id leads every key.
- **Replicas.** Figures (`/api/v1/metrics/…`) are read from a replica by a setting of their own, at most 5 s old, else from the primary: they are the reads that walk.
- **Regions.** Ingresses in both, so receipt is local; `otto.inbound` is mirrored; rows follow by an asynchronous standby. A fail-over rewinds the topics by time, and the inbox drops what repeats, since ids are
  names: no webhook is lost, and rows are as late as the standby was. Fifteen minutes, drilled and not assumed.
"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="deploy/growth.py", usage=(__doc__ or "").partition("usage: ")[2])
    parser.add_argument("--write", action="store_true")
    if parser.parse_args().write:
        PAGE.write_text(page())
    else:
        sys.stdout.write(page())
    return 0


if __name__ == "__main__":
    sys.exit(main())
