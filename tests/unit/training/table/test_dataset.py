import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from training.column_errors import TargetContinuous
from training.table.dataset import Dataset, load_dataset
from training.table.options import TableOptions
from training.table.overrides import Overrides, read_overrides
from training.table_errors import (
    ColumnUnknown,
    NoUsableFeature,
    OverridesInvalid,
    SplitTooSmall,
    TableInvalid,
    TargetDropped,
)

Rows = Sequence[Sequence[object]]

ROWS: list[Sequence[object]] = [[x / 2, "a" if x % 2 else "b", "yes" if x % 3 else "no"] for x in range(30)]
HEADER = ["x", "letter", "label"]


def write(path: Path, rows: Rows, header: list[str] = HEADER) -> Path:
    pd.DataFrame(rows, columns=header).to_csv(path, index=False)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "table.csv"


def test_the_contract_is_what_the_table_shows(path: Path) -> None:
    dataset = load_dataset(write(path, ROWS), "label")
    x, letter = dataset.contract.features
    assert (x.type, x.nullable, x.observed_minimum, x.observed_maximum) == ("float", False, 0, 14.5)
    assert (letter.type, letter.categories, letter.closed) == ("category", ("a", "b"), False)
    assert (x.example, letter.example) == (7.0, "a")
    assert x.minimum is x.maximum is None
    assert dataset.contract.target.classes == ("no", "yes")


def test_integers_with_gaps_stay_integers(path: Path) -> None:
    rows = [["" if n % 4 == 0 else n % 7, n % 2] for n in range(30)]
    write(path, rows, ["n", "label"])
    (feature,) = load_dataset(path, "label").contract.features
    assert (feature.type, feature.nullable) == ("integer", True)
    assert type(feature.example) is int


@pytest.mark.parametrize(
    ("labels", "target_type", "classes", "kind"),
    [
        (["no", "yes"], "text", ("no", "yes"), "U"),
        ([-1, 1], "integer", (-1, 1), "i"),
        ([1.0, 2.0], "integer", (1, 2), "i"),
        (["True", "false"], "boolean", (False, True), "b"),
    ],
)
def test_labels_may_be_text_integers_or_booleans(
    path: Path, labels: list[object], target_type: str, classes: tuple[object, ...], kind: str
) -> None:
    rows = [[n / 4, labels[n % 2]] for n in range(20)]
    dataset = load_dataset(write(path, rows, ["x", "label"]), "label")
    target = dataset.contract.target
    assert (target.type, target.classes) == (target_type, classes)
    assert [type(each) for each in target.classes] == [type(each) for each in classes]
    assert dataset.labels.dtype.kind == kind


