"""The sections of the page about drift: each column, all columns together, the windows."""

from collections.abc import Iterable, Iterator, Sequence

from service.monitoring.assessment import AssessedWindow, Assessment, ColumnDrift, TwoSample
from service.monitoring.report import wording
from service.monitoring.report.html_charts import effect_bar, rows_chart, sparkline
from service.monitoring.report.html_markup import Markup, joined, name, pairs, section, table, tag

_ROWS_LIMIT_BYTES = 600_000
"""Length of the rows of columns beyond which the others are only counted."""
_LISTED_WINDOWS = 12
_LISTED_COLUMNS = 5


def drift_card(assessment: Assessment) -> Markup:
    """How many columns drift."""
    verdicts = [each.verdict for each in assessment.drift]
    drifting, reference = verdicts.count("drifting"), assessment.reference_rows
    counts = [
        ("stable", f"{verdicts.count('stable'):,}"),
        ("not enough rows", f"{verdicts.count('insufficient'):,}"),
        (
            "training rows",
            wording.NONE if reference is None else f"{reference:,}",
        ),
    ]
    of = f"of {wording.count(len(verdicts), 'comparison')} drifting"
    return section(
        2,
        "Columns that drift",
        tag("span", f"{drifting:,}", class_="big"),
        tag("span", of, class_="unit"),
        pairs(counts),
    )


def drift_section(assessment: Assessment) -> Markup | None:
    """Each column with its effect over time."""
    if not assessment.drift:
        return None
    listed, silent = _split(assessment.drift)
    rows: list[Markup] = []
    length = 0
    for column in listed:
        row = _row(column)
        length += len(row.encode())
        if length > _ROWS_LIMIT_BYTES:
            break
        rows.append(row)
    notes = [*_notes(listed[len(rows) :], silent)]
    return section(
        6,
        "Drift of each column against training; dashed: the effect from which it counts",
        table(
            _caption(assessment),
            ("column", "effect over time", "effect", "p", "verdict", "what changed"),
            rows,
            "rows",
        ),
        *(tag("p", note, class_="why") for note in notes),
    )


def two_sample_section(test: TwoSample | None) -> Markup | None:
    """Whether a classifier tells received rows from training rows."""
    if test is None:
        return None
    shown = [name(wording.shown(column)) for column in test.columns[:_LISTED_COLUMNS]]
    most = joined(part for each in shown for part in (Markup(", "), each))[2:] if shown else ""
    return section(
        2,
        "All columns together: classifier two-sample test",
        tag("span", wording.figure(test.auc), class_="big"),
        tag("span", "AUC; 0.5 is no difference", class_="unit"),
        pairs(
            (
                ("verdict", verdict_pill(test.verdict)),
                ("p", wording.p_value(test.p_value)),
                ("finished", f"{wording.moment(test.finished_utc)} UTC"),
                ("rows of training, received", f"{test.training_rows:,}, {test.received_rows:,}"),
                ("columns used most", Markup(most) if most else wording.NONE),
            )
        ),
    )


def windows_section(windows: Sequence[AssessedWindow], width: int) -> Markup | None:
    """The windows with their rows."""
    if not windows:
        return None
    rows = [
        tag(
            "tr",
            tag("th", wording.span(each.start_utc, each.end_utc), scope="row", class_="n"),
            tag("td", f"{each.rows:,}", class_="n"),
            tag(
                "td",
                _deviating(each) if each.is_complete else tag("span", "incomplete", class_="v insufficient"),
            ),
        )
        for each in reversed(windows[-_LISTED_WINDOWS:])
    ]
    caption = f"The last {wording.count(len(rows), 'window')}, UTC"
    listed = table(caption, ("window", "rows", "columns that deviate"), rows)
    return section(width, "Rows of each window; marked: a column deviates", rows_chart(windows), listed)


def verdict_pill(verdict: str) -> Markup:
    """A verdict, with its colour."""
    return tag("span", verdict, class_=f"v {verdict}")


def _split(drift: Iterable[ColumnDrift]) -> tuple[list[ColumnDrift], list[ColumnDrift]]:
    """The columns that get a row, in order, and the missing and unknown values that want no look."""
    listed: list[ColumnDrift] = []
    silent: list[ColumnDrift] = []
    for column in sorted(drift, key=wording.drift_order):
        wants_look = column.verdict == "drifting" or any(each.deviates for each in column.windows[-1:])
        (listed if column.aspect == "values" or wants_look else silent).append(column)
    return listed, silent


def _notes(omitted: Sequence[ColumnDrift], silent: Sequence[ColumnDrift]) -> Iterator[str]:
    if omitted:
        verdicts = [column.verdict for column in omitted]
        counts = ", ".join(f"{verdicts.count(each):,} {each}" for each in dict.fromkeys(verdicts))
        yield f"{wording.count(len(omitted), 'more comparison')} with smaller effects: {counts}."
    for aspect, words in wording.ASPECTS.items():
        of = [column for column in silent if column.aspect == aspect]
        if of:
            stable = sum(column.verdict == "stable" for column in of)
            rest = f", {len(of) - stable:,} without enough rows" if stable < len(of) else ""
            others = wording.count(len(of), "other column")
            yield f"{words.capitalize()} of {others}: {stable:,} stable{rest}."


def _caption(assessment: Assessment) -> str:
    end = assessment.newest_window_end_utc
    if end is None:
        return "No window is complete yet"
    of = next((each for each in reversed(assessment.windows) if each.end_utc == end), None)
    if of is None:
        return f"Window to {wording.moment(end)} UTC"
    return f"Window {wording.span(of.start_utc, of.end_utc)} UTC, {wording.count(of.rows, 'row')}"


def _row(column: ColumnDrift) -> Markup:
    what = "the model's output" if column.is_output else wording.ASPECTS[column.aspect]
    about = None if what == "values" else tag("small", what)
    value = tag("b", wording.effect(column.effect), class_="n")
    return tag(
        "tr",
        tag("th", name(wording.column_name(column)), about, scope="row"),
        tag("td", sparkline(column)),
        tag("td", effect_bar(column.effect, column.verdict), value, class_="eff"),
        tag("td", wording.p_value(column.p_value), class_="n p"),
        tag("td", verdict_pill(wording.column_verdict(column))),
        tag("td", tag("bdi", wording.change(column, wording.MAX_SENTENCE)), class_="why"),
    )


def _deviating(window: AssessedWindow) -> str:
    shown = ", ".join(wording.shown(each) for each in window.deviating[:_LISTED_COLUMNS])
    more = len(window.deviating) - _LISTED_COLUMNS
    return f"{shown} and {more:,} more" if more > 0 else shown
