"""The directive ``generated``: a part of the reference, written from the code while a page is read.

The parts are Markdown. None is kept in the repository, so none can be out of date. A page that uses the
directive is read again when any file changes that the parts are written from.
"""

from collections.abc import Callable, Mapping

from docutils.nodes import Node
from sphinx.util.docutils import SphinxDirective

from docs.extension.audit_tables import audit_tables, audit_views
from docs.extension.command_lines import command_lines
from docs.extension.error_tables import request_errors, start_errors
from docs.extension.limit_table import limit_table
from docs.extension.make_targets import make_targets
from docs.extension.metric_table import metric_table
from docs.extension.model_fields import (
    card_fields,
    contract_fields,
    lineage_fields,
    profile_fields,
    sample_fields,
)
from docs.extension.project import PROJECT
from docs.extension.route_tables import grpc_routes, http_routes
from docs.extension.setting_table import setting_table

PARTS: Mapping[str, Callable[[], str]] = {
    "audit-tables": audit_tables,
    "audit-views": audit_views,
    "command-lines": command_lines,
    "contract": contract_fields,
    "grpc-routes": grpc_routes,
    "http-routes": http_routes,
    "limits": limit_table,
    "lineage": lineage_fields,
    "card": card_fields,
    "make-targets": make_targets,
    "metrics": metric_table,
    "profile": profile_fields,
    "request-errors": request_errors,
    "sample": sample_fields,
    "settings": setting_table,
    "start-errors": start_errors,
}
"""Each part of the reference by the name that a page has it under."""

_SOURCES = ("service/**/*.py", "training/**/*.py", "lifecycle/**/*.py", "docs/extension/*.py", "Makefile")


class Generated(SphinxDirective):
    """``{generated} NAME`` stands for the part of that name."""

    required_arguments = 1

    def run(self) -> list[Node]:
        """Write the part, and note what it is written from."""
        name = self.arguments[0]
        if name not in PARTS:
            raise self.error(f"There is no part {name!r}, only {', '.join(PARTS)}.")
        for pattern in _SOURCES:
            for path in PROJECT.glob(pattern):
                self.env.note_dependency(str(path))
        return self.parse_text_to_nodes(PARTS[name](), allow_section_headings=True)
