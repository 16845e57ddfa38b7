"""Files of keys with a given content."""

import json
from collections.abc import Sequence
from pathlib import Path

from service.access.keyfile import locked, replace_file
from service.access.keyring import Key


def write_keys(path: Path, keys: Sequence[Key]) -> None:
    """Replace the keys of a file, whatever it holds."""
    content = {"keys": [key.model_dump(mode="json", exclude_none=True) for key in keys]}
    with locked(path) as target:
        replace_file(target, json.dumps(content).encode())
