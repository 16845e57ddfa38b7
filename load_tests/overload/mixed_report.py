"""The report of ``make overload-mixed``: its figures, objectives and table."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import NamedTuple

from load_tests.bench.http_load import LoadResult, Work
from load_tests.bench.provenance import Verdict, setting, table


class BackgroundLoad(NamedTuple):
    """Requests of another kind that run beside single rows."""

    name: str
    connections: int
    work: Work
    min_kept: float | None = None
    """The share of their rate that single rows must keep."""
    max_p99_ms: float | None = None
    """The limit for the p99 of single rows."""

    def __str__(self) -> str:
        return f"{self.connections} connections of {self.name}"


class Round(NamedTuple):
    """One round: single rows alone, single rows beside the background load, and the background load."""

    alone: LoadResult
    beside: LoadResult
    other: LoadResult


class MixedResult(NamedTuple):
    """All rounds beside one background load."""

    background: BackgroundLoad
    rounds: Sequence[Round]

    @property
    def kept(self) -> float:
        """The share of their rate that single rows kept, as a median of the rounds."""
        return median(each.beside.per_second / each.alone.per_second for each in self.rounds)

    @property
    def alone(self) -> LoadResult:
        """Medians of single rows alone."""
        return LoadResult.medians([each.alone for each in self.rounds])

    @property
    def beside(self) -> LoadResult:
        """Medians of single rows beside the background load."""
        return LoadResult.medians([each.beside for each in self.rounds])

    @property
    def other(self) -> LoadResult:
        """Medians of the background load."""
        return LoadResult.medians([each.other for each in self.rounds])


def verdicts(found: Sequence[MixedResult]) -> list[Verdict]:
    """Every objective, and whether it is met."""
    verdicts: list[Verdict] = []
    for each in found:
        load, beside = each.background, each.beside
        if load.min_kept is not None:
            sentence = f"beside {load} single rows keep {load.min_kept:.0%} of their rate"
            verdicts.append(Verdict.at_least(sentence, each.kept, load.min_kept, ".1%"))
        if load.max_p99_ms is not None:
            sentence = f"beside {load} the p99 of single rows is within {load.max_p99_ms:,.0f} ms"
            verdicts.append(Verdict.at_most(sentence, beside.p99_ms, load.max_p99_ms, ",.1f"))
        verdicts.append(Verdict.at_most(f"beside {load} no single row is refused or fails", beside.errors, 0))
        least = min(one.other.requests - one.other.errors for one in each.rounds)
        verdicts.append(Verdict.at_least(f"{load} get answers too in every round", least, 1))
    return verdicts


def as_json(found: MixedResult) -> dict[str, object]:
    """The figures of every round."""
    background = found.background
    return {
        "neighbours": str(background),
        "request": f"{background.work.method} {background.work.path}",
        "kept": found.kept,
        "rounds": [{name: part._asdict() for name, part in each._asdict().items()} for each in found.rounds],
    }


def as_markdown(report: Mapping[str, object], found: Sequence[MixedResult]) -> list[str]:
    """The report as a page."""
    head = ("beside", "alone", "beside them", "kept", "p50", "p99", "not 200", "they get", "not 200")
    return [
        "# Single rows beside other requests",
        "",
        f"`{report['command']}`: single Iris rows over {report['connections']} connections, one worker,",
        f"strict / full, alone and beside others, in turn, {report['rounds']} rounds of"
        f" {report['seconds']:g} s each; medians.",
        "All are closed loops: after each answer or rejection, a client sends the next request at once.",
        *setting(report),
        "",
        *table(head, map(_line, found)),
        "",
        "Service and load generators share the cores.",
    ]


def _line(found: MixedResult) -> Sequence[str]:
    alone, beside, other = found.alone, found.beside, found.other
    return (
        str(found.background),
        f"{alone.per_second:,.0f}/s, p99 {alone.p99_ms:,.1f} ms",
        f"{beside.per_second:,.0f}/s",
        f"{found.kept:.0%}",
        f"{beside.p50_ms:,.1f} ms",
        f"{beside.p99_ms:,.1f} ms",
        f"{beside.errors:,}",
        f"{other.per_second:,.1f}/s, p50 {other.p50_ms:,.0f} ms",
        f"{other.errors:,}",
    )
