"""The report of ``make bench-training``: its table and its limits."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from load_tests.bench.provenance import Verdict, setting, table
from load_tests.training.made_tables import MadeTable
from load_tests.training.process_tree import Usage

_MB = 1024**2
_BASE_MB, _COPIES = 600, 3
"""The limit of the memory: so many copies of the table in 64-bit floats, and so many MB."""
_METRICS = ("test_f1_macro", "test_log_loss", "test_accuracy")


class Measured(NamedTuple):
    """A training of one table."""

    name: str
    title: str
    seconds: float
    limit_s: float
    peak_mb: float
    limit_mb: float
    refusal: str | None
    """The last line of a training that published nothing."""
    may_be_refused: bool
    champion: str | None
    metrics: Mapping[str, float]
    """Of the champion on the test split."""
    default_metrics: Mapping[str, float]
    """Of gradient boosting with scikit-learn's defaults on the same split; empty if it was not fitted."""

    @classmethod
    def of(
        cls,
        made: MadeTable,
        usage: Usage,
        refusal: str | None,
        result: Mapping[str, Any] | None = None,
        default_metrics: Mapping[str, float] | None = None,
    ) -> "Measured":
        """The figures of a training, from what it used and printed."""
        lineage = result["lineage"] if result else {"metrics": {}, "candidate": None}
        metrics = {name: lineage["metrics"][name] for name in _METRICS if name in lineage["metrics"]}
        table_mb = 8 * made.n_rows * made.n_columns / _MB
        return cls(
            made.name,
            made.title,
            round(usage.seconds, 1),
            made.limit_s,
            round(usage.peak_bytes / _MB),
            round(_COPIES * table_mb + _BASE_MB),
            refusal,
            made.may_be_refused,
            lineage["candidate"],
            metrics,
            default_metrics or {},
        )


def verdicts(measured: Sequence[Measured]) -> list[Verdict]:
    """Every limit, and whether it is met."""
    return [verdict for each in measured for verdict in _of(each)]


def _of(each: Measured) -> Iterator[Verdict]:
    if each.refusal is not None and not each.may_be_refused:
        yield Verdict(False, f"{each.title}: {each.refusal}")
        return
    yield Verdict.at_most(f"{each.title}: at most {each.limit_s:g} s", each.seconds, each.limit_s, ",.1f")
    yield Verdict.at_most(f"{each.title}: at most {each.limit_mb:,} MB", each.peak_mb, each.limit_mb)


def as_markdown(report: Mapping[str, object], measured: Sequence[Measured]) -> list[str]:
    """The report as a table."""
    head = ("table", "s", "limit", "peak MB", "limit", "champion", "F1, log loss, accuracy", "defaults")
    return [
        "# Training by the size of the table",
        "",
        "`make bench-training`: the whole command `python -m training`, each in a fresh store. Peak memory",
        "is that of all its processes together. F1 is macro; all three are of the test split. Defaults:",
        "scikit-learn's HistGradientBoostingClassifier with defaults on the same split, with categories as",
        "such up to 255 values and as ordinal codes beyond.",
        *setting(report),
        "",
        *table(head, map(_line, measured)),
    ]


def _line(each: Measured) -> tuple[object, ...]:
    champion = "refused" if each.refusal is not None else (each.champion or "").replace("_", " ")
    return (
        each.title,
        f"{each.seconds:,.1f}",
        f"{each.limit_s:g}",
        f"{each.peak_mb:,}",
        f"{each.limit_mb:,}",
        champion,
        _figures(each.metrics),
        _figures(each.default_metrics),
    )


def _figures(metrics: Mapping[str, float]) -> str:
    return ", ".join(f"{metrics[name]:.4f}" for name in _METRICS if name in metrics) or "-"
