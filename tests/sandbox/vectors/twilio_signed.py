#!/usr/bin/env python3
"""Writes twilio_signed.txt: a thousand requests as Twilio might send them, signed by Twilio's own library (package `twilio`).

    twilio_signed.py > twilio_signed.txt

A line is the address under which Otto is asked, the form as it came, and the signature; tabs between. The address that was
signed may differ from it by a port, as Twilio's products differ. The libraries of Twilio and of Otto must agree on each.
"""
import random
from urllib.parse import quote, quote_plus

from twilio.request_validator import RequestValidator

TOKEN = "a token of 32 characters 0123456"
NAMES = ["MessageSid", "AccountSid", "From", "To", "Body", "NumMedia", "MediaUrl0", "AddOns", "Digits", "digits", "Ünïcode", "a[b]", "_", "~x", "FromCity", "Empty"]
VALUES = ["+16025550123", "AC0123456789abcdef", "How much is a roof?", " two  spaces ", "", "Zoë & co = 100%", "家 🏠", '{"status":"successful","x":[1,"+"]}', "it's \"so\"", "a+b c%20d",
          "line\r\nline", "https://api.twilio.com/x?y=z#f", "\u00e9e\u0301", "💯" * 3, "0", "~-_.!*()"]


class Form(list):
    """Names and values in order; as the library asks forms in which a name may stand several times."""

    def __iter__(self):
        return iter([name for name, _ in list.__iter__(self)])

    def getall(self, name):
        return [v for n, v in list.__iter__(self) if n == name]

    def written(self, rng):
        def one(text):
            encoded = rng.choice([quote_plus, lambda t: quote(t, safe="~()*!'")])(text)
            return encoded if rng.random() < 0.8 else encoded.replace("%C3", "%c3").replace("%2B", "%2b")
        return "&".join(f"{one(n)}={one(v)}" for n, v in list.__iter__(self))


def address(rng):
    scheme = rng.choice(["https", "https", "http"])
    host = scheme + "://" + rng.choice(["otto.example", "mycompany.com", "user:pass@otto.example"])
    own = ":443" if scheme == "https" else ":80"
    asked, signed = rng.choice([("", ""), ("", ""), (own, own), ("", own), (own, ""), (":8443", ":8443"), (":8443", "")])
    target = rng.choice(["/sms/twilio-webhook", "/api/v1/twilio-webhook", "/front/api/aloha/webhooks/message-status", "/a%20b/ë"])
    target += rng.choice(["", "", "?m=0190aaaa", "?foo=1&bar=2", "?b=2&a=1&b=1", "?q=a+b%20c", "?q=%C3%AB%c3%ab&", "?q=ë", "?u=a%40b:c@d%3F", "?empty=", "?"])
    return host + asked + target, host + signed + target


def main():
    rng, validator = random.Random(21), RequestValidator(TOKEN)
    for _ in range(1_000):
        form = Form((rng.choice(NAMES), rng.choice(VALUES)) for _ in range(rng.randint(1, 6)))
        if rng.random() < 0.3:  # a name several times, and a value too
            form += [(form.copy()[0][0], rng.choice(VALUES)), form.copy()[0]]
        asked, signed = address(rng)
        print(asked, form.written(rng), validator.compute_signature(signed, form), sep="\t")


if __name__ == "__main__":
    main()
