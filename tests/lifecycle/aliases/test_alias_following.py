"""MLflow's aliases, and the name in the store, follow the release that the ledger states as in force."""

from datetime import UTC, datetime

import mlflow
import pytest
from mlflow.exceptions import MlflowException

from lifecycle.__main__ import main
from service.model.published import resolve_tag
from service.model.release.release import Release
from tests.support.retrained_world import NAME, World, numbers, sides, train_world, write_world
from tests.support.run_here import run_here

SINCE = datetime(2026, 7, 5, tzinfo=UTC)


@pytest.fixture(scope="module")
def challenger(world: World) -> str:
    """Published by a training that makes nothing champion."""
    table = write_world(world.folder / "later.csv", 3.0)
    x = numbers(3)
    world.record(x, sides(x, 3.0))
    return train_world(table, world.folder, is_challenger=True).tag


def follow(world: World) -> tuple[int, str]:
    done = run_here(main, "aliases", "--name", NAME, "--db", world.log)
    return done.returncode, done.stdout + done.stderr


def aliased(alias: str) -> str | None:
    try:
        found = mlflow.MlflowClient().get_model_version_by_alias(NAME, alias)
    except MlflowException:
        return None
    return found.tags["bentoml_tag"]


@pytest.mark.usefixtures("challenger")
def test_without_a_release_nothing_changes(world: World) -> None:
    assert follow(world) == (0, "Nothing is to be changed.\n")
    assert (aliased("champion"), resolve_tag(NAME)) == (world.champion, world.champion)


def test_the_challenger_of_a_release_gets_its_alias(world: World, challenger: str) -> None:
    world.put_in_force(
        Release(
            release_id="b" * 32,
            since_utc=SINCE,
            champion=world.champion,
            challenger=challenger,
            mode="shadow",
        )
    )
    code, said = follow(world)
    assert code == 0
    assert f"challenger is version 2 ({challenger}), and was none.\n" in said
    assert (aliased("champion"), aliased("challenger")) == (world.champion, challenger)
    assert follow(world) == (0, "Nothing is to be changed.\n")


def test_after_a_promotion_name_and_alias_stand_for_the_new_champion(world: World, challenger: str) -> None:
    world.put_in_force(
        Release(
            release_id="c" * 32,
            since_utc=SINCE,
            champion=challenger,
            challenger=world.champion,
            mode="shadow",
            is_fallback=True,
        )
    )
    assert follow(world)[0] == 0
    assert (aliased("champion"), aliased("challenger")) == (challenger, None)
    assert resolve_tag(NAME) == challenger


@pytest.mark.usefixtures("challenger")
def test_after_a_rollback_they_stand_for_the_former_one_again(world: World) -> None:
    world.put_in_force(Release(release_id="d" * 32, since_utc=SINCE, champion=world.champion))
    assert follow(world)[0] == 0
    assert (aliased("champion"), resolve_tag(NAME)) == (world.champion, world.champion)


@pytest.mark.usefixtures("challenger")
def test_a_model_that_mlflow_does_not_know_leaves_the_alias_and_is_told(world: World) -> None:
    strange = world.another("strange")
    strange.record([1.0], ["left"])
    strange.put_in_force(Release(release_id="e" * 32, since_utc=SINCE, champion=f"{NAME}:elsewhere"))
    code, said = follow(strange)
    assert code == 1
    assert f"MLflow has no version of {NAME} with the model {NAME}:elsewhere; champion stays." in said
    assert f"The BentoML store has no model {NAME}:elsewhere" in said
    assert (aliased("champion"), resolve_tag(NAME)) == (world.champion, world.champion)
