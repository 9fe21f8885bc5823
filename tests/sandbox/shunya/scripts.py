"""What the sandbox's Shunya makes of a call: scripts, by call or customer."""

import copy
import threading
import typing

from ..commands import one_of, refuse, whole_number
from ..state import Json, State, e164, resource_id

OUTCOMES = ("booked", "booked_no_time", "not_booked", "hot", "warm", "cold", "service_not_offered", "unqualified", "no_booking_status")
STEPS = ("transcription", "analysis")
# What happens to a job, and the steps that it happens to unless the script names its own.
BEHAVIOURS = {
    "normal": STEPS, "silent": STEPS, "stuck": STEPS, "late": STEPS, "twice": STEPS, "processing_first": STEPS, "different": ("analysis",), "failed": ("analysis",), "failed_then_completed": ("analysis",),
    "malformed": ("analysis",), "wrong_company": ("analysis",), "unknown_call": ("analysis",), "analysis_first": ("transcription",),
}
ACTION_SHAPES = ("objects", "alternative", "texts", "none")
MALFORMED = ("text", "array", "no_ids", "wrong_types")
ANSWER_IDS = ("task_id", "job_id", "transcript_id", "id")
VARIANTS = ("timestamp_dot_body", "sorted_json", "uwc")
SIGNINGS = ("good", "bad", "missing", "stale", "future", "upper")
ENVELOPE: dict[str, typing.Any] = {"shape": 2, "id_name": "task_id", "payload_name": "data", "event_names": "vendor", "completed_word": "completed", "failed_word": "failed", "task_header": True}
ENVELOPE_WORDS = {"id_name": ("shunya_job_id", "job_id", "task_id", "none"), "payload_name": ("result", "data"), "event_names": ("vendor", "seeds"),
                  "completed_word": ("completed", "succeeded", "success"), "failed_word": ("failed", "error")}
KEYS = {"call_id", "callrail_call", "customer", "company", "next"}
MEMBERS = {"outcome", "behaviour", "steps", "times", "delay_ms", "late_ms", "second", "other_company", "refuse", "pending_actions", "appointment_at", "transcript", "transcript_bytes", "transcription",
           "analysis", "envelope", "malformed", "signature", "signing", "secret", "answer_id"}


def read_script(wanted: typing.Any) -> Json:
    """A script as a command gives it, or a refusal that names the member and the cure."""
    if not isinstance(wanted, dict):
        refuse("a script must be a JSON object")
    script = {name: value for name, value in copy.deepcopy(wanted).items() if value is not None}
    if unknown := sorted(script.keys() - KEYS - MEMBERS):
        refuse(f"{unknown[0]} is unknown here; known are {', '.join(sorted(KEYS | MEMBERS))}")
    for name, allowed in (("outcome", OUTCOMES), ("behaviour", tuple(BEHAVIOURS)), ("malformed", MALFORMED), ("signature", VARIANTS), ("signing", SIGNINGS), ("answer_id", ANSWER_IDS)):
        if name in script:
            one_of(script, name, allowed)
    for name in ("call_id", "times", "delay_ms", "late_ms", "transcript_bytes"):
        if name in script:
            script[name] = whole_number(script, name, 0, 0)
    for name in ("callrail_call", "customer", "company", "other_company", "appointment_at", "transcript", "secret"):
        if name in script:
            script[name] = str(script[name])
    for name in ("second", "transcription", "analysis", "envelope", "refuse"):
        if not isinstance(script.get(name, {}), dict):
            refuse(f"{name} must be a JSON object")
    steps = script.get("steps", [])
    if not isinstance(steps, list) or not set(map(str, steps)) <= set(STEPS):
        refuse(f"steps must be a list of {', '.join(STEPS)}")
    if not isinstance(script.get("pending_actions", []), list):
        one_of(script, "pending_actions", ACTION_SHAPES)
    read_envelope(script.get("envelope", {}))
    if "second" in script:
        script["second"] = read_script(script["second"])
    if "refuse" in script:
        read_refusal(script["refuse"])
    return script


