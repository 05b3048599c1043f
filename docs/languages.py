"""What the site does for its Chinese pages: they say that they are Chinese, and the search finds Chinese words."""

import re
from typing import Any

from sphinx.search.en import SearchEnglish

_HAN = re.compile(r"[\u4e00-\u9fff]{2,}")


class SearchBoth(SearchEnglish):
    """English, and Chinese without a dictionary.

    Chinese has no blanks between words. The index has each run of characters, in which the search finds a part of three
    characters or more, and each pair of neighbours, since most words are pairs.
    """

    lang = "en_zh"

    def split(self, text: str) -> list[str]:
        """The words of English, the runs and the pairs of Chinese."""
        runs = _HAN.findall(text)
        return [*super().split(text), *runs, *(run[at : at + 2] for run in runs for at in range(len(run) - 1))]


def name_the_language(app: Any, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """What Sphinx calls for each page: for the attribute `lang`, which browsers and screen readers go by."""
    if pagename.startswith("docs/zh/") or pagename.endswith(".zh"):
        context["language"] = "zh-CN"
