"""The traffic of the demo: single rows at a steady rate, and their truth a second later."""

import json
from collections import Counter, deque
from http.client import HTTPConnection, HTTPException
from threading import Event, Lock, Thread
from time import monotonic, sleep
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from uuid import uuid4

from load_tests.demo.flowers import Meadow

LABEL_DELAY_S = 1.0
_CONNECTIONS = 2
_FEEDBACK_INTERVAL_S = 0.5
_RECENT = 400
_TIMEOUT_S = 30.0


class Answered(NamedTuple):
    """A request that was answered."""

    request_id: str
    model_id: str
    model_version: str
    prediction: str
    species: str
    answered_s: float


class Visitors:
    """Sends flowers of a meadow to a service until ``stop``, and the truth of each after a second."""

    def __init__(self, url: str, meadow: Meadow, per_second: float) -> None:
        self._address = urlsplit(url).netloc
        self._meadow = meadow
        self._pause_s = _CONNECTIONS / per_second
        self._lock = Lock()
        self._stopping = Event()
        self.sent = 0
        self.failures: Counter[str] = Counter()
        self.answered: list[Answered] = []
        self._unlabelled: deque[Answered] = deque()
        self._threads = [Thread(target=self._visit, daemon=True) for _ in range(_CONNECTIONS)]
        self._labels = Thread(target=self._feed_back, daemon=True)

    def begin(self) -> None:
        """Send from now on."""
        for thread in (*self._threads, self._labels):
            thread.start()

    def stop(self) -> None:
        """Send no more; return when the last truth is fed back."""
        self._stopping.set()
        for thread in (*self._threads, self._labels):
            thread.join(_TIMEOUT_S)

    def recent_accuracy(self) -> float:
        """The share of the last answers that were right."""
        last = self.answered[-_RECENT:]
        return sum(each.prediction == each.species for each in last) / max(len(last), 1)

    def _visit(self) -> None:
        connection = HTTPConnection(self._address, timeout=_TIMEOUT_S)
        due = monotonic()
        while not self._stopping.is_set():
            due += self._pause_s
            sleep(max(0.0, due - monotonic()))
            with self._lock:
                flower = self._meadow.flower()
                self.sent += 1
            request_id = uuid4().hex
            try:
                status, content = _post(connection, "/predict", flower.row, {"X-Request-ID": request_id})
            except (OSError, HTTPException) as error:
                self.failures[type(error).__name__] += 1
                connection.close()
                continue
            if status != 200:
                self.failures[str(status)] += 1
                continue
            answer = Answered(
                request_id,
                content["model_id"],
                content["model_version"],
                content["predictions"][0],
                flower.species,
                monotonic(),
            )
            self.answered.append(answer)
            self._unlabelled.append(answer)

    def _feed_back(self) -> None:
        connection = HTTPConnection(self._address, timeout=_TIMEOUT_S)
        while not (self._stopping.wait(_FEEDBACK_INTERVAL_S) and not self._unlabelled):
            due = monotonic() - (0 if self._stopping.is_set() else LABEL_DELAY_S)
            outcomes = []
            while self._unlabelled and self._unlabelled[0].answered_s <= due:
                answer = self._unlabelled.popleft()
                outcomes.append({"request_id": answer.request_id, "label": answer.species})
            if outcomes:
                status, _ = _post(connection, "/feedback", outcomes, {})
                if status != 200:
                    self.failures[f"feedback {status}"] += 1


def _post(connection: HTTPConnection, path: str, body: object, headers: dict[str, str]) -> tuple[int, Any]:
    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json", **headers})
    response = connection.getresponse()
    content = response.read()
    return response.status, json.loads(content) if response.status == 200 else {}
