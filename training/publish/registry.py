"""The champion in MLflow's model registry: first a version, then the alias, when the model can be served."""

from collections.abc import Iterator
from contextlib import contextmanager

import mlflow
from mlflow.exceptions import MlflowException

from training.publish.experiment import LoggedCandidate

ALIAS = "champion"


@contextmanager
def registered_version(name: str, champion: LoggedCandidate) -> Iterator[str]:
    """Register the champion as a version of the model, without the alias yet; yields the version.

    If the publication fails, the version is deleted and the alias is given back. If MLflow does not answer
    to that, a note on the error says so.
    """
    previous = _champion_version(name)
    try:
        yield _register(name, champion)
    except BaseException as error:
        try:
            _undo_registration(name, champion.run_id, previous)
        except Exception:
            error.add_note(
                f"MLflow did not answer when the registration was undone: "
                f"{name} may have a version of run {champion.run_id} that was never published."
            )
        raise


def set_champion(name: str, version: str, bentoml_tag: str) -> None:
    """Give a version the alias, and tag it with the BentoML tag of the published model."""
    client = mlflow.MlflowClient()
    client.set_model_version_tag(name, version, "bentoml_tag", bentoml_tag)
    client.set_registered_model_alias(name, ALIAS, version)


def _register(name: str, champion: LoggedCandidate) -> str:
    client = mlflow.MlflowClient()
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    version = client.create_model_version(
        name,
        source=f"models:/{champion.model_id}",
        run_id=champion.run_id,
        model_id=champion.model_id,
        tags={"candidate": champion.evaluation.candidate.name},
    )
    return str(version.version)


def _undo_registration(name: str, run_id: str, previous: str | None) -> None:
    """Delete the versions of a run, also unfinished ones, and give the alias back to the previous version."""
    client = mlflow.MlflowClient()
    versions = [
        str(each.version)
        for each in client.search_model_versions(f"name = '{name}'")
        if each.run_id == run_id
    ]
    had_alias = _champion_version(name) in versions
    for version in versions:
        client.delete_model_version(name, version)
    if had_alias and previous is not None:
        client.set_registered_model_alias(name, ALIAS, previous)


def _champion_version(name: str) -> str | None:
    try:
        return str(mlflow.MlflowClient().get_model_version_by_alias(name, ALIAS).version)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise
