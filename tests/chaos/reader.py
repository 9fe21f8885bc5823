"""Somebody who looks at the dashboard while the faults happen."""

import threading
import time

import httpx

from .cluster import HTTP


class Reader:
    """Asks for the newest calls twenty times a second, and keeps what became of it: when, the status (0 without an answer), and why not."""

    def __init__(self, url: str, token: str) -> None:
        self.url, self.token = url, token
        self.answers: list[tuple[float, int, str]] = []
        self.running = False
        self.thread = threading.Thread(target=self._run)

    def start(self) -> None:
        self.running = True
        self.thread.start()

    def _run(self) -> None:
        while self.running:
            at, status, text = time.time(), 0, ""
            try:
                answer = self.ask()
                status, text = answer.status_code, answer.text if answer.status_code != 200 else ""
            except httpx.HTTPError as e:
                text = f"{type(e).__name__} {e}"
            self.answers.append((at, status, text))
            time.sleep(0.05)

    def ask(self) -> httpx.Response:
        """A kept connection may be closed as a request goes out on it (RFC 9112, 9.3.1): an end or a reset before any answer, upon which browsers ask again.
        A connection made for this request, or an answer that has begun, is no such case."""
        events: set[str] = set()
        try:
            return self._get(events)
        except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
            if events & {"connection.connect_tcp.started", "http11.receive_response_headers.complete"}:
                raise
        return self._get(set())

    def _get(self, events: set[str]) -> httpx.Response:
        return HTTP.get(self.url + "/api/v1/calls?limit=5", headers={"Authorization": f"Bearer {self.token}"}, timeout=15,
                        extensions={"trace": lambda event, _: events.add(event)})

    def during(self, since: float, until: float) -> list[tuple[float, int, str]]:
        return [a for a in self.answers if since <= a[0] <= until]

    def stop(self) -> None:
        self.running = False
        self.thread.join()
