"""Replay: recorded requests are performed again by the model that they name, and compared bit by bit."""

import json
import shutil
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import apsw
import pytest
from bentoml._internal.models import ModelStore

from service.audit.file.database import open_for_reading
from service.model.published import ESTIMATOR_FILE
from service.replay.recorded import IdRange, RecordedLog
from service.replay.replay_run import Replay, Task
from service.replay.verdict import Verdict
from service.routes import FEEDBACK
from tests.support.audit.log_files import statements
from tests.support.audit.logs import ADA, ANSWERED, command, numbered, write
from tests.support.audit.outcomes import outcome_of
from tests.support.iris_rows import SETOSA, VIRGINICA
from tests.support.replayed_logs import RecordedModel, outcomes_of, replayed, verdicts
from tests.support.small_models import publish_compiled

Publish = Callable[[str], str]
LETTERS = [{"letter": "a"}, {"letter": "b"}]


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "audit.db"


def test_single_rows_and_batches_of_the_same_model_have_the_same_bits(db: Path, store: ModelStore) -> None:
    assert store is not None
    bodies = [SETOSA, VIRGINICA, {"instances": [SETOSA, VIRGINICA] * 600}, {"instances": [VIRGINICA]}]
    RecordedModel(publish_compiled()).record(db, bodies)

    done = replayed(db, "--all")
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "4 records replayed: 4 same bits"


def test_a_changed_answer_is_different_with_the_difference_and_the_labels(
    db: Path, publish_picky: Publish
) -> None:
    RecordedModel(publish_picky("changed")).record(db, LETTERS)
    was = open_for_reading(db).execute("SELECT response_json FROM request WHERE id = 3").get
    probabilities = json.loads(was)["probabilities"][0]
    moved = json.dumps({**json.loads(was), "predictions": ["A"], "probabilities": [[0.75, 0.25]]})
    rewrite(db, 3, moved)

    (outcome,) = outcomes_of(db, "--request-id", "r-2")
    assert outcome["verdict"] == "different"
    assert outcome["largest_difference"] == abs(0.75 - probabilities[0])
    assert (outcome["recorded_labels"], outcome["replayed_labels"]) == (["A"], ["B"])
    done = replayed(db, "--all")
    assert done.returncode == 1
    assert "different: record 3, request r-2, largest difference" in done.stdout
    assert "'A' became 'B'" in done.stdout


@pytest.mark.parametrize(
    ("step", "verdict"), [(1e-10, "same label and within 1e-9"), (1e-8, "different"), (0.0, "same bits")]
)
def test_a_small_difference_is_told_from_a_large_one(
    db: Path, publish_picky: Publish, step: float, verdict: str
) -> None:
    RecordedModel(publish_picky("close")).record(db, LETTERS[:1])
    was = json.loads(open_for_reading(db).execute("SELECT response_json FROM request").get)
    first, second = was["probabilities"][0]
    rewrite(db, 2, json.dumps({**was, "probabilities": [[first + step, second]]}))
    assert verdicts(db) == {"r-1": verdict}


def test_refused_requests_are_refused_again(db: Path, publish_picky: Publish) -> None:
    bodies = [b"{", {"letter": 1}, {"letters": "a"}, {"instances": []}, {"instances": LETTERS * 2}]
    RecordedModel(publish_picky("refusing"), max_batch_rows=3).record(db, bodies)
    assert set(verdicts(db).values()) == {"refused again"}
    statements(db, "UPDATE request SET status = 400 WHERE request_id = 'r-2'")
    assert verdicts(db, "--request-id", "r-2") == {"r-2": "different"}
    statements(db, "UPDATE request SET status = 503 WHERE request_id = 'r-2'")
    assert verdicts(db, "--request-id", "r-2") == {"r-2": "not performed again"}
    statements(db, "UPDATE request SET status = 422, request_cut_bytes = 7 WHERE request_id = 'r-2'")
    assert verdicts(db, "--request-id", "r-2") == {"r-2": "not replayable"}
    assert "7 bytes of its body were not kept" in replayed(db, "--all").stdout


