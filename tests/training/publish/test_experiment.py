import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.entities import Run

from training.publish.experiment import open_experiment
from training.train import Training

pytestmark = pytest.mark.usefixtures("own_stores")


@pytest.fixture
def runs(iris_training: Training, own_stores: Path) -> list[Run]:
    return [mlflow.get_run(logged.run_id) for logged in _opened(iris_training, own_stores).candidates]


def _opened(training: Training, folder: Path) -> Training:
    open_experiment(training.settings.name, folder)
    return training


def test_a_training_is_one_run_with_a_run_nested_for_each_candidate(
    iris_training: Training, runs: list[Run]
) -> None:
    parent = mlflow.get_run(iris_training.run_id)
    assert [run.data.tags["mlflow.parentRunId"] for run in runs] == [parent.info.run_id] * 4
    assert {run.info.experiment_id for run in [parent, *runs]} == {iris_training.experiment.experiment_id}
    assert {run.info.status for run in [parent, *runs]} == {"FINISHED"}
    assert parent.data.tags["champion"] == "logistic_regression"
    assert parent.data.tags["champion_reason"] == iris_training.choice.reason
    assert parent.data.params.items() >= {"seed": "42", "test_size": "0.2", "target": "species"}.items()


def test_the_runs_are_named_after_version_and_model(iris_training: Training, runs: list[Run]) -> None:
    assert mlflow.get_run(iris_training.run_id).info.run_name == "v1 logistic regression"
    assert [run.info.run_name for run in runs] == [
        "v1 logistic regression, champion",
        "k-nearest neighbours",
        "random forest",
        "gradient boosting",
    ]


def test_the_run_of_the_training_has_the_version_and_the_champions_metrics(
    iris_training: Training, own_stores: Path
) -> None:
    _opened(iris_training, own_stores)
    run = mlflow.get_run(iris_training.run_id)
    assert run.data.tags["registered_version"] == "1"
    assert run.data.tags["is_champion"] == "true"
    assert run.data.metrics == pytest.approx(iris_training.choice.champion.metrics)


def test_a_candidates_run_has_its_parameters_metrics_dataset_and_pictures(
    iris_training: Training, runs: list[Run]
) -> None:
    for logged, run in zip(iris_training.candidates, runs, strict=True):
        evaluation = logged.evaluation
        assert run.data.metrics == pytest.approx(evaluation.metrics)
        assert (
            run.data.params.items()
            >= {name: str(value) for name, value in evaluation.candidate.parameters.items()}.items()
        )
        sha256 = iris_training.dataset.table.sha256
        assert run.data.params["data_sha256"] == sha256
        assert run.inputs is not None
        (dataset,) = run.inputs.dataset_inputs
        assert (dataset.dataset.name, dataset.dataset.digest) == ("iris", sha256[:36])
        folder = Path(urlsplit(run.info.artifact_uri).path)
        for picture in ("confusion_matrix", "calibration"):
            assert (folder / f"{picture}.png").read_bytes().startswith(b"\x89PNG")


def test_artifacts_lie_beside_the_database_and_nowhere_else(
    iris_training: Training, mixed_training: Training, own_stores: Path
) -> None:
    assert iris_training.experiment != mixed_training.experiment
    assert {path.name for path in own_stores.iterdir()} == {
        "bentoml",
        "mlartifacts",
        "mlflow.db",
        "tabento-staging",
    }


def test_the_logged_model_predicts_from_a_dataframe_as_pandas_reads_it(
    mixed_training: Training, own_stores: Path
) -> None:
    candidates = _opened(mixed_training, own_stores).candidates
    frame = pd.read_csv(mixed_training.dataset.table.location).drop(columns="outcome")
    for logged in candidates:
        model = mlflow.pyfunc.load_model(f"models:/{logged.model_id}")
        expected = logged.evaluation.pipeline.predict(mixed_training.dataset.rows)
        np.testing.assert_array_equal(model.predict(frame), expected)


