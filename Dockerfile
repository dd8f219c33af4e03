# One image for each service:  docker build --build-arg SERVICE=partner --tag cauce-partner .
# What is in it, as CycloneDX:  docker build --build-arg SERVICE=partner --target sbom --output . .
# A mirror of the package index is named by a file of pip's:  --secret id=pip.conf,src=$HOME/.config/pip/pip.conf
ARG PYTHON_IMAGE=python:3.13-slim

FROM ${PYTHON_IMAGE} AS build
ARG SERVICE
ARG SOURCE_DATE_EPOCH=0
# For strip alone, and in no image that is kept: its version shows in nothing.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install --yes --no-install-recommends binutils && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY requirements.lock ./
COPY libs/devstack/install.py libs/devstack/lock.py libs/devstack/image.py libs/devstack/uv.lock.txt libs/devstack/
COPY libs/events/pyproject.toml libs/events/
COPY libs/engine/pyproject.toml libs/engine/
COPY libs/service/pyproject.toml libs/service/
COPY services/${SERVICE}-svc/pyproject.toml services/${SERVICE}-svc/
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    python3 libs/devstack/image.py packages "${SERVICE}" /opt/cauce /layers
COPY libs/events libs/events
COPY libs/engine libs/engine
COPY libs/service libs/service
COPY services/${SERVICE}-svc services/${SERVICE}-svc
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    python3 libs/devstack/image.py own "${SERVICE}" /opt/cauce /layers

FROM build AS inventory
COPY libs/devstack/sbom.lock.txt libs/devstack/
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    python3 -m venv /sbom \
    && /sbom/bin/pip install --no-cache-dir --require-hashes --requirement libs/devstack/sbom.lock.txt \
    && PYTHONPATH=/opt/cauce/own /sbom/bin/cyclonedx-py environment --output-reproducible \
        --output-file /sbom.cdx.json /opt/cauce/packages/bin/python

FROM scratch AS sbom
COPY --from=inventory /sbom.cdx.json /

FROM ${PYTHON_IMAGE}
ARG SERVICE
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="cauce-${SERVICE}" \
      org.opencontainers.image.description="Cauce, the ${SERVICE} service: API, worker and command line" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# Whole trees onto the root: a folder that COPY makes itself is of today, and the layer would never be the same again.
COPY --from=build /layers/packages /
COPY --from=build /layers/own /
ENV PATH=/opt/cauce/packages/bin:/opt/cauce/own/bin:${PATH} \
    PYTHONPATH=/opt/cauce/own \
    PYTHONDONTWRITEBYTECODE=1 \
    CAUCE_SERVICE=${SERVICE} \
    CAUCE_HOST=0.0.0.0 \
    CAUCE_PORT=8000
USER 10001:10001
EXPOSE 8000
# Not more often: for each check the engine starts a process, which costs more than the check.
HEALTHCHECK --interval=15s --timeout=10s --start-period=60s --retries=3 \
    CMD ["python3", "-IS", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ['CAUCE_PORT'] + '/readyz', timeout=4)"]
ENTRYPOINT ["cauce"]
CMD ["run"]
