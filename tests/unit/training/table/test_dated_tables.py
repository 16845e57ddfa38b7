"""Tables with dates, and what a person decides about them."""

from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.model.days import days_of_text
from tests.support.tables import WriteCsv
from training.table.columns.text_column import TextRules
from training.table.columns.typed_column import read_column
from training.table.dataset import load_dataset
from training.table.options import TableOptions
from training.table.overrides import Overrides
from training.table_errors import OverridesInvalid, ReferenceDateUnused, TableInvalid

LABELS = ("no", "yes")


zones = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
YEARS = datetime(2, 1, 1), datetime(9998, 12, 31)
instants = st.datetimes(*YEARS) | st.datetimes(*YEARS, timezones=zones)


@given(st.lists(instants, min_size=1), st.sampled_from(["seconds", "milliseconds", "microseconds"]))
def test_the_texts_of_a_table_have_the_bits_that_the_same_texts_have_in_the_service(
    values: list[datetime], precision: str
) -> None:
    texts = [value.isoformat(" ", precision) for value in values]
    read = read_column("at", pa.chunked_array([pa.array(texts)]), TextRules(), typed=False)
    assert read.column.type in ("date", "datetime")
    assert read.column.values.tolist() == [days_of_text(text, "datetime") for text in texts]


@pytest.fixture
def dated(write_csv: WriteCsv) -> Path:
    rows = [[f"2024-01-{n + 1:02}", f"2024-02-10T{n % 24:02}:30", LABELS[n % 2]] for n in range(30)]
    return write_csv(["day", "at", "label"], rows)


def test_the_contract_has_their_range_and_the_latest_day_as_reference(dated: Path) -> None:
    contract = load_dataset(dated, "label").contract
    day, at = contract.features
    assert (day.type, day.observed_minimum, day.observed_maximum) == ("date", "2024-01-01", "2024-01-30")
    assert day.example == "2024-01-15"
    assert (at.type, at.observed_minimum) == ("datetime", "2024-02-10T00:30:00Z")
    assert contract.reference_date == date(2024, 2, 10)


def test_another_reference_date_may_be_given(dated: Path) -> None:
    day = date(2030, 1, 1)
    assert load_dataset(dated, "label", TableOptions(reference_date=day)).contract.reference_date == day


def test_a_reference_date_without_dates_is_refused(write_csv: WriteCsv) -> None:
    table = write_csv(["x", "label"], [[n / 2, LABELS[n % 2]] for n in range(30)])
    with pytest.raises(ReferenceDateUnused, match="the table has no column of dates"):
        load_dataset(table, "label", TableOptions(reference_date=date(2030, 1, 1)))


def test_their_limits_are_texts_and_hold_for_the_table(dated: Path) -> None:
    overrides = Overrides.model_validate({"features": {"day": {"minimum": "2024-01-03"}}})
    with pytest.raises(TableInvalid) as caught:
        load_dataset(dated, "label", TableOptions(overrides=overrides))
    assert str(caught.value).endswith(
        "'day' is below its minimum of 2024-01-03 in 2 rows: 1 ('2024-01-01'), 2 ('2024-01-02')"
    )
    wide = Overrides.model_validate({"features": {"day": {"minimum": "2020-01-01", "type": "datetime"}}})
    assert load_dataset(dated, "label", TableOptions(overrides=wide)).contract.features[0].type == "datetime"


def test_a_limit_that_is_no_date_is_refused(dated: Path) -> None:
    overrides = Overrides.model_validate({"features": {"day": {"minimum": 3}}})
    with pytest.raises(OverridesInvalid, match=r"'day' is a date: 3.0 should be a day in ISO 8601"):
        load_dataset(dated, "label", TableOptions(overrides=overrides))
