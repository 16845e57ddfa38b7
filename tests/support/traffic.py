"""Clients that ask a service for predictions without end, and keep what they were answered."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Thread

import httpx

from tests.support.iris_rows import SETOSA, VIRGINICA
from tests.support.waiting import PATIENCE_S, await_true

PAUSE_S = 0.005
"""Of each client between two requests: without one, twelve clients take most of a small machine's time."""
_BATCH = {"instances": [SETOSA, VIRGINICA, SETOSA]}
_REFUSED = {**SETOSA, "petal_width": -1}
_REQUESTS = (
    ("/predict", SETOSA),
    ("/predict/batch", _BATCH),
    ("/predict", VIRGINICA),
    ("/predict", _REFUSED),
)


@dataclass
class Traffic:
    """What the clients got. Lists, because several threads append to them."""

    url: str
    answers: list[httpx.Response] = field(default_factory=list)
    """Received whole, whatever their status."""
    broken: list[httpx.TransportError] = field(default_factory=list)
    """One for each request that got no answer, or none whole."""

    def answered(self) -> int:
        return sum(answer.status_code == 200 for answer in list(self.answers))

    def await_answers(self, number: int) -> None:
        """Wait until so many more predictions were answered."""
        goal = self.answered() + number
        await_true(
            lambda: self.answered() >= goal,
            f"{number} more predictions are answered",
            state=lambda: f"{self.answered()} of {goal} are; without an answer: {self.broken[-3:]}",
        )


@contextmanager
def traffic(url: str, clients: int = 12) -> Iterator[Traffic]:
    """While it lasts, so many clients ask one thing after the other, each on a connection that it keeps."""
    result, over = Traffic(url), Event()
    threads = [Thread(target=_ask, args=(result, over, number)) for number in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield result
    finally:
        over.set()
        for thread in threads:
            thread.join()


def _ask(result: Traffic, over: Event, number: int) -> None:
    with httpx.Client(base_url=result.url, timeout=PATIENCE_S) as client:
        while not over.is_set():
            path, body = _REQUESTS[number % len(_REQUESTS)]
            number += 1
            try:
                result.answers.append(client.post(path, json=body))
            except httpx.TransportError as error:
                result.broken.append(error)
            over.wait(PAUSE_S)
