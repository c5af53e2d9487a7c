"""Has anything grown?

In: series of samples, named "what of whom". Out: those that grew. The last third is judged against
the middle one, by their medians: the first third is for what a process takes once and keeps.
"""

from __future__ import annotations

import statistics
from collections import defaultdict

# How much more the last third may have than the middle one: a share, and at least so much.
GROWTH_SHARE = 0.15
GROWTH_MIN = {"rss_mib": 12.0, "descriptors": 10.0, "tasks": 20.0, "connections": 6.0}
SAMPLES_MIN = 9

Series = defaultdict[str, list[float]]


def judge(series: Series) -> list[str]:
    """What has grown."""
    grown = []
    for name, values in series.items():
        if len(values) < SAMPLES_MIN:
            continue
        third = len(values) // 3
        middle, last = (
            statistics.median(values[third : 2 * third]),
            statistics.median(values[2 * third :]),
        )
        allowed = max(GROWTH_MIN[name.split()[0]], GROWTH_SHARE * middle)
        if last - middle > allowed:
            grown.append(f"{name}: from {middle:.0f} to {last:.0f}")
    return grown
