"""The champion in MLflow's model registry: a version first, the alias only when it can be served."""

from collections.abc import Iterator
from contextlib import contextmanager

import mlflow
from mlflow.exceptions import MlflowException

from training.publish.experiment import LoggedCandidate

ALIAS = "champion"


@contextmanager
def registered(name: str, champion: LoggedCandidate) -> Iterator[str]:
    """Make the champion a version of the registered model, without an alias yet; gives the version.

    The version is taken back, and the alias with it, unless the publication comes to its end. Where MLflow
    does not answer to that, a note on the error says so.
    """
    before = _alias_holder(name)
    try:
        yield _register(name, champion)
    except BaseException as error:
        try:
            _take_back(name, champion.run_id, before)
        except Exception:
            error.add_note(
                f"MLflow did not answer when the champion was to be taken back: "
                f"{name} may have a version of run {champion.run_id} that was never published."
            )
        raise


def crown(name: str, version: str, bentoml_tag: str) -> None:
    """Give a version the alias, and note under which tag it is published."""
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


def _take_back(name: str, run_id: str, before: str | None) -> None:
    """Delete the versions of a run, however far their making came, and give the alias to who had it."""
    client = mlflow.MlflowClient()
    versions = [
        str(each.version)
        for each in client.search_model_versions(f"name = '{name}'")
        if each.run_id == run_id
    ]
    was_crowned = _alias_holder(name) in versions
    for version in versions:
        client.delete_model_version(name, version)
    if was_crowned and before is not None:
        client.set_registered_model_alias(name, ALIAS, before)


def _alias_holder(name: str) -> str | None:
    try:
        return str(mlflow.MlflowClient().get_model_version_by_alias(name, ALIAS).version)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise
