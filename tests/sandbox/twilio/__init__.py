"""Twilio: texts in both directions and calls with their signed webhooks, numbers to buy, and its REST API."""

from ..provider import Provider
from ..state import State
from . import api, commands
from .calls import Calls
from .numbers import Numbers
from .recordings import Recordings
from .sending import Sending
from .texts import Texts


def provider(state: State, with_call: commands.WithCall) -> Provider:
    texts = Texts(state)
    sending = Sending(texts)
    numbers = Numbers(texts, sending)
    recordings = Recordings(state)
    calls = Calls(texts, numbers, recordings.keep)
    return Provider(name="twilio", serves=lambda path: path.startswith(("/2010-04-01/", "/twilio-media/", "/twilio-recordings/")), stop=calls.stop,
                    routes=[*commands.routes(texts, sending, numbers, calls, recordings, with_call), *api.routes(texts, sending, numbers, calls, recordings)], refusal=api.refusal, fault=api.fault, commands=commands.HELP,
                    api="Twilio's REST API under /2010-04-01/Accounts/{AccountSid} (account, AvailablePhoneNumbers, IncomingPhoneNumbers, which it sells, Messages, which it sends too, with their media, Calls, Recordings)")
