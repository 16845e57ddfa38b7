"""The report of ``make bench-hostile``: its objectives and its table."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from load_tests.bench.provenance import Verdict, setting, table

MAX_S = 1.0
MAX_LIVEZ_MS = 100.0
MAX_TIMES_BODY = 10
MAX_BYTES = 50 * 10**6
"""Beyond MAX_TIMES_BODY times the body."""
MAX_REMAINING_MB = 250
"""The allocators of a worker and its writer keep this much, however many bodies come."""


class BodyResult(NamedTuple):
    """The effect of one body."""

    model: str
    transport: str
    name: str
    body_bytes: int
    is_valid: bool
    """Whether it must be answered instead of rejected."""
    status: str
    seconds: float
    livez_ms: float
    rise_bytes: int
    stays_bytes: int
    answer_bytes: int

    @property
    def is_answered(self) -> bool:
        """Whether it got predictions."""
        return self.status in ("200", "OK")

    @property
    def is_refused(self) -> bool:
        """Whether it was rejected with a client error."""
        return self.status[0] == "4" or self.status in ("INVALID_ARGUMENT", "RESOURCE_EXHAUSTED")

    @property
    def rise_beyond(self) -> int:
        """Memory beyond MAX_TIMES_BODY times the body."""
        return self.rise_bytes - MAX_TIMES_BODY * self.body_bytes


def verdicts(found: Sequence[BodyResult], flood_rise_bytes: int) -> list[Verdict]:
    """The objectives."""
    refused = [one for one in found if not one.is_valid]
    others = [one for one in found if not (one.is_answered if one.is_valid else one.is_refused)]
    return [
        Verdict(
            not others,
            f"each of {len(refused)} bodies is refused as the client's fault, each of "
            f"{len(found) - len(refused)} valid ones is answered ({len(others)} not)",
        ),
        Verdict.at_most(
            "s from last byte to refusal, at most 1", max(one.seconds for one in refused), MAX_S, ".2f"
        ),
        Verdict.at_most(
            "ms that /livez took meanwhile, at most 100",
            max(one.livez_ms for one in found),
            MAX_LIVEZ_MS,
            ".0f",
        ),
        Verdict.at_most(
            "MB of memory beyond 10 times the body, at most 50",
            max(one.rise_beyond for one in found) / 1e6,
            MAX_BYTES / 1e6,
        ),
        Verdict.at_most(
            f"MB that stay after all bodies, at most {MAX_REMAINING_MB}",
            max(one.stays_bytes for one in found) / 1e6,
            MAX_REMAINING_MB,
        ),
        Verdict.at_most(
            "MB for 100 gRPC messages of 32 MB at once, at most 1,500", flood_rise_bytes / 1e6, 1_500
        ),
    ]


def as_markdown(report: Mapping[str, object], found: Sequence[BodyResult]) -> list[str]:
    """The page."""
    head = ("model", "way", "body", "MB", "answer", "s", "/livez ms", "memory MB", "stays MB")
    return [
        "# Hostile bodies",
        "",
        "`python -m load_tests.hostile`: one body at a time, within the limit of 32 MiB, while another",
        "client requests /livez every 10 ms. Seconds are from the last byte to the end of the answer, over",
        "gRPC from the start of the call. Memory is the rise of all processes of the service together. The",
        "memory that stays is the difference between half a second later and before the first body.",
        *setting(report),
        "",
        *table(head, map(_line, found)),
    ]


def _line(one: BodyResult) -> tuple[object, ...]:
    sizes = (f"{one.rise_bytes / 1e6:.0f}", f"{one.stays_bytes / 1e6:.0f}")
    times = (f"{one.seconds:.3f}", f"{one.livez_ms:.0f}")
    return one.model, one.transport, one.name, f"{one.body_bytes / 1e6:.1f}", one.status, *times, *sizes
