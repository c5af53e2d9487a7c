"""Run a report worker: `python -m services.report_worker`."""

import sys

from services.report_worker.app import serve
from services.report_worker.settings import WorkerServiceSettings
from shared.runtime import run

sys.exit(run(serve, WorkerServiceSettings, service="report_worker"))
