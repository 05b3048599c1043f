"""docs/observability.md: the Prometheus recipes, the dashboard and the alert rules, tried with Prometheus."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from commands import SECONDS, free_port, running, until
from pages import ROOT, Page, codes
from prometheus_client.parser import text_string_to_metric_families

from geetest_asgi import Outcome
from geetest_asgi.testing import GeeTestServer, Simulator, serve

PAGE = Page("docs/observability.md")
RECIPES = {"otel": PAGE.block("PrometheusMetricReader()").text, "client": PAGE.block("begin_at_zero").text}
DASHBOARD_TEXT = (ROOT / "examples" / "grafana-dashboard.json").read_text()
DASHBOARD = json.loads(DASHBOARD_TEXT)
PANELS = DASHBOARD["panels"]
QUERIES = {f"{panel['title']} {each['refId']}": each["expr"] for panel in PANELS for each in panel["targets"]}
ALERTS = ROOT / "examples" / "alerts.yml"

needs_prometheus = pytest.mark.skipif(
    not (shutil.which("prometheus") and shutil.which("promtool")),
    reason="Prometheus is not installed (Debian: prometheus): .ci/run tries the dashboard and the alerts with it",
)


Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@dataclass
class Site:
    url: str
    simulator: Simulator
    counted: Samples = field(default_factory=dict)
    """What it said after the first visits."""

    def visit(self, *forms: dict[str, str]) -> None:
        for fields in forms:
            httpx.post(f"{self.url}/login", data=fields, trust_env=False)

    def live(self) -> None:
        """Something of everything; and at last GeeTest is down for long enough that it is no longer asked."""
        token = self.simulator.token
        self.simulator.up()
        self.visit(token(), token(), token(forged=True), {})
        self.simulator.down()
        self.visit(*(token() for _ in range(6)))

    def samples(self) -> Samples:
        text = httpx.get(f"{self.url}/metrics/", trust_env=False).text
        found = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                labels = {name: value for name, value in sample.labels.items() if not name.startswith("otel_scope_")}
                found[sample.name, tuple(sorted(labels.items()))] = sample.value
        return {key: value for key, value in found.items() if re.match("geetest_.*(?<!_created)$", key[0])}

    def labels(self) -> dict[str, set[str]]:
        """Of each metric, those that it has."""
        found: dict[str, set[str]] = {}
        for name, labels in self.samples():
            found.setdefault(name, set()).update(label for label, _ in labels)
        return found


HANDLER = """
@app.post("/login")
async def login():
    return "in"
