"""Reconciles MLflow's aliases, and the name in the BentoML store, with the release that is in force.

The release is what is served, so the aliases follow it and never the other way round. Nothing happens where
no release is in force: then the trainings set the alias.
"""

from dataclasses import dataclass, field

import mlflow
from bentoml import Tag
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from service.errors import ModelNotPublished
from service.model.published import stored_model
from service.model.release.release import Release
from training.publish.bentoml_store import set_champion
from training.publish.present_champion import ALIAS, TAG_OF_BENTOML

CHALLENGER_ALIAS = "challenger"
_ABSENT = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")


@dataclass
class Following:
    """What was changed, and what could not be, as sentences."""

    changes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def follow(release: Release | None) -> Following:
    """Let the aliases name the models of the release; MLflow's store is the one that is set.

    Raises MlflowException and OSError.
    """
    done = Following()
    if release is None:
        return done
    challenger = None if release.is_fallback else release.challenger
    _set_alias(release.name, ALIAS, release.champion, done)
    if challenger is not None:
        _set_alias(release.name, CHALLENGER_ALIAS, challenger, done)
    else:
        _remove_challenger(release.name, done)
    _set_name(release, done)
    return done


def version_of(name: str, tag: str) -> ModelVersion | None:
    """The version in MLflow's registry of a model of the BentoML store."""
    found = mlflow.MlflowClient().search_model_versions(f"name = '{name}'")
    return next((version for version in found if version.tags.get(TAG_OF_BENTOML) == tag), None)


def _set_alias(name: str, alias: str, tag: str, done: Following) -> None:
    version = version_of(name, tag)
    if version is None:
        done.problems.append(f"MLflow has no version of {name} with the model {tag}; {alias} stays.")
        return
    before = _aliased(name, alias)
    if before != str(version.version):
        mlflow.MlflowClient().set_registered_model_alias(name, alias, str(version.version))
        done.changes.append(f"{alias} is version {version.version} ({tag}), and was {before or 'none'}.")


def _remove_challenger(name: str, done: Following) -> None:
    before = _aliased(name, CHALLENGER_ALIAS)
    if before is not None:
        mlflow.MlflowClient().delete_registered_model_alias(name, CHALLENGER_ALIAS)
        done.changes.append(f"{CHALLENGER_ALIAS} is none, and was version {before}.")


def _aliased(name: str, alias: str) -> str | None:
    try:
        return str(mlflow.MlflowClient().get_model_version_by_alias(name, alias).version)
    except MlflowException as error:
        if error.error_code in _ABSENT:
            return None
        raise


def _set_name(release: Release, done: Following) -> None:
    try:
        stored_model(release.champion)
    except ModelNotPublished:
        done.problems.append(f"The BentoML store has no model {release.champion}; {release.name} stays.")
        return
    if set_champion(Tag.from_taglike(release.champion)):
        done.changes.append(f"{release.name} stands for {release.champion} in the BentoML store.")
