"""The model card: exactly what computes the answers of a worker, under a short id.

The card names the published model by its files, the runtime and its libraries, the processor, the image and
the settings by which an answer can differ. Every record and every answer states the id, and the ledger of the
audit log holds the card. Replay (``service/replay``) finds the model again by the digests.
"""

import hashlib
import json
import os
import platform
from collections.abc import Mapping
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from service.model.compiled import CompiledForm
from service.model.model_id import ModelIdentity, canonical_json, model_id_of
from service.model.published import CONTRACT_FILE, PublishedModel, stored_model

_DESCRIPTION = "model.yaml"
"""BentoML's description of a stored model. It has dates that differ between copies, so it is no part of the
files. The lineage, which serving reads from it, has a digest of its own."""

_LIBRARIES = ("numpy", "scipy", "scikit-learn", "onnxruntime")
_SCIKIT_LEARN_ONLY = frozenset({"scipy", "scikit-learn"})

_FLOAT_FLAGS = (
    "amx", "asimd", "avx", "bf16", "f16c", "fma", "fphp", "i8mm", "sse2", "sse4", "ssse3", "sve", "vnni",
)  # fmt: skip
"""How the names of the instruction sets begin that mathematical libraries choose their code by."""


class Processor(BaseModel):
    """The processor, as far as it can change the last bits of an answer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    architecture: str
    name: str
    flags: tuple[str, ...]
    """The instruction sets for floats, sorted: AVX2, AVX-512, FMA, NEON, SVE."""


class CardSettings(BaseModel):
    """The settings by which an answer can differ."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    runtime: str
    max_batch_rows: int
    max_call_rows: int


class ModelCard(BaseModel):
    """What computes the answers of a worker."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    tag: str
    """The BentoML model."""
    model_name: str
    model_version: str
    files: Mapping[str, str]
    """The SHA-256 of every file of the stored model, by its path in the model's folder, except BentoML's own
    description."""
    contract_sha256: str
    lineage_sha256: str
    """Of the lineage as canonical JSON."""
    runtime: str
    """The library that computes the probabilities."""
    runtime_version: str
    threads: int
    """Threads within a call of the model."""
    libraries: Mapping[str, str]
    """The versions of the libraries that compute."""
    python: str
    processor: Processor
    image_digest: str | None
    """As the setting says; null if it is not set."""
    settings: CardSettings

    @cached_property
    def text(self) -> str:
        """The card as canonical JSON: UTF-8, members sorted by name, no spaces."""
        return canonical_json(self.model_dump(mode="json"))

    @cached_property
    def model_id(self) -> str:
        """The first digits of the SHA-256 of the text."""
        return model_id_of(self.text)

    @property
    def content(self) -> dict[str, object]:
        """The members, sorted by name."""
        members: dict[str, object] = json.loads(self.text)
        return members


def identity_of(card: ModelCard) -> ModelIdentity:
    """The names of the card's model."""
    return ModelIdentity(card.model_name, card.model_version, card.model_id)


def make_card(model: PublishedModel, settings: CardSettings, image_digest: str | None = None) -> ModelCard:
    """The card of a loaded model in this process; it reads every file of the model once."""
    digests = StoredDigests.read(Path(stored_model(model.tag).path), model.lineage.model_dump(mode="json"))
    is_compiled = isinstance(model.predictor, CompiledForm)
    runtime, _, runtime_version = model.predictor.name.rpartition(" ")
    return ModelCard(
        tag=model.tag,
        model_name=model.lineage.model_name,
        model_version=model.lineage.model_version,
        files=digests.files,
        contract_sha256=digests.files[CONTRACT_FILE],
        lineage_sha256=digests.lineage_sha256,
        runtime=runtime,
        runtime_version=runtime_version,
        # The compiled form has one thread; scikit-learn's code takes as many as OpenMP does.
        threads=1 if is_compiled else int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1),
        libraries=library_versions(is_compiled=is_compiled),
        python=python_version(),
        processor=this_processor(),
        image_digest=image_digest,
        settings=settings,
    )


class StoredDigests(NamedTuple):
    """The digests by which a stored model is recognized."""

    files: Mapping[str, str]
    lineage_sha256: str

    @classmethod
    def read(cls, folder: Path, lineage: object) -> "StoredDigests":
        """Those of a model in its folder of the store."""
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        names = {path.relative_to(folder).as_posix(): path for path in paths}
        files = {name: file_sha256(path) for name, path in names.items() if name != _DESCRIPTION}
        return cls(files, hashlib.sha256(canonical_json(lineage).encode()).hexdigest())


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def this_processor() -> Processor:
    """The processor of this machine."""
    described = _cpu_description(Path("/proc/cpuinfo"))
    flags = (described.get("flags") or described.get("Features") or "").split()
    return Processor(
        architecture=platform.machine(),
        name=described.get("model name") or platform.processor() or "unknown",
        flags=tuple(sorted({flag for flag in flags if flag.startswith(_FLOAT_FLAGS) or "_vnni" in flag})),
    )


def _cpu_description(path: Path) -> dict[str, str]:
    """The members of the first processor that the kernel lists; none on other systems."""
    try:
        first = path.read_text(errors="replace").partition("\n\n")[0]
    except OSError:
        return {}
    members = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in members}


def python_version() -> str:
    """The version of this interpreter."""
    return platform.python_version()


def library_versions(*, is_compiled: bool) -> dict[str, str]:
    """The versions of the libraries that compute, for one of the two forms."""
    versions: dict[str, str] = {}
    for name in _LIBRARIES:
        if is_compiled == (name in _SCIKIT_LEARN_ONLY) and name != "numpy":
            continue
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions
