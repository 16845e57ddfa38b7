"""The part of the report on live quality: coverage of its intervals, its alarms, and a label flip."""

from collections.abc import Iterator, Sequence

from load_tests.bench.provenance import Verdict, table
from load_tests.monitoring.quality_streams import QualityRow
from load_tests.monitoring.sequence_coverage import LAST_LOOK, LOOK_EVERY, CoverageRow

_PLAIN = "plain interval"
_STREAM_HEAD = (
    "flipped", "test rows", "labels a window", "streams", "false alarms", "found", "median delay",
)  # fmt: skip


def quality_verdicts(coverage: Sequence[CoverageRow], streams: Sequence[QualityRow]) -> Iterator[Verdict]:
    """Of the sequences, and of streams with and without a flip."""
    for each in coverage:
        if each.interval != _PLAIN:
            sentence = f"{each.interval} of {each.of}: misses at any look in at most 5 % of the runs"
            yield Verdict.at_most(sentence, each.missed_share, 0.05, ".1%")
    still = [row for row in streams if not row.case.flip]
    false = sum(max(row.false_by_windows, row.false_by_figures) for row in still)
    months = sum(row.streams for row in still)
    yield Verdict.at_most(
        "live quality without a change: at most 1 % of months have an alarm", false / months, 0.01, ".2%"
    )


def quality_lines(coverage: Sequence[CoverageRow], streams: Sequence[QualityRow]) -> list[str]:
    """The tables."""
    return [
        "",
        "## Live quality: a label flip, which drift cannot see",
        "",
        "The share of labels that are the other class from a window on; streams whose flip was an alarm,",
        "and the windows until then. Streams without a flip are months of 720 windows.",
        "",
        *table(_STREAM_HEAD, map(_stream_line, streams)),
        "",
        f"Looks after every {LOOK_EVERY} labels up to {LAST_LOOK:,}: runs in which a 95 % interval missed",
        "the truth at any look.",
        "",
        *table(
            ("figure", "interval", "runs", "missed"),
            ((each.of, each.interval, f"{each.runs:,}", f"{each.missed_share:.1%}") for each in coverage),
        ),
    ]


def _stream_line(row: QualityRow) -> tuple[object, ...]:
    return (
        f"{row.case.flip:.0%}" if row.case.flip else "-",
        row.case.test_rows,
        row.case.labels_a_window,
        f"{row.streams:,}",
        max(row.false_by_windows, row.false_by_figures),
        f"{row.found / row.streams:.1%}" if row.case.flip else "-",
        "-" if row.delay_median is None or not row.case.flip else f"{row.delay_median:g}",
    )
