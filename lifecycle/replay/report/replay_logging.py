"""A replay in MLflow: a run of the experiment that the candidate was trained in."""

from collections.abc import Iterator
from pathlib import Path

import mlflow

from lifecycle.lifecycle_errors import ReplayNotLogged
from lifecycle.replay.offline_replay import ReplayTask
from lifecycle.replay.reading.candidate_model import load_named
from lifecycle.replay.replay_result import ReplayResult
from lifecycle.replay.report.replay_page import replay_page
from training.publish.experiment import open_experiment, tracking_uri
from training.publish.tracking_reason import reason_of
from training.training_errors import TrackingFailed

PAGE = "replay.html"
RESULT = "replay.json"


def log_replay(result: ReplayResult, task: ReplayTask) -> str:
    """Log the result, its page and its figures; gives the run's id. Raises ReplayNotLogged."""
    lineage = load_named(task.candidate, task.folders).lineage
    try:
        experiment = open_experiment(lineage.experiment, Path.cwd())
        with mlflow.start_run(
            experiment_id=experiment.experiment_id,
            run_name=f"replay of version {lineage.model_version}",
            tags={"tabento.replay": result.candidate, "verdict": result.verdict},
        ) as run:
            mlflow.log_params({"candidate": result.candidate, "log": result.log, "upto_id": result.upto_id})
            mlflow.log_params({f"policy_{name}": value for name, value in result.policy})
            mlflow.log_metrics(dict(_figures(result)))
            mlflow.log_text(replay_page(result), PAGE)
            mlflow.log_text(result.model_dump_json(indent=2), RESULT)
            return str(run.info.run_id)
    except TrackingFailed as error:
        raise ReplayNotLogged(str(error)) from error
    except Exception as error:
        # The errors of MLflow are those of SQLAlchemy, requests and others.
        raise ReplayNotLogged(f"MLflow at {tracking_uri(Path.cwd())} failed: {reason_of(error)}") from error


def _figures(result: ReplayResult) -> Iterator[tuple[str, float]]:
    """The figures that exist, by their names in MLflow."""
    found: dict[str, float | None] = {
        "records": result.records.records,
        "broken_records": result.records.broken,
        "rows": result.disagreements.rows,
        "differing_rows": result.disagreements.differing,
        "disagreement_rate": result.disagreements.rate,
        "labelled_rows": result.outcomes.judged,
    }
    for each in result.differences:
        found[f"{each.metric}_compared"] = each.champion
        found[f"{each.metric}_candidate"] = each.challenger
        found[f"{each.metric}_better_by"] = each.difference
        found[f"{each.metric}_better_by_low"] = each.low
        found[f"{each.metric}_better_by_high"] = each.high
    if result.calibration is not None:
        found["calibration_error"] = result.calibration.error
    if result.speed:
        found["microseconds_a_row"] = result.speed[0].microseconds_a_row
    yield from ((name, value) for name, value in found.items() if value is not None)
