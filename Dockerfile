# One file, one target per process: gateway, report_worker, aggregator, recorder, and `cli` for
# migrations and administration. They differ in their last lines only, so they share their layers.
#
#   docker build --target gateway --tag tallyport/gateway .
#
# The base is pinned to its patch release; a mirror, or a digest, goes into the argument.
ARG PYTHON_IMAGE=python:3.11.15-slim-bookworm


# --- the gateway's page: Node comes as a wheel, what it builds with from the registry of npm ------
FROM ${PYTHON_IMAGE} AS page
# Behind mirrors, their addresses; packages are known by their hashes wherever they come from.
ARG PIP_INDEX_URL
ARG NPM_CONFIG_REGISTRY
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore PYTHON=python
WORKDIR /build
COPY requirements-ui.lock /build/
COPY scripts/page /build/scripts/
COPY ui /build/ui
COPY ui/.npmrc /build/ui/
RUN ["bash", "scripts/page"]


# --- what needs pip: everything below gets the result, not the tool ------------------------------
FROM ${PYTHON_IMAGE} AS builder
# Whoever builds behind a package mirror passes its address here; none is written in this file.
ARG PIP_INDEX_URL
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
RUN ["python", "-m", "venv", "--without-pip", "/opt/venv"]
COPY requirements.lock /build/
# Wheels only: nothing that is downloaded gets to run while we build. Hashes: nor anything else.
RUN ["python", "-m", "pip", "--python", "/opt/venv/bin/python", "install", \
     "--require-hashes", "--only-binary=:all:", "--requirement", "/build/requirements.lock"]
COPY shared /app/shared
COPY services /app/services
COPY cli /app/cli
COPY tallyport_client /app/tallyport_client
COPY --from=page /build/services/gateway/static /app/services/gateway/static
# Compiled here, because the file system is read-only where it runs. Readable by everyone and
# writable by nobody but root, whatever the umask of the checkout was.
RUN python -m compileall -q --invalidation-mode unchecked-hash /app \
    && chmod -R a+rX,go-w /app


# --- what all of them are ------------------------------------------------------------------------
FROM ${PYTHON_IMAGE} AS runtime
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.vendor="Tallyport" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENV PATH=/opt/venv/bin:${PATH} \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PYTHONFAULTHANDLER=1 \
    HOME=/tmp \
    TALLYPORT_LOG_FORMAT=json
# /var/lib/tallyport is where `cli` hands files to other containers; a new volume takes its owner.
RUN groupadd --gid 10001 tallyport \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp \
               --shell /usr/sbin/nologin tallyport \
    && install --directory --owner=10001 --group=10001 --mode=0755 /var/lib/tallyport
COPY --from=builder --chown=root:root /opt/venv /opt/venv
COPY --from=builder --chown=root:root /app /app
WORKDIR /app
USER 10001:10001


# --- the three that speak HTTP to operators only -------------------------------------------------
FROM runtime AS worker
ENV TALLYPORT_OPERATIONS_HOST=0.0.0.0 \
    TALLYPORT_OPERATIONS_PORT=9090
EXPOSE 9090
# No proxy, no redirect, no shell: anything but a 200 in time is unhealthy.
HEALTHCHECK --interval=5s --timeout=4s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import http.client as http, os, sys; c = http.HTTPConnection('127.0.0.1', int(os.environ['TALLYPORT_OPERATIONS_PORT']), timeout=3); c.request('GET', '/readyz'); sys.exit(c.getresponse().status != 200)"]


FROM worker AS report_worker
LABEL org.opencontainers.image.title="tallyport-report-worker" \
      org.opencontainers.image.description="Builds reports and keeps their life going"
ENTRYPOINT ["python", "-m", "services.report_worker"]


FROM worker AS aggregator
LABEL org.opencontainers.image.title="tallyport-aggregator" \
      org.opencontainers.image.description="Answers counts, sums and averages"
ENTRYPOINT ["python", "-m", "services.aggregator"]


FROM worker AS recorder
LABEL org.opencontainers.image.title="tallyport-recorder" \
      org.opencontainers.image.description="Writes what is recorded and keeps the rollups exact"
ENTRYPOINT ["python", "-m", "services.recorder"]


# --- the command line: runs once and ends, so there is no health to ask for ----------------------
FROM runtime AS cli
LABEL org.opencontainers.image.title="tallyport-cli" \
      org.opencontainers.image.description="Migrations and administration"
HEALTHCHECK NONE
ENTRYPOINT ["python", "-m", "cli"]
CMD ["--help"]


# --- the web side, and what a build without a target gives ---------------------------------------
FROM runtime AS gateway
LABEL org.opencontainers.image.title="tallyport-gateway" \
      org.opencontainers.image.description="The HTTP API"
ENV TALLYPORT_GATEWAY_HOST=0.0.0.0 \
    TALLYPORT_GATEWAY_PORT=8080
EXPOSE 8080
HEALTHCHECK --interval=5s --timeout=4s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import http.client as http, os, sys; c = http.HTTPConnection('127.0.0.1', int(os.environ['TALLYPORT_GATEWAY_PORT']), timeout=3); c.request('GET', '/readyz'); sys.exit(c.getresponse().status != 200)"]
ENTRYPOINT ["python", "-m", "services.gateway"]
