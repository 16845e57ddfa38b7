"""Interleaved rounds: every subject is measured in each round, so that other work affects all alike."""

from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple, TypeVar

from load_tests.bench.http_load import LoadResult, load
from load_tests.bench.serving import Service

CONNECTIONS = 64
"""Of the loads that the objectives refer to."""

_LOAD_S = 10

Subject = TypeVar("Subject", bound=Hashable)


class Memory(NamedTuple):
    """The resident memory of a service's worker under load."""

    requests: int
    first_mb: float
    """After a warm-up of a tenth as many requests."""
    last_mb: float

    @property
    def growth(self) -> float:
        """As a share of the first."""
        return self.last_mb / self.first_mb - 1

    def __str__(self) -> str:
        """As a clause of a sentence."""
        return (
            f"{self.first_mb:.0f} MB after {self.requests // 10:,} requests, "
            f"{self.last_mb:.0f} MB after {self.requests:,} more ({self.growth:+.1%})"
        )


def interleaved_medians(
    subjects: Sequence[Subject], rounds: int, measure: Callable[[Subject], LoadResult]
) -> dict[Subject, LoadResult]:
    """Measure each subject in every round, every second round in reverse order; returns their medians."""
    found: dict[Subject, list[LoadResult]] = {subject: [] for subject in subjects}
    for number in range(rounds):
        for subject in subjects if number % 2 == 0 else reversed(subjects):
            found[subject].append(measure(subject))
    return {subject: LoadResult.medians(all_) for subject, all_ in found.items()}


def watch_memory(service: Service, requests: int) -> Memory:
    """The worker's memory before and after so many requests, after a warm-up of a tenth as many."""
    _load_for(service, requests // 10)
    first_mb = service.resident_mb
    answered = _load_for(service, requests)
    return Memory(answered, first_mb, service.resident_mb)


def _load_for(service: Service, requests: int) -> int:
    answered = 0
    while answered < requests:
        measured = load(service.url, CONNECTIONS, _LOAD_S)
        answered += round(measured.per_second * _LOAD_S)
        if measured.errors:
            raise SystemExit(f"{measured.errors} requests failed")
    return answered
