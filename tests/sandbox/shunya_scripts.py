"""What the sandbox's Shunya makes of a call: scripts, by call or customer, and the results that follow from them."""

import copy
import datetime
import functools
import threading
import typing

from .commands import one_of, refuse, whole_number
from .state import Json, State, e164, resource_id

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


# -- scripts ----------------------------------------------------------------------------------------------------------


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


# -- results ----------------------------------------------------------------------------------------------------------

SPOKEN = {
    True: (("csr", "Sandbox Roofing, this is Anna. How can I help?"), ("customer", "Hi. My roof leaks. Can somebody come and have a look?"), ("csr", "Of course. Tomorrow at two in the afternoon?"),
           ("customer", "Two o'clock is fine. One twenty three Main Street."), ("csr", "You are booked. Thank you for calling.")),
    False: (("csr", "Sandbox Roofing. How can I help?"), ("customer", "What does a new roof cost? Too much. I'll call again.")),
}
OBJECTION = {"id": 1, "category_id": 1, "category_text": "Price/Budget", "objection_text": "Too much.", "overcome": False, "speaker_id": "customer", "timestamp": 4.2, "severity": "medium",
             "confidence_score": 0.86, "response_suggestions": ["Offer financing"]}


def merged(base: typing.Any, changes: typing.Any) -> typing.Any:
    """Objects member by member, everything else replaced."""
    if isinstance(base, dict) and isinstance(changes, dict):
        return {**base, **{name: merged(base.get(name), value) for name, value in changes.items()}}
    return changes


@functools.lru_cache(maxsize=4)
def long_text(size: int) -> str:
    """So many bytes of talk, of one, two, three and four bytes a character."""
    sentence = "Das Dach ist undicht – ¿cuánto cuesta? 屋根 🏠 "
    whole = sentence * (size // len(sentence.encode()) + 1)
    return whole.encode()[:size].decode("utf-8", "ignore")


def transcription(script: Json) -> Json:
    """What a transcription says."""
    spoken = SPOKEN[script.get("outcome", "booked") in ("booked", "booked_no_time")]
    text = script.get("transcript") or " ".join(words for _, words in spoken)
    if "transcript_bytes" in script:
        text = long_text(script["transcript_bytes"])
    labels = [{"speaker": who, "text": words, "start_time": 3.0 * n, "end_time": 3.0 * n + 2.5} for n, (who, words) in enumerate(spoken)]
    made = {"transcript_text": text, "speaker_labels": labels, "confidence_score": 0.93, "word_count": len(text.split()), "language": "en-US"}
    return typing.cast(Json, merged(made, script.get("transcription", {})))


def pending_actions(script: Json, booked: bool, began: datetime.datetime) -> list[typing.Any]:
    """Actions in one of the three shapes that are on record: objects, objects of other names, free text."""
    wanted = script.get("pending_actions", "none" if booked or script.get("outcome") in ("unqualified", "service_not_offered") else "objects")
    if isinstance(wanted, list):
        return wanted
    due = (began + datetime.timedelta(days=1)).strftime("%Y-%m-%dT17:00:00Z")
    return {
        "objects": [{"type": "follow_up_call", "due_at": due, "contact_method": "phone", "confidence": 0.9, "raw_text": "call the customer again tomorrow"},
                    {"type": "send_quote", "due_at": due, "contact_method": "email", "confidence": 0.7, "raw_text": "send a written quote"}],
        "alternative": [{"action": "call the customer again tomorrow", "action_type": "follow_up_call", "assignee_type": "csr", "priority": "high", "context": "asked for the price", "due_at": due}],
        "texts": ["follow up tomorrow", "send a written quote"],
        "none": [],
    }[wanted]


def analysis(script: Json, call_id: int, began: str, done: str, customer: str | None, name: str | None) -> Json:
    """The complete-analysis object."""
    outcome, started = script.get("outcome", "booked"), datetime.datetime.fromisoformat(began)
    booked = outcome in ("booked", "booked_no_time")
    quality = {"booked": "hot", "booked_no_time": "hot", "not_booked": "warm", "service_not_offered": "warm", "no_booking_status": "hot"}.get(outcome, outcome)
    qualified = {"overall_score": 0.82, "bant_scores": {"budget": 0.6, "authority": 0.9, "need": 0.95, "timeline": 0.8}, "qualification_status": quality, "decision_makers": ["customer"],
                 "urgency_signals": ["leak"], "budget_indicators": [], "confidence_score": 0.88, "service_requested": "roof repair", "appointment_confirmed": booked, "appointment_date": None,
                 "appointment_type": "in-person" if booked else None, "service_not_offered_reason": None, "follow_up_required": not booked, "follow_up_reason": None if booked else "asked for the price"}
    if outcome == "unqualified":
        qualified.update(booking_status="not_booked", call_outcome_category=None, overall_score=0.1, follow_up_required=False, follow_up_reason=None)
    elif outcome == "service_not_offered":
        qualified.update(booking_status="service_not_offered", call_outcome_category="qualified_service_not_offered", service_requested="solar panels", service_not_offered_reason="we do roofs only")
    elif outcome != "no_booking_status":
        qualified.update(booking_status="booked" if booked else "not_booked", call_outcome_category="qualified_and_booked" if booked else "qualified_but_unbooked")
    entities: Json = {"address": "123 Main Street, Phoenix, AZ", "name": name, "phone": customer, "service": "roof repair"}
    if outcome == "booked":
        # A local time without a zone: it was said on the phone, so it is meant in the company's.
        at = script.get("appointment_at") or (started + datetime.timedelta(days=1)).strftime("%Y-%m-%dT14:00:00")
        qualified["appointment_date"] = entities["appointment_date"] = at
    objections = [] if booked or outcome == "service_not_offered" else [OBJECTION]
    made = {
        "call_id": call_id, "status": "completed", "created_at": began, "completed_at": done,
        "summary": {"summary": f"A customer with a leaking roof called: {outcome.replace('_', ' ')}.", "key_points": ["leaking roof"], "action_items": [], "next_steps": [],
                    "pending_actions": pending_actions(script, booked, started), "sentiment_score": 0.74, "confidence_score": 0.9},
        "compliance": {"compliance_score": 0.85, "target_role": "customer_rep", "stages_followed": ["greeting", "qualification"], "stages_missed": ["closing"], "violations": [],
                       "positive_behaviors": ["friendly greeting"], "recommendations": ["ask for the appointment"], "confidence_score": 0.8},
        "objections": {"objections": objections, "total_count": len(objections)},
        "qualification": qualified,
        "opportunity_analysis": {"risk_assessment": {"level": "low" if booked else "medium", "score": 0.2 if booked else 0.5}, "missed_opportunities": []},
        "entities": entities,
    }
    return typing.cast(Json, merged(made, script.get("analysis", {})))
