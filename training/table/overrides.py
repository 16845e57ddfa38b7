"""The override file: what the table cannot say of itself, in JSON beside it.

    {"features": {"sepal_length": {"unit": "cm", "minimum": 0}}, "target": {"description": "..."}}

A boundary in this file is somebody's decision, and the service enforces it; what the table happened to
hold is never a limit (see ``service/model/contract.py``).
"""

from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from service.model.contract import FeatureType
from training.training_errors import OverridesInvalid


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class FeatureOverride(_Part):
    """What is decided about one feature; what is left out is inferred from the table."""

    type: FeatureType | None = None
    nullable: bool | None = None
    description: str | None = None
    unit: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    closed: bool | None = None


class TargetOverride(_Part):
    """What is decided about the target."""

    description: str | None = None


class Overrides(_Part):
    """An override file."""

    features: dict[str, FeatureOverride] = {}
    target: TargetOverride = TargetOverride()

    def of(self, name: str) -> FeatureOverride:
        """What is decided about a feature, if anything."""
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
