"""Swift's proxy server with one correction, in the server's own process.

In (argv): as `swift-proxy-server`. To S3 an empty `delimiter` is none, and the MinIO client always
sends one when it lists multipart uploads; Swift 2.38.3 takes it for a real one and lists nothing.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

from swift.common.middleware.s3api.controllers.multi_upload import (  # type: ignore[import-untyped]
    UploadsController,
)
from swift.proxy.server import main  # type: ignore[import-untyped]


def without_empty_delimiter(get: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    @functools.wraps(get)  # Swift's decorators left their marks on the function
    def corrected(controller: Any, request: Any) -> Any:
        if request.params.get("delimiter") == "":
            del request.params["delimiter"]
        return get(controller, request)

    return corrected


if __name__ == "__main__":
    UploadsController.GET = without_empty_delimiter(UploadsController.GET)
    sys.exit(main())
