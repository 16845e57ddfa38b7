"""The handbook's own part of Sphinx: what its pages take from the code.

In come the pages of ``docs/``, out goes the site. The directive ``generated`` (generated.py) writes the
tables of the reference from the code while the handbook is built. Links that leave ``docs/`` lead to the
repository (source_links.py).
"""

from sphinx.application import Sphinx
from sphinx.util.typing import ExtensionMetadata

from docs.extension.generated import Generated
from docs.extension.source_links import link_to_sources


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register both with Sphinx."""
    app.add_config_value("repository_url", "", "env", types=(str,))
    app.add_directive("generated", Generated)
    # Below 500: before Sphinx notes which linked files to copy.
    app.connect("doctree-read", link_to_sources, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
