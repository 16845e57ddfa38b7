"""The start line, which the first worker that is ready logs once, and a line if drift is not measured."""

import logging
import os
from contextlib import suppress
from pathlib import Path

from service.telemetry.metrics import FOLDER_VARIABLE
from service.worker.address import url_host
from service.worker.bentoml_internals import Listening, listening
from service.worker.worker import Worker

# BentoML shows INFO only of loggers below its own.
logger = logging.getLogger("bentoml.tabento")

NOT_MEASURED = (
    "Drift is not measured, because {tag} has no training profile; a model that is trained now gets one."
)


def announce(worker: Worker) -> None:
    """Log the model, the addresses and the audit log, and whether drift can be measured."""
    if _is_first():
        logger.info("%s", start_line(worker, listening()))
        if worker.settings.monitoring == "on" and worker.model.profile is None:
            logger.warning("%s", NOT_MEASURED.format(tag=worker.model.tag))


def start_line(worker: Worker, http: Listening | None) -> str:
    """The line: the model, the addresses, the audit log, and a newer model that waits in the store."""
    settings, lineage = worker.settings, worker.model.lineage
    served = f"{lineage.model_name} version {lineage.model_version} ({worker.model.tag})"
    parts = [f"Serving {served} with {worker.model.predictor.name}"]
    if http is not None:
        url = f"{'https' if http.is_tls else 'http'}://{url_host(http.host)}:{http.port}"
        parts += [f"HTTP at {url}", f"documentation at {url}/docs"]
    if settings.grpc_port:
        parts.append(f"gRPC at {url_host(settings.grpc_host or '127.0.0.1')}:{settings.grpc_port}")
    parts.append(f"audit log {settings.audit_db.resolve()} ({settings.audit_mode})")
    if worker.newer_models.found is not None:
        parts.append(str(worker.newer_models.found))
    return ", ".join(parts)


def _is_first() -> bool:
    folder = os.environ.get(FOLDER_VARIABLE)
    if folder is None:
        return True
    with suppress(FileExistsError):
        os.close(os.open(Path(folder, "announced"), os.O_CREAT | os.O_EXCL))
        return True
    return False
