"""The models that a worker serves, and which of them answers a request.

``ServedModels.current`` is one immutable reference. A request takes it once, and ends on the model that it
began with; a swap replaces it between two requests. Each model has an engine, and so a batcher, of its own:
no batch has rows of two models.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from service.errors import ModelUnknown
from service.inference.engine import Engine
from service.model.card import ModelCard
from service.model.model_id import ModelIdentity
from service.model.published import PublishedModel
from service.model.release.assignment import bucket_of, challenger_buckets
from service.model.release.release import ROLES, Release, Role


class LoadedModel(NamedTuple):
    """A model that is verified, warmed up and ready to answer."""

    model: PublishedModel
    card: ModelCard
    identity: ModelIdentity
    """How answers and records name it."""
    engine: Engine

    @property
    def tag(self) -> str:
        """The BentoML model."""
        return self.model.tag

    @property
    def version(self) -> str:
        """By which a request of the Open Inference Protocol may name it."""
        return self.model.lineage.model_version


class Serving(NamedTuple):
    """The models of a release, loaded."""

    release: Release
    champion: LoadedModel
    challenger: LoadedModel | None = None

    @property
    def models(self) -> Sequence[LoadedModel]:
        """The loaded models, the champion first."""
        return (self.champion,) if self.challenger is None else (self.champion, self.challenger)

    def roles(self) -> Mapping[Role, LoadedModel]:
        """The loaded models by their roles."""
        return dict(zip(ROLES, self.models, strict=False))

    def role_of(self, loaded: LoadedModel) -> Role:
        """The role of one of the models."""
        return "champion" if loaded is self.champion else "challenger"

    def assign_roles(self) -> None:
        """Let each engine count under the role that its model has here."""
        for role, loaded in self.roles().items():
            loaded.engine.serve_as(role)

    @property
    def answering(self) -> Sequence[LoadedModel]:
        """The models that answer requests, the champion first."""
        return self.models if self.release.is_routed else (self.champion,)

    def choose(self, subject: str | None, request_id: str, version: str = "") -> LoadedModel:
        """The model that answers a request; raises ModelUnknown for a version that none of them has.

        ``subject`` is the keyed hash of the person that the request is about. A request that names a version
        gets that version.
        """
        champion, challenger, release = self.champion, self.challenger, self.release
        if version:
            for loaded in self.answering:
                if loaded.version == version:
                    return loaded
            name = champion.tag.partition(":")[0]
            raise ModelUnknown(name, version, name, champion.version)
        if challenger is None or not release.share:
            return champion
        key = subject if subject is not None and release.key == "subject" else request_id
        is_challengers = bucket_of(release.salt, key) < challenger_buckets(release.share)
        return challenger if is_challengers else champion


class ServedModels:
    """The served models of one worker. It belongs to one event loop."""

    def __init__(self, serving: Serving) -> None:
        self.current = serving
        serving.assign_roles()
        self._on_swap: list[Callable[[Serving], None]] = []
        self._closing: set[asyncio.Task[None]] = set()

    def on_swap(self, follow: Callable[[Serving], None]) -> None:
        """Call the function with what is served: now, and after each swap."""
        self._on_swap.append(follow)
        follow(self.current)

    def swap(self, serving: Serving) -> None:
        """Serve other models from now on; those that leave finish what they began, and are released."""
        before, self.current = self.current, serving
        serving.assign_roles()
        for follow in self._on_swap:
            follow(serving)
        kept = {id(loaded.engine) for loaded in serving.models}
        for loaded in before.models:
            if id(loaded.engine) not in kept:
                closing = asyncio.get_running_loop().create_task(loaded.engine.close())
                self._closing.add(closing)
                closing.add_done_callback(self._closing.discard)

    async def settled(self) -> None:
        """Return when the models that left have finished what they began."""
        await asyncio.gather(*self._closing)

    @property
    def useful_requests(self) -> float:
        """Requests in progress that keep the models and the log busy; more do not raise the throughput."""
        return max(loaded.engine.useful_requests for loaded in self.current.answering)

    async def close(self) -> None:
        """Finish the queued requests of every model and stop."""
        await asyncio.gather(*self._closing, *(loaded.engine.close() for loaded in self.current.models))
