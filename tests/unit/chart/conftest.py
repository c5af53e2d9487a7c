"""helm and the schemas come from a registry of packages. Where they cannot be had, the chart is not
tested, and that is said; everything else is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.chart.rendering import TOOLS

FOLDER = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not (TOOLS / ".from").exists():
        missing = pytest.mark.skip(
            reason="THE HELM CHART IS NOT TESTED: helm is not here (make chart-tools)"
        )
        for item in items:
            if FOLDER in item.path.parents:
                item.add_marker(missing)
