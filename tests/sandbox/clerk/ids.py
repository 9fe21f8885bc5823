"""Ids and moments as Clerk writes them."""

import secrets
import time

ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789"


def new_id(prefix: str) -> str:
    return prefix + "".join(secrets.choice(ALPHABET) for _ in range(27))


def now_ms() -> int:
    return int(time.time() * 1000)


def later(former: int) -> int:
    """The moment of a change of what changed last at `former`: no two changes of one thing share a millisecond."""
    return max(now_ms(), former + 1)
