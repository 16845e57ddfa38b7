"""Trainings that begin at once in one folder, in which there is nothing yet."""

import mlflow
import pytest

from tests.support.trainings import Stores, Trainer, await_end

pytestmark = pytest.mark.usefixtures("own_stores")


def test_first_trainings_in_one_folder_at_once_all_succeed(
    trainer: Trainer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("at-once")
    trainings = [Stores(folder, output_name=f"outputs-{n}") for n in range(2)]
    processes = [trainer.start(stores) for stores in trainings]
    codes = [await_end(stores, process) for stores, process in zip(trainings, processes, strict=True)]
    said = "\n".join(stores.said for stores in trainings)
    assert codes == [0, 0], said
    assert "Traceback" not in said
    (stores, _) = trainings
    stores.check_registry()
    assert len(stores.models.list()) == 2
    client = mlflow.MlflowClient(stores.environment["MLFLOW_TRACKING_URI"])
    versions = client.search_model_versions("name = 'points'")
    assert sorted(int(each.version) for each in versions) == [1, 2]
