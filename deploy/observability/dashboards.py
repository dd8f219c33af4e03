"""Our Grafana dashboards: `python -m deploy.observability.dashboards` writes dashboards/*.json (`make docs` does it).

What is of a service and told by each of its processes is taken as the highest, what is a process's own is added up.
"""

from __future__ import annotations

from pathlib import Path

from deploy.observability.grafana import Dashboard, Panel, Query, Row

FOLDER = Path(__file__).parent / "dashboards"
SERVICES = 'label_values(up{job="cauce"}, service)'
NO_PROBES = 'route!~"/livez|/readyz|/metrics"'


def quantiles(metric: str, by: str, legend: str, where: str = "") -> list[Query]:
    """The median, and what one in twenty and one in a hundred takes longer than."""
    return [
        Query(
            f"histogram_quantile({q}, sum by ({f'{by}, ' if by else ''}le) (rate({metric}_bucket{{{where}}}"
            "[$__rate_interval])))",
            f"{legend} p{q * 100:.0f}".strip(),
        )
        for q in (0.5, 0.95, 0.99)
    ]


def p95(metric: str, by: str, legend: str, where: str = "") -> list[Query]:
    return [Query(each.expr, legend) for each in quantiles(metric, by, legend, where) if each.legend.endswith("p95")]


def rate(metric: str, by: str, legend: str, where: str = "") -> Query:
    return Query(f"sum by ({by}) (rate({metric}{{{where}}}[$__rate_interval]))", legend)


def highest(metric: str, by: str, legend: str, where: str = "") -> Query:
    return Query(f"max by ({by}) ({metric}{{{where}}})", legend)


OVERVIEW = Dashboard(
    "cauce-overview",
    "Cauce: the channel's services",
    "What each service is asked, how it answers, and how long it takes.",
    [
        Row(
            "Is it there",
            [
                Panel(
                    "Processes that answer",
                    "",
                    [Query('sum by (service) (up{job="cauce"})', "{{service}}")],
                    kind="stat",
                ),
                Panel(
                    "Ready",
                    "All processes of the service.",
                    [Query("min by (service) (cauce_ready)", "{{service}}")],
                    unit="bool",
                    kind="stat",
                ),
                Panel(
                    "Reaches Postgres and Kafka",
                    "As its processes see it.",
                    [Query("min by (service, dependency) (cauce_dependency_up)", "{{service}} {{dependency}}")],
                    unit="bool",
                    kind="stat",
                ),
                Panel("What runs", "", [Query("count by (service, version) (cauce_build_info)", "")], kind="table"),
            ],
        ),
        Row(
            "Requests",
            [
                Panel(
                    "Rate",
                    "Without probes.",
                    [rate("cauce_http_request_seconds_count", "service", "{{service}}", NO_PROBES)],
                    unit="reqps",
                ),
                Panel(
                    "Errors",
                    "Share of requests that fail for our reasons (5xx); the objective is 0.1 %.",
                    [Query("service:cauce_http_errors:ratio5m", "{{service}}")],
                    unit="percentunit",
                ),
                Panel(
                    "Duration",
                    "Which one request in twenty exceeds.",
                    p95("cauce_http_request_seconds", "service", "{{service}}", NO_PROBES),
                    unit="s",
                ),
            ],
        ),
        Row(
            "What they do",
            [
                Panel(
                    "Commands",
                    "By what came of them.",
                    [rate("cauce_commands_total", "service, outcome", "{{service}} {{outcome}}")],
                    unit="ops",
                ),
                Panel(
                    "Events",
                    "Appended to the logs.",
                    [rate("cauce_events_appended_total", "service", "{{service}}")],
                    unit="ops",
                ),
                Panel(
                    "Callers refused",
                    "401, 403 and 429, by code.",
                    [rate("cauce_http_callers_refused_total", "service, code", "{{service}} {{code}}")],
                    unit="ops",
                ),
            ],
        ),
        Row(
            "What waits",
            [
                Panel(
                    "Unpublished",
                    "Age of the oldest event that is not on the topic.",
                    [highest("cauce_relay_lag_seconds", "service", "{{service}}")],
                    unit="s",
                ),
                Panel(
                    "Not yet handled",
                    "Records, of the subscription that is furthest behind.",
                    [highest("cauce_consumer_lag_events", "service", "{{service}}")],
                ),
                Panel(
                    "Parked",
                    "Streams and timers that a person has to look at.",
                    [Query("sum by (service) (max by (service, subscription) (cauce_parked_streams))", "{{service}}")],
                ),
            ],
        ),
    ],
)

