"""What the tests of the Chinese pages share: how a page is compared with the English one."""

import io
import re
import tokenize
from dataclasses import replace

from pages import Block, Page

HAN = re.compile(r"[\u4e00-\u9fff]")

Section = tuple[str, str]
"""A heading and the prose below it."""


def sections(page: Page) -> list[Section]:
    parts = re.split(r"^(#+ .+)$", page.prose, flags=re.MULTILINE)
    return list(zip(parts[1::2], parts[2::2], strict=True))


def without_comments(block: Block) -> Block:
    """The block as both languages have it: comments in Python are translated."""
    if block.language != "python":
        return block
    lines = block.text.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(block.text).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    return replace(block, text="\n".join(line.rstrip() for line in lines))


def numbers(text: str) -> set[str]:
    """Numbers outside of code, links and lists; the product is called by another name in Chinese."""
    prose = re.sub(r"`[^`]+`|\]\([^)]+\)|^\d+\. |CAPTCHA v4|行为验 4\.0", "", text, flags=re.MULTILINE)
    return set(re.findall(r"\d+(?:[.,]\d+)*", prose))


def untranslated_cells(page: Page) -> list[str]:
    """The cells of tables that have words and no Chinese."""
    cells = [cell for table in page.tables for row in table for cell in row]
    words = [cell for cell in cells if re.search(r"[a-z]{3}", re.sub(r"`[^`]+`|\]\([^)]+\)", "", cell))]
    return [cell for cell in words if not HAN.search(cell)]
