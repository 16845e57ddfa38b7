"""Which of a model's two forms computes its probabilities, and what is known of the compiled one.

Every model has its scikit-learn estimator. Most have a compiled form beside it (``compiled.py``), many times
as fast and a fraction in memory. It may serve only if publishing found it to be equal; then scikit-learn is
not even imported.
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
"""How far a probability of an accepted compiled form may be from scikit-learn's."""

TRUSTED_TYPES: tuple[str, ...] = (
    "numpy.asarray",
    "numpy.dtype",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
)
"""What a skops file may hold beyond the types that skops itself trusts."""


class Compilation(BaseModel):
    """What publishing found of the compiled form: whether it may serve, and the facts that it rests on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    accepted: bool
    """Whether every label was equal and every probability within the tolerance."""
    reason: str | None = None
    """Why it was not accepted."""
    compiler: str | None = None
    """With its version; None, as the facts below, where there was nothing to check."""
    rows: int = 0
    """Rows that it was compared on: those of the table, and random ones of the contract."""
    labels_equal: bool | None = None
    largest_difference: float | None = None
    """Between a probability of the compiled form and of scikit-learn."""
    row_independent: bool | None = None
    """Whether rows got the same bits alone and in batches of any size."""


NOT_COMPILED = Compilation(accepted=False, reason="it was published without a compiled form")


class Predictor(Protocol):
    """A loaded form of a model."""

    @property
    def name(self) -> str:
        """The library and its version."""
        ...

    @property
    def classes(self) -> tuple[Label, ...]:
        """In the order of the probabilities."""
        ...

    def predict_proba(self, matrix: Matrix, /) -> NDArray[np.float64]:
        """Probabilities ``(n_rows, n_classes)`` of rows ``(n_rows, n_features)``."""
        ...


class Estimator(Protocol):
    """A fitted scikit-learn classifier, as far as serving uses it."""

    classes_: NDArray[Any]

    def predict_proba(self, rows: Matrix, /) -> NDArray[np.float64]:
        """Probabilities ``(n_rows, n_classes)``, in the order of ``classes_``."""
        ...


class SklearnForm:
    """A model's estimator, loaded."""

    def __init__(self, estimator: Estimator) -> None:
        self._estimator = estimator
        self.name = f"scikit-learn {version('scikit-learn')}"
        self.classes: tuple[Label, ...] = tuple(estimator.classes_.tolist())

    @classmethod
    def read(cls, path: Path) -> "SklearnForm":
        """Load a skops file that holds nothing but trusted types; raises TypeError when it holds others."""
        # Imported here because scikit-learn takes a second, and imports pandas where that is installed.
        import skops.io

        return cls(skops.io.load(path, trusted=list(TRUSTED_TYPES)))

    def predict_proba(self, matrix: Matrix, /) -> NDArray[np.float64]:
        """Probabilities ``(n_rows, n_classes)`` of rows ``(n_rows, n_features)``."""
        return self._estimator.predict_proba(matrix)
