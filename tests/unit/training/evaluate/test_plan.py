"""The plan of a selection follows from the size of the table."""

import pytest

from training.candidates.built_in import CANDIDATES, Candidate
from training.candidates.table_size import TableSize
from training.evaluate.plan import REPEATS, Plan, make_plan

LOGISTIC_REGRESSION, NEIGHBOURS, FOREST, BOOSTING = CANDIDATES


def planned(rows: int, features: int = 20, classes: int = 3, columns: int | None = None) -> Plan:
    return make_plan(CANDIDATES, TableSize(rows, features, columns or features, classes))


def test_a_small_table_is_used_whole_with_repeated_folds_by_every_candidate() -> None:
    plan = planned(120, features=4)
    assert (plan.candidates, plan.left_out, plan.repeats, plan.rungs) == (CANDIDATES, {}, REPEATS, (120,))
    assert plan.is_whole
    assert plan.processes(8) == 1


def test_a_large_table_is_sampled_and_only_the_champion_is_fitted_to_it() -> None:
    plan = planned(160_000, columns=200)
    assert not plan.is_whole
    assert plan.repeats == 1
    assert list(plan.rungs) == sorted(set(plan.rungs))
    assert plan.rungs[0] <= 10_000
    assert plan.rungs[-1] <= 50_000
    assert plan.processes(2) == 2


def test_neighbours_do_not_compete_on_a_large_table_and_the_reason_is_stated() -> None:
    plan = planned(160_000, columns=200)
    assert NEIGHBOURS not in plan.candidates
    assert plan.left_out["k-nearest neighbours"].startswith("each prediction would search 160,000 rows")
    assert plan.sentences[0].startswith("K-nearest neighbours is left out: each prediction")
    assert "left_out k-nearest neighbours" in plan.parameters


def test_boosting_does_not_compete_for_many_classes() -> None:
    plan = planned(2_400, features=12, classes=250)
    assert BOOSTING not in plan.candidates
    assert "25,000 trees" in plan.left_out["gradient boosting"]
    assert BOOSTING in planned(2_400, features=12, classes=30).candidates


def test_a_forest_whose_leaves_would_fill_the_memory_does_not_compete() -> None:
    assert "some 60,000,000 numbers" in planned(2_400, features=12, classes=250).left_out["random forest"]
    assert FOREST in planned(800_000, classes=10).candidates


@pytest.mark.parametrize("candidate", CANDIDATES, ids=lambda candidate: candidate.name)
def test_a_candidate_that_was_chosen_is_never_left_out(candidate: Candidate) -> None:
    plan = make_plan([candidate], TableSize(10**6, 20, 200, 250), chosen=True)
    assert plan.candidates == (candidate,)
    assert plan.left_out == {}


def test_a_candidate_alone_is_evaluated_once() -> None:
    assert len(make_plan([LOGISTIC_REGRESSION], TableSize(10**6, 20, 200, 3)).rungs) == 1


@pytest.mark.parametrize("rows", [60, 2_000, 12_000, 160_000, 800_000])
@pytest.mark.parametrize("features", [1, 20, 500, 2_000])
@pytest.mark.parametrize("classes", [2, 30, 250])
def test_no_plan_uses_more_rows_than_there_are_or_takes_hours(rows: int, features: int, classes: int) -> None:
    plan = planned(rows, features, classes)
    assert plan.candidates
    assert 0 < plan.rungs[-1] <= rows
    assert plan.rungs[-1] * features <= max(4_000_000, 1_000 * features)
    assert plan.selection_s < 1_800
    assert plan == planned(rows, features, classes)


def test_the_trees_of_a_forest_stay_small_on_a_large_table() -> None:
    assert dict(FOREST.parameters_by_rows(20_000)) == {}
    assert dict(FOREST.parameters_by_rows(800_000)) == {"min_samples_leaf": 13, "max_samples": 100_000}
