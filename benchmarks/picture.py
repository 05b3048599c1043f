"""The tables' main figures as bars, for the README. What is drawn is read from the page: the two cannot differ."""

import re
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

WIDTH: Final = 760
NAMES: Final = 300
"""Pixels for the names, at the left; the bars have the rest but for the figures."""
BAR, GAP = 18, 8
_STYLE: Final = """
text{font:13px system-ui,sans-serif;fill:#1f2328}.title{font-weight:600}.note{fill:#59636e}.ours{font-weight:600}
rect{fill:#9aa4ae}rect.ours{fill:#0969da}rect.page{fill:#fff}
@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.note{fill:#9198a1}rect{fill:#656c76}rect.ours{fill:#4493f8}rect.page{fill:#0d1117}}
"""


@dataclass(frozen=True)
class Chart:
    """One column of a table, as bars."""

    title: str
    note: str
    bars: dict[str, float]


def column(page: str, corner: str, head: str) -> dict[str, float]:
    """The figures of one column, by the rows' names: of the table whose first cell is `corner`."""
    lines = page.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"| {corner} "))
    table = [[cell.strip() for cell in line.strip("|").split("|")] for line in _until_gap(lines[start:])]
    which = table[0].index(head)
    found = {row[0]: re.match(r"[\d.,]+", row[which]) for row in table[2:]}
    return {name: float(figure[0].replace(",", "")) for name, figure in found.items() if figure}


def _until_gap(lines: list[str]) -> list[str]:
    return lines[: next((number for number, line in enumerate(lines) if not line.startswith("|")), len(lines))]


def charts(page: str) -> list[Chart]:
    """What the README shows of the page."""
    logins = column(page, "logins a second", "256 visitors, 50 ms")
    logins.pop("no captcha", None)
    unprotected = column(page, "added to a GET, beside others", "ns")
    return [
        Chart("Logins a second", "256 visitors, GeeTest answers after 50 ms; more is better", logins),
        Chart("What a GET that is not protected pays", "nanoseconds; less is better", unprotected),
    ]


def draw(charts: list[Chart]) -> str:
    """An SVG that needs nothing else, for a light page and a dark one; each bar has its figure beside it."""
    top, parts = 10, []
    for chart in charts:
        text, top = _draw(chart, top)
        parts.append(text)
    said = "; ".join(f"{chart.title}: {_said(chart)}" for chart in charts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" role="img">\n'
        f"<title>{escape(said)}</title>\n<style>{_STYLE}</style>\n"
        f'<rect class="page" width="{WIDTH}" height="{top}" rx="6"/>\n{"".join(parts)}</svg>\n'
    )


def _said(chart: Chart) -> str:
    return ", ".join(f"{plain(name)} {figure:,.0f}" for name, figure in chart.bars.items())


def _draw(chart: Chart, top: int) -> tuple[str, int]:
    lines = [
        f'<text x="12" y="{top + 16}"><tspan class="title">{escape(chart.title)}</tspan>'
        f'<tspan class="note">, {escape(chart.note)}</tspan></text>\n'
    ]
    top += 28
    unit = (WIDTH - NAMES - 90) / max(chart.bars.values())
    for name, figure in chart.bars.items():
        kind = ' class="ours"' if name.startswith("**") else ""
        width = max(1.0, figure * unit)
        lines.append(
            f'<text x="12" y="{top + 14}"{kind}>{escape(plain(name))}</text>'
            f'<rect x="{NAMES}" y="{top}" width="{width:.1f}" height="{BAR}" rx="2"{kind}/>'
            f'<text x="{NAMES + width + 6:.1f}" y="{top + 14}"{kind}>{figure:,.0f}</text>\n'
        )
        top += BAR + GAP
    return "".join(lines), top + GAP


def plain(name: str) -> str:
    """A row's name without its marks."""
    return name.replace("*", "").replace("`", "")
