"""The published model: one BentoML model that holds all that serving needs.

An estimator in skops format (never pickle), its compiled form where it has one, the contract, golden rows
with the probabilities that they must give, and the lineage that leads back to the MLflow run. Training
writes it, the service reads it; both do so through this module, so that "published" and "served" mean the
same files.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bentoml
import numpy as np
from bentoml.exceptions import NotFound
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from service.errors import CompiledFormRefused, ModelNotPublished, ModelUnusable
from service.model.compiled import CompiledForm
from service.model.contract import Contract, Matrix
from service.model.runtime import NOT_COMPILED, Compilation, Predictor, SklearnForm
from service.settings import Runtime

ESTIMATOR_FILE = "estimator.skops"
COMPILED_FILE = "compiled.onnx"
CONTRACT_FILE = "contract.json"
GOLDEN_FILE = "golden.json"
LINEAGE_KEY = "lineage"
"""Where the lineage lies in the BentoML model's metadata."""

PROBABILITY_TOLERANCE = 1e-9
"""How far a golden row's probability may be from what it was when the model was published."""


class Lineage(BaseModel):
    """Where a published model comes from."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    model_name: str
    """What answers call it: the table's name and the winner's, ``iris_logistic_regression``."""
    model_version: str
    """The registered version in MLflow's model registry."""
    registered_model: str
    candidate: str
    alias: str
    run_id: str
    experiment: str
    trained_utc: str
    seed: int
    data_name: str
    data_sha256: str
    data_rows: int
    metrics: Mapping[str, float]
    """The winner's, by MLflow's names for them."""
    libraries: Mapping[str, str]
    compilation: Compilation = NOT_COMPILED


class Golden(BaseModel):
    """Rows whose probabilities were recorded when the model was published."""

    rows: list[dict[str, Any]] = Field(min_length=1)
    probabilities: list[list[float]]
    """scikit-learn's, ``(n_rows, n_classes)``, in the contract's class order."""
    compiled_probabilities: list[list[float]] | None = None
    """The compiled form's, where there is one that was accepted."""


@dataclass(frozen=True)
class PublishedModel:
    """A model that was loaded and found to give its golden probabilities."""

    tag: str
    contract: Contract
    lineage: Lineage
    predictor: Predictor
    """The form of it that serves."""
    sample: Matrix
    """The golden rows, to try the model with."""

    def predict_proba(self, matrix: Matrix) -> NDArray[np.float64]:
        """Probabilities ``(n_rows, n_classes)`` of rows ``(n_rows, n_features)``."""
        return self.predictor.predict_proba(matrix)


def newest(tag: str) -> str:
    """The tag with the version that it means now; raises ModelNotPublished when the store has none."""
    return str(_stored(tag).tag)


def read_contract(tag: str) -> Contract:
    """The contract alone, without loading the estimator.

    Raises ModelNotPublished when the store has no such model, ModelUnusable when its contract cannot be
    read.
    """
    return _read_contract(_stored(tag))


def load_model(tag: str, runtime: Runtime = "auto") -> PublishedModel:
    """Load and verify a published model.

    Raises ModelNotPublished when the store has no such model, ModelUnusable when it does not load or does
    not give its golden probabilities here, CompiledFormRefused when only the compiled form will do and it
    was not accepted.
    """
    return load_stored(_stored(tag), runtime)


def load_stored(stored: bentoml.Model, runtime: Runtime) -> PublishedModel:
    """Load and verify a model of any store; raises what ``load_model`` does."""
    contract = _read_contract(stored)
    try:
        lineage = Lineage.model_validate(stored.info.metadata[LINEAGE_KEY])
        golden = Golden.model_validate_json(Path(stored.path_of(GOLDEN_FILE)).read_bytes())
        predictor = _read_predictor(stored, lineage.compilation, runtime)
        rows = TypeAdapter(list[contract.row_type]).validate_python(golden.rows)  # type: ignore[name-defined]
        model = PublishedModel(str(stored.tag), contract, lineage, predictor, contract.matrix(rows))
        _verify(model, golden)
    except ModelUnusable:
        raise
    except Exception as error:
        # The files come from elsewhere, and what reading them can raise has no end: whatever it is, this
        # model cannot be served here.
        raise ModelUnusable(str(stored.tag), f"{type(error).__name__}: {error}") from error
    return model


def _read_predictor(stored: bentoml.Model, compilation: Compilation, runtime: Runtime) -> Predictor:
    if runtime == "compiled" and not compilation.accepted:
        raise CompiledFormRefused(str(stored.tag), compilation.reason or "no reason was recorded")
    if compilation.accepted and runtime != "sklearn":
        return CompiledForm.read(Path(stored.path_of(COMPILED_FILE)))
    return SklearnForm.read(Path(stored.path_of(ESTIMATOR_FILE)))


def _stored(tag: str) -> bentoml.Model:
    try:
        return bentoml.models.get(tag)
    except NotFound as error:
        raise ModelNotPublished(tag) from error


def _read_contract(stored: bentoml.Model) -> Contract:
    try:
        return Contract.model_validate_json(Path(stored.path_of(CONTRACT_FILE)).read_bytes())
    except (OSError, ValidationError) as error:
        raise ModelUnusable(str(stored.tag), str(error)) from error


def _verify(model: PublishedModel, golden: Golden) -> None:
    contract = model.contract
    classes = model.predictor.classes
    if classes != contract.target.classes:
        raise ModelUnusable(model.tag, f"its classes {classes} are not the contract's")
    got = model.predict_proba(model.sample)
    is_compiled = isinstance(model.predictor, CompiledForm)
    expected = np.array(golden.compiled_probabilities if is_compiled else golden.probabilities)
    if got.shape != expected.shape:
        raise ModelUnusable(model.tag, f"its probabilities have shape {got.shape}, not {expected.shape}")
    difference = float(np.abs(got - expected).max())
    if not difference <= PROBABILITY_TOLERANCE:
        raise ModelUnusable(
            model.tag, f"its golden rows differ by {difference:.3g} from when it was published"
        )
