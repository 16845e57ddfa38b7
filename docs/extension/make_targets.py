"""The targets of the Makefile, in their groups."""

import re

from docs.extension.markdown_table import markdown_table
from docs.extension.project import PROJECT


def make_targets() -> str:
    """Write every target that says what it does."""
    _, *groups = re.split(r"^##@ (.+)$", (PROJECT / "Makefile").read_text(), flags=re.MULTILINE)
    rows = [
        (group if not number else "", f"`make {target}`", purpose)
        for group, text in zip(groups[::2], groups[1::2], strict=True)
        for number, (target, purpose) in enumerate(
            re.findall(r"^([a-z][a-z-]*):.*?## (.+)$", text, re.MULTILINE)
        )
    ]
    return markdown_table(("", "command", "purpose"), rows)
