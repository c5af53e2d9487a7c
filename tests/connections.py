"""How many connections to PostgreSQL a process may open, by what it is told."""

from __future__ import annotations

from pydantic_settings import BaseSettings

from services.aggregator.settings import AggregatorServiceSettings
from services.gateway.settings import GatewayServiceSettings
from services.recorder.app import CONNECTIONS
from services.recorder.settings import RecorderServiceSettings
from services.report_worker.settings import WorkerServiceSettings


def connections_max(settings: BaseSettings) -> int:
    """As the process's app.py opens its pools; of a replica's it has as many again, there."""
    match settings:
        case GatewayServiceSettings():
            return settings.database.pool_max
        case WorkerServiceSettings():
            worker = settings.worker
            reading = max(1, worker.slots) * worker.connections_per_build
            return settings.database.pool_max + reading
        case AggregatorServiceSettings():
            return settings.aggregator.questions_max + 1
        case RecorderServiceSettings():
            return CONNECTIONS
    raise TypeError(f"{type(settings).__name__} is no process of ours")
