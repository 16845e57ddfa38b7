"""The built-in candidates, as data.

The whole path from a row of the contract to a probability is one Pipeline, which is logged and published:
imputation, scaling, encoding, and the handling of unknown categories. So training and serving cannot differ.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from sklearn.base import ClassifierMixin, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from service.model.calendar_features import calendar_features
from service.model.contract import Contract, FeatureType
from service.model.days import DateType

MAX_CATEGORIES = 50
"""The maximum number of columns that a category is encoded to; its rarer values share the last."""

NUMBERS: tuple[FeatureType, ...] = ("float", "integer", "boolean")
CATEGORIES: tuple[FeatureType, ...] = ("category",)


@dataclass(frozen=True)
class Candidate:
    """A kind of classifier with its hyperparameters."""

    name: str
    title: str
    """Its name in a sentence."""
    complexity: int
    """Its rank: of candidates with indistinguishable scores, the one with the lower rank is chosen."""
    classifier: type[ClassifierMixin]
    parameters: Mapping[str, object]
    takes_seed: bool = True

    def pipeline(self, contract: Contract, seed: int) -> Pipeline:
        """The unfitted pipeline from rows of the contract to probabilities."""
        seeded = {"random_state": seed} if self.takes_seed else {}
        return Pipeline(
            [
                # The other steps always get an array, from the service's arrays and from a dataframe.
                ("array", FunctionTransformer(np.asarray)),
                ("prepare", preparation(contract)),
                ("classify", self.classifier(**self.parameters, **seeded)),
            ]
        )


CANDIDATES: tuple[Candidate, ...] = (
    Candidate("logistic_regression", "logistic regression", 1, LogisticRegression, {"max_iter": 1000}),
    Candidate(
        "k_nearest_neighbours",
        "k-nearest neighbours",
        2,
        KNeighborsClassifier,
        # Exact, and without a search tree, whose type would have to be trusted in the published file.
        {"n_neighbors": 5, "algorithm": "brute"},
        takes_seed=False,
    ),
    Candidate("random_forest", "random forest", 3, RandomForestClassifier, {"n_estimators": 100}),
    Candidate(
        "gradient_boosting",
        "gradient boosting",
        4,
        HistGradientBoostingClassifier,
        {"max_iter": 100},
    ),
)


def preparation(contract: Contract) -> TransformerMixin:
    """The preparation of a row for any classifier: gaps filled, numbers scaled, categories encoded."""
    blocks = [
        ("numbers", StandardScaler(), _positions(contract, NUMBERS, nullable=False)),
        ("numbers_with_gaps", _scaled_with_gaps(), _positions(contract, NUMBERS, nullable=True)),
        *_date_blocks(contract),
        ("categories", _one_hot(), _positions(contract, CATEGORIES, nullable=False)),
        ("categories_with_gaps", _one_hot_with_gaps(), _positions(contract, CATEGORIES, nullable=True)),
    ]
    blocks = [block for block in blocks if block[2]]
    if len(blocks) == 1:
        return blocks[0][1]
    return ColumnTransformer(blocks)


def _positions(contract: Contract, types: Collection[FeatureType], *, nullable: bool) -> list[int]:
    return [
        position
        for position, feature in enumerate(contract.features)
        if feature.type in types and feature.nullable == nullable
    ]


def _date_blocks(contract: Contract) -> Iterator[tuple[str, Pipeline, list[int]]]:
    """The calendar features of dates, which are then numbers like others."""
    groups: tuple[tuple[DateType, bool], ...] = (("date", False), ("datetime", True))
    for date_type, with_hour in groups:
        about = {"reference_day": contract.reference_day, "with_hour": with_hour}
        for name, numbers, nullable in (
            ("s", StandardScaler(), False),
            ("s_with_gaps", _scaled_with_gaps(), True),
        ):
            calendar = FunctionTransformer(calendar_features, kw_args=about)
            steps = Pipeline([("calendar", calendar), ("numbers", numbers)])
            yield date_type + name, steps, _positions(contract, (date_type,), nullable=nullable)


def _scaled_with_gaps() -> Pipeline:
    # A fold may contain no value of a sparse column; keep_empty_features then keeps the column.
    fill = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
    return Pipeline([("fill", fill), ("scale", StandardScaler())])


def _one_hot() -> OneHotEncoder:
    return OneHotEncoder(
        handle_unknown="infrequent_if_exist", max_categories=MAX_CATEGORIES, sparse_output=False
    )


def _one_hot_with_gaps() -> Pipeline:
    # A missing value is a category of its own, "", which no value can be (an empty text is read as a gap).
    # It is None in a row of the service and NaN in a dataframe of texts, so both are filled.
    return Pipeline(
        [
            ("fill_nan", SimpleImputer(strategy="constant", fill_value="")),
            ("fill_none", SimpleImputer(missing_values=None, strategy="constant", fill_value="")),
            ("encode", _one_hot()),
        ]
    )
