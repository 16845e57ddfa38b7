"""MLServer as its documentation writes it, round the same published model, over HTTP and gRPC.

Its runtime for scikit-learn, with the published estimator pickled, as that runtime wants it. Inference is in
the server's own process and in adaptive batches, its fastest way for a model as small. MLServer needs other
versions of what the service is made of, and so has an environment of its own, which ``make bench`` makes;
what the estimator is made of has the same versions there.
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
"""What a request asks for; by default the answer has only the label's number."""

_MAX_BATCH_ROWS = 64
_MAX_BATCH_WAIT_S = 0.001


@contextmanager
def serving_mlserver(model: str = "iris_classifier", environment: Path = ENVIRONMENT) -> Iterator[Service]:
    """Serve the model under its name while it lasts; raises NotReady, also where it is not installed."""
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
        _keep(model, Path(folder))
        command = [str(environment / "bin" / "mlserver"), "start", folder]
        is_ready = ready_at(port, f"/v2/models/{model}/ready")
        with running(command, settings, port, is_ready, grpc_port) as service:
            yield service


def installed_version(environment: Path = ENVIRONMENT) -> str | None:
    """The version that is served, or None where there is none."""
    folders = [str(folder) for folder in environment.glob("lib/*/site-packages")]
    installed = distributions(name="mlserver", path=folders)
    return next((each.version for each in installed), None)


def _keep(model: str, folder: Path) -> None:
    # They take seconds to import, which only this needs.
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
