"""A filesystem of their own for the tests of disks that fail."""

from collections.abc import Iterator

import pytest

from tests.support.mounts import Filesystem, filesystem_or_skip


@pytest.fixture(scope="module")
def filesystem(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filesystem]:
    with filesystem_or_skip(tmp_path_factory.mktemp("disk")) as mounted:
        yield mounted
