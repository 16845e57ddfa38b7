"""A class service of BentoML as its documentation writes one, round the same published model.

    bentoml serve load_tests.baselines.bentoml_stock:IrisClassifier

Its example for scikit-learn, with the published estimator and its probabilities: a synchronous API that
takes an array, and every setting of BentoML as it comes. It keeps no log of its predictions.
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
