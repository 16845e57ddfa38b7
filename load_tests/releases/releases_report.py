"""The report of ``make bench-releases``: its tables and objectives."""

from collections.abc import Iterator, Mapping, Sequence

from load_tests.bench.provenance import Verdict, setting, table
from load_tests.releases.made_releases import BATCH_ROWS, LAST_LOOK, LOOK_EVERY
from load_tests.releases.release_rows import POLICY, Rates, ReleaseRow

_HEAD = (
    "difference", "promoted", "rolled back", "labels, median (p90)", "fixed sample, power 80 % (90 %)",
    "z test at each look: promoted", "rolled back",
)  # fmt: skip


def as_data(rows: Sequence[ReleaseRow]) -> dict[str, object]:
    """The figures as JSON has them."""
    return {
        "policy": POLICY.model_dump(),
        "rows": [
            {
                **row._asdict(),
                "case": row.case._asdict(),
                "evidence": row.evidence._asdict(),
                "peeking": row.peeking._asdict(),
            }
            for row in rows
        ],
    }


def verdicts(rows: Sequence[ReleaseRow]) -> list[Verdict]:
    """Of the worst row of each error."""
    worse = [row.evidence.promoted for row in rows if row.promotion_is_false]
    good = [row.evidence.rolled_back for row in rows if row.rollback_is_false]
    limit = POLICY.alpha
    return [
        Verdict.at_most(
            f"false promotions: at most {limit:.0%} in any row", max(worse, default=None), limit, ".2%"
        ),
        Verdict.at_most(
            f"false rollbacks: at most {limit:.0%} in any row", max(good, default=None), limit, ".2%"
        ),
    ]


def as_markdown(report: Mapping[str, object], rows: Sequence[ReleaseRow]) -> list[str]:
    """The page."""
    return [
        "# Releases by evidence: false verdicts, and labels needed",
        "",
        "`make bench-releases`: simulated releases, decided by the code of the service.",
        *setting(report),
        "",
        f"A look after every {LOOK_EVERY} labels up to {LAST_LOOK:,}. Labels come late and out of order.",
        f"The policy is the default: accuracy, a margin of {POLICY.margin:g}, {POLICY.min_labels} labels,",
        f"alpha {POLICY.alpha:g}. A release ends with the first verdict. **Bold** verdicts are false:",
        "promoted although worse by the margin or more, or rolled back although no worse. The fixed",
        "sample has one look and the same error, and has to know the variance and the difference",
        "beforehand. The z test of 5 % is what a dashboard with a plain interval decides by.",
        *_sections(rows),
    ]


def _sections(rows: Sequence[ReleaseRow]) -> Iterator[str]:
    titles = [_title(row) for row in rows]
    for title in dict.fromkeys(titles):
        of_title = [row for row, each in zip(rows, titles, strict=True) if each == title]
        yield from ("", f"## {title}", "", f"{of_title[0].releases:,} releases a row.", "")
        yield from table(_HEAD, map(_line, of_title))


def _title(row: ReleaseRow) -> str:
    case = row.case
    if case.mode != "shadow":
        return f"{case.mode} with {case.share:.0%}, champion's accuracy {case.accuracy:.0%}"
    batches = f", correlated batches of {BATCH_ROWS} rows" if case.batch_rows > 1 else ""
    return f"shadow, {case.discordance:.0%} discordant{batches}"


def _line(row: ReleaseRow) -> tuple[object, ...]:
    return (
        f"{100 * row.case.difference:+g} points" if row.case.difference else "none",
        *_shares(row, row.evidence),
        f"{_labels(row.evidence.labels_median)} ({_labels(row.evidence.labels_p90)})",
        f"{row.fixed_80:,} ({row.fixed_90:,})",
        *_shares(row, row.peeking),
    )


def _shares(row: ReleaseRow, rates: Rates) -> tuple[str, str]:
    return _share(rates.promoted, row.promotion_is_false), _share(rates.rolled_back, row.rollback_is_false)


def _share(share: float, is_false: bool) -> str:
    return f"**{share:.1%}**" if is_false else f"{share:.1%}"


def _labels(labels: int | None) -> str:
    return f"over {LAST_LOOK:,}" if labels is None else f"{labels:,}"
