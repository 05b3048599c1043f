"""The pictures of the playground in this folder: `python docs/photograph.py`. Needs Playwright and Chromium.

`python docs/photograph.py FOLDER` takes all of them: wide and narrow, light and dark, English and Chinese.
"""

import base64
import os
import shutil
import sys
from itertools import product
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, Page, sync_playwright

from geetest_asgi.demo.playground import Site
from geetest_asgi.testing import Simulator, serve

HERE: Final = Path(__file__).parent
CHROMIUM: Final = os.environ.get("CHROMIUM") or shutil.which("chromium")
SIZES: Final = {"wide": (1440, 1120), "narrow": (360, 800)}
QUALITY: Final = 82


def main(folder: Path, *, everything: bool) -> None:
    """Those of the README, or everything."""
    simulator = Simulator()
    with serve(simulator) as geetest, serve(Site(simulator, geetest)) as url, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        schemes, languages = (("light", "dark"), ("en", "zh-CN")) if everything else (("light",), ("en",))
        for size, scheme, language in product(SIZES, schemes, languages):
            name = f"playground-{size}-{scheme}-{language}" if everything else f"playground-{size}"
            photograph(browser, url, folder / f"{name}.webp", size, scheme, language, full=everything)
        browser.close()


def photograph(browser: Browser, url: str, file: Path, size: str, scheme: Any, language: str, *, full: bool) -> None:
    """One visit: solve the captcha, log in, try some attacks."""
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, locale=language, reduced_motion="reduce"
    )
    page = context.new_page()
    page.goto(url)
    use(page)
    save(page, file, full=full)
    if full and file.suffix == ".webp":
        page.screenshot(path=file.with_suffix(".png"), full_page=True)
    context.close()


def use(page: Page) -> None:
    """What there is to see."""
    page.locator(".geetest_btn_click").click()
    page.locator(".geetest_solve").click()
    page.locator(".geetest_captcha[data-state=solved]").wait_for()
    page.locator("#login [type=submit]").click()
    page.locator("#greeting:not(:empty)").wait_for()
    for name, code in (
        ("expired", "captcha_failed"),
        ("malformed", "captcha_malformed"),
        ("replay", "captcha_replayed"),
    ):
        page.locator(f"[data-t=attack_{name}]").click()
        page.locator("#attacks output", has_text=code).wait_for()
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")


def save(page: Page, file: Path, *, full: bool) -> None:
    """As WebP, which Playwright's own screenshot does not write."""
    devtools = page.context.new_cdp_session(page)
    taken = devtools.send(
        "Page.captureScreenshot", {"format": "webp", "quality": QUALITY, "captureBeyondViewport": full}
    )
    file.write_bytes(base64.b64decode(taken["data"]))
    print(file, f"{file.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    given = sys.argv[1:]
    main(Path(given[0]) if given else HERE, everything=bool(given))
