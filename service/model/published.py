"""The published model: a BentoML model with all files that serving needs.

It contains the estimator in skops format (never pickle), the compiled form if there is one, the contract,
golden rows with their probabilities, the training profile (stored_profile.py), and the lineage, which names
the MLflow run. Training writes it and the service reads it, both with this module's names of files.
"""

from collections.abc import Mapping
from contextlib import suppress
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
from service.model.stored_profile import check_sample, read_profile
from service.model.training_profile import TrainingProfile
from service.settings import Runtime

ESTIMATOR_FILE = "estimator.skops"
COMPILED_FILE = "compiled.onnx"
CONTRACT_FILE = "contract.json"
GOLDEN_FILE = "golden.json"
CHAMPION_FILE = "champion"
"""Beside the versions of a model: the version that became champion last, after its publication."""
LINEAGE_KEY = "lineage"
"""The lineage's key in the BentoML model's metadata."""
PUBLISHER_LABEL = "published_by"
"""The label of a BentoML model with the account of the process that published it."""

PROBABILITY_TOLERANCE = 1e-9
"""Largest allowed difference of a golden row's probability from the published one."""


class Lineage(BaseModel):
    """The origin of a published model."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    model_name: str
    """The model's name in answers, from the table and the champion: ``iris_logistic_regression``."""
    model_version: str
    """The version in MLflow's model registry."""
    registered_model: str
    candidate: str
    alias: str | None = None
    """``champion``; None if the model was not champion when it was published."""
    run_id: str
    experiment: str
    trained_utc: str
    seed: int
    data_name: str
    data_sha256: str
    data_rows: int
    metrics: Mapping[str, float]
    """The champion's metrics by their names in MLflow."""
    libraries: Mapping[str, str]
    compilation: Compilation = NOT_COMPILED


class Golden(BaseModel):
    """Golden rows: rows with the probabilities that were recorded at publishing."""

    rows: list[dict[str, Any]] = Field(min_length=1)
    probabilities: list[list[float]]
    """scikit-learn's, ``(n_rows, n_classes)``, in the contract's class order."""
    compiled_probabilities: list[list[float]] | None = None
    """The compiled form's, if it was accepted."""


@dataclass(frozen=True)
class PublishedModel:
    """A loaded model that reproduces its golden probabilities."""

    tag: str
    contract: Contract
    lineage: Lineage
    predictor: Predictor
    """The form that serves."""
    sample: Matrix
    """The golden rows, for test calls."""
    profile: TrainingProfile | None = None
    """What drift is measured against; None if the model was published without it."""

    def predict_proba(self, matrix: Matrix) -> NDArray[np.float64]:
        """Probabilities ``(n_rows, n_classes)`` of rows ``(n_rows, n_features)``."""
        return self.predictor.predict_proba(matrix)


def resolve_tag(tag: str) -> str:
    """The tag with its version; a name alone is its champion. Raises ModelNotPublished if there is none.

    Training lets BentoML's file ``NAME/latest`` name the champion. BentoML lets it name the newest model when
    it deletes or imports one. So if it names the newest, and that was not champion when it was published, the
    newest that was is taken, if there is one. A model that became champion later, by its release, is named in
    a file beside its versions (``lifecycle/aliases``).
    """
    found = stored_model(tag)
    if (":" not in tag or tag.endswith(":latest")) and not (was_champion(found) or became_champion(found)):
        stored = sorted(bentoml.models.list(found.tag.name), key=lambda each: each.info.creation_time)
        champions = [*filter(became_champion, stored)] or [*filter(was_champion, stored)]
        if champions and found.tag == stored[-1].tag:
            found = champions[-1]
    return str(found.tag)


def was_champion(stored: bentoml.Model) -> bool:
    """Whether a stored model was champion when it was published."""
    lineage = stored.info.metadata.get(LINEAGE_KEY)
    return isinstance(lineage, Mapping) and lineage.get("alias") is not None


def became_champion(stored: bentoml.Model) -> bool:
    """Whether a stored model is the one that became champion last, after it was published."""
    with suppress(OSError):
        return (Path(stored.path).parent / CHAMPION_FILE).read_text() == stored.tag.version
    return False


def read_contract(tag: str) -> Contract:
    """The contract alone, without loading the estimator.

    Raises ModelNotPublished if the store has no such model, ModelUnusable if its contract cannot be read.
    """
    return _read_contract(stored_model(tag))


def load_model(tag: str, runtime: Runtime = "auto") -> PublishedModel:
    """Load and verify a published model.

    Raises ModelNotPublished if the store has no such model; ModelUnusable if it does not load or does not
    reproduce its golden probabilities; CompiledFormRefused if the runtime requires the compiled form, which
    was not accepted.
    """
    return load_stored(stored_model(tag), runtime)


def load_stored(stored: bentoml.Model, runtime: Runtime) -> PublishedModel:
    """Load and verify a model of any store; raises the errors of ``load_model``."""
    contract = _read_contract(stored)
    try:
        lineage = Lineage.model_validate(stored.info.metadata[LINEAGE_KEY])
        golden = Golden.model_validate_json(Path(stored.path_of(GOLDEN_FILE)).read_bytes())
        predictor = _read_predictor(stored, lineage.compilation, runtime)
        rows = TypeAdapter(list[contract.row_type]).validate_python(golden.rows)  # type: ignore[name-defined]
        profile = read_profile(stored, contract)
        check_sample(stored)
        matrix = contract.matrix(rows)
        model = PublishedModel(str(stored.tag), contract, lineage, predictor, matrix, profile)
        _verify(model, golden)
    except ModelUnusable:
        raise
    except Exception as error:
        # The files come from outside, and reading them can raise any error. The model cannot be served then.
        raise ModelUnusable(str(stored.tag), f"{type(error).__name__}: {error}") from error
    return model


def _read_predictor(stored: bentoml.Model, compilation: Compilation, runtime: Runtime) -> Predictor:
    if runtime == "compiled" and not compilation.accepted:
        raise CompiledFormRefused(str(stored.tag), compilation.reason or "no reason was recorded")
    if compilation.accepted and runtime != "sklearn":
        return CompiledForm.read(Path(stored.path_of(COMPILED_FILE)))
    return SklearnForm.read(Path(stored.path_of(ESTIMATOR_FILE)))


def stored_model(tag: str) -> bentoml.Model:
    """The model of the store; raises ModelNotPublished if there is none."""
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
        raise ModelUnusable(model.tag, f"its classes {classes} differ from the contract's")
    actual = model.predict_proba(model.sample)
    is_compiled = isinstance(model.predictor, CompiledForm)
    expected = np.array(golden.compiled_probabilities if is_compiled else golden.probabilities)
    if actual.shape != expected.shape:
        raise ModelUnusable(model.tag, f"its probabilities have shape {actual.shape}, not {expected.shape}")
    difference = float(np.abs(actual - expected).max())
    if not difference <= PROBABILITY_TOLERANCE:
        raise ModelUnusable(
            model.tag, f"its golden rows differ by {difference:.3g} from the published probabilities"
        )
