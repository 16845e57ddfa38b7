"""MLflow as the lifecycle uses it: its store is opened once, and its errors become one sentence."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlflow.exceptions import MlflowException

from training.publish.experiment import open_experiment, tracking_uri
from training.publish.tracking_reason import reason_of
from training.training_errors import TrackingFailed


@contextmanager
def tracked(name: str) -> Iterator[None]:
    """The store of MLFLOW_TRACKING_URI, or of the current folder, as MLflow's; raises TrackingFailed."""
    try:
        open_experiment(name, Path.cwd())
        yield
    except (MlflowException, OSError) as error:
        raise TrackingFailed(tracking_uri(Path.cwd()), reason_of(error)) from error
