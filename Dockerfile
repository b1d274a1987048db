# One image for every Airflow service of docker-compose.yml: the locked packages in /opt/venv, this repository's code in /opt/rotation.
# Nothing of ours is installed into site-packages; PYTHONPATH names the code. No package is installed when a container starts.
ARG PYTHON_IMAGE=python:3.12-slim-bookworm

FROM ${PYTHON_IMAGE} AS packages
# uv reads pip's variable for a mirror of the package index; like every argument of this stage it does not reach the image.
ARG PIP_INDEX_URL
ENV UV_DEFAULT_INDEX=${PIP_INDEX_URL} UV_LINK_MODE=copy UV_HTTP_TIMEOUT=180 \
    PIP_CACHE_DIR=/var/cache/packages/pip UV_CACHE_DIR=/var/cache/packages/uv
COPY deploy/requirements-build.lock requirements-stack.lock /tmp/
# Wheels only: no package runs code of its own while it is installed. Bytecode now, because the root file system is read-only later.
RUN --mount=type=cache,target=/var/cache/packages \
    python -m venv --without-pip /opt/venv \
    && python -m pip install --quiet --disable-pip-version-check --root-user-action=ignore \
        --require-hashes -r /tmp/requirements-build.lock \
    && if [ -z "$UV_DEFAULT_INDEX" ]; then unset UV_DEFAULT_INDEX; fi \
    && uv pip install --quiet --python /opt/venv/bin/python --require-hashes --only-binary :all: --compile-bytecode \
        -r /tmp/requirements-stack.lock

FROM ${PYTHON_IMAGE}
RUN groupadd --gid 50000 rotation \
    && useradd --uid 50000 --gid 50000 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin rotation \
    && install -d -o rotation -g rotation /opt/airflow /var/lib/rotation /var/lib/rotation/home \
        /var/lib/rotation/home/published /var/lib/rotation/files /var/lib/rotation/logs
COPY --from=packages /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONPATH=/opt/rotation \
    PYTHONUNBUFFERED=1 \
    AIRFLOW_HOME=/opt/airflow \
    AIRFLOW_CONFIG=/opt/rotation/deploy/airflow.cfg \
    GX_ANALYTICS_ENABLED=False \
    ROTATION_HOME=/var/lib/rotation/home
COPY . /opt/rotation
RUN python -m compileall -q --invalidation-mode unchecked-hash /opt/rotation
# The commit that the code came from; ops.publication names it.
ARG ROTATION_COMMIT
ENV ROTATION_COMMIT=${ROTATION_COMMIT}
LABEL org.opencontainers.image.title="Rotation Warehouse" \
    org.opencontainers.image.revision=${ROTATION_COMMIT} \
    org.opencontainers.image.licenses=Apache-2.0
USER 50000:50000
WORKDIR /opt/airflow
ENTRYPOINT ["/opt/rotation/deploy/entrypoint.sh"]
CMD ["airflow", "version"]
