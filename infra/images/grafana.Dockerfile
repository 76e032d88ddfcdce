# Grafana with the data source that asks the read API: a plugin that is named in the environment is fetched at each start.
ARG GRAFANA_IMAGE=grafana/grafana:12.1.1
FROM ${GRAFANA_IMAGE}
ARG INFINITY_VERSION=2.11.2
USER root
RUN grafana cli --pluginsDir /usr/share/grafana/plugins plugins install yesoreyeram-infinity-datasource ${INFINITY_VERSION} \
    && chown -R 472:0 /usr/share/grafana/plugins
USER 472:0
