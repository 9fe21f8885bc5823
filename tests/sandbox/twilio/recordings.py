"""Recordings of calls over Twilio, as their account gets them: with its password, and from a store that takes none."""

import collections
import threading

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from .. import downloads
from ..commands import refuse
from ..sound import SOUNDS, Sound, lasting
from ..state import Json, State
from .numbers import BEGIN
from .texts import rfc2822

KEPT = 20_000


class Recordings:
    """By their SIDs. Each sound bears a number of its own, by which the sandbox's Shunya finds who called."""

    def __init__(self, state: State) -> None:
        self.state, self.lock = state, threading.RLock()
        self.by_sid: collections.OrderedDict[str, Json] = collections.OrderedDict()

    def keep(self, made: Json) -> None:
        number = self.state.next_call()
        for tell in made.pop("told"):
            tell(number)
        self.state.remember_call(number, {"call": number, "from": made["from"], "name": "", "account": "twilio", "listed": False, "recording": ""})
        fault = downloads.read_fault(made["fault"], "recording_fault", downloads.FAULTS)
        with self.lock:
            self.by_sid[made["sid"]] = {**made, "number": number, "fault": fault}
            while len(self.by_sid) > KEPT:
                self.by_sid.popitem(last=False)

    def find(self, sid: str, account: str | None = None) -> Json | None:
        with self.lock:
            made = self.by_sid.get(sid)
        return made if made and account in (None, made["account_sid"]) else None

    def of_call(self, call: str) -> list[Json]:
        with self.lock:
            return [made for made in self.by_sid.values() if call in ("", made["call_sid"], made["sid"])]

    def change(self, sid: str, fault: object) -> Json:
        made = self.find(sid) or refuse(f"recording {sid} was not made here")
        made["fault"] = downloads.read_fault(fault, "fault", downloads.FAULTS)
        return made

    def routes(self) -> list[Route]:
        async def file(request: Request) -> Response:
            """The store, which refuses a request that brings a password beside its signed address, as S3 does."""
            made, kind = self.find(request.path_params["sid"]), request.path_params["kind"]
            if "authorization" in request.headers:
                return Response("<Error><Code>InvalidArgument</Code><Message>Only one auth mechanism allowed</Message></Error>", 400, media_type="application/xml")
            if made is None or kind not in SOUNDS:
                return Response(status_code=404)
            return downloads.answer(sound_of(made, kind), None if "moved" in request.query_params else made["fault"])

        return [Route("/twilio-recordings/{sid}.{kind}", file)]

    def served(self, account: str, name: str) -> Response | None:
        """GET Recordings/{RE}, .wav, .mp3 or .json; None: there is no such thing (yet)."""
        sid, _, kind = name.partition(".")
        made = self.find(sid, account)
        if made is None or kind not in ("", "json", *SOUNDS):
            return None
        if kind == "json":
            return JSONResponse({"sid": sid, "account_sid": account, "call_sid": made["call_sid"], "duration": str(made["duration"]), "channels": made["channels"], "source": made["source"], "status": made["status"],
                                 "media_url": made["url"], "date_created": rfc2822(BEGIN), "uri": f"/2010-04-01/Accounts/{account}/Recordings/{sid}.json"})
        if made["status"] != "completed" or downloads.is_missing(made["fault"]):
            return None
        kind, fault = kind or "wav", made["fault"]
        file = f"/twilio-recordings/{sid}.{kind}"
        if made["redirected"] or (fault or {}).get("kind") in ("elsewhere", "private", "loop"):
            answer = downloads.redirect(self.state, fault, f"{made['url']}.{kind}", self.state.base + file, file + "?moved")
            assert isinstance(answer, RedirectResponse)
            return answer
        return downloads.answer(sound_of(made, kind), fault)


def sound_of(made: Json, kind: str) -> Sound:
    return lasting(kind, made["number"], made["duration"])


def shown(made: Json) -> Json:
    """What a client must get that asks for the MP3."""
    sound = sound_of(made, "mp3")
    return {**{name: made[name] for name in ("sid", "call_sid", "account_sid", "url", "source", "duration", "channels", "status")}, "content_type": sound.media_type, "bytes": sound.size, "sha256": sound.sha256(),
            "fault": downloads.shown_fault(made["fault"])}
