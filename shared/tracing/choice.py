"""Which tracer a process has, if any: decided once, at its start.

Comes in: settings. Goes out: a tracer, or None; then nothing of OpenTelemetry is ever imported.
"""

from __future__ import annotations

from shared.settings import TracingSettings
from shared.tracing import Tracer

EXTRA = "otel"


class MissingExtraError(Exception):
    """Traces are asked for, and what they take is not installed."""


def tracer_of(settings: TracingSettings, *, service: str) -> Tracer | None:
    """Raises MissingExtraError."""
    if not settings.is_on:
        return None
    try:
        from shared.tracing.collecting import Collecting  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise MissingExtraError(
            "OTEL_EXPORTER_OTLP_ENDPOINT asks for traces, which take the extra "
            f"'{EXTRA}': pip install 'tallyport[{EXTRA}]' ({error.name} is missing)"
        ) from error
    return Collecting(service)
