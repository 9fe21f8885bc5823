"""What the sandbox remembers: on disk what must survive a restart, in memory what passed through it."""

import collections
import json
import pathlib
import threading
import time
import typing

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

DEFAULT_SIGNING_KEY = "072e77e426f92738a72fe23c4d1953b4"  # of CallRail's published example


class State:
    def __init__(self, folder: pathlib.Path, base: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.base = base
        self.lock = threading.RLock()
        self.requests: collections.deque[dict[str, typing.Any]] = collections.deque(maxlen=10_000)
        self.faults: list[dict[str, typing.Any]] = []
        self.data: dict[str, typing.Any] = {"organizations": {}, "users": {}, "memberships": [], "accounts": {}, "next_call": 800_000_001}
        if (folder / "state.json").exists():
            self.data.update(json.loads((folder / "state.json").read_text()))
        self.keys = {name: self._key(name) for name in ("clerk", "operator", "stranger")}

    def save(self) -> None:
        temporary = self.folder / "state.json.new"
        temporary.write_text(json.dumps(self.data))
        temporary.rename(self.folder / "state.json")

    def _key(self, name: str) -> rsa.RSAPrivateKey:
        path = self.folder / f"{name}.pem"
        if path.exists():
            key = serialization.load_pem_private_key(path.read_bytes(), None)
            assert isinstance(key, rsa.RSAPrivateKey)
            return key
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        path.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        path.chmod(0o600)
        return key

    def note(self, direction: str, provider: str, method: str, url: str, headers: dict[str, str], body: bytes, status: int | None = None) -> None:
        """One request that was received or sent, for assertions."""
        shown = {k: v for k, v in headers.items() if k.lower() != "authorization"}
        with self.lock:
            self.requests.append({"at": time.time(), "direction": direction, "provider": provider, "method": method, "url": url, "headers": shown,
                                  "body": body.decode("utf-8", "replace"), "status": status})
