"""Twilio: texts in both directions with their signed webhooks, and its REST API."""

from ..provider import Provider
from ..state import State
from . import api, commands
from .sending import Sending
from .texts import Texts


def provider(state: State) -> Provider:
    texts = Texts(state)
    sending = Sending(texts)
    return Provider(name="twilio", serves=lambda path: path.startswith(("/2010-04-01/", "/twilio-media/")), routes=[*commands.routes(texts, sending), *api.routes(texts, sending)], refusal=api.refusal,
                    fault=api.fault, commands=commands.HELP, api="Twilio's REST API under /2010-04-01/Accounts/{AccountSid} (account, IncomingPhoneNumbers, Messages, which it sends too, and their media)")
