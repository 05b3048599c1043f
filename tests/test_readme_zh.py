"""README.zh.md says in Chinese what README.md says: the same code, rows, names, numbers and links, section by section.

README.md is the source. What is changed there has to be said in Chinese too, or a test here fails.
"""

import io
import re
import tokenize
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ENGLISH, CHINESE = "README.md", "README.zh.md"
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HAN = re.compile(r"[\u4e00-\u9fff]")


@dataclass(frozen=True)
class Section:
    heading: str
    text: str
    """Without the blocks of code."""

    @property
    def rows(self) -> list[list[str]]:
        return [
            [cell.strip() for cell in line.strip("|").split("|")]
            for line in self.text.splitlines()
            if line.startswith("|")
        ]

    @property
    def links(self) -> Counter[str]:
        """What it leads to; an anchor within the page has another name in each language."""
        return Counter(re.sub(r"^#.*", "#", link) for link in re.findall(r"\]\(([^)]+)\)", self.text))

    @property
    def numbers(self) -> set[str]:
        product = r"CAPTCHA v4|行为验 4\.0"
        text = re.sub(rf"`[^`]+`|\]\([^)]+\)|{product}", "", self.text)
        return set(re.findall(r"\d+(?:[.,]\d+)*", text))


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def sections(name: str) -> list[Section]:
    parts = re.split(r"^(#+ .+)$", FENCE.sub("", page(name)), flags=re.MULTILINE)
    return [Section(heading, text) for heading, text in zip(parts[1::2], parts[2::2], strict=True)]


def codes(text: str) -> Counter[str]:
    """How often each text stands between back-ticks."""
    return Counter(re.findall(r"`([^`]+)`", text))


def blocks(name: str) -> list[tuple[str, str]]:
    """The language and the code of each block, without comments."""
    return [
        (language, _without_comments(code) if language == "python" else code)
        for language, code in FENCE.findall(page(name))
    ]


def _without_comments(code: str) -> str:
    lines = code.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    return "\n".join(line.rstrip() for line in lines)


PAIRS = list(zip(sections(ENGLISH), sections(CHINESE), strict=False))  # one that is missing fails by itself, below
each_section = pytest.mark.parametrize(("english", "chinese"), PAIRS, ids=[english.heading for english, _ in PAIRS])


def test_the_code_is_the_same_apart_from_comments() -> None:
    assert blocks(CHINESE) == blocks(ENGLISH)


def test_the_sections_correspond() -> None:
    assert [each.heading.count("#") for each in sections(CHINESE)] == [
        each.heading.count("#") for each in sections(ENGLISH)
    ]


@each_section
def test_each_row_has_its_row(english: Section, chinese: Section) -> None:
    assert len(chinese.rows) == len(english.rows)
    for row, translated in zip(english.rows, chinese.rows, strict=True):
        assert len(translated) == len(row), translated
        assert codes(" ".join(translated)) == codes(" ".join(row)), translated[0]
        for cell, said in zip(row, translated, strict=True):
            if not re.search(r"[A-Za-z]", re.sub(r"`[^`]+`", "", cell)):  # a name, a default, a status
                assert said == cell


@each_section
def test_each_section_has_the_same_names_numbers_and_links(english: Section, chinese: Section) -> None:
    assert codes(chinese.text).keys() == codes(english.text).keys()
    assert chinese.numbers == english.numbers
    assert chinese.links == english.links - Counter([CHINESE]) + Counter([ENGLISH] * english.links[CHINESE])


@each_section
def test_each_section_and_each_cell_is_in_chinese(english: Section, chinese: Section) -> None:
    assert HAN.search(chinese.text)
    for row, translated in zip(english.rows, chinese.rows, strict=True):
        for cell, said in zip(row, translated, strict=True):
            if re.search(r"[a-z]{3}", re.sub(r"`[^`]+`", "", cell)):
                assert HAN.search(said), said


@pytest.mark.parametrize(("name", "other"), [(ENGLISH, CHINESE), (CHINESE, ENGLISH)])
def test_each_leads_to_the_other_at_once(name: str, other: str) -> None:
    assert f"]({other})" in "".join(page(name).splitlines()[:3])


def test_every_link_leads_somewhere() -> None:
    links = re.findall(r"\]\(([^)]+)\)", page(CHINESE))
    assert links
    assert [link for link in links if not _leads_somewhere(link)] == []


def _leads_somewhere(link: str) -> bool:
    name, _, anchor = link.partition("#")
    target = ROOT / (name or CHINESE)
    return target.exists() and (not anchor or anchor in _anchors(target.read_text(encoding="utf-8")))


def _anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
