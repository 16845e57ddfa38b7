import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import bentoml
import mlflow
import pandas as pd
import pytest

from service.model.published import load_model
from service.model.stored_profile import read_sample
from tests.support.servers import PROJECT, free_port
from tests.support.stores import IrisTraining
from training.candidates.built_in import CANDIDATES
from training.cli import TABLES, _parse, main

LABELLED = ["--target", "label", "--name", "points"]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A process's environment with stores of its own, and MLflow's default store."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "BENTOML_"))}
    return {**kept, "BENTOML_HOME": str(tmp_path / "bentoml"), "PYTHONPATH": str(PROJECT), "COLUMNS": "120"}


def run(folder: Path, environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "training", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture
def points(tmp_path: Path) -> Path:
    path = tmp_path / "points.csv"
    frame = pd.DataFrame({"x": [n / 10 for n in range(40)], "n": [n % 5 for n in range(40)]})
    frame.assign(when="10:30", label=frame["x"] > 2).to_csv(path, index=False)
    return path


def test_without_options_iris_is_trained_published_and_explained(iris_by_command: IrisTraining) -> None:
    folder = iris_by_command.folder
    assert {path.name for path in folder.iterdir()} == {"mlflow.db", "mlartifacts"}
    # Where the machine is busy, a line tells every ten seconds how much time is left.
    lines = [line for line in iris_by_command.stderr.splitlines() if " so far" not in line]
    assert re.fullmatch("Estimated time: [0-9]+ s.", lines.pop(5))
    titles = ("logistic regression", "k-nearest neighbours", "random forest", "gradient boosting")
    assert lines == [
        "Reading iris.csv",
        "Note: 1 row is a copy of another; where copies fall on both sides of the split, the test flatters "
        "the model",
        "Starting MLflow",
        "Opening the MLflow experiment",
        "Cross-validation: 5 folds, repeated 3 times, on all 120 training rows, of logistic regression, "
        "k-nearest neighbours, random forest and gradient boosting.",
        *(f"Cross-validating {title}" for title in titles),
        *(
            line
            for title in titles
            for line in (f"Fitting {title} to all 120 training rows", f"Logging {title}")
        ),
        "Compiling logistic regression and comparing it with scikit-learn",
        "Profiling the table and the predictions of logistic regression",
        "Registering logistic regression",
        "Verifying iris_classifier and publishing it",
    ]
    for expected in (
        "logistic regression   95.79 ± 1.80     93.33      93.33   93.33  93.33    99.67",
        "random forest         95.50 ± 1.90     90.00      90.24   90.00  89.97    99.33",
        "Champion: logistic regression. Logistic regression has the best mean macro F1, 0.9579, and is",
        "Compiled: yes, ONNX Runtime 1.",
        "10,150 rows.",
        "Serve it: bentoml serve --host 127.0.0.1\n",
        f"See the runs: mlflow ui --backend-store-uri sqlite:///{folder}/mlflow.db\n",
    ):
        assert expected in iris_by_command.stdout
    command = [sys.executable, "-m", "bentoml", "models", "list", "-o", "json"]
    env = {**os.environ, "BENTOML_HOME": str(iris_by_command.home)}
    (model,) = json.loads(subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout)
    assert model["tag"].startswith("iris_classifier:")


def test_a_tracking_server_that_does_not_answer_ends_it_with_1(
    tmp_path: Path, environment: dict[str, str], points: Path
) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    arguments = ["--data", str(points), *LABELLED, "--drop", "when"]
    settings = {"MLFLOW_TRACKING_URI": url, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    done = run(tmp_path, {**environment, **settings}, *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"Error: MLflow at {url} failed" in done.stderr
    assert not (tmp_path / "bentoml" / "models" / "points").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_command_with_its_exit_code_and_a_sentence(
    tmp_path: Path, environment: dict[str, str], number: signal.Signals
) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "training"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr
        assert process.stderr.readline() == "Reading iris.csv\n"
        process.send_signal(number)
        shown, said = process.communicate(timeout=120)
    assert (process.returncode, shown) == (128 + number, "")
    assert said.splitlines()[-1] == f"Ended by {number.name}; nothing was published."
    assert "Traceback" not in said


@pytest.mark.usefixtures("own_stores")
def test_a_refused_table_ends_it_with_2_and_leaves_nothing(
    points: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["--data", str(points), "--target", "label", "--name", "refused_table", "--json"])
    captured = capsys.readouterr()
    assert (code, captured.out) == (2, "")
    assert captured.err.endswith(
        "Error: Column 'when' holds times of day, which are not supported; leave it out with --drop 'when'.\n"
    )
    assert "refused_table" not in {model.tag.name for model in bentoml.models.list()}
    assert (
        mlflow.MlflowClient(os.environ["MLFLOW_TRACKING_URI"]).get_experiment_by_name("refused_table") is None
    )


@pytest.mark.usefixtures("own_stores")
def test_options_reach_the_published_model_and_the_command_to_serve_it(
    points: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    overrides = tmp_path / "points.contract.json"
    overrides.write_text('{"features": {"x": {"minimum": 0, "unit": "m"}}}')
    arguments = ["--data", str(points), *LABELLED, "--drop", "when", "--contract", str(overrides)]
    assert main([*arguments, "--seed", "7", "--test-size", "0.25"], candidates=CANDIDATES[:1]) == 0
    assert "Serve it: bentoml serve --host 127.0.0.1 --arg model=points\n" in capsys.readouterr().out
    model = load_model("points")
    assert (model.contract.features[0].unit, model.lineage.seed) == ("m", 7)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--target", "species"], "--target needs --data"),
        (["--data", "t.csv"], "--data needs --target and --name"),
        (["--data", "t.csv", "--target", "y"], "--data needs --target and --name"),
        (["--name", "Iris"], "'Iris' is not a model name"),
        (["--name", "a" * 64], "is not a model name"),
        (["--name", "iris/1"], "is not a model name"),
        (["--name", "-iris"], "is not a model name"),
        (["--name"], "Option '--name' requires an argument"),
        (["--test-size", "1"], "'1' is not a share between 0 and 1"),
        (["--test-size", "many"], "'many' is not a share"),
        (["--test-size", "nan"], "'nan' is not a share"),
        (["--seed", "-1"], "'-1' is not a whole number"),
        (["--seed", "1.5"], "'1.5' is not a whole number"),
        (["--seed", str(2**32)], "is not a whole number from 0 to 4294967295"),
        (["--drop"], "Option '--drop' requires an argument"),
        (["leftover"], "unexpected extra argument (leftover)"),
    ],
)
def test_a_bad_option_ends_it_with_2(
    arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert reason in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "dropped"),
    [
        ([], ()),
        (["--drop", "a"], ("a",)),
        (["--drop", "a", "b", "--json"], ("a", "b")),
        (["--drop", "a", "b", "--json", "--drop", "--drop"], ("a", "b", "--drop")),
        (["--drop", "a", "--drop", "b", "c"], ("a", "b", "c")),
        (["--drop=a", "--drop=b"], ("a", "b")),
    ],
)
def test_drop_takes_several_columns_and_may_be_repeated(
    arguments: list[str], dropped: tuple[str, ...]
) -> None:
    options = _parse(arguments)
    assert not isinstance(options, int)
    assert options.table.drop == dropped


@pytest.mark.usefixtures("own_stores")
def test_rows_of_the_table_are_kept_only_by_an_option_that_says_what_they_may_be(
    points: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--data", str(points), *LABELLED, "--drop", "when", "--name", "points_kept"]
    assert main([*arguments, "--keep-sample"], candidates=CANDIDATES[:1]) == 0
    sample = read_sample(bentoml.models.get("points_kept"), load_model("points_kept").contract)
    assert sample is not None
    assert sample.matrix.shape == (40, 2)
    shown = " ".join(capsys.readouterr().out.split())
    assert "Note: The published model has 40 rows of the table; everybody who can read it can read" in shown
    assert main(["--help"]) == 0
    assert "Off by default, because they may be data of persons." in " ".join(capsys.readouterr().out.split())


def test_help_shows_every_option_and_ends_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("Usage: python -m training [OPTIONS]")
    for option in (
        "data",
        "target",
        "name",
        "contract",
        "drop",
        "missing",
        "as",
        "test-size",
        "seed",
        "keep-sample",
        "json",
    ):
        assert f"--{option} " in shown


def test_refusals_come_without_loading_mlflow(tmp_path: Path) -> None:
    program = (
        "import sys; from training.cli import main\n"
        "code = main(['--data', 'nowhere.csv', '--target', 'y', '--name', 'n'])\n"
        "sys.exit(code if 'mlflow' not in sys.modules else 'mlflow was loaded')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(PROJECT)}
    )
    assert done.returncode == 2


def test_the_shipped_iris_table_is_scikit_learns() -> None:
    from sklearn.datasets import load_iris

    frame = pd.read_csv(TABLES / "iris.csv")
    iris = load_iris()
    assert (frame.drop(columns="species").to_numpy() == iris.data).all()
    assert frame["species"].tolist() == iris.target_names[iris.target].tolist()
