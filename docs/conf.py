"""How Sphinx builds the handbook: Markdown pages, the theme Furo, and what ``docs/extension`` adds."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

repository = f"https://github.com/{os.environ.get('GITHUB_REPOSITORY', 'tabento/tabento')}"

project = "Tabento"
html_title = project
extensions = ["myst_parser", "docs.extension"]
exclude_patterns = ["extension", "static"]

repository_url = repository
myst_enable_extensions = ["attrs_block", "colon_fence"]
myst_heading_anchors = 4

html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["handbook.css"]
html_copy_source = False
html_show_copyright = False
html_show_sphinx = False
html_theme_options = {
    "source_repository": repository,
    "source_branch": "main",
    "source_directory": "docs/",
}
