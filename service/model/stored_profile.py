"""The reference of monitoring in a stored model: the training profile, and rows of the table if it has them.

The model's metadata has the SHA-256 of both files, beside the lineage and not in it: the digest of the
lineage is part of the model card, and a card that was made before must keep its id. A model that was
published without a profile is served.
"""

import hashlib
from collections.abc import Mapping
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple, TypeVar, get_args

import bentoml
from pydantic import BaseModel, TypeAdapter, ValidationError

from service.errors import ModelUnusable
from service.model.contract import Contract, Feature, Matrix
from service.model.training_profile import (
    PROFILE_FILE,
    SAMPLE_FILE,
    CategoryProfile,
    ColumnProfile,
    QualityMetric,
    TrainingProfile,
    TrainingSample,
)

DIGESTS_KEY = "sha256"
"""The key of the files' digests, by file name, in the BentoML model's metadata."""

PartT = TypeVar("PartT", bound=BaseModel)


class SampleRows(NamedTuple):
    """Rows of the training table."""

    contract: Contract
    """With the features of the rows, which are those that are not withheld."""
    matrix: Matrix
    """``(n_rows, n_features)``, as the contract makes it."""


def digest_of(content: bytes) -> str:
    """The digest of a file, as the metadata has it."""
    return hashlib.sha256(content).hexdigest()


def read_profile(stored: bentoml.Model, contract: Contract) -> TrainingProfile | None:
    """The training profile, None if the model was published without one.

    Raises ModelUnusable if it cannot be read, is not the published one, or does not fit the contract.
    """
    profile = _read(stored, PROFILE_FILE, TrainingProfile)
    if profile is not None:
        misfit = _misfit(profile, contract)
        if misfit is not None:
            raise ModelUnusable(str(stored.tag), f"{PROFILE_FILE} does not fit the contract: {misfit}")
    return profile


def read_sample(stored: bentoml.Model, contract: Contract) -> SampleRows | None:
    """Rows of the training table, None if the model has none; raises ModelUnusable as ``read_profile``."""
    sample = _read(stored, SAMPLE_FILE, TrainingSample)
    if sample is None:
        return None
    try:
        shown = _without_withheld(contract)
        rows = TypeAdapter(list[shown.row_type]).validate_python(sample.rows)  # type: ignore[name-defined]
    except ValidationError as error:
        reason = f"{SAMPLE_FILE} does not fit the contract: {error}"
        raise ModelUnusable(str(stored.tag), reason) from error
    return SampleRows(shown, shown.matrix(rows))


def check_sample(stored: bentoml.Model) -> None:
    """Compare the sample with its digest, without reading its rows; raises ModelUnusable."""
    _content(stored, SAMPLE_FILE)


def _read(stored: bentoml.Model, name: str, type_: type[PartT]) -> PartT | None:
    content = _content(stored, name)
    if content is None:
        return None
    try:
        return type_.model_validate_json(content)
    except ValidationError as error:
        raise ModelUnusable(str(stored.tag), f"{name} cannot be read: {error}") from error


def _content(stored: bentoml.Model, name: str) -> bytes | None:
    """The bytes of a file that have the published digest; None if the model has neither."""
    digests = stored.info.metadata.get(DIGESTS_KEY)
    digest = digests.get(name) if isinstance(digests, Mapping) else None
    path = Path(stored.path_of(name))
    if digest is None and not path.exists():
        return None
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelUnusable(str(stored.tag), str(error)) from error
    if digest_of(content) != digest:
        raise ModelUnusable(str(stored.tag), f"{name} is not the file that was published")
    return content


def _misfit(profile: TrainingProfile, contract: Contract) -> str | None:
    """Why a profile is of another contract, None if it is not."""
    for column, feature in zip_longest(profile.columns, contract.features):
        if column is None or feature is None or column.name != feature.name:
            return f"its columns are not the {len(contract.features)} features, in their order"
        if not _fits(column, feature):
            return f"column {column.name!r} is not profiled as a {feature.type} of the contract"
    classes = len(contract.target.classes)
    if len(profile.predictions.counts) != classes:
        return f"its predictions are of {len(profile.predictions.counts)} classes, not of {classes}"
    missing = sorted(set(get_args(QualityMetric)) - set(profile.quality))
    return f"its quality lacks {', '.join(missing)}" if missing else None


def _fits(column: ColumnProfile, feature: Feature) -> bool:
    if isinstance(column, CategoryProfile):
        if feature.withheld or column.is_withheld:
            return feature.withheld and column.is_withheld
        return feature.type == "category" and set(column.categories) <= set(feature.categories)
    is_number = feature.type != "category" and not feature.withheld
    return is_number and column.is_time == (feature.date_type is not None)


def _without_withheld(contract: Contract) -> Contract:
    features = tuple(feature for feature in contract.features if not feature.withheld)
    has_dates = any(feature.date_type is not None for feature in features)
    return Contract(
        features=features,
        target=contract.target,
        reference_date=contract.reference_date if has_dates else None,
    )
