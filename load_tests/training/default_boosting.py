"""scikit-learn's HistGradientBoostingClassifier with defaults, on the split of a training."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import accuracy_score, f1_score, log_loss
from sklearn.model_selection import train_test_split
from threadpoolctl import threadpool_limits

from load_tests.training.made_tables import LABEL

_MOST_CATEGORIES = 255
"""More are refused by scikit-learn as categories; they are given as ordinal codes."""
_SEED, _TEST_SIZE = 42, 0.2


def default_boosting(frame: pd.DataFrame) -> Mapping[str, float]:
    """Its metrics on the test split; categories are given as such."""
    labels = frame[LABEL].to_numpy(dtype=str)
    features = frame.drop(columns=LABEL)
    if len(np.unique(labels)) > _MOST_CATEGORIES or features.shape[1] > 2_000:
        return {}
    for name in features.columns:
        if features[name].dtype.kind in "OTU" or features[name].dtype == "str":
            values = features[name].astype("category")
            is_wide = len(values.cat.categories) > _MOST_CATEGORIES
            features[name] = values.cat.codes.where(values.notna()) if is_wide else values
    train, test = train_test_split(
        np.arange(len(labels)), test_size=_TEST_SIZE, random_state=_SEED, stratify=labels
    )
    with threadpool_limits(limits=1):
        model = HistGradientBoostingClassifier(random_state=_SEED).fit(features.iloc[train], labels[train])
        probabilities = model.predict_proba(features.iloc[test])
    predicted = model.classes_[probabilities.argmax(axis=1)]
    return {
        "test_f1_macro": float(f1_score(labels[test], predicted, average="macro", zero_division=0)),
        "test_log_loss": float(log_loss(labels[test], probabilities, labels=model.classes_)),
        "test_accuracy": float(accuracy_score(labels[test], predicted)),
    }
