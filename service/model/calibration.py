"""A classifier whose probabilities are calibrated: smoothed temperature scaling.

p' is proportional to (p + s)^b. The exponent b is the inverse of the temperature of C. Guo et al., "On
Calibration of Modern Neural Networks" (ICML 2017). The smoothing s gives a probability to classes that
neighbours and forests rule out. Both keep the order of the classes of a row, so no label changes.

The file of a published pipeline names this class, so its name and its parameters must stay.
"""

from typing import Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin


def calibrated(probabilities: NDArray[np.float64], exponent: float, smoothing: float) -> NDArray[np.float64]:
    """Calibrated probabilities ``(n_rows, n_classes)``."""
    powers = np.power(probabilities + smoothing, exponent)
    shares: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return shares


class CalibratedClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier with calibrated probabilities."""

    def __init__(self, classifier: ClassifierMixin, exponent: float, smoothing: float) -> None:
        self.classifier = classifier
        self.exponent = exponent
        self.smoothing = smoothing

    @property
    def classes_(self) -> NDArray[np.generic]:
        """The classes in the order of the probabilities."""
        classes: NDArray[np.generic] = self.classifier.classes_
        return classes

    def fit(self, rows: NDArray[np.generic], labels: NDArray[np.generic]) -> Self:
        """Fit the classifier; the calibration stays."""
        self.classifier.fit(rows, labels)
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self.classifier, "classes_")

    def predict_proba(self, rows: NDArray[np.generic]) -> NDArray[np.float64]:
        """Probabilities ``(n_rows, n_classes)``, in the order of ``classes_``."""
        return calibrated(self.classifier.predict_proba(rows), self.exponent, self.smoothing)

    def predict(self, rows: NDArray[np.generic]) -> NDArray[np.generic]:
        """The most probable class of each row."""
        labels: NDArray[np.generic] = self.classes_[self.predict_proba(rows).argmax(axis=1)]
        return labels
