"""The contents of an image, read from its files: Python packages, Debian packages, the interpreter.

The image is exported instead of run, so the result does not depend on what the image reports about itself.
"""

import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

from deploy.image import container_engine

DPKG_STATUS = "var/lib/dpkg/status"
OS_RELEASE = "usr/lib/os-release"
VENV = "app/.venv/pyvenv.cfg"


@dataclass
class Contents:
    """The packages of an image."""

    python: list[Message] = field(default_factory=list)
    """The metadata of each Python package, of the service's environment and of the base image's."""
    debian: list[Message] = field(default_factory=list)
    """dpkg's entry of each installed package."""
    python_version: str = ""
    distribution: str = ""
    """debian-12"""


@contextmanager
def exported(engine: str, image: str) -> Iterator[tarfile.TarFile]:
    """The files of an image."""
    container = container_engine.run(engine, "create", image)
    try:
        with TemporaryDirectory() as folder:
            archive = Path(folder) / "image.tar"
            container_engine.run(engine, "export", "--output", str(archive), container)
            with tarfile.open(archive) as files:
                yield files
    finally:
        container_engine.run(engine, "rm", "--force", "--volumes", container)


def read_contents(engine: str, image: str) -> Contents:
    """Find the packages of an image."""
    found = Contents()
    with exported(engine, image) as files:
        for member in files:
            if member.isfile() and (file := files.extractfile(member)) is not None:
                _read_file(found, member.name.removeprefix("./"), file)
    return found


def _read_file(found: Contents, path: str, file: IO[bytes]) -> None:
    if path.endswith(".dist-info/METADATA"):
        found.python.append(_fields(file.read()))
    elif path == DPKG_STATUS:
        packages = [_fields(entry) for entry in file.read().split(b"\n\n") if entry.strip()]
        found.debian = [package for package in packages if package["Status"] == "install ok installed"]
    elif path == OS_RELEASE:
        release = _settings(file.read())
        found.distribution = f"{release['ID']}-{release['VERSION_ID']}"
    elif path == VENV:
        found.python_version = _settings(file.read())["version"]


def _fields(text: bytes) -> Message:
    return HeaderParser().parsestr(text.decode())


def _settings(text: bytes) -> dict[str, str]:
    pairs = (line.partition("=") for line in text.decode().splitlines())
    return {name.strip(): value.strip().strip('"') for name, _, value in pairs}
