"""The values of a column that looks like an identifier stay with whoever trains."""

import json
from pathlib import Path

import bentoml
import mlflow
import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from rich.console import Console

from service.http.openapi.document import document
from service.model.contract_view import LISTED_CATEGORIES, view_of
from service.model.published import load_model
from service.model.reference_profile import NO_FLAGS
from service.model.training_profile import PROFILE_FILE, SAMPLE_FILE
from service.native.messages import Messages
from service.settings import Settings as ServiceSettings
from tests.support.row_flags import flagged
from training.candidates.built_in import CANDIDATES
from training.progress import Progress
from training.publish.golden_rows import golden_rows
from training.publish.logged_model import _input_example
from training.table.dataset import Dataset, load_dataset
from training.table.options import TableOptions
from training.table.overrides import FeatureOverride, Overrides
from training.train import Settings, train

KEPT = TableOptions(keep=("borrower", "number"))
"""Columns that look like identifiers are features only if a person keeps them."""

ROWS = 40
WITHOUT_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)
texts = st.lists(
    st.text("ABCDEFGHJKLMNPQRSTUVWXYZ", min_size=6, max_size=12),
    min_size=ROWS,
    max_size=ROWS,
    unique=True,
)
BODY_LIMIT_BYTES = ServiceSettings.model_fields["body_limit_bytes"].default
# The documents state the body limit, which a numbered column must not contain by chance.
firsts = st.integers(10**7, 10**9).filter(lambda first: not first <= BODY_LIMIT_BYTES < first + ROWS)


def write_table(folder: Path, names: list[str], first: int, *, gaps: bool) -> Path:
    """Loans, each with the name of its borrower and a number, some without if there are to be gaps."""
    path = folder / "loans.csv"
    frame = pd.DataFrame({"borrower": names, "number": [first + n for n in range(ROWS)]})
    frame = frame.astype(object).sample(frac=1, random_state=3).reset_index(drop=True)
    if gaps:
        frame.loc[::9, "borrower"] = ""
        frame.loc[frame["number"] == first, "number"] = ""  # A gap within would end the numbering.
    frame["amount"] = [round(n * 1.5, 2) for n in range(ROWS)]
    frame["city"] = ["Oslo", "Lima"] * (ROWS // 2)
    frame.assign(repaid=frame["amount"] > 30).to_csv(path, index=False)
    return path


def told(text: str, names: list[str], first: int) -> list[str]:
    """The values of identifiers that are in a text."""
    return [value for value in (*names, *(str(first + n) for n in range(ROWS))) if value in text]


def golden_of(dataset: Dataset) -> str:
    split = dataset.split(0.2, 42)
    pipeline = CANDIDATES[1].pipeline(dataset.contract, 42).fit(split.train.matrix, split.train.labels)
    return golden_rows(pipeline, dataset.contract, split.test.matrix).model_dump_json()


@settings(max_examples=25, phases=WITHOUT_SHRINKING)
@given(texts, firsts, st.booleans())
def test_no_value_of_an_identifier_is_in_the_contract_the_golden_rows_the_example_or_the_documents(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], first: int, gaps: bool
) -> None:
    path = write_table(tmp_path_factory.mktemp("loans"), names, first, gaps=gaps)
    dataset = load_dataset(path, "repaid", KEPT)
    contract = dataset.contract
    assert [feature.name for feature in contract.features if feature.withheld] == ["borrower", "number"]
    for text in (
        contract.model_dump_json(),
        golden_of(dataset),
        _input_example(dataset).to_json(),
        json.dumps(document(Messages(contract, 100), "loans", with_keys=True)),
        view_of(contract).model_dump_json(),
    ):
        assert told(text, names, first) == []
    # What is made up is a row that the contract takes, and that nothing is flagged of.
    example = {feature.name: feature.example for feature in contract.features}
    row = contract.row_type.model_validate(example)
    assert flagged(contract, contract.matrix([row])) == NO_FLAGS
    new = contract.row_type.model_validate({**example, "borrower": "someone new", "number": 7})
    assert flagged(contract, contract.matrix([new])) == NO_FLAGS


