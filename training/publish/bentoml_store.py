"""BentoML's model store: a model enters it complete, in one step, or not at all.

BentoML copies a model into its store file by file, and makes it the newest as soon as it is copied. So a
model is first made in a staging store beside it, from which nothing is served. When it may be served, its
folder is renamed into the store, and then the file that names the newest model is replaced. Both steps are
atomic.

The file ``NAME/latest`` names the version that the name alone stands for, as in ``bentoml serve`` and
``bentoml build``. Here it names the champion, and not the newest model. BentoML itself (1.4,
``_internal/store.py``) writes the newest version into it when a model is deleted, or when a newer one is
imported. ``service/model/published.py`` corrects that while it resolves a name, and the next publication
corrects the file.

Depends on BentoML's layout of the store, ``NAME/VERSION`` and ``NAME/latest``, and on its ``ModelStore``,
which has no public name.
"""

import errno
import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import bentoml
from bentoml import Tag
from bentoml._internal.configuration.containers import BentoMLContainer
from bentoml._internal.models import ModelStore

from service.model.published import CHAMPION_FILE
from service.system.durable import sync

_STAGING = "tabento-staging"
"""A folder beside the models' folder, in which every publishing process has a folder of its own."""
_LOCK = "lock"


class Staging:
    """A store from which nothing is served."""

    def __init__(self, models: Path, folder: Path) -> None:
        self._store = ModelStore(folder)
        self._models = models
        self._folder = folder

    @contextmanager
    def create(
        self, name: str, metadata: Mapping[str, object], labels: Mapping[str, str]
    ) -> Iterator[bentoml.Model]:
        """A new model of that name, whose folder the caller fills; raises OSError and BentoMLException."""
        with bentoml.models.create(
            name, metadata=dict(metadata), labels=dict(labels), _model_store=self._store
        ) as model:
            yield model

    def get(self, tag: Tag) -> bentoml.Model:
        """A model that was created here."""
        return self._store.get(tag)

    @contextmanager
    def publication_lock(self) -> Iterator[None]:
        """Exclude other publications, so that MLflow and the store agree on which model is the champion."""
        with _locked(self._folder.parent / _LOCK):
            yield

    def publish(self, tag: Tag, champion: Tag | None) -> None:
        """Move a model into the store; its name alone then stands for the champion, if the store has it.

        If the store has neither the champion nor a model that the name stands for, the name stands for the
        new model. Raises OSError, with nothing moved.
        """
        target = self._models / tag.path()
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            _move(self._folder / tag.path(), target)
            latest = self._models / tag.latest_path()
            if champion == tag:
                # By its publication, which its lineage states.
                (target.parent / CHAMPION_FILE).unlink(missing_ok=True)
            if champion is not None and (self._models / champion.path()).is_dir():
                _set_latest(latest, str(champion.version))
            elif not latest.exists():
                _set_latest(latest, str(tag.version))
        except BaseException:
            shutil.rmtree(target, ignore_errors=True)
            with suppress(OSError):
                target.parent.rmdir()
            raise


@contextmanager
def staging() -> Iterator[Staging]:
    """A staging store, which is deleted at the end; raises OSError.

    Also deletes the staging stores of processes that were killed.
    """
    models = Path(BentoMLContainer.model_store.get()._path)
    parent = models.parent / _STAGING
    parent.mkdir(parents=True, exist_ok=True)
    folder, lock = parent / uuid4().hex, None
    try:
        with _locked(parent / _LOCK):
            _delete_abandoned(parent)
            folder.mkdir()
            lock = _lock_folder(folder)
        yield Staging(models, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def set_champion(tag: Tag) -> bool:
    """Let the model's name alone stand for this version; whether it did not before. Raises OSError.

    The version is also written into ``NAME/champion``: a model that became champion after its publication is
    told by it from one that BentoML made the newest.
    """
    models = Path(BentoMLContainer.model_store.get()._path)
    latest, champion = models / tag.latest_path(), models / tag.name / CHAMPION_FILE
    parent = models.parent / _STAGING
    parent.mkdir(parents=True, exist_ok=True)
    with _locked(parent / _LOCK):
        files = [path for path in (champion, latest) if not path.exists() or path.read_text() != tag.version]
        for path in files:
            _set_latest(path, str(tag.version))
    return bool(files)


def _delete_abandoned(parent: Path) -> None:
    for folder in parent.iterdir():
        if folder.is_dir():
            with suppress(OSError):  # Its process is running and holds the lock.
                os.close(_lock_folder(folder))
                shutil.rmtree(folder)


def _lock_folder(folder: Path) -> int:
    """A lock on the folder, which the kernel releases when the process ends."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _move(source: Path, target: Path) -> None:
    for path in (*source.rglob("*"), source):
        sync(path)
    try:
        source.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        # The models are on another file system.
        shutil.copytree(source, target)
    sync(target.parent)


def _set_latest(latest: Path, version: str) -> None:
    new = latest.with_name(f"{latest.name}.{version}")
    try:
        new.write_text(version)
        sync(new)
        new.replace(latest)
    finally:
        new.unlink(missing_ok=True)
    sync(latest.parent)
