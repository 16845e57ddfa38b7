"""A training on a table with dates: MLflow and the published model have them as ISO 8601 texts."""

import json
from pathlib import Path

import bentoml
import mlflow
import numpy as np
import pandas as pd
import pytest

from service.model.days import days_of_text
from service.model.published import CONTRACT_FILE, GOLDEN_FILE
from training.candidates.built_in import CANDIDATES
from training.progress import Progress
from training.publish.logged_model import signature_of
from training.table.dataset import Dataset
from training.train import Settings, Training, train

DATES = ("booked", "arrived", "left")


@pytest.fixture
def visits_training(visits_dataset: Dataset, own_stores: Path, progress: Progress) -> Training:
    settings = Settings("visits", test_size=0.2, seed=42, folder=own_stores)
    return train(visits_dataset, visits_dataset.split(0.2, 42), settings, progress, CANDIDATES[:1])


def test_dates_are_texts_in_mlflow_and_in_the_published_files(
    visits_training: Training, visits_dataset: Dataset
) -> None:
    (logged,) = visits_training.candidates
    model = mlflow.pyfunc.load_model(f"models:/{logged.model_id}")
    assert model.metadata.signature == signature_of(visits_dataset.contract)
    types = model.metadata.metadata["feature_types"]
    assert {types[name] for name in DATES} == {"date", "datetime"}
    example = model.input_example
    assert [days_of_text(text, "date") for text in example["booked"]] == (
        visits_dataset.frame["booked"].head(len(example)).tolist()
    )

    frame = pd.read_csv(visits_dataset.table.location).drop(columns="outcome")
    expected = logged.evaluation.pipeline.predict(visits_dataset.rows)
    np.testing.assert_array_equal(model.predict(frame), expected)
    np.testing.assert_array_equal(model.predict(frame.convert_dtypes()), expected)

    logged_inputs = mlflow.get_run(logged.run_id).inputs
    assert logged_inputs is not None
    (dataset,) = logged_inputs.dataset_inputs
    columns = json.loads(str(dataset.dataset.schema))["mlflow_colspec"]
    schema = {column["name"]: column["type"] for column in columns}
    assert {schema[name] for name in DATES} == {"datetime"}

    stored = bentoml.models.get(visits_training.tag)
    assert json.loads(Path(stored.path_of(CONTRACT_FILE)).read_bytes())["reference_date"] == str(
        visits_dataset.contract.reference_date
    )
    rows = json.loads(Path(stored.path_of(GOLDEN_FILE)).read_bytes())["rows"]
    assert {len(row["booked"]) for row in rows} == {len("2024-03-15")}
    assert {row["arrived"] is None or row["arrived"].endswith("Z") for row in rows} == {True}
    assert visits_training.lineage.compilation.accepted
