"""The published model: one BentoML model that holds all that serving needs.

An estimator in skops format (never pickle), the contract, golden rows with the probabilities that they
must give, and the lineage that leads back to the MLflow run. Training writes it, the service reads it;
both do so through this module, so that "published" and "served" mean the same files.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import bentoml
import numpy as np
from bentoml.exceptions import NotFound
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from service.contract import Contract, Matrix
from service.errors import ModelNotPublished, ModelUnusable

ESTIMATOR_FILE = "estimator.skops"
CONTRACT_FILE = "contract.json"
GOLDEN_FILE = "golden.json"
LINEAGE_KEY = "lineage"
"""Where the lineage lies in the BentoML model's metadata."""

PROBABILITY_TOLERANCE = 1e-9
"""How far a golden row's probability may be from what it was when the model was published."""

TRUSTED_TYPES: tuple[str, ...] = (
    "numpy.asarray",
    "numpy.dtype",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
)
"""What a skops file may hold beyond the types that skops itself trusts."""


class Estimator(Protocol):
    """A fitted scikit-learn classifier, as far as serving uses it."""

    classes_: NDArray[Any]

    def predict_proba(self, rows: Matrix, /) -> NDArray[np.float64]:
        """Probabilities ``(n_rows, n_classes)``, in the order of ``classes_``."""
        ...


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


class Golden(BaseModel):
    """Rows whose probabilities were recorded when the model was published."""

    rows: list[dict[str, Any]] = Field(min_length=1)
    probabilities: list[list[float]]
    """``(n_rows, n_classes)``, in the contract's class order."""


@dataclass(frozen=True)
class PublishedModel:
    """A model that was loaded and found to give its golden probabilities."""

    tag: str
    contract: Contract
    lineage: Lineage
    estimator: Estimator
    sample: Matrix
    """The golden rows, to try the model with."""

    def predict_proba(self, matrix: Matrix) -> NDArray[np.float64]:
        """Probabilities ``(n_rows, n_classes)`` of rows ``(n_rows, n_features)``."""
        return self.estimator.predict_proba(matrix)


def newest(tag: str) -> str:
    """The tag with the version that it means now; raises ModelNotPublished when the store has none."""
    return str(_stored(tag).tag)


def read_contract(tag: str) -> Contract:
    """The contract alone, without loading the estimator.

    Raises ModelNotPublished when the store has no such model, ModelUnusable when its contract cannot be
    read.
    """
    return _read_contract(_stored(tag))


def load_model(tag: str) -> PublishedModel:
    """Load and verify a published model.

    Raises ModelNotPublished when the store has no such model, ModelUnusable when it does not load or does
    not give its golden probabilities here.
    """
    stored = _stored(tag)
    contract = _read_contract(stored)
    try:
        lineage = Lineage.model_validate(stored.info.metadata[LINEAGE_KEY])
        golden = Golden.model_validate_json(Path(stored.path_of(GOLDEN_FILE)).read_bytes())
        estimator = read_estimator(Path(stored.path_of(ESTIMATOR_FILE)))
        rows = TypeAdapter(list[contract.row_type]).validate_python(golden.rows)  # type: ignore[name-defined]
        model = PublishedModel(str(stored.tag), contract, lineage, estimator, contract.matrix(rows))
        _verify(model, golden)
    except ModelUnusable:
        raise
    except Exception as error:
        # The files come from elsewhere, and what reading them can raise has no end: whatever it is, this
        # model cannot be served here.
        raise ModelUnusable(str(stored.tag), f"{type(error).__name__}: {error}") from error
    return model


def read_estimator(path: Path) -> Estimator:
    """Read a skops file that holds nothing but trusted types; raises TypeError when it holds others."""
    # Imported here because scikit-learn takes a second, and imports pandas where that is installed.
    import skops.io

    estimator: Estimator = skops.io.load(path, trusted=list(TRUSTED_TYPES))
    return estimator


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
    classes = tuple(model.estimator.classes_.tolist())
    if classes != contract.target.classes:
        raise ModelUnusable(model.tag, f"its classes {classes} are not the contract's")
    got = model.predict_proba(model.sample)
    expected = np.array(golden.probabilities)
    if got.shape != expected.shape:
        raise ModelUnusable(model.tag, f"its probabilities have shape {got.shape}, not {expected.shape}")
    difference = float(np.abs(got - expected).max())
    if not difference <= PROBABILITY_TOLERANCE:
        raise ModelUnusable(
            model.tag, f"its golden rows differ by {difference:.3g} from when it was published"
        )
