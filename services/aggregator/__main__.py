"""Run the aggregator: `python -m services.aggregator`."""

import sys

from services.aggregator.app import NAME, serve
from services.aggregator.settings import AggregatorServiceSettings
from shared.runtime import run

sys.exit(run(serve, AggregatorServiceSettings, service=NAME))
