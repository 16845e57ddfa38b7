"""A class service of BentoML, as in its documentation, with the same published model.

    bentoml serve load_tests.baselines.bentoml_stock:IrisClassifier

It follows BentoML's example for scikit-learn: a synchronous API that takes an array and returns the
probabilities of the published estimator, with BentoML's default settings. It records nothing.
"""

from typing import Annotated

import bentoml
import numpy as np
from bentoml.models import BentoModel
from bentoml.validators import Shape


@bentoml.service(resources={"cpu": "1"})
class IrisClassifier:
    """Predicts the species of iris flowers."""

    iris_model = BentoModel("iris_classifier:latest")

    def __init__(self) -> None:
        import skops.io

        from service.model.published import ESTIMATOR_FILE
        from service.model.runtime import TRUSTED_TYPES

        path = self.iris_model.path_of(ESTIMATOR_FILE)
        self.model = skops.io.load(path, trusted=list(TRUSTED_TYPES))

    @bentoml.api
    def predict(self, rows: Annotated[np.ndarray, Shape((-1, 4))]) -> np.ndarray:
        """Probabilities of the classes for each row."""
        probabilities: np.ndarray = self.model.predict_proba(rows)
        return probabilities