def test_redacted_records_and_those_of_no_known_model_are_told(db: Path, publish_picky: Publish) -> None:
    write(db, replace(ANSWERED, request_id="r-9"))
    RecordedModel(publish_picky("redacted")).record(db, LETTERS)
    command("--db", db, "redact", "--request-id", "r-1", *ADA)
    found = verdicts(db)
    assert found.pop("r-9") == "unknown model"
    assert found == {"r-1": "redacted", "r-2": "same bits"}
    assert replayed(db, "--all").returncode == 0


def test_a_deleted_model_is_missing_by_tag_and_digest(
    db: Path, publish_picky: Publish, store: ModelStore
) -> None:
    tag = publish_picky("deleted")
    model = RecordedModel(tag)
    model.record(db, LETTERS)
    store.delete(tag)
    done = replayed(db, "--all")
    assert done.returncode == 1
    assert f"model missing: record 2, request r-1: the store has no model {tag}" in done.stdout
    assert model.card.contract_sha256 in done.stdout


def test_a_model_whose_files_were_changed_is_missing(
    db: Path, publish_picky: Publish, store: ModelStore
) -> None:
    tag = publish_picky("tampered")
    RecordedModel(tag).record(db, LETTERS)
    with Path(store.get(tag).path_of(ESTIMATOR_FILE)).open("ab") as file:
        file.write(b"\0")
    (outcome, _) = outcomes_of(db)
    assert outcome["verdict"] == "model missing"
    assert outcome["reason"] == f"the store has {tag} with other content ({ESTIMATOR_FILE})"


def test_a_model_is_found_under_another_tag_and_in_another_folder(
    db: Path, publish_picky: Publish, store: ModelStore, tmp_path: Path
) -> None:
    tag = publish_picky("moved")
    RecordedModel(tag).record(db, LETTERS)
    folder = Path(store.get(tag).path)
    copy = tmp_path / "models" / tag.replace(":", "/")
    shutil.copytree(folder, copy)
    store.delete(tag)
    assert set(verdicts(db).values()) == {"model missing"}
    assert set(verdicts(db, "--all", "--models", copy.parents[1]).values()) == {"same bits"}

    renamed = folder.with_name("renamed")
    shutil.copytree(copy, renamed)
    description = renamed / "model.yaml"
    description.write_text(description.read_text().replace(tag.partition(":")[2], "renamed"))
    assert set(verdicts(db).values()) == {"same bits"}


def test_two_models_of_one_name_and_version_are_told_apart(db: Path, store: ModelStore) -> None:
    first, second = RecordedModel(publish_compiled()), RecordedModel(publish_compiled())
    assert first.card.model_version == second.card.model_version
    first.record(db, [SETOSA])
    second.record(db, [SETOSA], first=2)
    store.delete(first.card.tag)
    assert verdicts(db) == {"r-1": "model missing", "r-2": "same bits"}
    done = command("--db", db, "models")
    listed = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(model["tag"], model["records"], model["is_stored"]) for model in listed] == [
        (first.card.tag, 1, False),
        (second.card.tag, 1, True),
    ]
    assert done.returncode == 1


def test_another_runtime_is_told_from_another_model(db: Path, store: ModelStore) -> None:
    assert store is not None
    tag = publish_compiled()
    RecordedModel(tag).record(db, [SETOSA, VIRGINICA])
    with_sklearn = RecordedModel(tag, runtime="sklearn")
    with_sklearn.record(db, [SETOSA, VIRGINICA], first=3)
    assert set(verdicts(db).values()) == {"same bits"}


def test_a_processor_or_version_that_differs_is_told_once_a_model(db: Path, publish_picky: Publish) -> None:
    model = RecordedModel(publish_picky("elsewhere"))
    elsewhere = model.card.processor.model_copy(update={"name": "Another One"})
    model.card = model.card.model_copy(update={"processor": elsewhere, "python": "3.9.0"})
    vars(model.card).pop("text", None)
    vars(model.card).pop("model_id", None)
    model.record(db, LETTERS)
    lines = [line for line in replayed(db, "--all").stdout.splitlines() if line.startswith("model ")]
    (line,) = lines
    assert "another processor (Another One, here " in line
    assert "another Python (3.9.0, here " in line