LOG = Dashboard(
    "cauce-log",
    "Cauce: the log and its relay",
    "How events come into the logs, and from there to Kafka.",
    [
        Row(
            "Relay",
            [
                Panel(
                    "Leads",
                    "Processes that publish: one a service.",
                    [Query("sum by (service) (cauce_relay_leader)", "{{service}}")],
                    kind="stat",
                ),
                Panel(
                    "Refused",
                    "1: it stands before an event that Kafka will never take.",
                    [highest("cauce_relay_refused", "service", "{{service}}")],
                    kind="stat",
                ),
                Panel(
                    "Ghosts",
                    "Published events that a restored store does not have.",
                    [highest("cauce_ghost_events", "service", "{{service}}")],
                    kind="stat",
                ),
            ],
        ),
        Row(
            "On the way to Kafka",
            [
                Panel(
                    "Unpublished, in seconds",
                    "Age of the oldest.",
                    [highest("cauce_relay_lag_seconds", "service", "{{service}}")],
                    unit="s",
                ),
                Panel("Unpublished, in positions", "", [highest("cauce_relay_lag_events", "service", "{{service}}")]),
                Panel("Sent", "", [rate("cauce_events_relayed_total", "service", "{{service}}")], unit="ops"),
                Panel(
                    "Let go",
                    "How often a relay gave up its lead, and why.",
                    [rate("cauce_relay_failures_total", "service, kind", "{{service}} {{kind}}")],
                    unit="ops",
                ),
            ],
        ),
        Row(
            "Into the log",
            [
                Panel(
                    "Events appended", "", [rate("cauce_events_appended_total", "service", "{{service}}")], unit="ops"
                ),
                Panel(
                    "Append",
                    "Load, decide, append and commit, of commands handled together: p95.",
                    p95("cauce_append_seconds", "service", "{{service}}"),
                    unit="s",
                ),
                Panel(
                    "Waiting for a connection",
                    "Of commands: p95.",
                    p95("cauce_postgres_connection_wait_seconds", "service", "{{service}}"),
                    unit="s",
                ),
                Panel(
                    "Lost races",
                    "Of commands and of subscriptions.",
                    [rate("cauce_append_conflicts_total", "service, by", "{{service}} {{by}}")],
                    unit="ops",
                ),
            ],
        ),
    ],
)

OF_CHOSEN = 'service=~"$service"'

REACTIONS = Dashboard(
    "cauce-reactions",
    "Cauce: subscriptions, timers, views, intake",
    "What follows by itself, how late, and what does not.",
    [
        Row(
            "Subscriptions",
            [
                Panel(
                    "Not yet handled",
                    "Records, by subscription and source.",
                    [
                        highest(
                            "cauce_consumer_lag_events",
                            "service, subscription, source",
                            "{{subscription}} from {{source}}",
                            OF_CHOSEN,
                        )
                    ],
                ),
                Panel(
                    "Handled",
                    "",
                    [rate("cauce_consumer_handled_total", "subscription", "{{subscription}}", OF_CHOSEN)],
                    unit="ops",
                ),
                Panel(
                    "Delay",
                    "From an event's recording to what it led to: p95.",
                    p95("cauce_consumer_delay_seconds", "subscription", "{{subscription}}", OF_CHOSEN),
                    unit="s",
                ),
            ],
        ),
        Row(
            "What does not go on",
            [
                Panel(
                    "Parked",
                    "Streams and timers, until a person retries or drops them.",
                    [highest("cauce_parked_streams", "service, subscription", "{{subscription}}", f"{OF_CHOSEN}")],
                ),
                Panel(
                    "Tried again",
                    "Transactions that met what passes by itself.",
                    [rate("cauce_consumer_retries_total", "subscription", "{{subscription}}", OF_CHOSEN)],
                    unit="ops",
                ),
                Panel(
                    "Joined again",
                    "Times that a consumer left its group.",
                    [rate("cauce_consumer_rejoins_total", "service", "{{service}}", OF_CHOSEN)],
                    unit="ops",
                ),
            ],
        ),
        Row(
            "Timers and views",
            [
                Panel(
                    "Timers fired",
                    "",
                    [rate("cauce_timers_fired_total", "subscription", "{{subscription}}", OF_CHOSEN)],
                    unit="ops",
                ),
                Panel(
                    "Timers overdue",
                    "Due for more than 10 s.",
                    [highest("cauce_timers_overdue", "service", "{{service}}", OF_CHOSEN)],
                ),
                Panel(
                    "Views being built",
                    "Share of the log that was read.",
                    [highest("cauce_view_rebuild_progress_ratio", "service, view", "{{service}} {{view}}", OF_CHOSEN)],
                    unit="percentunit",
                ),
            ],
        ),
        Row(
            "Intake and rules",
            [
                Panel(
                    "Intake",
                    "Messages, by what came of them.",
                    [rate("cauce_intake_messages_total", "service, outcome", "{{service}} {{outcome}}", OF_CHOSEN)],
                    unit="ops",
                ),
                Panel(
                    "Intake: unread, and kept apart",
                    "",
                    [
                        Query(f"sum by (service) (cauce_intake_lag_messages{{{OF_CHOSEN}}})", "{{service}} unread"),
                        highest("cauce_intake_kept_messages", "service", "{{service}} kept", OF_CHOSEN),
                    ],
                ),
                Panel(
                    "Rules that fail",
                    "",
                    [rate("cauce_risk_rule_failures_total", "rule", "{{rule}}", OF_CHOSEN)],
                    unit="ops",
                ),
            ],
        ),
    ],
    choices=[("service", SERVICES)],
)

