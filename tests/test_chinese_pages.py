"""Chinese pages show the code, tables, names and numbers of the English pages that their third line links to."""

import re
from functools import cached_property

import pytest
from pages import ROOT, Block, Page, Rows, codes
from translations import HAN, numbers, sections, untranslated_cells, without_comments


class ChinesePage(Page):
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


README = ChinesePage("README.zh.md")
DOCS = [ChinesePage(f"docs/zh/{path.name}") for path in sorted(ROOT.glob("docs/zh/*.md"))]
each_page = pytest.mark.parametrize("page", [*DOCS, README], ids=lambda page: page.name)


def blocks(*pages: Page) -> list[Block]:
    return [without_comments(each) for page in pages for each in page.blocks]


@each_page
def test_each_block_is_one_of_the_english_page_apart_from_comments(page: ChinesePage) -> None:
    english = blocks(*page.english)
    assert [block.text for block in blocks(page) if block not in english] == []


def subjects(table: Rows) -> list[str]:
    """What the rows of a table are about: the names in the first cell of each."""
    return [" ".join(codes(row[0])) for row in table[1:]]


@each_page
def test_each_table_has_the_rows_of_the_english_one_with_its_names_and_values(page: ChinesePage) -> None:
    for table in page.tables:
        tables = [each for english in page.english for each in english.tables if len(each[0]) == len(table[0])]
        assert subjects(table) in map(subjects, tables)
        theirs = next(each for each in tables if subjects(each) == subjects(table))
        for row, english in zip(table, theirs, strict=True):
            assert [name for name in codes(" ".join(row)) if name not in " ".join(english)] == [], row[0]
            for cell, value in zip(row, english, strict=True):
                assert cell == value or not re.fullmatch("`[^`]+`", value), row[0]


@each_page
def test_each_name_is_one_of_the_english_documentation(page: ChinesePage) -> None:
    paths = [ROOT / "README.md", *(path for path in ROOT.glob("docs/**/*.md") if path.parent.name != "zh")]
    english = " ".join("".join(path.read_text(encoding="utf-8") for path in paths).split())
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
def test_every_link_leads_to_the_chinese_page_where_there_is_one(page: ChinesePage) -> None:
    outside = [link for link in page.links if f"]({link})" not in page.language_line and ".md" in link]
    translated = {f"docs/{each.path.name}" for each in DOCS}
    assert [link for link in outside if page.file_of(link) in translated] == []


@each_page
def test_each_leads_to_the_other_language_at_once(page: ChinesePage) -> None:
    assert page.language_line.endswith(" | 简体中文")
    for english in page.english:
        assert re.fullmatch(r"English \| \[简体中文\]\(\S+\)", line := english.text.splitlines()[2])
        assert page.path.name in line


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_the_index_and_the_readme_lead_to_it(page: ChinesePage) -> None:
    assert f"](zh/{page.path.name})" in Page("docs/index.md").text
    assert f"](docs/zh/{page.path.name}" in README.text


(ENGLISH,) = README.english


def test_the_chinese_readme_has_all_blocks_and_sections_of_the_english_one() -> None:
    assert blocks(README) == blocks(ENGLISH)
    assert [each.count("#") for each, _ in sections(README)] == [each.count("#") for each, _ in sections(ENGLISH)]
