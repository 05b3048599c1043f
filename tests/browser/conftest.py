"""A browser, a site whose login is guarded, and the simulator: three origins, as in life."""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from commands import name_geetest
from visitor import CHROMIUM, stand_in_for_static_geetest_com

from geetest_asgi.testing import Simulator, serve

from .form_stage import FormSite, FormStage, Site, visit
from .libraries import build, scripts
from .profiles import Profiles
from .stage import Stage, Visiting

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page
    from starlette.types import ASGIApp

PACKAGES = (
    # clients of GeeTest
    *("react@18.3.1", "react-dom@18.3.1", "react-geetest-v4@1.1.3", "vue@3.5.13", "vue3-geetest@1.0.21"),
    # what pages send their forms with
    *("jquery@4.0.0", "htmx.org@2.0.11", "htmx4@npm:htmx.org@4.0.1", "@hotwired/turbo@8.0.23", "alpinejs@3.17.5"),
    *("unpoly@3.14.3", "axios@1.21.1", "ky@1.14.3", "react19@npm:react@19.3.1", "react-dom19@npm:react-dom@19.3.1"),
    *("svelte@5.57.3", "swagger-ui-dist@5.35.0"),
    "axe-core@4.10.3",  # the accessibility checker
    # what geetest-form.js is built and checked with
    *("esbuild@0.28.2", "terser@5.51.4", "typescript@7.0.2"),
)
WIDE = {"width": 1440, "height": 900}


@pytest.fixture(scope="session")
def npm_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that all processes of this run share: pytest-xdist gives each a directory of its own within one."""
    own = tmp_path_factory.getbasetemp()
    home = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "npm"
    home.mkdir(exist_ok=True)
    return home


@pytest.fixture(scope="package")
def node_modules(npm_home: Path) -> Path:
    """The packages from npm, fetched now: none is kept here. No script of theirs is run while they are installed."""
    pytest.importorskip("playwright", reason="needs Playwright: pip install playwright")  # the extra is the consent
    if (npm := shutil.which("npm")) is None:
        pytest.skip("needs npm: apt-get install npm")
    # --legacy-peer-deps: two releases of React live side by side
    options = ("--ignore-scripts", "--no-audit", "--no-fund", "--legacy-peer-deps", "--prefix", str(npm_home))
    fetched, problem = npm_home / "node_modules", npm_home / "problem"
    with (npm_home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the others wait
        if not fetched.exists() and not problem.exists():
            done = subprocess.run([npm, "install", *options, *PACKAGES], capture_output=True, text=True, timeout=240)
            if done.returncode:
                problem.write_text(done.stderr.strip()[-200:])
            else:
                build(fetched, npm_home)
    if problem.exists():
        pytest.skip(f"npm cannot fetch the packages: {problem.read_text()}")
    return fetched


@pytest.fixture(scope="package")
def packages(node_modules: Path, npm_home: Path) -> dict[str, bytes]:
    """The libraries' scripts, by their names."""
    return scripts(node_modules, npm_home)


# For the package and no longer: Playwright keeps an event loop running, within which no other test can start its own.
@pytest.fixture(scope="package")
def chromium() -> "Iterator[Browser]":
    playwright = pytest.importorskip("playwright.sync_api", reason="needs Playwright: pip install playwright")
    if not CHROMIUM:
        pytest.skip("needs Chromium: apt-get install chromium, or its path in CHROMIUM")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def profiles(chromium: "Browser") -> Profiles:
    return Profiles(chromium)


@pytest.fixture
def tabs(profiles: Profiles) -> Iterator[Any]:
    """Opens tabs; the options are those that Playwright has for a browser context."""
    with ExitStack() as opened:
        yield lambda **options: opened.enter_context(profiles.tab(**{"viewport": WIDE, **options}))


@pytest.fixture
def tab(profiles: Profiles) -> "Iterator[Page]":
    """A tab that asks for no motion: a click waits for no animation."""
    with profiles.tab(reduced_motion="reduce") as page:
        yield page


@pytest.fixture
def axe(node_modules: Path) -> Any:
    """The accessibility checker: the violations that it finds in a page, and where."""
    script = (node_modules / "axe-core" / "axe.min.js").read_text("utf-8")

    def run(page: "Page", **options: Any) -> list[tuple[str, Any]]:
        page.evaluate(script)
        found = page.evaluate("(options) => axe.run(options)", options)
        return [(each["id"], [node["target"] for node in each["nodes"]]) for each in found["violations"]]

    return run


@pytest.fixture
def visiting(tab: "Page", monkeypatch: pytest.MonkeyPatch) -> Visiting:
    """Visits an app of the documentation, which finds the simulator where GeeTest is. Complaints are failures."""

    @contextmanager
    def visit_app(app: "ASGIApp", path: str = "/") -> Iterator[Stage]:
        simulator = Simulator()
        with serve(simulator) as geetest, serve(app) as url:
            name_geetest(monkeypatch, geetest)
            stand_in_for_static_geetest_com(tab, geetest)
            stage = Stage(simulator, geetest, url, tab)
            tab.goto(url + path)
            yield stage
            tab.close()
        assert stage.complaints == []

    return visit_app


@pytest.fixture(scope="package")
def form_site() -> Iterator[Site]:
    simulator = Simulator()
    with serve(simulator) as geetest:
        server = FormSite(geetest)
        with serve(server.app) as url:
            yield simulator, server, url


@pytest.fixture
def stage(tab: "Page", form_site: Site) -> Iterator[FormStage]:
    """One visit."""
    with visit(tab, *form_site) as stage:
        yield stage
