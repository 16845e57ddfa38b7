"""The pages beside the prediction routes: what is served, how it is, what it answered."""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from functools import cached_property
from urllib.parse import parse_qsl

from pydantic import BaseModel, ValidationError
from pydantic_core import to_json

from service.audit.query.history import HistoryFilters
from service.errors import Finding, QueryInvalid, RouteUnknown
from service.http import assets
from service.http.http_request import JSON, Exchange, Reply
from service.http.openapi import document as openapi_document
from service.http.openapi.operations import Document
from service.model.contract_view import shown
from service.native.messages import Health, Messages, ModelInfo
from service.telemetry.metrics import CONTENT_TYPE
from service.telemetry.metrics_page import MetricsPage
from service.worker import TALLY_INTERVAL_S, Worker

Page = Callable[[Exchange], Awaitable[Reply]]

_TEXT = b"text/plain; charset=utf-8"


class Pages:
    """The pages of one worker."""

    def __init__(
        self, worker: Worker, messages: Messages, schema: Callable[[], Mapping[str, object]]
    ) -> None:
        self._worker = worker
        self._messages = messages
        self._schema = schema
        self._metrics_page = MetricsPage(worker.tally, worker.metrics_page, TALLY_INTERVAL_S)
        self.handlers: Mapping[str, Page] = {
            "index": self._index,
            "docs": self._docs,
            "openapi": self._openapi,
            "asset": self._asset,
            "favicon": self._favicon,
            "schema": self._bentoml_schema,
            "health": self._health,
            "live": self._live,
            "ready": self._ready,
            "model_info": self._model_info,
            "history": self._history,
            "metrics": self._metrics,
        }
        """By the names that the table of routes has for them."""

    @cached_property
    def _document(self) -> Document:
        with_keys = self._worker.settings.api_keys_file is not None
        return openapi_document.document(
            self._messages, title=self._worker.tag.partition(":")[0], with_keys=with_keys
        )

    @cached_property
    def _document_json(self) -> bytes:
        return to_json(self._document)

    async def _index(self, exchange: Exchange) -> Reply:
        # One address, two answers: without this a browser takes the page from its cache for the JSON.
        vary = (b"vary", b"accept")
        if b"text/html" in exchange.headers.get(b"accept", b""):
            page = assets.page("index.html")
            return page._replace(headers=[vary, *page.headers])
        routes = openapi_document.summaries(self._document)
        content = to_json({"model": self._worker.tag, "routes": routes})
        return Reply(200, content, JSON, [vary, (b"cache-control", b"no-cache")])

    async def _docs(self, _: Exchange) -> Reply:
        return assets.page("docs.html")

    async def _openapi(self, _: Exchange) -> Reply:
        return Reply(200, self._document_json)

    async def _asset(self, exchange: Exchange) -> Reply:
        return self._file(exchange.match.parameters["asset"], exchange.path)

    async def _favicon(self, exchange: Exchange) -> Reply:
        return self._file(assets.FAVICON, exchange.path)

    def _file(self, name: str, path: str) -> Reply:
        reply = assets.asset(name)
        if reply is None:
            raise RouteUnknown(path)
        return reply

    async def _bentoml_schema(self, _: Exchange) -> Reply:
        return Reply(200, to_json(self._schema()))

    async def _live(self, _: Exchange) -> Reply:
        return Reply(200, b"\n", _TEXT)

    async def _ready(self, _: Exchange) -> Reply:
        return Reply(200, b"\n", _TEXT) if self._worker.ready else Reply(503, b"not ready\n", _TEXT)

    async def _health(self, _: Exchange) -> Reply:
        worker = self._worker
        lineage = worker.model.lineage
        audit = worker.audit
        in_order = audit.writable and not (audit.mode == "relaxed" and audit.dropped)
        status = "ok" if in_order else "degraded" if worker.ready else "failing"
        state = Health(
            status="draining" if worker.drain.has_begun else status,
            model=worker.model.tag,
            model_name=lineage.model_name,
            model_version=lineage.model_version,
            runtime=worker.model.predictor.name,
            audit_mode=audit.mode,
            audit_writable=audit.writable,
            audit_dropped=audit.dropped,
            uptime_s=round(worker.uptime_s, 3),
        )
        return _json(state, 200 if worker.ready else 503)

    async def _model_info(self, _: Exchange) -> Reply:
        model = self._worker.model
        return _json(
            ModelInfo(
                tag=model.tag,
                model_name=model.lineage.model_name,
                model_version=model.lineage.model_version,
                classes=list(model.contract.target.classes),
                contract=shown(model.contract),
                lineage=model.lineage,
                runtime=model.predictor.name,
                max_batch_rows=self._worker.settings.max_batch_rows,
            )
        )

    async def _history(self, exchange: Exchange) -> Reply:
        return Reply(200, await self._worker.history.page(_filters(exchange)))

    async def _metrics(self, _: Exchange) -> Reply:
        return Reply(200, await self._metrics_page.get(), CONTENT_TYPE.encode())


def _json(content: BaseModel, status: int = 200) -> Reply:
    return Reply(status, content.model_dump_json().encode())


def _filters(exchange: Exchange) -> HistoryFilters:
    query = parse_qsl(exchange.query.decode("latin-1"), keep_blank_values=True)
    twice = [name for name, count in Counter(name for name, _ in query).items() if count > 1]
    if twice:
        raise QueryInvalid([Finding((name,), "Given more than once") for name in twice])
    try:
        return HistoryFilters.model_validate(dict(query))
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False, include_input=False)
        raise QueryInvalid([Finding(detail["loc"], detail["msg"]) for detail in details]) from error
