"""The supervising process before it starts workers: it checks that they can serve, and passes on the facts.

An error ends the start here, with a message. The workers get the results from the environment.
"""

import logging
import os
from contextlib import closing
from socket import socket

from service.audit.file.subject_key import SubjectKey, key_path
from service.audit.witness.checkpoint_times import begin_times
from service.audit.write.logfile import LogFile
from service.errors import SettingInvalid
from service.grpc.listening import check_certificate, claim
from service.settings import PREFIX, Settings, load_settings
from service.telemetry.metrics import make_folder
from service.worker import bentoml_internals
from service.worker.address import reserve_http_port, warn_of_open_access
from service.worker.api_contract import keep_contract
from service.worker.circus_internals import drop_new_connections_after
from service.worker.keys_at_start import prepare_keys
from service.worker.kills import record_kill
from service.worker.supervision import Supervisor

logger = logging.getLogger(__name__)

_grpc_sockets: list[socket] = []
"""Reserve the port of gRPC until this process ends."""


def workers_wanted(settings: Settings) -> int:
    """The number of workers: the option ``--api-workers``, else the setting; raises SettingInvalid."""
    number = bentoml_internals.api_workers()
    if number is None:
        return settings.workers
    if number < 1:
        raise SettingInvalid("--api-workers", number, "it must be a number of processes, at least 1")
    return number


def prepare_service(settings: Settings, tag: str) -> None:
    """Create what the workers share and begin the supervision; raises StartError if they cannot serve."""
    serving = bentoml_internals.serving()
    if serving is not None:
        _set_worker_count(settings, serving.workers)
        with reserve_http_port(serving.host, serving.port):
            grpc_host = _claim_grpc(settings, serving.host)
    else:
        grpc_host = _claim_grpc(settings, "127.0.0.1")
    with closing(LogFile(settings.audit_db)) as log:
        SubjectKey.read_or_create(key_path(settings.audit_subject_key_file, settings.audit_db))
        with log.transaction() as (connection, _):
            begin_times(settings.audit_db, connection, settings.audit_witness)
        if settings.api_keys_file is not None:
            prepare_keys(log, settings.api_keys_file)
    warn_of_open_access(settings, serving and serving.host, grpc_host)
    bentoml_internals.report_bind_errors()
    bentoml_internals.replace_dead_workers()
    drop_new_connections_after(settings.drain_seconds)
    Supervisor(record_kill).begin()
    make_folder()
    keep_contract(settings, tag)
    # More cores are used by more workers. Threads within a call of the model cost more than they save for the
    # few rows of a call, and OpenMP's threads spin against those of the other workers.
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def _claim_grpc(settings: Settings, http_host: str) -> str:
    host = settings.grpc_host or http_host
    if settings.grpc_port:
        check_certificate(settings)
        _grpc_sockets.append(claim(settings, host))
        os.environ[f"{PREFIX}GRPC_HOST"] = host
    return host


def _set_worker_count(settings: Settings, number: int) -> None:
    """Pass the number of workers that BentoML starts, which its configuration can change, to the workers."""
    wanted = workers_wanted(settings)
    is_configured = "workers" in settings.model_fields_set or bentoml_internals.api_workers() is not None
    os.environ[f"{PREFIX}WORKERS"] = str(number)
    load_settings()  # Raises if the setting does not allow the number.
    if number != wanted and is_configured:
        logger.warning(
            "BentoML's configuration starts %d workers of this service, not the %d of %sWORKERS or "
            "--api-workers.",
            number,
            wanted,
            PREFIX,
        )
