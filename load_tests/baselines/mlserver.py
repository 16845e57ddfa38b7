"""MLServer, as in its documentation, with the same published model, over HTTP and gRPC.

It uses MLServer's runtime for scikit-learn, which needs the published estimator as a pickle. Inference runs
in the server's own process with adaptive batching, the fastest configuration for such a small model. MLServer
needs other versions of the service's dependencies, so ``make bench`` gives it an environment of its own.
numpy, scikit-learn and scipy have the same versions there.
"""

import json
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import distributions
from pathlib import Path
from tempfile import TemporaryDirectory

from load_tests.bench.serving import HOST, PROJECT, NotReady, Service, free_ports, ready_at, running

ENVIRONMENT = PROJECT / ".venv-mlserver"
OUTPUT = "predict_proba"
"""The output that a request selects; the default output has only the label's index."""

_MAX_BATCH_ROWS = 64
_MAX_BATCH_WAIT_S = 0.001


@contextmanager
def serving_mlserver(model: str = "iris_classifier", environment: Path = ENVIRONMENT) -> Iterator[Service]:
    """Serve the model under its name; raises NotReady, also if MLServer is not installed."""
    if installed_version(environment) is None:
        raise NotReady(f"MLServer is not installed in {environment.name}")
    port, grpc_port, metrics_port = free_ports(3)
    settings = {
        "MLSERVER_HOST": HOST,
        "MLSERVER_HTTP_PORT": str(port),
        "MLSERVER_GRPC_PORT": str(grpc_port),
        "MLSERVER_METRICS_PORT": str(metrics_port),
        "MLSERVER_PARALLEL_WORKERS": "0",
        "MLSERVER_DEBUG": "false",
    }
    with TemporaryDirectory(prefix="tabento-mlserver-") as folder:
        _write_model(model, Path(folder))
        command = [str(environment / "bin" / "mlserver"), "start", folder]
        is_ready = ready_at(port, f"/v2/models/{model}/ready")
        with running(command, settings, port, is_ready, grpc_port) as service:
            yield service


def installed_version(environment: Path = ENVIRONMENT) -> str | None:
    """The installed version of MLServer, or None."""
    folders = [str(folder) for folder in environment.glob("lib/*/site-packages")]
    installed = distributions(name="mlserver", path=folders)
    return next((each.version for each in installed), None)


def _write_model(model: str, folder: Path) -> None:
    # Imported here, because they take seconds and nothing else needs them.
    import bentoml
    import skops.io

    from service.model.published import ESTIMATOR_FILE
    from service.model.runtime import TRUSTED_TYPES

    published = bentoml.models.get(model)
    estimator = skops.io.load(published.path_of(ESTIMATOR_FILE), trusted=list(TRUSTED_TYPES))
    (folder / "model.pickle").write_bytes(pickle.dumps(estimator))
    settings = {
        "name": model,
        "implementation": "mlserver_sklearn.SKLearnModel",
        "max_batch_size": _MAX_BATCH_ROWS,
        "max_batch_time": _MAX_BATCH_WAIT_S,
        "parameters": {"uri": str(folder / "model.pickle")},
    }
    (folder / "model-settings.json").write_text(json.dumps(settings))
