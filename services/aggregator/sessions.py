"""Connections for questions: they only read, and what a statement of ours needs is set already.

Comes in: settings. Goes out: a `Database`, the only kind that questions should be asked on.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from services.aggregator.settings import AggregatorSettings
from shared.database.pool import Database
from shared.settings import DatabaseSettings


def open_sessions(
    settings: DatabaseSettings, own: AggregatorSettings, *, name: str
) -> AbstractAsyncContextManager[Database]:
    """One connection for each question that runs at once, and one for the readiness check.

    Compiling a plan would take longer than running it, and a plan has to be made for the boundaries
    at hand. The joins of totals, groups and periods are hash joins however wrong the estimates are
    (a merge of 60 groups with 43,860 totals took 5 s, the hash join 20 ms).
    """
    return Database.open(
        settings,
        name=name,
        pool_max=own.questions_max + 1,
        server_settings={
            "default_transaction_read_only": "on",
            "work_mem": f"{own.work_mem_mb}MB",
            "jit": "off",
            "plan_cache_mode": "force_custom_plan",
            "max_parallel_workers_per_gather": "0",
            "enable_nestloop": "off",
            "enable_mergejoin": "off",
        },
    )
