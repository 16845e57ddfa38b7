"""The report of ``make overload``: its figures, objectives and page."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from load_tests.bench.provenance import Verdict, setting, table
from load_tests.overload.histogram import Histogram

MIN_GOODPUT = 0.9
MAX_GROWTH = 0.05
MAX_RECOVERY_S = 2
_MIN_OFFERED = 0.99
"""Of the intended rate: Poisson arrivals vary, and a few find no free connection."""


class Overload(NamedTuple):
    """The figures of one overload."""

    capacity: float
    """Requests a second that were answered in a closed loop beforehand."""
    capacity_connections: int
    """Of that closed loop."""
    times: float
    """The intended rate as a multiple of the capacity."""
    seconds: float
    deadline_ms: float
    outcomes: Mapping[str, int]
    good: int
    """The number of answers with 200 before the last arrival."""
    admitted: Histogram
    late: Histogram
    connections: int
    service_cpu_s: float
    generator_cpu_s: float
    resident_mb: Sequence[float]
    """Of the worker, in each second of the overload."""
    resident_before_mb: float
    resident_after_mb: float
    recovery_s: float | None

    @property
    def offered(self) -> float:
        """Requests a second that were sent."""
        return (sum(self.outcomes.values()) - self.outcomes.get("unsent", 0)) / self.seconds

    @property
    def goodput(self) -> float:
        """Requests a second that were answered with 200 during the overload."""
        return self.good / self.seconds

    @property
    def growth(self) -> float | None:
        """From the peak memory of the first half of the overload to that of the second half."""
        middle = len(self.resident_mb) // 2
        if middle == 0:
            return None
        return max(self.resident_mb[middle:]) / max(self.resident_mb[:middle]) - 1


def verdicts(found: Overload) -> list[Verdict]:
    """Every objective, and whether it is met."""
    outcomes = found.outcomes
    failed = sum(count for outcome, count in outcomes.items() if outcome.startswith("5"))
    neither = sum(count for outcome, count in outcomes.items() if outcome not in ("200", "429", "unsent"))
    offered = found.offered / found.capacity
    goodput = found.goodput / found.capacity
    at_least, at_most = Verdict.at_least, Verdict.at_most
    return [
        at_least(f"{found.times:g} x the maximum is offered", offered, found.times * _MIN_OFFERED, ".2f"),
        at_least(f"goodput is {MIN_GOODPUT:.0%} of the maximum or more", goodput, MIN_GOODPUT, ".1%"),
        at_most(
            f"p99 of the admitted is within the deadline of {found.deadline_ms:,.0f} ms",
            found.admitted.percentile_ms(99),
            found.deadline_ms,
            ",.1f",
        ),
        at_most("requests that got 5xx: none", failed, 0),
        at_most("requests that got neither 200 nor 429: none", neither, 0),
        at_most(f"memory stays flat: under {MAX_GROWTH:.0%} of growth", found.growth, MAX_GROWTH, ".1%"),
        _recovered(found.recovery_s),
    ]


def _recovered(recovery_s: float | None) -> Verdict:
    sentence = f"back to normal within {MAX_RECOVERY_S} s"
    if recovery_s is None:
        return Verdict(False, f"{sentence} (not while it was measured)")
    return Verdict.at_most(sentence, recovery_s, MAX_RECOVERY_S, ".2f")


def as_json(found: Overload) -> dict[str, object]:
    """The figures; times are counted by tenths of a millisecond."""
    return {
        **found._asdict(),
        "admitted": found.admitted.as_json(),
        "late": found.late.as_json(),
        "offered": found.offered,
        "goodput": found.goodput,
    }


def as_markdown(report: Mapping[str, object], found: Overload) -> list[str]:
    """The report as a page."""
    outcomes = sorted(found.outcomes.items())
    return [
        "# Overload",
        "",
        f"`{report['command']}`: single Iris rows, one worker, strict / full; {report['arrivals']}",
        f"arrivals at {found.times:g} x the maximum for {found.seconds:g} s, open-loop, over at most",
        f"{report['most_connections']:,} connections. Latency counts from the scheduled arrival.",
        *setting(report),
        "",
        *table(("", ""), _figures(found)),
        "",
        "Service and load generators share the cores.",
        "",
        *table(
            ("outcome", "requests", "a second"),
            ((name, f"{count:,}", f"{count / found.seconds:,.0f}") for name, count in outcomes),
        ),
        "",
        "An outcome is a status, or `unsent`: no connection was free and no more were allowed; `refused`: no",
        "connection could be opened; `broken`: the connection was closed without an answer; `unanswered`:",
        "there was no answer ten seconds after the last arrival.",
    ]


def _figures(found: Overload) -> list[tuple[str, str]]:
    return [
        (f"maximum, closed loop of {found.capacity_connections}", f"{found.capacity:,.0f} requests/s"),
        ("offered", f"{found.offered:,.0f} requests/s, {found.offered / found.capacity:.2f} x"),
        ("answered with 200", f"{found.goodput:,.0f} requests/s, {found.goodput / found.capacity:.1%}"),
        ("their latency", _times(found.admitted)),
        ("of it, until sent", _times(found.late)),
        ("connections, at most", f"{found.connections:,}"),
        ("processor, service", f"{found.service_cpu_s / found.seconds:.2f} cores"),
        ("processor, load", f"{found.generator_cpu_s / found.seconds:.2f} cores"),
        ("memory of the worker", _memory(found)),
        (
            "back to normal after",
            "not while it was measured" if found.recovery_s is None else f"{found.recovery_s:.2f} s",
        ),
    ]


def _times(times: Histogram) -> str:
    p50_ms, p99_ms = times.percentile_ms(50), times.percentile_ms(99)
    return "none" if p50_ms is None else f"p50 {p50_ms:,.1f} ms, p99 {p99_ms:,.1f} ms"


def _memory(found: Overload) -> str:
    most_mb = max(found.resident_mb, default=found.resident_before_mb)
    before, after = found.resident_before_mb, found.resident_after_mb
    return f"{before:.0f} MB before, {most_mb:.0f} MB at most, {after:.0f} MB after"