def test_a_sample_is_drawn_again_with_its_seed(db: Path, publish_picky: Publish) -> None:
    RecordedModel(publish_picky("sampled")).record(db, LETTERS * 50)
    first, again, other = ([*verdicts(db, "--sample", 10, "--seed", seed)] for seed in (7, 7, 8))
    assert len(first) == 10
    assert first == again != other
    assert "10 records replayed: 10 same bits (seed " in replayed(db, "--sample", 10).stdout


def test_outcomes_are_not_replayed(db: Path, publish_picky: Publish) -> None:
    model = RecordedModel(publish_picky("fed"))
    model.record(db, LETTERS)
    refused = replace(ANSWERED, route=FEEDBACK, status=422, model_id=model.card.model_id, predictions=())
    batch = [outcome_of("r-1", row=row, model_id=model.card.model_id) for row in range(50)]
    write(db, *batch, replace(refused, request_id="refused"))

    for options in (("--all",), ("--sample", 10, "--seed", 1), ("--request-id", "r-1")):
        assert {*verdicts(db, *options).values()} == {Verdict.SAME_BITS}
    assert "\n2 records replayed: 2 same bits (" in replayed(db, "--sample", 10).stdout
    assert replayed(db, "--request-id", "refused").returncode == 2
    (listed,) = map(json.loads, command("--db", db, "models").stdout.splitlines())
    assert (listed["records"], listed["is_stored"]) == (2, True)


def test_a_sample_of_a_log_that_is_full_of_outcomes_is_complete(db: Path) -> None:
    write(db, *numbered(6), *(outcome_of("r-1", row=row) for row in range(2_000)))
    with closing(RecordedLog(db, dense_ids=100)) as log:
        assert log.sample(100, 1) == (1, 2, 3, 4, 5, 6)
        samples = [log.sample(4, seed) for seed in range(20)]
    assert {len({*sample}) for sample in samples} == {4}
    assert {id_ for sample in samples for id_ in sample} == {1, 2, 3, 4, 5, 6}


def test_two_processes_share_a_long_log(db: Path, store: ModelStore, stores: dict[str, str]) -> None:
    assert store is not None
    RecordedModel(publish_compiled()).record(db, [SETOSA, VIRGINICA] * 20)
    statements(db, "UPDATE request SET status = 400 WHERE id = 7")
    task = Task(db, "", (), wants_all=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENTOML_HOME", stores["BENTOML_HOME"])
        run = Replay(task, processes=2, part_records=8)
        assert [outcome.id for outcome in run.outcomes(IdRange(0, 41))] == [7]
    assert run.counts == {Verdict.SAME_BITS: 39, Verdict.DIFFERENT: 1}
    assert [note.missing for note in run.models.values()] == [None]


def test_only_records_from_a_time_on_are_replayed(db: Path, publish_picky: Publish) -> None:
    RecordedModel(publish_picky("since")).record(db, LETTERS * 5)
    since = ("--since", "2026-07-04T09:30:08Z")
    assert [*verdicts(db, "--all", *since)] == ["r-8", "r-9", "r-10"]
    assert [*verdicts(db, "--sample", 9, *since)] == ["r-8", "r-9", "r-10"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ((), "Give one of --request-id, --sample and --all."),
        (("--all", "--sample", 3), "Give one of --request-id, --sample and --all."),
        (("--all", "--seed", 3), "--seed is of a --sample."),
        (("--request-id", "none"), "The log has no request 'none'."),
    ],
)
def test_misuse_is_refused_with_a_sentence(db: Path, options: tuple[object, ...], sentence: str) -> None:
    write(db)
    done = replayed(db, *options)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"{sentence}\n")


def rewrite(db: Path, id_: int, response: str) -> None:
    """Change the recorded answer, as a model that answered otherwise would have made it."""
    connection = apsw.Connection(str(db))
    connection.execute("UPDATE request SET response_json = ? WHERE id = ?", (response, id_))
    connection.close()
