# Metabase with its DuckDB driver, and DuckDB's extensions: Metabase's own image has no C library that DuckDB can use.
ARG TEMURIN_IMAGE=eclipse-temurin:21-jre-noble
ARG PYTHON_IMAGE=python:3.11.14-slim-bookworm

# The extensions are those of the lock, from wheels: a question of Metabase fetches nothing.
FROM ${PYTHON_IMAGE} AS extensions
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
COPY infra/images/requirements-metabase.txt ./
RUN pip install --require-hashes --no-deps --target /wheels -r requirements-metabase.txt \
    && mkdir -p /extensions/v1.5.5/linux_amd64 \
    && find /wheels -name '*.duckdb_extension' -exec cp {} /extensions/v1.5.5/linux_amd64/ ';' \
    && for name in httpfs aws delta icu; do test -s "/extensions/v1.5.5/linux_amd64/$name.duckdb_extension"; done

FROM ${TEMURIN_IMAGE}
ARG METABASE_VERSION=v0.63.19.1
ARG DRIVER_VERSION=1.5.5.0
# Of the two files, where you have looked at them: a build with these refuses others.
ARG METABASE_SHA256=
ARG DRIVER_SHA256=
RUN useradd --uid 10001 --user-group --create-home --home-dir /metabase --shell /usr/sbin/nologin metabase
WORKDIR /metabase
ADD --chown=10001:10001 https://downloads.metabase.com/${METABASE_VERSION}/metabase.jar ./
ADD --chown=10001:10001 https://github.com/motherduckdb/metabase_duckdb_driver/releases/download/${DRIVER_VERSION}/duckdb.metabase-driver.jar plugins/
RUN if [ -n "$METABASE_SHA256" ]; then echo "$METABASE_SHA256 metabase.jar" | sha256sum --check; fi \
    && if [ -n "$DRIVER_SHA256" ]; then echo "$DRIVER_SHA256 plugins/duckdb.metabase-driver.jar" | sha256sum --check; fi
COPY --from=extensions /extensions /opt/duckdb
# It unpacks its own drivers beside the one that is here: into a folder that may be written, made anew at each start.
ENV MB_PLUGINS_DIR=/tmp/plugins
USER 10001:10001
CMD ["sh", "-c", "mkdir -p /tmp/plugins && cp plugins/*.jar /tmp/plugins/ && exec java -jar metabase.jar"]
