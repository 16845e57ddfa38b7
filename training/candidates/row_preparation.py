"""The preparation of a row for a classifier: gaps filled, numbers scaled, categories encoded.

Linear models and neighbours get a column for each value of a category. Trees get the mean of the target among
the rows of each value (D. Micci-Barreca, SIGKDD Explorations 3 (2001), 27-32): one split then separates any
number of values, and a category of a thousand values needs no thousand columns. A row's own target does not
enter its code while a model is fitted, because scikit-learn's encoder computes it from other folds.
"""

from collections.abc import Callable, Collection, Iterator

from sklearn.base import TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
    TargetEncoder,
)

from service.model.calendar_features import calendar_features
from service.model.contract import Contract, FeatureType
from service.model.days import DateType

NUMBERS: tuple[FeatureType, ...] = ("float", "integer", "boolean")
CATEGORIES: tuple[FeatureType, ...] = ("category",)

MAX_CATEGORIES = 50
"""The maximum number of columns that a category is encoded to; its rarer values share the last."""

_ONE_HOT = {"handle_unknown": "infrequent_if_exist", "max_categories": MAX_CATEGORIES}

_MOST_CODED_CLASSES = 10
"""With more classes, trees get a category's number instead of a mean for each class."""
_CODING_FOLDS = 3
"""At least so many rows of every class are in each training fold."""


def one_hot(contract: Contract, seed: int = 0) -> TransformerMixin:
    """A preparation with a column for each value of a category."""
    del seed  # Nothing is random.
    return _one_hot_blocks(contract, OneHotEncoder(sparse_output=False, **_ONE_HOT))


def sparse_one_hot(contract: Contract, seed: int = 0) -> TransformerMixin:
    """The same columns, without the zeros in memory where most of them are zero."""
    del seed
    return _one_hot_blocks(contract, OneHotEncoder(sparse_output=True, **_ONE_HOT))


def _one_hot_blocks(contract: Contract, encoder: OneHotEncoder) -> TransformerMixin:
    blocks = []
    for suffix, nullable, scaled, encoded in (
        ("", False, StandardScaler, encoder),
        ("_with_gaps", True, _scaled_with_gaps, _with_gaps(encoder)),
    ):
        blocks += [
            (f"numbers{suffix}", scaled(), _positions(contract, NUMBERS, nullable=nullable)),
            *_date_blocks(contract, suffix, nullable, scaled),
            (f"categories{suffix}", encoded, _positions(contract, CATEGORIES, nullable=nullable)),
        ]
    return _united(blocks)


def target_coded(contract: Contract, seed: int) -> TransformerMixin:
    """A preparation for trees, which pass gaps of numbers to the better side of a split by themselves."""
    coder = _target_coder(contract, seed)
    blocks = [
        ("numbers", StandardScaler(), _positions(contract, NUMBERS)),
        *_date_blocks(contract, "", None, StandardScaler),
        ("categories", coder, _positions(contract, CATEGORIES, nullable=False)),
        ("categories_with_gaps", _with_gaps(coder), _positions(contract, CATEGORIES, nullable=True)),
    ]
    return _united(blocks)


def _united(blocks: list[tuple[str, TransformerMixin, list[int]]]) -> TransformerMixin:
    blocks = [block for block in blocks if block[2]]
    return blocks[0][1] if len(blocks) == 1 else ColumnTransformer(blocks)


def _positions(
    contract: Contract, types: Collection[FeatureType], *, nullable: bool | None = None
) -> list[int]:
    return [
        position
        for position, feature in enumerate(contract.features)
        if feature.type in types and nullable in (None, feature.nullable)
    ]


def _date_blocks(
    contract: Contract, suffix: str, nullable: bool | None, scaled: Callable[[], TransformerMixin]
) -> Iterator[tuple[str, Pipeline, list[int]]]:
    """The calendar features of dates, which are then numbers like others."""
    groups: tuple[tuple[DateType, bool], ...] = (("date", False), ("datetime", True))
    for date_type, with_hour in groups:
        about = {"reference_day": contract.reference_day, "with_hour": with_hour}
        calendar = FunctionTransformer(calendar_features, kw_args=about)
        steps = Pipeline([("calendar", calendar), ("numbers", scaled())])
        yield f"{date_type}s{suffix}", steps, _positions(contract, (date_type,), nullable=nullable)


def _scaled_with_gaps() -> Pipeline:
    # A fold may contain no value of a sparse column; keep_empty_features then keeps the column.
    fill = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
    return Pipeline([("fill", fill), ("scale", StandardScaler())])


def _target_coder(contract: Contract, seed: int) -> TransformerMixin:
    if len(contract.target.classes) > _MOST_CODED_CLASSES:
        return OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    folds = StratifiedKFold(_CODING_FOLDS, shuffle=True, random_state=seed)
    return TargetEncoder(cv=folds)


def _with_gaps(encoder: TransformerMixin) -> Pipeline:
    # A missing value is a category of its own, "", which no value can be (an empty text is read as a gap).
    # It is None in a row of the service and NaN in a dataframe of texts, so both are filled.
    return Pipeline(
        [
            ("fill_nan", SimpleImputer(strategy="constant", fill_value="")),
            ("fill_none", SimpleImputer(missing_values=None, strategy="constant", fill_value="")),
            ("encode", encoder),
        ]
    )
