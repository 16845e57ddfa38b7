from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from training.table.dataset import load_dataset
from training.table.options import TableOptions
from training.table.overrides import Overrides
from training.table_errors import OverridesInvalid, ReferenceDateUnused, TableInvalid

ROWS: list[Sequence[object]] = [[x / 2, "a" if x % 2 else "b", "yes" if x % 3 else "no"] for x in range(30)]


def write(path: Path, rows: Sequence[Sequence[object]], header: Sequence[str]) -> Path:
    pd.DataFrame(rows, columns=list(header)).to_csv(path, index=False)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "table.csv"


@pytest.fixture
def dated(path: Path) -> Path:
    rows = [[f"2024-01-{n + 1:02}", f"2024-02-10T{n % 24:02}:30", row[2]] for n, row in enumerate(ROWS)]
    return write(path, rows, ["day", "at", "label"])


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


def test_a_reference_date_without_dates_is_refused(path: Path) -> None:
    options = TableOptions(reference_date=date(2030, 1, 1))
    with pytest.raises(ReferenceDateUnused, match="the table has no column of dates"):
        load_dataset(write(path, ROWS, ["x", "letter", "label"]), "label", options)


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
