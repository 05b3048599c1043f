"""The site's navigation, read off docs/index.md: a section for each heading, with the pages that stand below it."""

import re
from pathlib import Path, PurePosixPath
from typing import Any

INDEX = "docs/index"


def sections(index: str) -> dict[str, dict[str, str]]:
    """Heading → the Markdown files that are linked to below it, as they are written, and what the links say."""
    found: dict[str, dict[str, str]] = {}
    heading = ""
    for line in re.sub(r"^```.*?^```$", "", index, flags=re.MULTILINE | re.DOTALL).splitlines():
        if line.startswith("## "):
            heading = line[3:]
        elif heading:
            links = re.findall(r"\[([^]]+)\]\(([^)#:]+\.md)\)", line)
            found.setdefault(heading, {}).update({link: text for text, link in links})
    return found


def toctree(heading: str, links: dict[str, str]) -> str:
    """In MyST's spelling; a page is named by its path from the repository's root."""
    pages = [f"{text} <{_from_the_root(link).removesuffix('.md')}>" for link, text in links.items()]
    return "\n".join(["", "```{toctree}", ":hidden:", f":caption: {heading}", "", *pages, "```", ""])


def _from_the_root(link: str) -> str:
    path = PurePosixPath("/docs")
    for part in PurePosixPath(link).parts:
        path = path.parent if part == ".." else path / part
    return str(path)


def complete_index(app: Any, docname: str, source: list[str]) -> None:
    """Sphinx wants toctrees, which would stand as odd blocks of code on the page where it is shown by itself."""
    if docname == INDEX:
        source[0] += "".join(toctree(heading, links) for heading, links in sections(source[0]).items())


def name_a_folder(app: Any, env: Any, node: Any, contnode: Any) -> Any:
    """A link to a folder of the repository, which the site does not have: its text alone."""
    target = Path(app.srcdir) / Path(env.docname).parent / str(node.get("reftarget", ""))
    return contnode if target.is_dir() else None