class TestRefused:
    def test_a_target_that_is_no_column(self, path: Path) -> None:
        with pytest.raises(ColumnUnknown, match=r"--target species: .* 'x', 'letter', 'label'"):
            load_dataset(write(path, ROWS), "species")

    def test_dropping_what_is_no_column(self, path: Path) -> None:
        with pytest.raises(ColumnUnknown, match="--drop id"):
            load_dataset(write(path, ROWS), "label", TableOptions(drop=("id",)))

    def test_dropping_the_target(self, path: Path) -> None:
        with pytest.raises(TargetDropped, match="--drop label"):
            load_dataset(write(path, ROWS), "label", TableOptions(drop=("label",)))

    def test_missing_labels_with_their_count_and_first_rows(self, path: Path) -> None:
        rows = [[x, letter, "" if n in range(3, 10) else label] for n, (x, letter, label) in enumerate(ROWS)]
        with pytest.raises(TableInvalid, match=r"'label' is missing in 7 rows: 4, 5, 6, 7, 8, \.\.\."):
            load_dataset(write(path, rows), "label")

    def test_a_single_class(self, path: Path) -> None:
        with pytest.raises(TableInvalid, match="'label' has only one class"):
            load_dataset(write(path, [[x, letter, "yes"] for x, letter, _ in ROWS]), "label")

    def test_a_class_with_fewer_rows_than_folds(self, path: Path) -> None:
        rows = [*ROWS, [3.5, "a", "rare"]]
        with pytest.raises(TableInvalid, match=r"fewer than the 5 rows .* in row 31 \('rare'\)"):
            load_dataset(write(path, rows), "label")

    @pytest.mark.parametrize(
        ("values", "content"),
        [
            ([n / 7 for n in range(1, 31)], "numbers such as 0.142857"),
            (range(100, 130), "30 different numbers in 30 rows"),
            ([f"2024-01-{n:02}" for n in range(1, 31)], "dates"),
        ],
        ids=["fractions", "many integers", "dates"],
    )
    def test_a_target_that_is_a_quantity(self, path: Path, values: list[object], content: str) -> None:
        rows = [[value, row[1]] for value, row in zip(values, ROWS, strict=True)]
        with pytest.raises(TargetContinuous, match=f"{content}, not classes; only classification"):
            load_dataset(write(path, rows, ["y", "letter"]), "y")

    def test_a_table_without_a_usable_feature(self, path: Path) -> None:
        rows = [["", 1, label] for *_, label in ROWS]
        with pytest.raises(NoUsableFeature, match=r"'x' has no values.*\n.*'letter' has only one value"):
            load_dataset(write(path, rows), "label")

    @pytest.mark.parametrize("value", ["inf", "-Infinity", "1e31"])
    def test_infinite_and_too_large_numbers(self, path: Path, value: str) -> None:
        rows = [*ROWS, [value, "a", "yes"]]
        with pytest.raises(TableInvalid, match=r"'x' is infinite or beyond 1e\+30 in row 31"):
            load_dataset(write(path, rows), "label")

    def test_every_broken_rule_at_once(self, path: Path) -> None:
        overrides = Overrides.model_validate(
            {"features": {"x": {"minimum": 1, "maximum": 14, "nullable": False}}}
        )
        rows = [*ROWS, ["", "a", "yes"]]
        with pytest.raises(TableInvalid) as caught:
            load_dataset(write(path, rows), "label", TableOptions(overrides=overrides))
        assert str(caught.value).splitlines()[1:] == [
            "  - 'x' is missing, though the override file says that it never is, in row 31",
            "  - 'x' is below its minimum of 1 in 2 rows: 1 (0.0), 2 (0.5)",
            "  - 'x' is above its maximum of 14 in row 30 (14.5)",
        ]


class TestNoted:
    def test_columns_that_say_nothing_are_left_out(self, path: Path) -> None:
        rows = [[*row, "", "same", 3, 0.5] for row in ROWS]
        dataset = load_dataset(write(path, rows, [*HEADER, "empty", "text", "whole", "half"]), "label")
        assert [feature.name for feature in dataset.contract.features] == ["x", "letter"]
        assert dataset.notes == (
            "'empty' has no values; it was left out",
            "'text' has only one value, 'same'; it was left out",
            "'whole' has only one value, 3; it was left out",
            "'half' has only one value, 0.5; it was left out",
        )

    def test_one_value_with_gaps_is_kept(self, path: Path) -> None:
        rows = [[*row, "set" if n % 2 else ""] for n, row in enumerate(ROWS)]
        dataset = load_dataset(write(path, rows, [*HEADER, "flag"]), "label")
        assert dataset.contract.features[-1].nullable

    @pytest.mark.parametrize("identifiers", [range(100, 130), [f"customer-{n}" for n in range(30)]])
    def test_columns_that_look_like_identifiers_are_left_out(
        self, path: Path, identifiers: list[object]
    ) -> None:
        rows = [[*row, each] for row, each in zip(ROWS, identifiers, strict=True)]
        dataset = load_dataset(write(path, rows, [*HEADER, "id"]), "label")
        assert [feature.name for feature in dataset.contract.features] == ["x", "letter"]
        (note,) = dataset.notes
        assert note.startswith("'id' looks like an identifier (30 different values in 30 rows)")
        assert "Keep it with --keep 'id'" in note

    def test_an_identifier_that_a_person_keeps(self, path: Path) -> None:
        rows = [[*row, f"customer-{n}"] for n, row in enumerate(ROWS)]
        options = TableOptions(keep=("id",))
        dataset = load_dataset(write(path, rows, [*HEADER, "id"]), "label", options)
        assert dataset.contract.features[-1].withheld
        assert not dataset.notes

    @pytest.mark.parametrize(
        ("copies", "said"), [(1, "1 row is a copy of another"), (2, "2 rows are copies of others")]
    )
    def test_rows_that_stand_twice(self, path: Path, copies: int, said: str) -> None:
        (note,) = load_dataset(write(path, [*ROWS, *ROWS[:copies]]), "label").notes
        assert note.startswith(said)


