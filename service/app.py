"""The Bento service: typed ``predict`` and ``predict_batch``, start-up, shutdown. Wiring only.

The module is imported by whoever supervises, builds or serves the bento. It reads the served model's
contract, because the types of the API come from it; it opens and writes nothing.
"""

import logging
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from socket import socket
from time import perf_counter
from typing import TYPE_CHECKING, TypeAlias

import bentoml
import click
from bentoml._internal.utils.args import set_arguments
from bentoml.exceptions import BentoMLException
from bentoml.models import BentoModel
from pydantic import BaseModel, Field

from service.audit.logfile import LogFile
from service.call import new_uuid7
from service.circus_stop import keep_out_newcomers_after
from service.errors import UNANSWERED, GrpcUnusable, ModelUnusable, StartError
from service.grpc.listening import check_certificate, claim
from service.http import connection
from service.http.gateway import OutermostGateway
from service.http.paths import BATCH, PREDICT, V2_INFER
from service.http.routes import make_pages
from service.keys.keyring import read_keys
from service.messages import Messages
from service.metrics import make_folder
from service.model import newest, read_contract
from service.settings import PREFIX, load_settings
from service.worker import Worker

logger = logging.getLogger(__name__)


class Arguments(BaseModel):
    """The Bento arguments, ``--arg NAME=VALUE``; a built bento keeps them."""

    model: str = Field(default="iris_classifier", description="The BentoML model: NAME or NAME:VERSION")


@contextmanager
def told_in_a_sentence() -> Iterator[None]:
    """Let BentoML's commands say why they cannot start; they show a traceback of any error but their own."""
    try:
        yield
    except StartError as error:
        raise BentoMLException(str(error)) from error


with told_in_a_sentence():
    settings = load_settings()
    tag = newest(bentoml.use_arguments(Arguments).model)
    # Kept with its version, so that a built bento, and a worker that is started later, serve this very
    # model even when another was published in the meantime. BentoML has no public way to say so.
    set_arguments({"model": tag})
    messages = Messages(read_contract(tag), settings.max_batch_rows)
worker = Worker(settings, tag)
_claimed: list[socket] = []
"""The port of gRPC, in the process that supervises."""

if TYPE_CHECKING:
    from service.contract import Row as RowBody
    from service.grpc.server import GrpcServer
    from service.label import Label
    from service.messages import Answer, Batch

    BatchBody: TypeAlias = Batch[RowBody]
    AnswerBody: TypeAlias = Answer[Label]
else:
    RowBody, BatchBody, AnswerBody = messages.row_type, messages.batch_type, messages.answer_type


@bentoml.service(
    name=tag.partition(":")[0],
    workers=settings.workers,
    # The service has its own: BentoML does not see what the gateway answers, and labels its metrics by raw
    # path, which anyone can make up.
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
)
@bentoml.asgi_app(make_pages(worker, messages), path="/")
class TabularClassifier:
    """Predicts the class of rows of a table."""

    model = BentoModel(tag)
    grpc: "GrpcServer | None" = None

    @bentoml.on_deployment
    @staticmethod
    def prepare() -> None:
        """Make what the workers share, before there are any, and end here if that cannot be."""
        with told_in_a_sentence():
            LogFile(settings.audit_db).close()
            if settings.api_keys_file is not None:
                read_keys(settings.api_keys_file)
            if settings.grpc_port:
                _claim_grpc_port()
        _warn_if_anybody_may_ask()
        make_folder()
        keep_out_newcomers_after(settings.drain_seconds)
        # With it in the environment, whatever its value, BentoML does not replace a worker that died: the
        # service would shrink in silence, with /readyz at 200.
        os.environ.pop("BENTOML_CONTAINERIZED", None)
        # Workers are what uses more cores. Threads within a call of the model cost more than they bring for
        # rows as few as come together here, and OpenMP's spin against those of the other workers.
        os.environ.setdefault("OMP_NUM_THREADS", "1")

    @bentoml.on_startup
    async def start(self) -> None:
        """Load the model, open the audit log, and listen for gRPC."""
        try:
            worker.start()
            worker.metrics.expect((PREDICT, BATCH, V2_INFER), UNANSWERED)
            if settings.grpc_port:
                # Imported here because it takes a quarter of a second, and is not needed without.
                from service.grpc.server import GrpcServer

                self.grpc = await GrpcServer.start(worker, messages)
        except (ModelUnusable, GrpcUnusable) as error:
            # Another worker would fail as this one does: the supervisor must end, not try for ever.
            logger.critical("%s", error)
            os.kill(os.getppid(), signal.SIGTERM)
            raise

    @bentoml.on_shutdown
    async def stop(self) -> None:
        """Finish what is in hand."""
        if self.grpc is not None:
            await self.grpc.stop()
        await worker.stop()

    async def __is_ready__(self) -> bool:
        """Whether a prediction could be recorded, and so given."""
        return worker.ready

    @bentoml.api(route=PREDICT)
    async def predict(self, row: RowBody, /) -> AnswerBody:
        """Predict one row."""
        return await _answer([row])

    @bentoml.api(route=BATCH)
    async def predict_batch(self, batch: BatchBody, /) -> AnswerBody:
        """Predict rows, in their order."""
        return await _answer(batch.instances)


connection.use(settings)
TabularClassifier.add_asgi_middleware(OutermostGateway, worker=worker, messages=messages)  # type: ignore[attr-defined]


def _http_host() -> str:
    command = click.get_current_context(silent=True)
    return str(command.params.get("host") or "") if command else ""


def _claim_grpc_port() -> None:
    check_certificate(settings)
    host = settings.grpc_host or _http_host() or "127.0.0.1"
    # Held as long as this process lives.
    _claimed.append(claim(settings, host))
    os.environ[f"{PREFIX}GRPC_HOST"] = host  # For the workers.


def _warn_if_anybody_may_ask() -> None:
    host = _http_host()
    if host and host not in ("localhost", "127.0.0.1", "::1") and settings.api_keys_file is None:
        logger.warning(
            "Whoever reaches %s may ask for predictions and read the history: set TABENTO_API_KEYS_FILE, "
            "and make keys with `python -m service.keys new NAME`, unless something else sees to that.",
            host,
        )


async def _answer(rows: Sequence[RowBody]) -> AnswerBody:
    """What the API methods answer when they are called within Python; over HTTP the gateway answers."""
    received, started = datetime.now(UTC), perf_counter()
    predictions = await worker.engine.predict(rows)
    return messages.answer(
        predictions,
        worker.model.lineage,
        request_id=new_uuid7(),
        timestamp=received,
        processing_time_ms=(perf_counter() - started) * 1e3,
    )
