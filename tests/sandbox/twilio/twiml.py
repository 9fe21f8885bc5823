"""A document that answers a call, read as Twilio reads it: rebuilt from the verbs and attributes that Twilio's own library knows, and refused where they are not the same."""

import inspect
import re
import typing
import xml.etree.ElementTree as ET

from twilio.twiml import TwiML, lower_camel
from twilio.twiml.voice_response import VoiceResponse

LONGEST = 64 * 1024
MEDIA_TYPES = ("text/xml", "application/xml")
# What stands between an element's tags is these parameters of the library's methods.
CONTENT = {"say": "message", "play": "url", "redirect": "url", "dial": "number", "number": "phone_number", "client": "identity", "sip": "sip_url", "conference": "name", "queue": "name"}
METHOD, URL, TEXT = r"GET|POST", r"https?://[^\s]+|/[^\s]*|\?[^\s]*", r"[^\0]+"
WHOLE, YES_NO = r"\d+", r"true|false"
# What an attribute may say, by element; what stands in no row is not looked into. `!`: must be there.
VALUES: dict[str, dict[str, str]] = {
    "Say": {"voice": TEXT, "language": r"[a-z]{2,3}(-[A-Za-z0-9]+)*", "loop": WHOLE},
    "Play": {"loop": WHOLE, "digits": r"[0-9wW*#A-D]+"},
    "Pause": {"length": WHOLE},
    "Dial": {"action": URL, "method": METHOD, "timeout": r"[1-9]\d{0,2}", "timeLimit": WHOLE, "answerOnBridge": YES_NO, "hangupOnStar": YES_NO, "sequential": YES_NO, "trim": "trim-silence|do-not-trim",
             "record": "do-not-record|true|false|record-from-answer|record-from-ringing|record-from-answer-dual|record-from-ringing-dual", "recordingTrack": "inbound|outbound|both",
             "recordingStatusCallback": URL, "recordingStatusCallbackMethod": METHOD, "recordingStatusCallbackEvent": r"(in-progress|completed|absent)( (in-progress|completed|absent))*"},
    "Number": {"url": URL, "method": METHOD, "statusCallback": URL, "statusCallbackMethod": METHOD, "statusCallbackEvent": r"(initiated|ringing|answered|completed)( (initiated|ringing|answered|completed))*"},
    "Record": {"action": URL, "method": METHOD, "timeout": r"[1-9]\d*", "maxLength": r"[1-9]\d*", "playBeep": YES_NO, "trim": "trim-silence|do-not-trim", "finishOnKey": r"[0-9*#]*", "transcribe": YES_NO,
               "recordingStatusCallback": URL, "recordingStatusCallbackMethod": METHOD, "recordingStatusCallbackEvent": r"(in-progress|completed|absent)( (in-progress|completed|absent))*"},
    "Redirect": {"method": METHOD}, "Reject": {"reason": "rejected|busy"}, "Connect": {"action": URL, "method": METHOD}, "Start": {"action": URL, "method": METHOD},
    "Stream": {"url": r"!wss://[^\s?#]+", "name": TEXT, "track": "inbound_track|outbound_track|both_tracks", "statusCallback": URL, "statusCallbackMethod": METHOD},
    "Parameter": {"name": "!" + TEXT, "value": r"![^\0]*"},
    "Recording": {"recordingStatusCallback": URL, "recordingStatusCallbackMethod": METHOD, "recordingStatusCallbackEvent": r"(in-progress|completed|absent)( (in-progress|completed|absent))*",
                  "trim": "trim-silence|do-not-trim", "track": "inbound|outbound|both", "channels": "mono|dual"},
}


class Refused(Exception):
    """Twilio's own error, which ends the call; `code` is that of its debugger."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__(f"{code}: {words}")
        self.code, self.words = code, words


def method_of(node: TwiML, tag: str) -> typing.Callable[..., TwiML] | None:
    """How the library puts an element of that name into this one; None where it has no such place."""
    name = re.sub(r"(?<!^)(?=[A-Z])", "_", tag).lower().replace("-", "_")
    name += "_" if name == "break" else ""
    made = getattr(node, name, None) if re.fullmatch("[A-Z][A-Za-z]*|[a-z-]+", tag) and not hasattr(TwiML, name) else None
    return typing.cast(typing.Callable[..., TwiML], made) if callable(made) else None


def rebuild(node: TwiML, element: ET.Element) -> None:
    """Everything in `element` once more in `node`, by the library."""
    for child in element:
        method = method_of(node, child.tag)
        if method is None:
            raise Refused(12200, f"<{child.tag}> is no verb that may stand in <{element.tag}>")
        content = CONTENT.get(child.tag.lower())
        names = {lower_camel(TwiML.MAP.get(name, name)): name for name, p in inspect.signature(method).parameters.items() if p.kind is p.POSITIONAL_OR_KEYWORD and name not in (content, "words")}
        for name in child.attrib:
            if name not in names:
                raise Refused(12200, f"<{child.tag}> has no attribute {name}")
        text = (child.text or "").strip()
        if text and content is None and "words" not in inspect.signature(method).parameters:
            raise Refused(12200, f"<{child.tag}> holds no text")
        given = {names[name]: value for name, value in child.attrib.items()}
        if "words" in inspect.signature(method).parameters:
            given["words"] = child.text or ""
        elif content and (text or inspect.signature(method).parameters[content].default is inspect.Parameter.empty):
            given[content] = child.text or ""
        built = method(**given)
        check_values(child)
        rebuild(built, child)
        if (child.tail or "").strip():
            if element.tag != "Say":
                raise Refused(12200, f"<{element.tag}> holds no text")
            node.append(child.tail)


def check_values(element: ET.Element) -> None:
    for name, pattern in VALUES.get(element.tag, {}).items():
        needed = pattern.startswith("!")
        value = element.get(name)
        if value is None and needed:
            raise Refused(12200, f"<{element.tag}> needs {name}")
        if value is not None and not re.fullmatch(pattern.removeprefix("!"), value):
            raise Refused(12200, f"<{element.tag}> takes no {name}=\"{value[:80]}\"")
    if element.tag == "Connect" and len(element) != 1:
        raise Refused(12200, "<Connect> holds one noun")


def canonical(xml: str | bytes) -> str:
    return str(ET.canonicalize(xml, strip_text=True))


def read(body: bytes, content_type: str) -> ET.Element:
    """The <Response>, or Refused with Twilio's code."""
    if content_type.partition(";")[0].strip().lower() not in MEDIA_TYPES:
        raise Refused(12300, f"Invalid Content-Type: {content_type or 'none'}; a document is {' or '.join(MEDIA_TYPES)}")
    if len(body) > LONGEST:
        raise Refused(11750, f"TwiML response body too large: {len(body)} bytes, {LONGEST} are read")
    if not body.startswith(b"<"):
        raise Refused(12100, f"Document parse failure: a document begins with <, not with {body[:20]!r}")
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise Refused(12100, "Document parse failure: no document types")
    try:
        root = ET.fromstring(body)
    except ET.ParseError as error:
        raise Refused(12100, f"Document parse failure: {error}") from error
    if root.tag != "Response" or root.attrib or (root.text or "").strip():
        raise Refused(12100, "Document parse failure: a document is one <Response> of verbs")
    built = VoiceResponse()
    rebuild(built, root)
    if canonical(built.to_xml()) != canonical(body):
        raise Refused(12200, f"Twilio's library writes this document otherwise: {built.to_xml()[:500]}")
    return root
