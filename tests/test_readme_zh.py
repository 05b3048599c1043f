"""README.zh.md says in Chinese what README.md says: the same code, rows, names, numbers and links.

README.md is the source. What is changed there must be said in Chinese too, or a test here fails.
"""

import io
import re
import tokenize
from collections import Counter

import pytest
from pages import Block, Page, codes

ENGLISH, CHINESE = Page("README.md"), Page("README.zh.md")
HAN = re.compile(r"[\u4e00-\u9fff]")

Section = tuple[str, str]
"""A heading and the prose below it."""


def sections(page: Page) -> list[Section]:
    parts = re.split(r"^(#+ .+)$", page.prose, flags=re.MULTILINE)
    return list(zip(parts[1::2], parts[2::2], strict=True))


def without_comments(block: Block) -> Block:
    if block.language != "python":
        return block
    lines = block.text.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(block.text).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    return Block(block.language, "\n".join(line.rstrip() for line in lines))


def links(text: str) -> Counter[str]:
    return Counter(re.findall(r"\]\(([^)]+)\)", text))


def numbers(text: str) -> set[str]:
    """Numbers outside of code and links; the product is called by another name in Chinese."""
    return set(re.findall(r"\d+(?:[.,]\d+)*", re.sub(r"`[^`]+`|\]\([^)]+\)|CAPTCHA v4|行为验 4\.0", "", text)))


PAIRS = list(zip(sections(ENGLISH), sections(CHINESE), strict=False))  # one that is missing fails by itself, below
each_section = pytest.mark.parametrize(("english", "chinese"), PAIRS, ids=[english[0] for english, _ in PAIRS])


def test_the_code_is_the_same_apart_from_comments() -> None:
    assert [*map(without_comments, CHINESE.blocks)] == [*map(without_comments, ENGLISH.blocks)]


def test_the_sections_correspond() -> None:
    assert [each.count("#") for each, _ in sections(CHINESE)] == [each.count("#") for each, _ in sections(ENGLISH)]


def test_each_row_has_its_row() -> None:
    for english, chinese in zip(ENGLISH.tables, CHINESE.tables, strict=True):
        for row, translated in zip(english, chinese, strict=True):
            assert len(translated) == len(row)
            assert codes(" ".join(translated)) == codes(" ".join(row)), translated[0]
            assert links(" ".join(translated)) == links(" ".join(row)), translated[0]


@each_section
def test_each_section_has_the_same_names_numbers_and_links(english: Section, chinese: Section) -> None:
    assert set(codes(chinese[1])) == set(codes(english[1]))
    assert numbers(chinese[1]) == numbers(english[1])
    other = Counter({CHINESE.name: -1, ENGLISH.name: 1}) if CHINESE.name in links(english[1]) else Counter[str]()
    expected = links(english[1])
    expected.update(other)
    assert links(chinese[1]) == +expected


@each_section
def test_each_section_is_in_chinese(english: Section, chinese: Section) -> None:
    assert HAN.search(chinese[0] + chinese[1])


def test_each_cell_is_in_chinese() -> None:
    cells = [cell for table in CHINESE.tables for row in table for cell in row]
    words = [cell for cell in cells if re.search(r"[a-z]{3}", re.sub(r"`[^`]+`", "", cell))]
    assert [cell for cell in words if not HAN.search(cell)] == []


@pytest.mark.parametrize(("page", "other"), [(ENGLISH, CHINESE), (CHINESE, ENGLISH)], ids=["english", "chinese"])
def test_each_leads_to_the_other_at_once(page: Page, other: Page) -> None:
    assert f"]({other.name})" in "".join(page.text.splitlines()[:3])


def test_every_link_leads_somewhere() -> None:
    assert CHINESE.links
    assert CHINESE.lost_links == []