FORMS: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "nullable": lambda frame: frame.convert_dtypes(),
    "arrow": lambda frame: frame.convert_dtypes(dtype_backend="pyarrow"),
    "objects": lambda frame: frame.astype(object),
    "string_python": lambda frame: frame.astype({"city": "string[python]", "plan": "string[python]"}),
    "string_pyarrow": lambda frame: frame.astype({"city": "string[pyarrow]", "plan": "string[pyarrow]"}),
    "categoricals": lambda frame: frame.astype({"city": "category", "plan": "category"}),
    "other_order": lambda frame: frame[frame.columns[::-1]].assign(unknown=1),
}


@pytest.mark.parametrize("form", FORMS)
def test_the_champion_in_mlflow_predicts_from_any_form_of_a_dataframe(
    form: str, mixed_training: Training, own_stores: Path
) -> None:
    _opened(mixed_training, own_stores)
    frame = pd.read_csv(mixed_training.dataset.table.location).drop(columns="outcome")
    assert frame.isna().any().any()
    model = mlflow.pyfunc.load_model("models:/mixed@champion")
    expected = mixed_training.choice.champion.pipeline.predict(mixed_training.dataset.rows)
    np.testing.assert_array_equal(model.predict(FORMS[form](frame)), expected)


def test_a_column_of_gaps_may_be_left_out_and_one_of_another_type_is_refused_by_name(
    mixed_training: Training, own_stores: Path
) -> None:
    _opened(mixed_training, own_stores)
    frame = pd.read_csv(mixed_training.dataset.table.location).drop(columns="outcome")
    model = mlflow.pyfunc.load_model("models:/mixed@champion")
    gaps = frame.assign(city=None, age=np.nan)
    np.testing.assert_array_equal(model.predict(frame.drop(columns=["city", "age"])), model.predict(gaps))
    with pytest.raises(TypeError, match="'income' has '1', but the model takes numbers"):
        model.predict(frame.assign(income="1"))
    with pytest.raises(TypeError, match="'plan' has 1, but the model takes texts"):
        model.predict(frame.assign(plan=1))


def test_the_model_in_mlflow_needs_nothing_of_this_project(mixed_training: Training, tmp_path: Path) -> None:
    script = f"""
import sys, mlflow, pandas
mlflow.set_tracking_uri({mixed_training.experiment.tracking_uri!r})
frame = pandas.read_csv({str(mixed_training.dataset.table.location)!r}).drop(columns="outcome")
model = mlflow.pyfunc.load_model("models:/mixed@champion")
print(*model.predict(frame.convert_dtypes())[:5])
assert not {{"service", "training"}} & set(sys.modules)
"""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    expected = mixed_training.choice.champion.pipeline.predict(mixed_training.dataset.rows)[:5]
    assert (done.returncode, done.stdout) == (0, " ".join(map(str, expected)) + "\n"), done.stderr


def test_the_champion_is_registered_and_has_the_alias(iris_training: Training, own_stores: Path) -> None:
    _opened(iris_training, own_stores)
    version = mlflow.MlflowClient().get_model_version_by_alias("iris_classifier", "champion")
    assert version.run_id == iris_training.lineage.run_id
    assert str(version.version) == iris_training.lineage.model_version
    assert version.tags == {
        "candidate": "logistic_regression",
        "title": "logistic regression",
        "bentoml_tag": iris_training.tag,
        "champion_decision": "It is the first champion of this name.",
    }
    assert (
        mlflow.pyfunc.load_model("models:/iris_classifier@champion")
        .predict(iris_training.dataset.frame.head(2))
        .tolist()
        == ["setosa"] * 2
    )


def test_an_experiment_is_made_once(own_stores: Path) -> None:
    first, second = (open_experiment("twice", own_stores) for _ in range(2))
    assert first.experiment_id == second.experiment_id
