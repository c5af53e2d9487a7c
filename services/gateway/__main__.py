"""Run the gateway: `python -m services.gateway`."""

import sys

from services.gateway.app import serve
from services.gateway.settings import GatewayServiceSettings
from shared.runtime import run

sys.exit(run(serve, GatewayServiceSettings, service="gateway"))
