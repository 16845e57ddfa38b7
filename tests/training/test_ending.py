"""However a training ends before its time, what can be served is what could be served before."""

import os
import shutil
import signal
from collections.abc import Callable

import mlflow
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.support.tracking_server import tracking_server
from tests.support.trainings import Stores, Trainer, await_end, await_moment, lives

pytestmark = pytest.mark.usefixtures("own_stores")

STEPS = (
    "Opening the MLflow",
    "Cross-validating logistic",
    "Logging logistic",
    "Logging gradient",
    "Compiling",
    "Profiling",
    "Registering",
    "Comparing logistic",
    "Verifying",
)
"""What a training says that it does next; the last three are where there is something to take back."""
moments = st.tuples(st.sampled_from((*STEPS, *STEPS[-3:] * 2)), st.floats(0, 0.6))
few = settings(
    max_examples=3,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@pytest.fixture(scope="module")
def trained(trainer: Trainer, tmp_path_factory: pytest.TempPathFactory) -> Stores:
    """Stores with one model, that a training published."""
    stores = Stores(tmp_path_factory.mktemp("trained"))
    assert await_end(stores, trainer.start(stores)) == 0, stores.said
    return Stores(stores.folder, stores.check_servable())


Copy = Callable[[], Stores]


@pytest.fixture
def copied(trained: Stores, tmp_path_factory: pytest.TempPathFactory) -> Copy:
    def copy() -> Stores:
        folder = tmp_path_factory.mktemp("copy")
        shutil.copytree(trained.folder, folder, dirs_exist_ok=True)
        return Stores(folder, trained.before)

    return copy


@few
@given(moments, st.sampled_from([signal.SIGINT, signal.SIGTERM]))
def test_a_signal_ends_it_with_one_sentence_its_code_and_nothing_left(
    trainer: Trainer, copied: Copy, moment: tuple[str, float], number: signal.Signals
) -> None:
    stores = copied()
    process = trainer.start(stores)
    await_moment(stores, process, moment)
    if lives(process):
        os.kill(process, number)
    code = await_end(stores, process)
    assert "Traceback" not in stores.said
    stores.check_registry()
    if code == 0:
        assert stores.check_servable() != stores.before
        assert stores.statuses() == {"FINISHED"}
    else:
        assert code == 128 + number, stores.said
        assert stores.said.endswith(f"Ended by {number.name}; nothing was published.\n")
        stores.check_nothing_is_published()
        assert stores.statuses() <= {"FINISHED", "KILLED"}
        assert (stores.outputs / "stdout").read_text() == ""


@few
@given(moments)
def test_a_training_that_is_killed_leaves_the_old_model_or_the_new(
    trainer: Trainer, copied: Copy, moment: tuple[str, float]
) -> None:
    stores = copied()
    process = trainer.start(stores)
    await_moment(stores, process, moment)
    if lives(process):
        os.kill(process, signal.SIGKILL)
    await_end(stores, process)
    tag = stores.check_servable()
    if tag != stores.before:
        # Published only when MLflow had been told all.
        client = mlflow.MlflowClient(stores.environment["MLFLOW_TRACKING_URI"])
        assert client.get_model_version_by_alias("points", "champion").tags["bentoml_tag"] == tag


@settings(few, max_examples=1)
@given(moments)
def test_a_tracking_server_that_is_killed_ends_it_with_1_and_publishes_nothing(
    trainer: Trainer, copied: Copy, moment: tuple[str, float]
) -> None:
    stores = copied()
    with tracking_server(stores.folder, "mlflow.db") as server:
        served = {"MLFLOW_TRACKING_URI": server.url, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}
        process = trainer.start(stores, served)
        await_moment(stores, process, moment)
        server.kill()
        code = await_end(stores, process)
    assert "Traceback" not in stores.said
    if code == 0:
        assert stores.check_servable() != stores.before
    else:
        assert code == 1, stores.said
        assert "Error: MLflow at http://127.0.0.1:" in stores.said
        stores.check_nothing_is_published()
