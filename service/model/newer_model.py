"""The models of the served name that entered the store after the served one.

The service goes on serving the model that it started with. It names a newer one in its start line and in
``/health``, so that a person sees what waits and whether a restart would serve it.

A thread looks into the store, because a store on a slow disk must not block the event loop. A look lists one
folder. It reads the metadata of a newer model once, because a stored model does not change.
"""

from pathlib import Path
from threading import Event, Thread
from typing import NamedTuple

import bentoml

from service.model.published import was_champion

REFRESH_INTERVAL_S = 10.0

_METADATA_FILE = "model.yaml"
_CLOCK_SLACK_S = 2.0
"""By how much the clock of a file system may be behind that of the process."""


class NewerModel(NamedTuple):
    """A model that waits."""

    tag: str
    is_champion: bool
    """Whether it was champion when it was published."""

    def __str__(self) -> str:
        if self.is_champion:
            return f"the newer champion {self.tag} waits for a release, or a restart without a version"
        return f"the newer model {self.tag} is not the champion"


class NewerModels:
    """Follows the store for models that are newer than the served one."""

    def __init__(self, served_tag: str) -> None:
        """Look into the store once."""
        self._closing = Event()
        self.found: NewerModel | None = None
        """The newest champion, or else the newest model; None if the served one is the newest."""
        self.follow(served_tag)

    def follow(self, served_tag: str) -> None:
        """Look for models that are newer than this one, now and from now on."""
        served = bentoml.models.get(served_tag)
        self._created = served.creation_time
        self._served = str(served.tag.version)
        self._name = served.tag.name
        self._folder = Path(served.path).parent
        self._known: dict[str, bentoml.Model | None] = {}
        """By version; None if it is not newer."""
        self.refresh()

    def watch(self) -> None:
        """Follow the store in a thread, until ``close``."""
        Thread(target=self._watch, name="newer models", daemon=True).start()

    def close(self) -> None:
        """Stop following the store."""
        self._closing.set()

    def refresh(self) -> None:
        """Look into the store. While it cannot be read, what was found stays."""
        try:
            versions = [entry.name for entry in self._folder.iterdir() if self._may_be_newer(entry)]
        except OSError:
            return
        newer = [model for version in versions if (model := self._newer(version)) is not None]
        newer.sort(key=lambda model: (was_champion(model), model.creation_time))
        self.found = NewerModel(str(newer[-1].tag), was_champion(newer[-1])) if newer else None

    def _may_be_newer(self, entry: Path) -> bool:
        """Whether a folder's metadata was written late enough; a store may have thousands of older models."""
        if entry.name == self._served:
            return False
        try:
            written = (entry / _METADATA_FILE).stat().st_mtime
        except OSError:
            return False  # It is the file ``latest``, or is being deleted.
        return written > self._created.timestamp() - _CLOCK_SLACK_S

    def _newer(self, version: str) -> bentoml.Model | None:
        if version not in self._known:
            try:
                model = bentoml.models.get(f"{self._name}:{version}")
            except Exception:
                # It is being deleted, or BentoML is copying it into the store file by file.
                return None
            self._known[version] = model if model.creation_time > self._created else None
        return self._known[version]

    def _watch(self) -> None:
        while not self._closing.wait(REFRESH_INTERVAL_S):
            self.refresh()