class TestOverrides:
    def test_decisions_take_the_place_of_what_was_seen(self, path: Path, tmp_path: Path) -> None:
        file = tmp_path / "contract.json"
        decided = {"unit": "m", "minimum": 0, "maximum": 99.5, "description": "How far", "nullable": True}
        content = {
            "features": {"x": decided, "letter": {"closed": True}},
            "target": {"description": "Whether"},
        }
        file.write_text(json.dumps(content))
        contract = load_dataset(
            write(path, ROWS), "label", TableOptions(overrides=read_overrides(file))
        ).contract
        x, letter = contract.features
        assert decided.items() <= x.model_dump().items()
        assert letter.closed
        assert contract.target.description == "Whether"

    def test_a_code_may_be_declared_a_category(self, path: Path) -> None:
        rows = [[n % 4, row[2]] for n, row in enumerate(ROWS)]
        overrides = Overrides.model_validate({"features": {"code": {"type": "category"}}})
        dataset = load_dataset(
            write(path, rows, ["code", "label"]), "label", TableOptions(overrides=overrides)
        )
        assert dataset.contract.features[0].categories == ("0", "1", "2", "3")

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            ("{", "Invalid JSON"),
            ('{"feature": {}}', "feature: Extra inputs are not permitted"),
            ('{"features": {"x": {"min": 0}}}', "features.x.min: Extra inputs"),
            ('{"features": {"x": {"minimum": "0"}}}', "'x' is a float: '0' should be a number"),
            ('{"features": {"x": {"type": "time"}}}', "features.x.type: Input should be 'float'"),
            ('{"target": {"type": "text"}}', "target.type: Extra inputs"),
            ('{"features": {"y": {}, "z": {}}}', "'y' is no feature of the table\n  - 'z' is no feature"),
            ('{"features": {"label": {}}}', "'label' is no feature"),
            ('{"features": {"letter": {"minimum": 0}}}', "'letter' is a category: it cannot have a minimum"),
            ('{"features": {"x": {"closed": true}}}', "'x' is a float: it cannot have categories"),
            ('{"features": {"x": {"minimum": 3, "maximum": 1}}}', "minimum above its maximum"),
        ],
    )
    def test_a_file_that_does_not_fit_is_refused_with_the_place(
        self, path: Path, tmp_path: Path, content: str, reason: str
    ) -> None:
        file = tmp_path / "contract.json"
        file.write_text(content)
        with pytest.raises(OverridesInvalid) as caught:
            load_dataset(write(path, ROWS), "label", TableOptions(overrides=read_overrides(file)))
        assert reason in str(caught.value)

    def test_a_file_that_is_not_there_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(OverridesInvalid, match="No such file"):
            read_overrides(tmp_path / "contract.json")


class TestSplit:
    def test_classes_keep_their_proportions(self, iris_dataset: Dataset) -> None:
        split = iris_dataset.split(0.2, seed=1)
        assert np.unique(split.test.labels, return_counts=True)[1].tolist() == [10, 10, 10]
        assert split.train.matrix.shape == (120, 4)

    def test_the_seed_decides_it(self, iris_dataset: Dataset) -> None:
        first, again, other = (
            iris_dataset.split(0.2, 1),
            iris_dataset.split(0.2, 1),
            iris_dataset.split(0.2, 2),
        )
        np.testing.assert_array_equal(first.test.matrix, again.test.matrix)
        assert not np.array_equal(first.test.matrix, other.test.matrix)

    @pytest.mark.parametrize(
        ("test_size", "reason"),
        [
            (0.01, "test_size = 2 should be greater or equal to the number of classes"),
            (0.95, "has 2 rows in the training split, not 5"),
        ],
    )
    def test_a_split_that_leaves_a_class_too_few_rows_is_refused(
        self, iris_dataset: Dataset, test_size: float, reason: str
    ) -> None:
        with pytest.raises(SplitTooSmall, match=reason):
            iris_dataset.split(test_size, seed=0)

    def test_a_class_without_a_test_row_is_refused(self, path: Path) -> None:
        rows = [[n / 2, "ab"[n % 2], "rare" if n % 11 == 0 else f"class {n % 2}"] for n in range(66)]
        with pytest.raises(SplitTooSmall, match="class 'rare' has 0 rows in the test split, not 1"):
            load_dataset(write(path, rows), "label").split(0.05, seed=0)
