# The image of `python -m training` and `python -m lifecycle`: with pandas and MLflow, and without a model. `make
# training-image` builds it. The image that serves ships neither.
ARG BASE_IMAGE=docker.io/library/python:3.11-slim

FROM ${BASE_IMAGE} AS build
COPY requirements/training.txt /build/requirements.txt
RUN set -eu; \
    python3 -m venv /build/pip; \
    python3 -m venv --without-pip /app/.venv; \
    /build/pip/bin/pip --quiet --disable-pip-version-check --no-input --python /app/.venv/bin/python install \
      --no-cache-dir --no-compile --no-deps --only-binary :all: \
      --require-hashes --requirement /build/requirements.txt

FROM ${BASE_IMAGE}
# The same number as in the image that serves, so that both may write the volume of the log.
RUN set -eu; \
    echo 'bentoml:x:1034:' >> /etc/group; \
    echo 'bentoml:x:1034:1034::/tmp:/usr/sbin/nologin' >> /etc/passwd; \
    install --directory --mode 750 --owner 1034 --group 1034 /var/lib/tabento
COPY --from=build /app /app
COPY service /app/src/service
COPY training /app/src/training
COPY lifecycle /app/src/lifecycle
ENV PATH=/app/.venv/bin:$PATH \
    LANG=C.UTF-8 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    BENTOML_HOME=/var/lib/tabento/bentoml \
    BENTOML_DO_NOT_TRACK=True \
    MLFLOW_DISABLE_TELEMETRY=true \
    MPLCONFIGDIR=/tmp/matplotlib \
    TABENTO_AUDIT_DB=/var/lib/tabento/audit.db
WORKDIR /app/src
VOLUME /var/lib/tabento
USER 1034:1034
ENTRYPOINT ["python", "-m", "lifecycle"]
