"""The two forms of a model, and the result of comparing them at publishing.

Every model has a scikit-learn estimator. Most also have a compiled form (compiled.py), which is many times
faster and needs a fraction of the memory. It may serve only if publishing found it equal; then scikit-learn
is not imported.
"""

from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from service.model.contract import Matrix
from service.model.label import Label

COMPILED_TOLERANCE = 1e-6
"""Largest difference of a probability of an accepted compiled form from scikit-learn's."""

TRUSTED_TYPES: tuple[str, ...] = (
    "numpy.asarray",
    "numpy.dtype",
    "service.model.calendar_features.calendar_features",
    "service.model.calibration.CalibratedClassifier",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.model_selection._split.StratifiedKFold",
    "sklearn.tree._tree.Tree",
)
"""Types that a skops file may contain in addition to those that skops trusts."""


class Compilation(BaseModel):
    """The result of comparing the compiled form at publishing: whether it may serve, and the evidence."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    accepted: bool
    """Whether every label was equal and every probability within the tolerance."""
    reason: str | None = None
    """Why it was not accepted."""
    compiler: str | None = None
    """The compiler's name and version; None, like the following fields, if there was no compiled form."""
    rows: int = 0
    """Number of rows compared: those of the table, and random rows of the contract."""
    labels_equal: bool | None = None
    largest_difference: float | None = None
    """The largest difference between a probability of the compiled form and of scikit-learn."""
    row_independent: bool | None = None
    """Whether a row gets the same bits alone and in batches of any size."""


NOT_COMPILED = Compilation(accepted=False, reason="it was published without a compiled form")


class Predictor(Protocol):
    """A loaded form of a model."""

    @property
    def name(self) -> str:
        """The library and its version."""
        ...

    @property
    def classes(self) -> tuple[Label, ...]:
        """The classes in the order of the probabilities."""
        ...

    def predict_proba(self, matrix: Matrix, /) -> NDArray[np.float64]:
        """Probabilities ``(n_rows, n_classes)`` of rows ``(n_rows, n_features)``."""
        ...


class Estimator(Protocol):
    """The part of a fitted scikit-learn classifier that serving uses."""

    classes_: NDArray[Any]

    def predict_proba(self, rows: Matrix, /) -> NDArray[np.float64]:
        """Probabilities ``(n_rows, n_classes)``, in the order of ``classes_``."""
        ...


class SklearnForm:
    """A loaded scikit-learn estimator."""

    def __init__(self, estimator: Estimator) -> None:
        self._estimator = estimator
        self.name = f"scikit-learn {version('scikit-learn')}"
        self.classes: tuple[Label, ...] = tuple(estimator.classes_.tolist())

    @classmethod
    def read(cls, path: Path) -> "SklearnForm":
        """Load a skops file of trusted types; raises TypeError if it contains others."""
        # Imported here because importing scikit-learn takes a second, and imports pandas if it is installed.
        import skops.io

        return cls(skops.io.load(path, trusted=list(TRUSTED_TYPES)))

    def predict_proba(self, matrix: Matrix, /) -> NDArray[np.float64]:
        """Probabilities ``(n_rows, n_classes)`` of rows ``(n_rows, n_features)``."""
        return self._estimator.predict_proba(matrix)
