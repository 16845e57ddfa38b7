"""The present champion: the model that MLflow's alias names, loaded to answer rows of a new training.

The alias decides, and not the newest model of the BentoML store. The model comes from that store; if the
store lacks it, as on another machine, the estimator and the contract come from MLflow.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import mlflow
import mlflow.sklearn
import numpy as np
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from service.errors import ModelNotPublished, StartError
from service.model.contract import Contract, Matrix, Target
from service.model.published import load_model
from service.model.runtime import SklearnForm
from training.publish.experiment import CONTRACT_ARTIFACT
from training.publish.golden_rows import JsonRow
from training.training_errors import ChampionIncomparable

ALIAS = "champion"
TAG_OF_BENTOML = "bentoml_tag"
"""The model version's tag that names the model in the BentoML store."""
TITLE = "title"
"""The model version's tag with the kind of model, in a sentence."""


class _Answering(Protocol):
    def predict_proba(self, matrix: Matrix, /) -> NDArray[np.float64]: ...


@dataclass(frozen=True)
class PresentChampion:
    """The version that has the alias."""

    name: str
    version: str
    title: str
    """Its kind, in a sentence."""
    run_id: str
    tag: str | None
    """Of its model in the BentoML store; None if it was registered without one."""

    def probabilities(self, rows: Sequence[JsonRow], target: Target) -> NDArray[np.float64]:
        """Its probabilities of the rows, in the class order of the target.

        Raises ChampionIncomparable if it cannot be loaded, has other classes, or refuses a row.
        """
        contract, model = self._load()
        if (contract.target.type, contract.target.classes) != (target.type, target.classes):
            raise ChampionIncomparable("its classes differ from those of this table")
        return model.predict_proba(_matrix(contract, rows))

    def learned_from(self) -> dict[str, str]:
        """The parameters of its training; empty if MLflow no longer has them."""
        try:
            client = mlflow.MlflowClient()
            return dict(client.get_run(_parent_of(client, self.run_id)).data.params)
        except (MlflowException, KeyError):
            return {}

    def _load(self) -> tuple[Contract, _Answering]:
        try:
            if self.tag is not None:
                published = load_model(self.tag)
                return published.contract, published
        except ModelNotPublished:
            pass
        except StartError as error:
            raise ChampionIncomparable(f"it cannot be loaded ({error})") from error
        return self._load_from_mlflow()

    def _load_from_mlflow(self) -> tuple[Contract, _Answering]:
        try:
            parent = _parent_of(mlflow.MlflowClient(), self.run_id)
            text = mlflow.artifacts.load_text(f"runs:/{parent}/{CONTRACT_ARTIFACT}")
            contract = Contract.model_validate_json(text)
            return contract, SklearnForm(mlflow.sklearn.load_model(f"models:/{self.name}/{self.version}"))
        except Exception as error:
            # The files come from outside, and reading them can raise any error.
            reason = f"{type(error).__name__}: {error}"
            raise ChampionIncomparable(
                f"it is not in the BentoML store, and cannot be loaded from MLflow ({reason})"
            ) from error


def present_champion(name: str) -> PresentChampion | None:
    """The champion of a registered model; None if no version has the alias."""
    try:
        version: ModelVersion = mlflow.MlflowClient().get_model_version_by_alias(name, ALIAS)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise
    tags = version.tags
    return PresentChampion(
        name=name,
        version=str(version.version),
        title=tags.get(TITLE) or tags.get("candidate", "unknown").replace("_", " "),
        run_id=version.run_id or "",
        tag=tags.get(TAG_OF_BENTOML),
    )


def _parent_of(client: mlflow.MlflowClient, run_id: str) -> str:
    return str(client.get_run(run_id).data.tags[MLFLOW_PARENT_RUN_ID])


def _matrix(contract: Contract, rows: Sequence[JsonRow]) -> Matrix:
    names = [feature.name for feature in contract.features]
    missing = [name for name in names if name not in rows[0]]
    if missing:
        listed = ", ".join(map(repr, missing))
        raise ChampionIncomparable(f"this training has no feature {listed}, which it needs")
    own = [{name: row[name] for name in names} for row in rows]
    try:
        return contract.matrix(TypeAdapter(list[contract.row_type]).validate_python(own))  # type: ignore[name-defined]
    except ValidationError as error:
        findings = error.errors(include_url=False, include_input=False)
        refused = len({finding["loc"][0] for finding in findings})
        first = findings[0]
        raise ChampionIncomparable(
            f"its contract refuses {refused:,} of the {len(rows):,} rows, the first for {first['loc'][1]!r}: "
            f"{first['msg']}"
        ) from error
