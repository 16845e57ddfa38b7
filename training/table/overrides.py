"""The override file: facts that the table does not contain, in JSON beside it.

    {"features": {"sepal_length": {"unit": "cm", "minimum": 0}}, "target": {"description": "..."}}

A limit in this file is a decision, which the service enforces. The observed range of the table is never a
limit (see ``service/model/contract.py``).
"""

from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from service.model.contract import Bound, FeatureType
from training.table_errors import OverridesInvalid


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class FeatureOverride(_Part):
    """The overrides of one feature; fields that are left out are inferred from the table."""

    type: FeatureType | None = None
    nullable: bool | None = None
    description: str | None = None
    unit: str | None = None
    minimum: Bound | None = None
    """A number, or the ISO 8601 text of a date."""
    maximum: Bound | None = None
    closed: bool | None = None


class TargetOverride(_Part):
    """The overrides of the target."""

    description: str | None = None


class Overrides(_Part):
    """An override file."""

    features: dict[str, FeatureOverride] = {}
    target: TargetOverride = TargetOverride()

    def of(self, name: str) -> FeatureOverride:
        """The overrides of a feature; empty if there are none."""
        return self.features.get(name, FeatureOverride())


def read_overrides(path: Path) -> Overrides:
    """Read an override file; raises OverridesInvalid."""
    try:
        return Overrides.model_validate_json(path.read_bytes())
    except OSError as error:
        raise OverridesInvalid([f"{path}: {error.strerror}"]) from error
    except ValidationError as error:
        raise OverridesInvalid([_sentence(each["loc"], each["msg"]) for each in error.errors()]) from error


def _sentence(location: Sequence[str | int], message: str) -> str:
    place = ".".join(str(step) for step in location)
    return f"{place}: {message}" if place else message
