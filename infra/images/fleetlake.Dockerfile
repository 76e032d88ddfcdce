# Sinks, gateway, read API, alerts, simulator and `fleetlake init`: one image, because they differ by their command only.
# Everything is installed here, from the lock with its hashes; a container fetches nothing.
ARG PYTHON_IMAGE=python:3.11.14-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
RUN python -m venv /opt/venv
COPY requirements-runtime.txt ./
RUN /opt/venv/bin/pip install --require-hashes --no-deps -r requirements-runtime.txt
COPY . .
RUN /opt/venv/bin/pip wheel --no-build-isolation --no-deps --wheel-dir /wheels . \
    && /opt/venv/bin/pip install --no-index --no-deps /wheels/fleetlake-*.whl \
    && /opt/venv/bin/pip uninstall --yes setuptools pip

FROM ${PYTHON_IMAGE}
# Volumes take the owner of the folders they are mounted over.
RUN useradd --uid 10001 --user-group --home-dir /var/lib/fleetlake --create-home --shell /usr/sbin/nologin fleetlake \
    && install -d -o 10001 -g 10001 /var/lib/fleetlake/run /var/lib/fleetlake/keys /var/lib/fleetlake/scratch
COPY --from=build /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 FLEETLAKE_DATA_DIR=/var/lib/fleetlake
WORKDIR /var/lib/fleetlake
USER 10001:10001
CMD ["fleetlake", "--help"]
