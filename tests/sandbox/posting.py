"""A provider's webhooks on their way: each goes out once, whatever is answered, and stands in the record."""

import contextlib
import re
import typing

import httpx

from .commands import refuse
from .state import Json, State, trust


def otto_url(wanted: Json) -> str:
    if not re.match(r"https?://[^/]", str(wanted["otto_url"])):
        refuse("otto_url must be Otto's public address, such as http://127.0.0.1:8080")
    return str(wanted["otto_url"]).rstrip("/")


class Poster:
    def __init__(self, state: State, provider: str, client: httpx.Client) -> None:
        self.state, self.provider, self.client = state, provider, client

    def post(self, url: str, headers: dict[str, str], body: bytes) -> Json:
        """status (0: no answer), content_type, body of the answer."""
        media_type = ""
        try:
            answer = self.client.post(url, content=body, headers=headers)
            status, text, media_type = answer.status_code, answer.text, answer.headers.get("content-type", "")
        except httpx.HTTPError as error:
            status, text = 0, f"no answer from {url}: {error}"
        self.state.note("sent", self.provider, "POST", url, headers, body, status, text.encode())
        return {"status": status, "content_type": media_type, "body": text}


@contextlib.contextmanager
def posting(state: State, provider: str) -> typing.Iterator[Poster]:
    with httpx.Client(timeout=30, trust_env=False, verify=trust()) as client:
        yield Poster(state, provider, client)
