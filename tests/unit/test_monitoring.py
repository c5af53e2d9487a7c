"""Dashboard, alert rules and scrape configuration say what the services, their documents and the
compose file say. (The rules were run by promtool and Prometheus by hand; Debian has both.)"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml

from tests.unit.test_compose import ROOT, SERVICES, services
from tests.unit.test_docs import codes, sections, tables

DEPLOY = ROOT / "deploy"
RULES = yaml.safe_load((DEPLOY / "prometheus" / "rules.yml").read_text())["groups"][0]["rules"]
SCRAPE = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
DASHBOARD = json.loads((DEPLOY / "grafana" / "dashboards" / "tallyport.json").read_text())
OPERATION = ROOT / "docs" / "operation.md"
NOT_OURS = {"process_resident_memory_bytes", "up"}
LABELS = re.compile(r"\{([^}]*)\}")
GROUPING = re.compile(r"\b(?:by|without) \(([^)]*)\)")


def metrics() -> dict[str, set[str]]:
    """Each of the table in the documents, which a test compares with the code, and its labels."""
    ((_, rows),) = tables(sections(OPERATION, level=2)["Metrics"])
    return {codes(row[0])[0]: {one.strip() for one in row[1].split(",") if one} for row in rows}


def expressions() -> list[tuple[str, str]]:
    found = [(rule["alert"], rule["expr"]) for rule in RULES]
    return found + [
        (panel["title"], target["expr"])
        for panel in DASHBOARD["panels"]
        for target in panel.get("targets", [])
    ]


@pytest.mark.parametrize(("name", "expression"), expressions())
def test_expressions_are_about_metrics_and_labels_that_there_are(
    name: str, expression: str
) -> None:
    known = metrics()
    words = re.findall(r"\b(?:tallyport|process)_\w+|\bup\b", LABELS.sub("", expression))
    assert words
    of_metric = set()
    for word in words:
        base = word if word in known else re.sub(r"_(bucket|count|sum)$", "", word)
        assert base in known or word in NOT_OURS, word
        of_metric |= known.get(base, set())
    used = {label for group in GROUPING.findall(expression) for label in group.split(", ")}
    for matchers in LABELS.findall(expression):
        used |= set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers))
    assert used <= of_metric | {"le", "job", "instance"}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_every_alert_says_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("page", "warn")
    page, _, anchor = rule["annotations"]["runbook"].partition("#")
    assert page == "docs/operation.md"
    headings = re.findall(r"^#+ (.+)$", (ROOT / page).read_text(), re.MULTILINE)
    # As GitHub makes them.
    anchors = {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in headings}
    assert anchor in anchors


def test_there_is_an_alert_for_each_way_to_be_unwell() -> None:
    assert {rule["alert"] for rule in RULES} >= {
        f"Tallyport{name}"
        for name in (
            *("ReportStuck", "OutboxGrowing", "DeadLetters", "ConsumerGone", "RollupDisagrees"),
            *("RollupLag", "PoolExhausted", "ErrorRate"),
        )
    }


def test_every_service_is_scraped_at_its_port() -> None:
    asked = {
        (name, one["port"])
        for job in SCRAPE["scrape_configs"]
        for one in job["dns_sd_configs"]
        for name in one["names"]
    }
    assert asked == {(name, 8080 if name == "gateway" else 9090) for name in SERVICES}
    inside = {
        name for name, service in services().items() if "inside" in service.get("networks", [])
    }
    assert {"prometheus", *SERVICES} <= inside
    (rules,) = SCRAPE["rule_files"]
    assert (DEPLOY / "prometheus" / rules.rpartition("/")[2]).exists()


def test_grafana_is_given_what_it_shows() -> None:
    provisioning = DEPLOY / "grafana" / "provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources" / "prometheus.yml").read_text())[
        "datasources"
    ]
    used = {panel["datasource"]["uid"] for panel in DASHBOARD["panels"] if "datasource" in panel}
    assert used == {source["uid"]}
    assert source["url"] == "http://prometheus:9090"
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "tallyport.yml").read_text())[
        "providers"
    ]
    mounts = dict(volume.split(":")[:2] for volume in services()["grafana"]["volumes"])
    assert mounts["./deploy/grafana/dashboards"] == provider["options"]["path"]
    places = [tuple(panel["gridPos"].values()) for panel in DASHBOARD["panels"]]
    assert len(set(places)) == len(places)


def test_monitoring_starts_only_when_it_is_asked_for() -> None:
    asked_for = {name for name, service in services().items() if "profiles" in service}
    assert asked_for == {"prometheus", "grafana"}
