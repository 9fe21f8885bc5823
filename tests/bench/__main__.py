"""The benchmark suite: each figure beside its limit, measured in the same run, round by round in turn. tests/run bench calls it; so does tests/bench/run."""

import argparse
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import typing

from . import analyses, commands, flow, people, publishing, reads, sending, streams, texts, voice
from .harness import SEED, Bench, Company, Row, say

MEASURES: dict[str, typing.Callable[[Bench, list[Company], int], list[Row]]] = {"ingress": flow.ingress, "router": flow.router, "pipeline": flow.pipeline, "visible": flow.visible,
                                                                         "growth": reads.growth, "reads": reads.reads, "search": reads.search, "searches": reads.searches, "results": analyses.results,
                                                                         "recordings": analyses.recordings, "members": commands.members, "strangers": commands.strangers, "audited": commands.audited, "refused": publishing.refused,
                                                                         "away": publishing.away, "texts": texts.webhooks, "threads": texts.pipeline, "messages": texts.reads, "drain": sending.drain, "asked": sending.asked, "slowed": sending.slowed,
                                                                         "queued": sending.queued, "twiml": voice.twiml, "ends": voice.ends, "aloha": voice.aloha, "clerk": people.webhooks, "removals": people.removals, "tokens": people.tokens, "told": streams.told, "idle": streams.idle, "memory": flow.memory}
COMPANIES = 8


def table(rows: list[Row]) -> str:
    def figure(value: float | None, unit: str = "") -> str:
        return "–" if value is None else f"{value:,.{0 if value >= 1000 else 1 if value >= 10 else 2}f}{' ' + unit if unit and unit != '/s' else unit}"

    head = ["measure", "ours", "limit", "ratio", "must", "aim", "verdict", "limited by"]
    lines = [[r.measure, figure(r.ours, r.unit), figure(r.limit, r.unit), figure(r.ratio), ("≤ " if r.better == "less" else "≥ ") + f"{r.must:g}", f"{r.aim:g}", r.verdict, r.limited_by] for r in rows]
    widths = [max(len(line[i]) for line in [head, *lines]) for i in range(len(head))]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(line, widths)).rstrip() for line in [head, ["-" * w for w in widths], *lines])


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests/bench/run", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=MEASURES, metavar="NAME", help=f"only these measures: {', '.join(MEASURES)}")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each measure; the median counts (default 5)")
    parser.add_argument("--json", type=pathlib.Path, default=pathlib.Path("bench.json"), help="where the report goes, beside the table (default ./bench.json)")
    parser.add_argument("--keep", action="store_true", help="leave the stack running and its folder in place")
    parser.add_argument("--profile", type=pathlib.Path, metavar="FOLDER", help="also write there where the CPU of each measured process goes (perf); the figures then do not count")
    args = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))[:2]
    os.sched_setaffinity(0, cores)  # inherited by all that is started: Kafka, Postgres, Otto, the limits and the load
    folder = pathlib.Path(tempfile.mkdtemp(prefix="otto-bench-"))
    programs = pathlib.Path(os.environ["OTTO_BIN"]).resolve()
    bench = Bench(folder, programs)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # a stopped run leaves nothing behind
    bench.profiles = args.profile and args.profile.resolve()
    began, rows, faults = time.monotonic(), [], []
    say(f"seed {SEED}, cores {cores}, load average {os.getloadavg()[0]:.2f}, run folder {folder}")
    try:
        bench.up()
        companies = [Company(bench) for _ in range(COMPANIES)]
        for name in (n for n in MEASURES if not args.only or n in args.only):
            start = time.monotonic()
            try:
                rows += MEASURES[name](bench, companies, args.rounds)
            except Exception as e:  # one measure's failure must not hide the others' figures
                faults.append(f"{name}: {e}")
                say(f"{name} failed: {e}")
            say(f"{name} took {time.monotonic() - start:.0f} s")
    finally:
        if args.keep:
            say(f"left running: OTTO_RUN_DIR={folder}")
        else:
            bench.keep_only()
            bench.down()
            shutil.rmtree(folder, ignore_errors=True)
    print("\n" + table(rows) + "\n")
    print(f"seed {SEED}, {args.rounds} rounds, median; cores {cores}, load average {os.getloadavg()[0]:.2f}; {time.monotonic() - began:.0f} s")
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=pathlib.Path(__file__).parent, capture_output=True, text=True).stdout.strip()
    report = {"seed": SEED, "rounds": args.rounds, "cores": cores, "commit": commit, "faults": faults,
              "rows": [{"measure": r.measure, "ours": r.ours, "limit": r.limit, "unit": r.unit, "ratio": r.ratio, "must": r.must, "aim": r.aim, "better": r.better, "verdict": r.verdict,
                        "limited_by": r.limited_by, "rounds": r.rounds} for r in rows]}
    args.json.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    for fault in faults:
        print(f"FAILED  {fault}", file=sys.stderr)
    return 1 if faults or any(r.verdict == "FAILED" for r in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
