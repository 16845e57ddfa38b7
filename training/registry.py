"""The champion in MLflow's model registry: a version first, the alias only when it can be served."""

import mlflow
from mlflow.exceptions import MlflowException

from training.experiment import LoggedCandidate

ALIAS = "champion"


def register(name: str, champion: LoggedCandidate) -> str:
    """Make the champion a version of the registered model, without an alias yet; gives the version."""
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


def crown(name: str, version: str, bentoml_tag: str) -> None:
    """Give a version the alias, and note under which tag it was published."""
    client = mlflow.MlflowClient()
    client.set_model_version_tag(name, version, "bentoml_tag", bentoml_tag)
    client.set_registered_model_alias(name, ALIAS, version)
