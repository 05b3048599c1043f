"""The documentation site: Sphinx on the Markdown that is in the repository anyway, and on the docstrings.

    python -m sphinx -a -E -W --keep-going -q -c docs . build/site

The source directory is the repository's, so that a link such as `../README.md` leads to the same thing on the site as
where the files are shown by themselves. The navigation is docs/index.md: what it links to, under its headings.
"""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import docstrings
import languages
import navigation

import geetest_asgi

ROOT = Path(__file__).parent.parent

project = "geetest_asgi"
copyright = "the contributors, MIT licence"
release = version = geetest_asgi.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
root_doc = "docs/index"
include_patterns = ["*.md", "docs/**.md"]
exclude_patterns = [".*", "build", "**/node_modules"]  # not even looked into
myst_enable_extensions = ["tasklist"]
myst_heading_anchors = 3  # the anchors that GitHub gives to headings
highlight_language = "text"  # of a block that does not say
suppress_warnings = ["misc.highlighting_failure"]  # JSON and HTTP with … in it is shown plain

default_role = "literal"  # docstrings are plain text, with `names` between back-ticks
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
maximum_signature_line_length = 80
python_use_unqualified_type_names = True
toc_object_entries_show_parents = "hide"

html_theme = "furo"
pygments_dark_style = "monokai"  # the theme's own underlines modules as if they were links
html_title = f"geetest_asgi {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_extra_path = ["_site"]  # index.html, which leads to docs/index.html
html_show_sourcelink = html_copy_source = False
html_search_language = languages.SearchBoth.lang
html_use_index = html_domain_indices = False


def setup(app: Any) -> dict[str, Any]:
    """What Sphinx calls."""
    app.add_search_language(languages.SearchBoth)
    app.connect("html-page-context", languages.name_the_language)
    app.connect("source-read", navigation.complete_index)
    app.connect("missing-reference", navigation.name_a_folder)
    app.connect("autodoc-process-docstring", docstrings.process)
    app.connect("autodoc-process-signature", docstrings.name_asgi_types)
    return {"parallel_read_safe": True}
