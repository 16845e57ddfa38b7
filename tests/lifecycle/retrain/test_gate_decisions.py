"""Real trainings of one candidate: what passes the gate, what does not, and what is stated of it."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import mlflow
import pytest

from lifecycle.retrain.gate import judge
from lifecycle.retrain.gate_result import GateLimits
from lifecycle.retrain.retraining import Retraining
from lifecycle.retrain.retraining_errors import ChampionMissing
from service.model.published import load_model, resolve_tag
from service.model.release.release import Release
from tests.support.retrained_world import BORDER, NAME, World, numbers, sides

ROWS = 1_200
MOVED = 3.0
"""The border to which the world changed."""


@pytest.fixture(scope="module")
def better(world: World) -> Retraining:
    """The world changed: the log has what the champion does not know."""
    changed = world.another("changed")
    x = numbers(ROWS)
    changed.record(x, sides(x, MOVED))
    return changed.retrain(newest=900)


@pytest.fixture(scope="module")
def worse(world: World) -> Retraining:
    """The older labels of the log are wrong, and the newest are right."""
    fooled = world.another("fooled")
    x = numbers(ROWS)
    wrong = [{"left": "right", "right": "left"}[side] for side in sides(x, BORDER)]
    fooled.record(x, [*wrong[:840], *sides(x[840:], BORDER)])
    return fooled.retrain()


def verdicts(done: Retraining) -> dict[str, str]:
    return {check.name: check.verdict for check in done.gate.checks}


def test_a_challenger_that_learned_the_change_passes(better: Retraining) -> None:
    assert better.gate.verdict == "passed", better.gate.reasons
    assert {*verdicts(better)} == {
        "contract", "release", "rows", "quality", "calibration", "segments", "latency", "size",
    }  # fmt: skip
    quality = next(check for check in better.gate.checks if check.name == "quality")
    assert quality.low is not None
    assert quality.low > 0
    assert better.gate.rows == 360


def test_a_challenger_that_learned_wrong_labels_does_not_pass(worse: Retraining) -> None:
    assert worse.gate.verdict == "failed"
    assert verdicts(worse)["quality"] == "failed"
    assert verdicts(worse)["segments"] == "failed"
    assert worse.release.is_released is False


def test_of_few_rows_the_gate_cannot_tell_and_does_not_pass(world: World) -> None:
    sparse = world.another("sparse")
    x = numbers(40)
    sparse.record(x, sides(x, BORDER))
    done = sparse.retrain()
    assert done.gate.verdict == "cannot tell"
    assert (verdicts(done)["rows"], verdicts(done)["quality"]) == ("cannot tell", "cannot tell")
    assert "12 rows were held out" in " ".join(done.gate.reasons)


def test_no_retraining_changes_what_the_name_and_the_alias_stand_for(
    world: World, better: Retraining, worse: Retraining
) -> None:
    assert len({better.tag, worse.tag, world.champion}) == 3
    assert resolve_tag(NAME) == world.champion
    aliased = mlflow.MlflowClient().get_model_version_by_alias(NAME, "champion")
    assert aliased.tags["bentoml_tag"] == world.champion


def test_the_registered_version_has_the_verdict_the_reasons_and_its_parent(
    world: World, worse: Retraining
) -> None:
    client = mlflow.MlflowClient()
    version = client.get_model_version(NAME, worse.version)
    assert version.tags["gate"] == "failed"
    assert "The gain in accuracy" in version.tags["gate_reasons"]
    assert version.tags["parent"].startswith(world.champion)
    assert version.tags["released"] == "False"
    run = client.get_run(version.run_id or "").data.tags["mlflow.parentRunId"]
    lineage = json.loads(mlflow.artifacts.load_text(f"runs:/{run}/lineage.json"))
    assert lineage == worse.lineage.model_dump(mode="json")
    assert "gate.json" in {file.path for file in client.list_artifacts(run)}


def test_rows_that_the_champion_was_trained_on_are_not_held_out(world: World, better: Retraining) -> None:
    changed = world.another("promoted")
    changed.log.write_bytes((world.folder / "changed" / "audit.db").read_bytes())
    changed.put_in_force(
        Release(release_id="a" * 32, since_utc=datetime(2026, 7, 5, tzinfo=UTC), champion=better.tag)
    )
    done = changed.retrain(holdout=600, newest=900)
    assert done.gate.champion == better.tag
    last = better.lineage.log.trained.last_id if better.lineage.log else None
    assert last is not None
    assert done.lineage.log is not None
    assert done.lineage.log.held_out.first_id is not None
    assert done.lineage.log.held_out.first_id > last
    assert done.gate.rows == 360


def test_a_release_with_a_challenger_and_other_columns_fail_their_checks(
    world: World, better: Retraining
) -> None:
    release = Release(
        release_id="f" * 32,
        since_utc=datetime(2026, 7, 5, tzinfo=UTC),
        champion=world.champion,
        challenger=better.tag,
        mode="canary",
        share=0.1,
    )
    champion, challenger = load_model(world.champion), load_model(better.tag)
    narrow = replace(
        challenger,
        contract=challenger.contract.model_copy(update={"features": challenger.contract.features[:1]}),
    )
    gate = judge(champion, narrow, better.data.table.held_out.rows, GateLimits(max_size_mb=0.001), release)
    failed = {check.name: check.text for check in gate.checks if check.verdict == "failed"}
    assert {*failed} == {"contract", "release", "size"}
    assert failed["contract"] == "It lacks the features depth."
    assert "in mode canary: one challenger at a time" in failed["release"]
    assert gate.verdict == "failed"


def test_a_model_without_a_champion_is_refused_with_the_remedy(world: World) -> None:
    settings = replace(world.task().training, name="lakes")
    few = world.another("lakes")
    few.record([1.0], ["left"])
    with pytest.raises(ChampionMissing, match=r"lakes has no champion.*`python -m training`"):
        few.retrain(training=settings)
