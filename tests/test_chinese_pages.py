"""docs/zh: what the Chinese pages show and name is what the English pages show and name, so it cannot go stale.

The third line of a Chinese page links to the English pages that it goes by. It may say less than they do, and in other
words. Its blocks of code, tables, names and numbers are theirs: a test here tells which page to change after them.
"""

import difflib
import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import PurePosixPath

import pytest
from pages import ROOT, Page, Rows, codes
from translations import HAN, numbers, sections, untranslated_cells, without_comments


class ChinesePage(Page):
    """A page in docs/zh."""

    @cached_property
    def english(self) -> list[Page]:
        """The pages that it goes by."""
        line = self.text.splitlines()[2]
        return [Page(self.file_of(link)) for link in re.findall(r"\]\(([^)#]+)\)", line)]

    @property
    def language_line(self) -> str:
        """What leads to the other language."""
        return self.text.splitlines()[2]

    def file_of(self, link: str) -> str:
        """The file that a link leads to, by its path in the repository."""
        return str((self.path.parent / link.partition("#")[0]).resolve().relative_to(ROOT))


PAGES = [ChinesePage(f"docs/zh/{path.name}") for path in sorted(ROOT.glob("docs/zh/*.md"))]
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def blocks_not_in_english(page: ChinesePage) -> Iterator[str]:
    """For each block that no English page has: what differs from the most similar one."""
    theirs = [without_comments(block) for english in page.english for block in english.blocks]
    for block in map(without_comments, page.blocks):
        if block not in theirs:
            texts = [each.text for each in theirs if each.language == block.language]
            nearest = difflib.get_close_matches(block.text, texts, 1, 0.3) or [""]
            lines = difflib.unified_diff(block.text.splitlines(), nearest[0].splitlines(), page.name, "English", n=1)
            yield "\n".join(lines)


@each_page
def test_each_block_is_one_of_the_english_page_apart_from_comments(page: ChinesePage) -> None:
    assert "\n".join(blocks_not_in_english(page)) == ""


def keys(table: Rows) -> list[list[str]]:
    """What the rows of a table are about: the names in the first cell of each."""
    return [codes(row[0]) for row in table]


def same_table(page: ChinesePage, table: Rows) -> Rows | None:
    """The English table with rows about the same, of as many columns."""
    tables = (each for english in page.english for each in english.tables)
    alike = (each for each in tables if keys(each)[1:] == keys(table)[1:] and len(each[0]) == len(table[0]))
    return next(alike, None)


@each_page
def test_each_table_has_the_rows_of_the_english_one(page: ChinesePage) -> None:
    assert [table[0] for table in page.tables if same_table(page, table) is None] == []


@each_page
def test_each_row_names_what_the_english_row_names(page: ChinesePage) -> None:
    pairs = [pair for table in page.tables for pair in zip(table, same_table(page, table) or [], strict=True)]
    names = [(name, " ".join(english)) for row, english in pairs for name in codes(" ".join(row))]
    assert [name for name, english in names if name not in english] == []


def values(rows: Rows) -> list[list[str]]:
    """The cells that hold one name or value and nothing else."""
    return [[cell if re.fullmatch(r"`[^`]+`", cell) else "" for cell in row] for row in rows]


@each_page
def test_each_default_is_that_of_the_english_row(page: ChinesePage) -> None:
    for table in page.tables:
        assert values(table[1:]) == values((same_table(page, table) or [])[1:])


@each_page
def test_each_name_is_one_of_the_english_documentation(page: ChinesePage) -> None:
    texts = [path.read_text(encoding="utf-8") for path in [ROOT / "README.md", *ROOT.glob("docs/*.md")]]
    english = " ".join("".join(texts).split())
    assert [name for name in codes(page.prose) if name not in english] == []


@each_page
def test_each_number_is_one_of_the_english_page(page: ChinesePage) -> None:
    english = "".join(each.text for each in page.english).replace("`", " ")
    assert sorted(numbers(page.prose) - numbers(english)) == []


@each_page
def test_each_heading_and_section_is_in_chinese(page: ChinesePage) -> None:
    assert [heading for heading, text in sections(page) if not HAN.search(heading + text)] == []
    assert HAN.search(sections(page)[0][0])
    assert untranslated_cells(page) == []


@each_page
def test_every_link_leads_somewhere_and_to_the_chinese_page_where_there_is_one(page: ChinesePage) -> None:
    assert page.lost_links == []
    outside = [link for link in page.links if f"]({link})" not in page.language_line and ".md" in link]
    chinese = {each.path.name for each in PAGES}
    assert [link for link in outside if is_translated(page, link, chinese)] == []


def is_translated(page: ChinesePage, link: str, chinese: set[str]) -> bool:
    """Whether the link leads to an English page that there is in Chinese."""
    path = PurePosixPath(page.file_of(link))
    return path.parent.name == "docs" and path.name in chinese


@each_page
def test_each_leads_to_the_other_language_at_once(page: ChinesePage) -> None:
    assert page.language_line.endswith(" | 简体中文")
    first = page.english[0]
    if first.path.parent == ROOT / "docs":
        assert first.text.splitlines()[2] == f"English | [简体中文](zh/{page.path.name})"


@each_page
def test_the_index_and_the_readme_lead_to_it(page: ChinesePage) -> None:
    assert f"](zh/{page.path.name})" in Page("docs/index.md").text
    assert f"](docs/zh/{page.path.name}" in Page("README.zh.md").text
