"""Run a report worker: `python -m services.report_worker`. Its memory is to be flat, and small."""

import sys

from services.report_worker.app import serve
from services.report_worker.settings import WorkerServiceSettings
from shared.runtime import run

sys.exit(run(serve, WorkerServiceSettings, service="report_worker", kept_bytes=0))