OF_ONE = 'service="$service"'

SERVICE = Dashboard(
    "cauce-service",
    "Cauce: one service",
    "One service, route by route and process by process.",
    [
        Row(
            "Requests",
            [
                Panel(
                    "Rate",
                    "By route.",
                    [
                        rate(
                            "cauce_http_request_seconds_count",
                            "method, route",
                            "{{method}} {{route}}",
                            f"{OF_ONE}, {NO_PROBES}",
                        )
                    ],
                    unit="reqps",
                ),
                Panel(
                    "Errors",
                    "5xx, by route.",
                    [
                        rate(
                            "cauce_http_request_seconds_count",
                            "method, route, status",
                            "{{status}} {{method}} {{route}}",
                            f'{OF_ONE}, {NO_PROBES}, status=~"5.."',
                        )
                    ],
                    unit="reqps",
                ),
                Panel(
                    "Duration",
                    "Of all routes.",
                    quantiles("cauce_http_request_seconds", "", "", f"{OF_ONE}, {NO_PROBES}"),
                    unit="s",
                ),
                Panel(
                    "Duration by route",
                    "p95.",
                    p95(
                        "cauce_http_request_seconds", "method, route", "{{method}} {{route}}", f"{OF_ONE}, {NO_PROBES}"
                    ),
                    unit="s",
                ),
            ],
        ),
        Row(
            "At the edge",
            [
                Panel(
                    "In flight",
                    "Requests not yet answered.",
                    [Query(f"sum by (instance) (cauce_http_requests_in_flight{{{OF_ONE}}})", "{{instance}}")],
                ),
                Panel(
                    "Received",
                    "Bytes of bodies.",
                    [rate("cauce_http_received_bytes_total", "instance", "{{instance}}", OF_ONE)],
                    unit="bytes",
                ),
                Panel(
                    "Callers refused",
                    "By code.",
                    [rate("cauce_http_callers_refused_total", "code", "{{code}}", OF_ONE)],
                    unit="ops",
                ),
                Panel(
                    "Refusals of rules, repeats",
                    "Commands by outcome.",
                    [rate("cauce_commands_total", "outcome", "{{outcome}}", OF_ONE)],
                    unit="ops",
                ),
            ],
        ),
        Row(
            "Store and subscriptions",
            [
                Panel("Append", "", quantiles("cauce_append_seconds", "", "", OF_ONE), unit="s"),
                Panel(
                    "Connections",
                    "Of the pools; the line above is the most that they open.",
                    [
                        Query(f"sum by (state) (cauce_postgres_connections{{{OF_ONE}}})", "{{state}}"),
                        Query(f"sum by (service) (cauce_postgres_connections_max{{{OF_ONE}}})", "most"),
                    ],
                ),
                Panel(
                    "Not yet handled",
                    "Records.",
                    [
                        highest(
                            "cauce_consumer_lag_events",
                            "subscription, source",
                            "{{subscription}} from {{source}}",
                            OF_ONE,
                        )
                    ],
                ),
                Panel(
                    "Delay",
                    "p95.",
                    p95("cauce_consumer_delay_seconds", "subscription", "{{subscription}}", OF_ONE),
                    unit="s",
                ),
            ],
        ),
        Row(
            "Processes",
            [
                Panel(
                    "Processor",
                    "Cores in use.",
                    [rate("process_cpu_seconds_total", "instance", "{{instance}}", OF_ONE)],
                ),
                Panel(
                    "Memory",
                    "Resident.",
                    [Query(f"sum by (instance) (process_resident_memory_bytes{{{OF_ONE}}})", "{{instance}}")],
                    unit="bytes",
                ),
                Panel(
                    "Event loop",
                    "How late it comes to its work: p95.",
                    p95("cauce_event_loop_lag_seconds", "instance", "{{instance}}", OF_ONE),
                    unit="s",
                ),
                Panel("Open files", "", [Query(f"sum by (instance) (process_open_fds{{{OF_ONE}}})", "{{instance}}")]),
            ],
        ),
    ],
    choices=[("service", SERVICES)],
)

ALL = (OVERVIEW, LOG, REACTIONS, SERVICE)


def files() -> dict[Path, str]:
    return {FOLDER / f"{each.uid}.json": each.json() for each in ALL}


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text)