def read_envelope(envelope: Json) -> None:
    if unknown := sorted(envelope.keys() - ENVELOPE.keys()):
        refuse(f"envelope: {unknown[0]} is unknown here; known are {', '.join(ENVELOPE)}")
    if envelope.get("shape", 2) not in (1, 2):
        refuse("envelope: shape must be 1 or 2")
    for name, allowed in ENVELOPE_WORDS.items():
        one_of(envelope, name, allowed, ENVELOPE[name])


def read_refusal(refusal: Json) -> None:
    if unknown := sorted(refusal.keys() - {"step", "status", "times", "retry_after", "after"}):
        refuse(f"refuse: {unknown[0]} is unknown here; known are step, status, times, retry_after, after")
    one_of(refusal, "step", STEPS, "transcription")
    if not 400 <= whole_number(refusal, "status", 500) <= 599:
        refuse("refuse: status must be an HTTP status of 400 to 599")
    if "times" in refusal:
        refusal["times"] = whole_number(refusal, "times", 1, 0)


class Scripts:
    """The scripts that are set. The one that names the call most closely counts; of several alike the one set last, of those for the next call the first."""

    def __init__(self, state: State) -> None:
        self.state, self.active, self.lock = state, typing.cast(list[Json], []), threading.Lock()

    def add(self, script: Json) -> Json:
        with self.lock:
            same = {name: script.get(name) for name in KEYS}
            if not script.get("next"):
                self.active = [s for s in self.active if {name: s.get(name) for name in KEYS} != same]
            self.active.append(script)
        return script

    def of_call(self, wanted: typing.Any) -> typing.Callable[[int], None]:
        """Reads an outcome, or a script without a key; it counts for the call whose number comes later."""
        script = read_script(wanted if isinstance(wanted, dict) else {"outcome": wanted})

        def tell(call: int) -> None:
            self.add({**script, "callrail_call": str(call)})

        return tell

    def clear(self) -> None:
        with self.lock:
            self.active.clear()

    def shown(self) -> list[Json]:
        with self.lock:
            return [{**s, "secret": "…"} if "secret" in s else s for s in self.active]

    def look_at_recordings(self) -> bool:
        """Whether only the recording, which says whose call it is, tells what to answer to a request."""
        with self.lock:
            return any(s.get("next") or (s.keys() & {"refuse", "answer_id"} and s.keys() & {"callrail_call", "customer"}) for s in self.active)

    def take_next(self) -> Json | None:
        """The first script for the next call, which is used up by it."""
        with self.lock:
            found = next((s for s in self.active if s.get("next")), None)
            if found is not None:
                self.active.remove(found)
            return found

    def find(self, company: str, call_id: int, callrail_call: int | None) -> Json:
        """The script of a call; an empty one if there is none. `callrail_call` is what its recording said."""
        facts = self.state.find_call(str(callrail_call)) if callrail_call is not None else None
        known: dict[str, typing.Callable[[Json], bool]] = {
            "call_id": lambda s: bool(s["call_id"] == call_id),
            "callrail_call": lambda s: callrail_call is not None and s["callrail_call"] in (str(callrail_call), resource_id("CAL", callrail_call)),
            "customer": lambda s: facts is not None and e164(s["customer"]) == facts["from"],
            "company": lambda s: bool(s["company"] == company),
        }
        with self.lock:
            fitting = [s for s in self.active if not s.get("next") and all(name not in s or fits(s) for name, fits in known.items())]
        for name in known:
            if named := [s for s in fitting if name in s]:
                return named[-1]
        return fitting[-1] if fitting else {}


def behaviour_of(script: Json, step: str) -> str:
    name = script.get("behaviour", "normal")
    return str(name) if step in script.get("steps", BEHAVIOURS[name]) else "normal"