@given(st.integers(min_value=-50, max_value=50), st.integers(min_value=20, max_value=50))
def test_the_example_of_an_identifier_keeps_to_the_limits_that_were_decided(
    tmp_path_factory: pytest.TempPathFactory, lowest: int, width: int
) -> None:
    path = tmp_path_factory.mktemp("limits") / "table.csv"
    ids = np.arange(lowest, lowest + width + 1)
    pd.DataFrame({"id": ids, "x": ids % 3, "y": ids % 2}).to_csv(path, index=False)
    decided = Overrides(features={"id": FeatureOverride(minimum=lowest, maximum=lowest + width)})
    contract = load_dataset(path, "y", TableOptions(overrides=decided)).contract
    (feature, _) = contract.features
    assert feature.withheld
    contract.row_type.model_validate({"id": feature.example, "x": 1})


def test_a_closed_category_is_part_of_the_interface_whatever_it_looks_like(tmp_path: Path) -> None:
    names = [f"station-{n}" for n in range(ROWS)]
    path = write_table(tmp_path, names, 10**8, gaps=False)
    decided = Overrides(features={"borrower": FeatureOverride(closed=True)})
    contract = load_dataset(path, "repaid", TableOptions(overrides=decided)).contract
    assert contract.features[0].categories == tuple(sorted(names))
    assert "station-17" in json.dumps(document(Messages(contract, 100), "loans", with_keys=True))


def test_open_categories_are_not_in_the_documents_and_in_the_contract_shown_they_are_few(
    tmp_path: Path,
) -> None:
    path = tmp_path / "many.csv"
    cities = [f"city {n % 80:02}" for n in range(400)]
    pd.DataFrame({"city": cities, "x": range(0, 800, 2), "y": [n % 2 for n in range(400)]}).to_csv(path)
    contract = load_dataset(path, "y").contract
    assert "city 0" not in json.dumps(document(Messages(contract, 100), "many", with_keys=True))
    (city,) = [feature for feature in view_of(contract).features if feature.name == "city"]
    assert (len(city.categories), city.categories_total) == (LISTED_CATEGORIES, 80)
    rows = [{"city": "city 79", "x": 2}, {"city": "city 80", "x": 2}]
    matrix = contract.matrix([contract.row_type.model_validate(row) for row in rows])
    assert [flag.row for flag in flagged(contract, matrix).listed] == [1]


@pytest.mark.usefixtures("own_stores")
def test_what_is_published_and_logged_has_no_identifier_and_is_verified(tmp_path: Path) -> None:
    names = [f"BORROWER{n:03}" for n in range(ROWS)]
    dataset = load_dataset(write_table(tmp_path, names, 10**8, gaps=True), "repaid", KEPT)
    settings = Settings("withheld", 0.2, 42, tmp_path, keeps_sample=True)
    with Progress(Console(quiet=True)) as progress:
        training = train(dataset, dataset.split(0.2, 42), settings, progress, CANDIDATES[:2])
    model = load_model(training.tag)
    assert model.contract == dataset.contract
    artifacts = Path(mlflow.artifacts.download_artifacts(f"models:/{training.candidates[0].model_id}"))
    contract = mlflow.artifacts.load_text(f"runs:/{training.run_id}/contract.json")
    example = "".join(path.read_text() for path in artifacts.rglob("*example*.json"))
    assert '"amount"' in example
    stored = bentoml.models.get(training.tag)
    profile, sample = (Path(stored.path_of(name)).read_text() for name in (PROFILE_FILE, SAMPLE_FILE))
    assert '"name":"borrower","categories":[]' in profile
    assert '"amount"' in sample
    for text in (contract, example, profile, sample):
        assert told(text, names, 10**8) == []
