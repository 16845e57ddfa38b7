"""Pages of the history: order, filters, ends, and the index walks of their statements."""

from collections import defaultdict
from dataclasses import replace
from datetime import timedelta
from itertools import chain, combinations, islice
from pathlib import Path
from typing import Any

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.audit.file.database import open_for_reading
from service.audit.query.history import (
    HistoryFilters,
    facet_conditions,
    facet_statement,
    matching_requests,
    next_statement,
    row_statement,
    walk_statement,
)
from service.audit.query.reader import PAGE_LIMIT_BYTES, AuditReader
from service.audit.write.record import AuditRecord
from service.errors import AuditUnusable
from service.model.label import Label, label_text
from tests.support.audit.log_files import statements
from tests.support.audit.logs import ANSWERED, NINE, REFUSED, numbered, request_ids, write

LABELS = ("setosa", "versicolor", "1", 1, True)
MODELS = ("iris_logistic_regression", "iris_random_forest")


def varied_predictions(number: int) -> list[tuple[Label, float]]:
    last = [("setosa", number % 50 / 50)] if number % 3 == 0 else []
    return [(LABELS[number % 5], 0.9), (LABELS[number % 3], 0.8 + number % 9 / 100), *last]


def varied(number: int) -> AuditRecord:
    """Record ``number`` of a log in which every filter has something to tell apart, and times repeat."""
    return replace(
        REFUSED if number % 7 == 3 else ANSWERED,
        request_id=f"r-{number % 20}",
        received_utc=NINE + timedelta(seconds=number * 31 % 17),
        model_name=MODELS[number % 2],
        duration_ms=float(number),
        predictions=[] if number % 7 == 3 else varied_predictions(number),
        flags=number % 4 // 3,
    )


VARIED = [varied(number) for number in range(1, 81)]
"""A record's ``duration_ms`` is its id."""


@pytest.fixture(scope="module")
def varied_log(tmp_path_factory: pytest.TempPathFactory) -> AuditReader:
    db = tmp_path_factory.mktemp("varied") / "audit.db"
    write(db, *VARIED)
    return AuditReader(db)


def expected_ids(filters: HistoryFilters) -> list[int]:
    """The ids of VARIED that the filters let through, newest first: the rule said once more, naively."""
    chosen = [
        (record.received_utc, int(record.duration_ms))
        for record in VARIED
        if record.status == 200
        and (filters.flagged is None or filters.flagged == (record.flags > 0))
        and any(
            (filters.label is None or filters.label == label_text(label))
            and (filters.min_confidence is None or filters.min_confidence <= confidence)
            and (filters.max_confidence is None or filters.max_confidence >= confidence)
            for label, confidence in record.predictions
        )
        and (filters.model is None or filters.model == record.model_name)
        and (filters.since is None or filters.since <= record.received_utc)
        and (filters.until is None or filters.until > record.received_utc)
        and (filters.request_id is None or filters.request_id == record.request_id)
    ]
    return [id_ for _, id_ in sorted(chosen, reverse=True)]


def all_pages(reader: AuditReader, filters: HistoryFilters) -> list[list[int]]:
    page = reader.history(filters)
    pages = [[item.id for item in page.items]]
    while page.next_before is not None:
        page = reader.history(filters.model_copy(update={"before": page.next_before}))
        pages.append([item.id for item in page.items])
    return pages


MOMENTS = st.integers(-1, 18).map(lambda second: NINE + timedelta(seconds=second))
FILTERS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"limit": st.integers(1, 100)},
    optional={
        "label": st.sampled_from(["setosa", "versicolor", "1", "true", "absent"]),
        "model": st.sampled_from([*MODELS, "absent"]),
        "since": MOMENTS,
        "until": MOMENTS,
        "request_id": st.sampled_from(["r-1", "r-2", "r-9", "absent"]),
        "min_confidence": st.integers(0, 100).map(lambda percent: percent / 100),
        "max_confidence": st.integers(0, 100).map(lambda percent: percent / 100),
        "flagged": st.booleans(),
    },
)


@given(FILTERS)
def test_paging_gives_each_record_once_and_in_order(varied_log: AuditReader, asked: dict[str, Any]) -> None:
    filters = HistoryFilters(**asked)
    pages = all_pages(varied_log, filters)

    assert list(chain.from_iterable(pages)) == expected_ids(filters)
    assert all(len(page) == filters.limit for page in pages[:-1])
    assert pages[-1] or len(pages) == 1


def test_pages_stay_as_they_are_while_records_arrive(tmp_path: Path) -> None:
    write(tmp_path / "audit.db", *numbered(10))
    reader = AuditReader(tmp_path / "audit.db")
    filters = HistoryFilters(limit=4)
    seen: list[str] = []
    for arrival in range(3):
        page = reader.history(filters)
        seen += request_ids(page.items)
        write(tmp_path / "audit.db", *numbered(3, first=100 * (arrival + 1)))
        filters = HistoryFilters(limit=4, before=page.next_before)

    assert seen == [f"r-{number}" for number in range(10, 0, -1)]
    assert page.next_before is None


def test_the_last_page_has_no_cursor_even_if_it_is_full(tmp_path: Path) -> None:
    write(tmp_path / "audit.db", *numbered(4))
    first = AuditReader(tmp_path / "audit.db").history(HistoryFilters(limit=2))
    last = AuditReader(tmp_path / "audit.db").history(HistoryFilters(limit=2, before=first.next_before))

    assert request_ids(first.items) == ["r-4", "r-3"]
    assert first.next_before is not None
    assert (request_ids(last.items), last.next_before) == (["r-2", "r-1"], None)


