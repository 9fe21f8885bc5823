"""What Shunya says of a call whose script is known: the transcription and the analysis."""

import datetime
import functools
import typing

from ..state import Json

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
