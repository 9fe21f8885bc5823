"""What the sandbox remembers: on disk what must survive a restart, in memory what passed through it."""

import collections
import functools
import hashlib
import json
import os
import pathlib
import re
import ssl
import threading
import time
import typing
import urllib.parse

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

Json = dict[str, typing.Any]

KEPT_REQUESTS = 10_000
KEPT_CALLS = 10_000
KEPT_BYTES = 65_536  # of a body


def e164(number: str) -> str:
    """A number as CallRail writes it; what is none (Anonymous, a short code, SIP) stays as it is."""
    digits = re.sub(r"\D", "", number)
    if re.search(r"[^\d\s()+.\-]", number) or len(digits) < 10:
        return number
    return "+1" + digits if len(digits) == 10 and not number.strip().startswith("+") else "+" + digits


def resource_id(kind: str, number: int) -> str:
    """The masked id that goes with a numeric one, always the same."""
    return kind + hashlib.sha256(f"{kind}{number}".encode()).hexdigest()[:32]


@functools.cache
def trust() -> ssl.SSLContext:
    """Whom outgoing requests trust; reading it anew for each would cost more than the request."""
    return ssl.create_default_context()


class State:
    """One sandbox. `data` is written by save(); everything else lasts as long as the process.

    Handlers run on one event loop, a placed call on a worker thread: both take `lock` to change anything.
    """

    def __init__(self, folder: pathlib.Path, base: str, elsewhere: str | None = None, private: str | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.base = base  # scheme, host and port: the tokens' issuer, the start of recordings' addresses
        self.elsewhere, self.private = elsewhere or base, private or base  # the same service as other hosts, which redirects lead to
        self.lock = threading.RLock()
        self.requests: collections.deque[Json] = collections.deque(maxlen=KEPT_REQUESTS)
        self.calls: collections.OrderedDict[int, Json] = collections.OrderedDict()
        # A call's number comes from the clock, so that a sandbox that starts anew does not give out those that Otto has seen.
        self.data: Json = {"organizations": {}, "users": {}, "memberships": [], "accounts": {}, "next_call": int(time.time()) - 1_000_000_000}
        if (folder / "state.json").exists():
            self.data.update(json.loads((folder / "state.json").read_text()))
        self.keys: dict[str, rsa.RSAPrivateKey] = {}
        for name in ("clerk", "operator", "stranger"):
            self.key(name)

    def save(self) -> None:
        """Whole or not at all: a kill in between leaves the former state."""
        with self.lock:
            temporary = self.folder / "state.json.new"
            temporary.write_text(json.dumps(self.data))
            temporary.replace(self.folder / "state.json")

    def next_call(self, wanted: int | None = None) -> int:
        """A call's number; `wanted` if the caller has one in mind."""
        with self.lock:
            call = self.data["next_call"] if wanted is None else wanted
            if wanted is None:
                self.data["next_call"] = call + 1
                self.save()
            return int(call)

    def remember_call(self, call: int, facts: Json) -> None:
        with self.lock:
            self.calls[call] = facts
            while len(self.calls) > KEPT_CALLS:
                self.calls.popitem(last=False)

    def find_call(self, wanted: str) -> Json | None:
        """A placed call by either of its ids."""
        with self.lock:
            if wanted.isdigit():
                return self.calls.get(int(wanted))
            return next((f for f in self.calls.values() if resource_id("CAL", f["call"]) == wanted), None)

    def note(self, direction: str, provider: str, method: str, url: str, headers: typing.Mapping[str, str], body: bytes, status: int, answer: bytes) -> None:
        """One request that was received or sent; status 0 if no answer came. Of a long body only the beginning is kept."""
        with self.lock:
            self.requests.append({"at": time.time(), "direction": direction, "provider": provider, "method": method, "url": url, "host": urllib.parse.urlsplit(url).netloc, "headers": dict(headers),
                                  "body": body[:KEPT_BYTES].decode("utf-8", "replace"), "body_bytes": len(body), "status": status, "answer": answer[:KEPT_BYTES].decode("utf-8", "replace")})

    def key(self, name: str) -> rsa.RSAPrivateKey:
        """The key of that name, made when it is first asked for."""
        if name not in self.keys:
            self.keys[name] = self._key(name)
        return self.keys[name]

    def _key(self, name: str) -> rsa.RSAPrivateKey:
        path = self.folder / f"{name}.pem"
        if path.exists():
            key = serialization.load_pem_private_key(path.read_bytes(), None)
            assert isinstance(key, rsa.RSAPrivateKey)
            return key
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        temporary = self.folder / f"{name}.pem.new"
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
            out.write(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        temporary.replace(path)
        return key