"""


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Site]]:
    with ExitStack() as stack:
        found = {}
        for name, recipe in RECIPES.items():
            folder, port = tmp_path_factory.mktemp(name), free_port()
            (folder / "site_of_recipe.py").write_text(recipe + HANDLER)
            server = GeeTestServer()
            server.url = stack.enter_context(serve(server))
            line = [sys.executable, "-m", "uvicorn", "site_of_recipe:app", "--port", port, "--log-level", "warning"]
            url = f"http://127.0.0.1:{port}"
            stack.enter_context(running(line, url, cwd=folder, env=os.environ | server.env))
            found[name] = Site(url, server)
            found[name].live()
            found[name].counted = found[name].samples()
        yield found


def test_both_recipes_count_the_same(sites: dict[str, Site]) -> None:
    otel, client = (site.counted for site in sites.values())
    assert otel.keys() == client.keys()
    # Times differ, and so may the number of calls in an outage: a second later the server is tried again.
    left_out = re.compile("_(sum|bucket)$|^geetest_validate_duration_seconds_count$")
    assert [key for key in otel if otel[key] != client[key] and not left_out.search(key[0])] == []
    decisions = {
        dict(labels)["geetest_outcome"]: value
        for (name, labels), value in otel.items()
        if name == "geetest_decisions_total" and value
    }
    assert decisions == {"passed": 2, "failed": 1, "missing": 1, "unavailable": 6}
    assert otel["geetest_servers_out_of_order", (("server_address", "127.0.0.1"),)] == 1


def test_the_metrics_are_those_of_the_table(sites: dict[str, Site]) -> None:
    rows = {
        name: set(codes(row[2])) - {"true", "false"} for row in PAGE.rows("OpenTelemetry") for name in codes(row[1])
    }
    assert {name: labels - {"le"} for name, labels in sites["client"].labels().items()} == rows
    assert {codes(row[0])[0] for row in PAGE.rows("OpenTelemetry")} == {codes(row[0])[0] for row in PAGE.rows("metric")}


def test_each_query_asks_for_metrics_labels_and_outcomes_that_there_are(sites: dict[str, Site]) -> None:
    there = sites["client"].labels()
    asked = DASHBOARD_TEXT + ALERTS.read_text()
    assert set(re.findall(r"\bgeetest_(?!asgi)\w+", asked)) <= {*there, *set().union(*there.values())}
    outcomes = {each for group in re.findall(r'geetest_outcome=~?\\?"([\w|]+)', asked) for each in group.split("|")}
    assert outcomes <= {str(outcome) for outcome in Outcome}
    assert len(outcomes) > 3


def test_the_dashboard_can_be_imported() -> None:
    assert DASHBOARD.get("id") is None, "a number of somebody's Grafana"
    variables = {each["name"] for each in DASHBOARD["templating"]["list"]}
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    sources = [each["datasource"] for panel in PANELS for each in (panel, *panel["targets"])]
    assert [each for each in sources if each != {"type": "prometheus", "uid": "${datasource}"}] == []
    assert set(re.findall(r"\$(\w+)", "".join(QUERIES.values()))) <= {*variables, "__rate_interval"}


@pytest.mark.slow
@needs_prometheus
def test_prometheus_answers_each_query_of_the_dashboard(sites: dict[str, Site], tmp_path: Path) -> None:
    targets = {name: site.url.removeprefix("http://") for name, site in sites.items()}
    jobs = [{"job_name": name, "static_configs": [{"targets": [target]}]} for name, target in targets.items()]
    config = {"global": {"scrape_interval": "250ms", "scrape_timeout": "250ms"}, "scrape_configs": jobs}
    (tmp_path / "prometheus.yml").write_text(json.dumps(config))  # YAML is a superset
    address = f"127.0.0.1:{free_port()}"
    options = {"config.file": "prometheus.yml", "storage.tsdb.path": "data", "web.listen-address": address}
    line = ["prometheus", "--log.level=error", *(f"--{name}={value}" for name, value in options.items())]
    with running(line, f"http://{address}", cwd=tmp_path, env=os.environ):
        until(lambda: httpx.get(f"http://{address}/-/ready", trust_env=False).is_success)
        missing = {(job, name) for job in sites for name in QUERIES}
        ends = time.monotonic() + SECONDS
        while missing and time.monotonic() < ends:
            for site in sites.values():
                site.live()
            missing = {(job, name) for job, name in missing if not answers(address, QUERIES[name], job)}
        state = httpx.get(f"http://{address}/api/v1/targets", trust_env=False).text
    assert not missing, state


def answers(prometheus: str, query: str, job: str) -> bool:
    for name, value in {"$job": job, "$rule": "POST /login|.*", "$__rate_interval": "30s"}.items():
        query = query.replace(name, value)
    answer = httpx.get(f"http://{prometheus}/api/v1/query", params={"query": query}, trust_env=False).json()
    assert answer["status"] == "success", answer
    return any(each["value"][1] != "NaN" for each in answer["data"]["result"])


def series(metric: str, values: str, **labels: str) -> dict[str, str]:
    told = ", ".join(f'{name}="{value}"' for name, value in {"job": "shop", **labels}.items())
    return {"series": f"{metric}{{{told}}}", "values": values}


def decided(outcome: str, values: str, allowed: str = "false") -> dict[str, str]:
    about = {"geetest_outcome": outcome, "geetest_rule": "POST /login", "geetest_allowed": allowed}
    return series("geetest_decisions_total", values, **about)


def latency(slow: str, fast: str) -> list[dict[str, str]]:
    about = {"geetest_outcome": "passed", "geetest_rule": "POST /login"}
    edges = {"1.0": fast, "2.0": slow, "+Inf": slow}
    return [series("geetest_validate_duration_seconds_bucket", values, le=le, **about) for le, values in edges.items()]


RULE = {"geetest_rule": "POST /login"}
UNVERIFIED = "geetest_unverified_admissions_total"
OUT_OF_ORDER = "geetest_servers_out_of_order"
STEADY = "0+60x30"
"""Sixty more each minute."""

Series = list[dict[str, str]]
TRIED: dict[str, tuple[Series, Series]] = {
    "GeeTestMisconfigured": (
        [decided("misconfigured", "0x20 1x10")],
        [decided("misconfigured", "0x30"), decided("failed", STEADY)],
    ),
    "GeeTestLockout": (
        [series("geetest_lockouts", "0x15 1x15", **RULE)],
        [series("geetest_lockouts", "0x10 1x5 0x15", **RULE)],
    ),
    "GeeTestNobodyPasses": (
        [decided("refused", STEADY), decided("passed", "7x30", "true")],
        [decided("refused", STEADY), decided("passed", "0x5 0+1x25", "true")],
    ),
    "GeeTestUnavailable": (
        [decided("passed", STEADY, "true"), decided("unavailable", "0+4x30", "true")],
        [decided("passed", STEADY, "true"), decided("unavailable", "0+3x30", "true"), decided("missing", "0+600x30")],
    ),
    "GeeTestUnverifiedAdmissions": (
        [series(UNVERIFIED, "0x15 0+1x15", **RULE)],
        [series(UNVERIFIED, "0x26 7x4", **RULE)],
    ),
    "GeeTestBusy": ([decided("busy", "0x15 0+1x15")], [decided("busy", "0x26 7x4")]),
    "GeeTestSlow": (latency("0+60x30", "0+50x30"), latency("0+60x30", "0+58x30")),
    "GeeTestServerOutOfOrder": (
        [series(OUT_OF_ORDER, "0x15 1x15", server_address="a.example")],
        [series(OUT_OF_ORDER, "0x25 1x5", server_address="a.example")],
    ),
}
"""What it fires on at minute 29, and what it does not fire on. One value each minute."""


def test_each_alert_is_in_the_table_with_its_severity_and_says_what_to_do() -> None:
    found = re.findall(r"- alert: (\w+)\n.*?severity: (\w+)\n.*?description: >-\n +\S", ALERTS.read_text(), re.DOTALL)
    assert [(codes(row[0])[0], row[2]) for row in PAGE.rows("alert")] == found
    assert [name for name, _ in found] == list(TRIED)


@pytest.mark.slow
@needs_prometheus
@pytest.mark.parametrize("alert", TRIED)
def test_each_alert_fires_when_it_must_and_not_before(alert: str, tmp_path: Path) -> None:
    for is_firing, inputs in zip((True, False), TRIED[alert], strict=True):
        (tmp_path / "test.yml").write_text(json.dumps(_unit_test(alert, inputs, is_firing)))
        done = subprocess.run(["promtool", "test", "rules", tmp_path / "test.yml"], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def _unit_test(alert: str, inputs: Series, is_firing: bool) -> dict[str, Any]:
    """What promtool takes."""
    firing = f'count(ALERTS{{alertname="{alert}", alertstate="firing"}})'
    samples = [{"labels": "{}", "value": 1}] if is_firing else []
    expectations = [{"expr": firing, "eval_time": "29m", "exp_samples": samples}]
    test = {"interval": "1m", "input_series": inputs, "promql_expr_test": expectations}
    return {"rule_files": [str(ALERTS)], "evaluation_interval": "1m", "tests": [test]}
