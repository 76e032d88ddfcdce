"""Dashboards for those who run the pipeline: by the metrics of its processes, and by what the read API says
of its tables."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from infra.grafana.panels import bars, board, chart, figure, listing
from infra.grafana.queries import at_once, moment, now, number, over_time, spanned, text

RATE = "rate({}[$__rate_interval])"


def _rate(metric: str) -> str:
    return RATE.format(metric)


def _quantile(share: float, histogram: str, *by: str) -> str:
    labels = ", ".join([*by, "le"])
    return f"histogram_quantile({share}, sum by ({labels}) ({_rate(histogram + '_bucket')}))"


def health() -> Dashboard:
    """Whether people get what they are promised."""
    about = "Is the pipeline well, does it keep its service levels, and how fresh is each layer?"
    layers = now(
        "/pipeline/health",
        "layers",
        text("layer", "layer"),
        moment("newest_time", "newest"),
        number("age_s", "age (s)"),
        number("rows_per_s", "rows per s"),
    )
    sinks = now("/pipeline/health", "sinks", text("sink", "sink"), number("lag", "messages behind"))
    status = now("/pipeline/health", "", text("status", "status"), text("problems", "problems"))
    burn = "fleetlake:slo_errors:ratio1h / on (slo) fleetlake:slo_budget:ratio"
    return board(
        "fleetlake-pipeline",
        "Pipeline health",
        about,
        [
            listing(
                "Now", "By the read API: ok, degraded or down, and what is wrong.", status, width=8, height=6
            ),
            listing("Sinks", "By Kafka, as the read API sees it.", sinks, width=8, height=6),
            listing("Layers", "How old the newest of each is.", layers, width=8, height=6),
            figure(
                "Budget left",
                "Of what may go wrong in 30 days; below 0 the level is missed.",
                at_once("fleetlake:slo_budget_left:ratio", "{{slo}}"),
                unit="percentunit",
                width=12,
            ),
            figure(
                "Processes that answer",
                "Of those that Prometheus knows, by service.",
                at_once('sum by (service) (up{job=~"fleetlake.*"})', "{{service}}"),
                width=12,
            ),
            chart(
                "How fast the budget burns",
                "1 uses it up in 30 days, 14.4 in two.",
                over_time(burn, "{{slo}}"),
            ),
            chart(
                "Age of what is written",
                "99 % of commits had an event as new as this.",
                over_time("fleetlake:event_age_seconds:p99_5m", "{{sink}}"),
                unit="s",
            ),
            chart("Messages read", "By sink.", over_time("fleetlake:records:rate5m", "{{sink}}"), unit="cps"),
            chart(
                "Commits, flushes and transactions",
                "That were finished, by sink.",
                over_time(f"sum by (sink) ({_rate('fleetlake_batches_total')})", "{{sink}}"),
                unit="cps",
            ),
        ],
    )


def quality() -> Dashboard:
    """What sources deliver."""
    about = "Which source sends what cannot be used, why, and how late is it?"
    rejected = 'fleetlake_rejected_total{sink="history"}'
    signals = 'fleetlake_rejected_signals_total{sink="history"}'
    records = 'fleetlake_records_total{sink="history"}'
    days = spanned(
        "/quality",
        "quality",
        text("ingest_date", "day"),
        text("source", "source"),
        text("signal", "signal"),
        number("readings", "readings"),
        number("duplicates", "sent again"),
        number("conflicts", "contradicting"),
        number("rejected", "rejected"),
        number("late_p50_s", "late, median (s)"),
        number("late_p99_s", "late, 99 % (s)"),
        number("gaps", "gaps"),
    )
    hour = now(
        "/pipeline/health",
        "rejected",
        text("source", "source"),
        text("reason", "reason"),
        number("last_hour", "last hour"),
    )
    return board(
        "fleetlake-quality",
        "Data quality",
        about,
        [
            chart(
                "Share of messages that are rejected whole",
                "By source. The level is 0.1 % of all.",
                over_time(
                    f"sum by (source) ({_rate(rejected)}) / sum by (source) ({_rate(records)})", "{{source}}"
                ),
                unit="percentunit",
            ),
            bars(
                "Messages rejected whole",
                "By source and reason, each second.",
                over_time(f"sum by (source, reason) ({_rate(rejected)})", "{{source}}: {{reason}}"),
                unit="cps",
            ),
            bars(
                "Values rejected in accepted messages",
                "By source and reason, each second.",
                over_time(f"sum by (source, reason) ({_rate(signals)})", "{{source}}: {{reason}}"),
                unit="cps",
            ),
            bars(
                "Events that the gateway refused",
                "By source and reason, each second.",
                over_time(
                    f"sum by (source, reason) ({_rate('fleetlake_gateway_rejected_total')})",
                    "{{source}}: {{reason}}",
                ),
                unit="cps",
            ),
            listing("Rejected in the last hour", "By the history.", hour, width=8),
            listing(
                "Signals by day of landing", "The newest day first; gold.signal_quality.", days, width=16
            ),
        ],
        span="now-7d",
        refresh="5m",
    )


def kafka_lag() -> Dashboard:
    """How far behind each sink is."""
    about = "Which sink is behind, on which partitions, does it catch up, and when will it have?"
    lag = "sum by (sink) (fleetlake_lag)"
    return board(
        "fleetlake-lag",
        "Kafka lag",
        about,
        [
            figure(
                "Messages behind now",
                "By sink, over all partitions.",
                at_once("fleetlake:lag:sum", "{{sink}}"),
                width=12,
            ),
            figure(
                "Lost to retention",
                "Messages that Kafka removed before routes read them, in the last hour.",
                at_once("sum by (sink) (increase(fleetlake_expired_total[1h])) or vector(0)", "{{sink}}"),
                width=12,
            ),
            chart("Messages behind", "By sink.", over_time(lag, "{{sink}}")),
            chart(
                "Seconds to read what waits",
                "At the speed of the last five minutes, if nothing more came.",
                over_time("fleetlake:lag:sum / (fleetlake:records:rate5m > 0)", "{{sink}}"),
                unit="s",
            ),
            chart(
                "The ten partitions that are furthest behind",
                "Of all sinks.",
                over_time(
                    "topk(10, max by (sink, topic, partition) (fleetlake_lag))",
                    "{{sink}} {{topic}}/{{partition}}",
                ),
            ),
            chart(
                "Messages read",
                "By sink and source.",
                over_time(
                    f"sum by (sink, source) ({_rate('fleetlake_records_total')})", "{{sink}} {{source}}"
                ),
                unit="cps",
            ),
            chart(
                "Bytes read",
                "Payloads, by sink.",
                over_time(f"sum by (sink) ({_rate('fleetlake_bytes_total')})", "{{sink}}"),
                unit="Bps",
            ),
            chart(
                "Paused",
                "1 while a full buffer keeps partitions paused: a store does not keep up.",
                over_time("max by (sink) (fleetlake_paused)", "{{sink}}"),
            ),
        ],
        span="now-3h",
    )


def internals() -> Dashboard:
    """What each process does."""
    about = "Which process is slow, and is it itself, its store or its clients?"
    requests = _rate("fleetlake_http_requests_total")
    failed = _rate('fleetlake_http_requests_total{status=~"5.."}')
    deliveries = _rate("fleetlake_alert_deliveries_total")
    return board(
        "fleetlake-internals",
        "Service internals",
        about,
        [
            chart(
                "Time of a commit, flush or transaction",
                "Median and 95 %, by sink.",
                over_time(_quantile(0.5, "fleetlake_commit_seconds", "sink"), "{{sink}}, median"),
                over_time(_quantile(0.95, "fleetlake_commit_seconds", "sink"), "{{sink}}, 95 %"),
                unit="s",
            ),
            chart(
                "Tried again, or read again",
                "Commits tried again and buffers dropped, each second.",
                over_time(f"sum by (sink) ({_rate('fleetlake_retries_total')})", "{{sink}}, tried again"),
                over_time(f"sum by (sink) ({_rate('fleetlake_buffer_drops_total')})", "{{sink}}, dropped"),
                unit="cps",
            ),
            chart(
                "Buffered",
                "Read and not yet written.",
                over_time("sum by (sink, instance) (fleetlake_buffered_bytes)", "{{sink}} {{instance}}"),
                unit="bytes",
            ),
            chart(
                "What a kill would read again",
                "Messages whose effect is not committed yet.",
                over_time("sum by (sink, instance) (fleetlake_uncommitted_records)", "{{sink}} {{instance}}"),
            ),
            chart(
                "Documents written and messages sent",
                "To MongoDB, and to Kafka by kind, each second.",
                over_time(f"sum({_rate('fleetlake_state_operations_total')})", "documents"),
                over_time(f"sum by (kind) ({_rate('fleetlake_messages_out_total')})", "{{kind}}"),
                unit="cps",
            ),
            chart(
                "Requests",
                "By interface and route, each second.",
                over_time(f"sum by (interface, route) ({requests})", "{{interface}} {{route}}"),
                unit="reqps",
            ),
            chart(
                "Requests that failed here",
                "Share of 5xx, by interface.",
                over_time(
                    f"(sum by (interface) ({failed}) or 0 * sum by (interface) ({requests}))"
                    f" / sum by (interface) ({requests})",
                    "{{interface}}",
                ),
                unit="percentunit",
            ),
            chart(
                "Time of a request",
                "95 %, by interface and route.",
                over_time(
                    _quantile(0.95, "fleetlake_http_request_seconds", "interface", "route"),
                    "{{interface}} {{route}}",
                ),
                unit="s",
            ),
            chart(
                "Requests at work, and events that wait for Kafka",
                "A gateway takes no more than its bounds.",
                over_time("sum by (interface) (fleetlake_http_in_flight)", "{{interface}}"),
                over_time("sum(fleetlake_gateway_in_flight_events)", "events"),
            ),
            chart(
                "Kafka's acknowledgement",
                "Of the gateway's events: median and 99 %.",
                over_time(_quantile(0.5, "fleetlake_gateway_acknowledge_seconds"), "median"),
                over_time(_quantile(0.99, "fleetlake_gateway_acknowledge_seconds"), "99 %"),
                unit="s",
            ),
            chart(
                "Webhooks told of alerts",
                "By outcome, each second.",
                over_time(f"sum by (webhook, outcome) ({deliveries})", "{{webhook}}: {{outcome}}"),
                unit="cps",
            ),
            chart(
                "Alerts: how far behind silence is judged",
                "And deliveries that wait for a person.",
                over_time("max(fleetlake_alert_behind_seconds)", "seconds behind"),
                over_time("max(fleetlake_alert_given_up)", "given up"),
            ),
        ],
        span="now-3h",
    )
