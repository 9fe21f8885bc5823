"""What the sandbox remembers: on disk what must survive a restart, in memory what passed through it."""

import collections
import json
import os
import pathlib
import threading
import time
import typing

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

Json = dict[str, typing.Any]

DEFAULT_SIGNING_KEY = "072e77e426f92738a72fe23c4d1953b4"  # of CallRail's published example
KEPT_REQUESTS = 10_000
KEPT_CALLS = 10_000


class State:
    """One sandbox. `data` is written by save(); everything else lasts as long as the process.

    Handlers run on one event loop, a placed call on a worker thread: both take `lock` to change anything.
    """

    def __init__(self, folder: pathlib.Path, base: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.base = base  # scheme, host and port: the tokens' issuer, the start of recordings' addresses
        self.lock = threading.RLock()
        self.requests: collections.deque[Json] = collections.deque(maxlen=KEPT_REQUESTS)
        self.calls: collections.OrderedDict[int, Json] = collections.OrderedDict()
        # A call's number comes from the clock, so that a sandbox that starts anew does not give out those that Otto has seen.
        self.data: Json = {"organizations": {}, "users": {}, "memberships": [], "accounts": {}, "next_call": int(time.time()) - 1_000_000_000}
        if (folder / "state.json").exists():
            self.data.update(json.loads((folder / "state.json").read_text()))
        self.keys = {name: self._key(name) for name in ("clerk", "operator", "stranger")}

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

    def note(self, direction: str, provider: str, method: str, url: str, headers: typing.Mapping[str, str], body: bytes, status: int, answer: bytes) -> None:
        """One request that was received or sent; status 0 if no answer came."""
        with self.lock:
            self.requests.append({"at": time.time(), "direction": direction, "provider": provider, "method": method, "url": url, "headers": dict(headers),
                                  "body": body.decode("utf-8", "replace"), "status": status, "answer": answer[:65_536].decode("utf-8", "replace")})

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
