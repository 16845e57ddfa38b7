"""Links that leave ``docs/``: in the built handbook they lead to the repository.

A page links to a source by its relative path, which works on GitHub. Sphinx would copy the file into the
site, or report a missing page. A link to a file that does not exist is left as it is, and Sphinx warns.
"""

from pathlib import Path
from urllib.parse import quote

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx

from docs.extension.project import PROJECT


def link_to_sources(app: Sphinx, doctree: nodes.document) -> None:
    """Have each link of a page to a file or folder outside ``docs/`` lead to the repository."""
    page = Path(doctree["source"])
    for node in [*doctree.findall(addnodes.pending_xref), *doctree.findall(addnodes.download_reference)]:
        if node.get("reftype") != "myst":
            continue
        path = _linked_file(page, node)
        if path is None or path.is_relative_to(app.srcdir) or not path.is_relative_to(PROJECT):
            continue
        url = _url(app.config.repository_url, path, node)
        node.replace_self(nodes.reference("", "", *node.children, refuri=url))


def _linked_file(page: Path, node: nodes.Element) -> Path | None:
    target = node["reftarget"].partition("#")[0]
    path = (page.parent / target).resolve()
    if node.get("refdomain") == "doc":  # Sphinx takes any Markdown file for a page, and its suffix off.
        path = path.with_name(f"{path.name}.md")
    return path if target and path.exists() else None


def _url(repository_url: str, path: Path, node: nodes.Element) -> str:
    kind = "tree" if path.is_dir() else "blob"
    anchor = node.get("reftargetid") or node["reftarget"].partition("#")[2]
    url = f"{repository_url}/{kind}/main/{quote(path.relative_to(PROJECT).as_posix())}"
    return f"{url}#{anchor}" if anchor else url
