"""README.zh.md says in Chinese what README.md says: the same code, rows, names, numbers and links.

README.md is the source. What is changed there must be said in Chinese too, or a test here fails.
"""

from collections import Counter

import pytest
from pages import ROOT, Page, codes
from translations import HAN, Section, links, numbers, sections, untranslated_cells, without_comments

ENGLISH, CHINESE = Page("README.md"), Page("README.zh.md")


def pages_linked(text: str) -> Counter[str]:
    """The pages that are linked to, by their English names, but for those that there are in Chinese alone."""
    files = (link.partition("#")[0] for link in links(text).elements())
    names = (file.replace("docs/zh/", "docs/").replace(CHINESE.name, ENGLISH.name) for file in files)
    return Counter(name for name in names if ":" in name or (ROOT / name).exists())


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
            assert pages_linked(" ".join(translated)) == pages_linked(" ".join(row)), translated[0]


@each_section
def test_each_section_has_the_same_names_numbers_and_links(english: Section, chinese: Section) -> None:
    assert set(codes(chinese[1])) == set(codes(english[1]))
    assert numbers(chinese[1]) == numbers(english[1])
    assert pages_linked(chinese[1]) == pages_linked(english[1])


@each_section
def test_each_section_is_in_chinese(english: Section, chinese: Section) -> None:
    assert HAN.search(chinese[0] + chinese[1])


def test_each_cell_is_in_chinese() -> None:
    assert untranslated_cells(CHINESE) == []


@pytest.mark.parametrize(("page", "other"), [(ENGLISH, CHINESE), (CHINESE, ENGLISH)], ids=["english", "chinese"])
def test_each_leads_to_the_other_at_once(page: Page, other: Page) -> None:
    assert f"]({other.name})" in "".join(page.text.splitlines()[:3])


def test_every_link_leads_somewhere() -> None:
    assert CHINESE.links
    assert CHINESE.lost_links == []
