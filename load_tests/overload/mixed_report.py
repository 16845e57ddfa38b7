"""What single rows got beside others, what was to hold, and its page."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import NamedTuple

from load_tests.bench.http_load import Measured, Work
from load_tests.bench.provenance import Verdict, setting, table


class Neighbours(NamedTuple):
    """Who asks for something else meanwhile."""

    name: str
    connections: int
    work: Work
    least_kept: float | None = None
    """Of their rate, what single rows are to keep."""
    most_p99_ms: float | None = None
    """Within which single rows are to be answered."""

    def __str__(self) -> str:
        return f"{self.connections} connections of {self.name}"


class Round(NamedTuple):
    """One round; errors are answers other than 200, and requests without any."""

    alone: Measured
    beside: Measured
    other: Measured


class Beside(NamedTuple):
    """All rounds beside one kind of neighbour."""

    neighbours: Neighbours
    rounds: Sequence[Round]

    @property
    def kept(self) -> float:
        """The share of their rate that single rows kept, the median of the rounds."""
        return median(each.beside.per_second / each.alone.per_second for each in self.rounds)

    @property
    def alone(self) -> Measured:
        """Single rows alone, medians."""
        return Measured.medians([each.alone for each in self.rounds])

    @property
    def beside(self) -> Measured:
        """Single rows beside the others, medians."""
        return Measured.medians([each.beside for each in self.rounds])

    @property
    def other(self) -> Measured:
        """The others, medians."""
        return Measured.medians([each.other for each in self.rounds])


def verdicts(found: Sequence[Beside]) -> list[Verdict]:
    """What was to hold."""
    judged: list[Verdict] = []
    for each in found:
        who, beside = each.neighbours, each.beside
        if who.least_kept is not None:
            sentence = f"beside {who} single rows keep {who.least_kept:.0%} of their rate"
            judged.append(Verdict.at_least(sentence, each.kept, who.least_kept, ".1%"))
        if who.most_p99_ms is not None:
            sentence = f"beside {who} the p99 of single rows is within {who.most_p99_ms:,.0f} ms"
            judged.append(Verdict.at_most(sentence, beside.p99_ms, who.most_p99_ms, ",.1f"))
        judged.append(Verdict.at_most(f"beside {who} no single row is refused or fails", beside.errors, 0))
        least = min(one.other.requests - one.other.errors for one in each.rounds)
        judged.append(Verdict.at_least(f"{who} get answers too in every round", least, 1))
    return judged


def as_json(found: Beside) -> dict[str, object]:
    """The figures of every round."""
    who = found.neighbours
    return {
        "neighbours": str(who),
        "request": f"{who.work.method} {who.work.path}",
        "kept": found.kept,
        "rounds": [{name: part._asdict() for name, part in each._asdict().items()} for each in found.rounds],
    }


def as_markdown(report: Mapping[str, object], found: Sequence[Beside]) -> list[str]:
    """The report as a page."""
    head = ("beside", "alone", "beside them", "kept", "p50", "p99", "not 200", "they get", "not 200")
    return [
        "# Beside others that ask for as much as they can",
        "",
        f"`{report['command']}`: single Iris rows over {report['connections']} connections, one worker,",
        f"strict / full, alone and beside others, in turn, {report['rounds']} rounds of"
        f" {report['seconds']:g} s each; medians.",
        "All are closed loops: a client that is answered, or refused, asks again at once.",
        *setting(report),
        "",
        *table(head, map(_line, found)),
        "",
        "Service and load share the cores: what the others' load takes, the service does not have.",
    ]


def _line(found: Beside) -> Sequence[str]:
    alone, beside, other = found.alone, found.beside, found.other
    return (
        str(found.neighbours),
        f"{alone.per_second:,.0f}/s, p99 {alone.p99_ms:,.1f} ms",
        f"{beside.per_second:,.0f}/s",
        f"{found.kept:.0%}",
        f"{beside.p50_ms:,.1f} ms",
        f"{beside.p99_ms:,.1f} ms",
        f"{beside.errors:,}",
        f"{other.per_second:,.1f}/s, p50 {other.p50_ms:,.0f} ms",
        f"{other.errors:,}",
    )