@pytest.mark.parametrize("body_bytes", [PAGE_LIMIT_BYTES + 10, PAGE_LIMIT_BYTES * 3 // 4])
def test_a_page_ends_at_its_length_but_holds_an_item(tmp_path: Path, body_bytes: int) -> None:
    body = b'"' + b"x" * body_bytes + b'"'
    write(tmp_path / "audit.db", *(replace(record, response=body) for record in numbered(5)))

    on_a_page = 1 if body_bytes > PAGE_LIMIT_BYTES else 2
    pages = all_pages(AuditReader(tmp_path / "audit.db"), HistoryFilters())
    assert [len(page) for page in pages] == ([1] * 5 if on_a_page == 1 else [2, 2, 1])


def test_a_label_filter_takes_the_plain_text_and_items_keep_the_type(tmp_path: Path) -> None:
    labels: list[str | int | bool] = ["1", 1, True, "true", "setosa"]
    records = [
        replace(record, predictions=[(label, 0.9)]) for record, label in zip(numbered(5), labels, strict=True)
    ]
    write(tmp_path / "audit.db", *records)
    reader = AuditReader(tmp_path / "audit.db")

    def found(label: str) -> list[object]:
        return [item.predictions[0].label for item in reader.history(HistoryFilters(label=label)).items]

    assert [(type(label), label) for label in found("1")] == [(int, 1), (str, "1")]
    assert [(type(label), label) for label in found("true")] == [(str, "true"), (bool, True)]
    assert found("setosa") == ["setosa"]
    assert found("True") == []


def test_an_empty_log_has_an_empty_page(tmp_path: Path) -> None:
    write(tmp_path / "audit.db")

    assert AuditReader(tmp_path / "audit.db").history(HistoryFilters()).model_dump() == {
        "items": (),
        "next_before": None,
    }


def test_a_damaged_log_is_refused_with_a_reason(tmp_path: Path) -> None:
    db = tmp_path / "audit.db"
    write(db, *numbered(200))
    db.write_bytes(db.read_bytes()[:8_192] + b"\x7f" * (db.stat().st_size - 8_192))

    with pytest.raises(AuditUnusable, match="it is damaged"):
        AuditReader(db).history(HistoryFilters())


def test_a_page_with_a_text_that_is_not_utf8_is_refused_with_a_reason(tmp_path: Path) -> None:
    write(tmp_path / "audit.db", *numbered(2))
    statements(tmp_path / "audit.db", "UPDATE request SET model_name = CAST(x'ff' AS TEXT) WHERE id = 1")

    with pytest.raises(AuditUnusable, match="a text in it is not UTF-8"):
        AuditReader(tmp_path / "audit.db").history(HistoryFilters())


EVERY_FILTER: dict[str, Any] = {
    "label": "setosa",
    "model": MODELS[0],
    "since": NINE,
    "until": NINE + timedelta(hours=1),
    "request_id": "r-1",
    "before": "2026-07-04T09:00:09.000000Z~40",
    "min_confidence": 0.8,
    "max_confidence": 0.9,
    "flagged": True,
}
COMBINATIONS = [names for size in range(10) for names in combinations(EVERY_FILTER, size)]


def plan(connection: apsw.Connection, statement: str, *bindings: int) -> list[str]:
    return [
        step
        for *_, step in connection.execute(f"EXPLAIN QUERY PLAN {statement}", bindings or defaultdict(int))
    ]


def test_no_combination_of_filters_sorts_or_scans_a_table_that_grows(varied_log: AuditReader) -> None:
    connection = open_for_reading(varied_log.path)
    for names in COMBINATIONS:
        filters = HistoryFilters(**{name: EVERY_FILTER[name] for name in names})
        if "request_id" in names or not facet_conditions(filters):
            walk, *others = plan(connection, walk_statement(filters))
            index = "request_by_request_id" if "request_id" in names else "answered_request"
            assert f"USING INDEX {index}" in walk
            assert walk.startswith("SEARCH" if names else "SCAN")
        else:
            facets, *others = plan(connection, facet_statement(filters))
            assert facets.startswith(("SEARCH f", "SCAN f"))
            (walk,) = plan(connection, next_statement(filters))
            assert walk.startswith("SEARCH l USING PRIMARY KEY (facet=? AND ")
            (row,) = plan(connection, row_statement(), 1)
            assert row.startswith("SEARCH r USING INTEGER PRIMARY KEY")
        assert not [step for step in others if "TEMP B-TREE" in step or step.startswith("SCAN l")]
        if {"since", "until", "before"} & set(names):
            assert "received_utc" in walk
    connection.close()


def test_a_page_takes_one_seek_for_each_item(tmp_path: Path) -> None:
    records = numbered(200)
    spread = [
        replace(record, predictions=[(f"label-{number % 40}", number / 200)])
        for number, record in enumerate(records)
    ]
    write(tmp_path / "audit.db", *spread)
    connection = open_for_reading(tmp_path / "audit.db")
    asked: list[str] = []
    connection.trace_v2(apsw.SQLITE_TRACE_STMT, lambda event: asked.append(event["sql"]))
    filters = HistoryFilters(limit=3, min_confidence=0)

    page = list(islice(matching_requests(connection, filters), 4))

    assert [row.request_id for row in page] == ["r-200", "r-199", "r-198", "r-197"]
    assert asked.count(next_statement(filters)) == 4
    connection.close()
