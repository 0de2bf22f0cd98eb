"""One service: its workers, its events and acts, and what waits for it."""

from servicecert_schemas.topics import SERVICES

from .panel import Colour, Dashboard, Kind, Limit, Panel, Query, Row, State
from .promql import increase, or_none, quantile, rate
from .units import Unit

_OWN = 'service="$service"'
_JOB = 'job="$service"'
_READY = {0.0: State("not ready", Colour.ORANGE), 1.0: State("ready", Colour.GREEN)}

_WORKERS = Row(
    "Workers",
    (
        Panel(
            "Workers that answer",
            (Query(f"servicecert:workers_up:sum{{{_OWN}}}", "up"), Query(f"count(up{{{_JOB}}})", "known")),
            about="Alerts ServiceDown and WorkerDown.",
            axis="workers",
        ),
        Panel(
            "Ready",
            (Query(f"servicecert_ready{{{_OWN}}}", "{{instance}}"),),
            about="What /ready answers (alert NotReady).",
            kind=Kind.STATES,
            states=_READY,
        ),
        Panel(
            "Versions",
            (Query(f"servicecert_build_info{{{_OWN}}}"),),
            about="Alert VersionsDiffer.",
            kind=Kind.TABLE,
            columns=("instance", "version", "python"),
        ),
        Panel(
            "Processor time",
            (Query(f"rate(process_cpu_seconds_total{{{_JOB}}}[$__rate_interval])", "{{instance}}"),),
            Unit.PROCESSORS,
            "A worker has one event loop: it cannot do more than some one processor.",
        ),
        Panel(
            "Memory",
            (Query(f"process_resident_memory_bytes{{{_JOB}}}", "{{instance}}"),),
            Unit.BYTES,
        ),
        Panel(
            "Open files and connections",
            (Query(f"process_open_fds{{{_JOB}}} / process_max_fds{{{_JOB}}}", "{{instance}}"),),
            Unit.SHARE,
            axis="share of the limit",
            limits=(Limit(0.8, "FilesNearLimit"),),
        ),
    ),
)

_EVENTS = Row(
    "Events: rate, errors, duration",
    (
        Panel(
            "Handled",
            (Query(f'sum by (type) (servicecert:events:rate1m{{{_OWN},outcome="handled"}})', "{{type}}"),),
            Unit.EVENTS,
            stacked=True,
        ),
        Panel(
            "Parked or repeated",
            (
                Query(
                    or_none(
                        f'sum by (outcome, type) (servicecert:events:rate1m{{{_OWN},outcome!="handled"}})', "outcome"
                    ),
                    "{{outcome}} {{type}}",
                ),
            ),
            Unit.EVENTS,
            "A parked record is at fault, or waits behind one that is. A repeated one has no effect.",
        ),
        Panel(
            "Age at the commit, 99th percentile",
            (Query(f"servicecert:event_age_seconds:p99_5m{{{_OWN}}}", "{{type}}"),),
            Unit.SECONDS,
            "From a record's timestamp to the commit of its effect, over 5 minutes.",
            axis="age",
        ),
        Panel(
            "Events decided",
            (Query(rate("servicecert_published_total", "type", _OWN), "{{type}}"),),
            Unit.EVENTS,
            stacked=True,
        ),
        Panel(
            "Turns",
            (Query(rate("servicecert_turn_seconds_count", "instance", _OWN), "{{instance}}"),),
            Unit.ACTS,
            axis="turns/s",
        ),
        Panel(
            "Duration of a turn",
            (
                Query(quantile(0.5, "servicecert_turn_seconds", "service", _OWN), "median"),
                Query(quantile(0.99, "servicecert_turn_seconds", "service", _OWN), "99th percentile"),
            ),
            Unit.SECONDS,
        ),
    ),
)

_ACTS = Row(
    "Acts on the world",
    (
        Panel(
            "Attempts",
            (Query(f"servicecert:acts:rate1m{{{_OWN}}}", "{{kind}} {{outcome}}"),),
            Unit.ACTS,
            "Signing, publishing, mailing and look-ups. One that is retried is not lost.",
            nothing="no act yet",
        ),
        Panel(
            "Duration of a batch, 99th percentile",
            (Query(f"servicecert:act_seconds:p99_5m{{{_OWN}}}", "{{kind}}"),),
            Unit.SECONDS,
            "Over 5 minutes.",
            nothing="no act yet",
        ),
        Panel(
            "Decided and not done",
            (Query(or_none(f"sum by (kind) (servicecert_intents{{{_OWN}}})", "kind"), "{{kind}}"),),
            axis="acts",
        ),
    ),
)

_WAITING = Row(
    "What waits",
    (
        Panel(
            "Outbox",
            (Query(f"servicecert_outbox_events{{{_OWN}}}", "events"),),
            about="Events that are decided and not published.",
            axis="events",
        ),
        Panel(
            "Age of what waits",
            (
                Query(f"servicecert_outbox_oldest_seconds{{{_OWN}}}", "outbox"),
                Query(f"servicecert_intents_oldest_seconds{{{_OWN}}}", "acts"),
                Query(f"servicecert_deadlines_overdue_seconds{{{_OWN}}}", "deadlines"),
                Query(f"servicecert_audit_unattested_seconds{{{_OWN}}}", "unsigned audit"),
            ),
            Unit.SECONDS,
            "The limit of the outbox is 1 min; that of acts, deadlines and audit is 10 min (alerts IntentsStuck,"
            " DeadlinesLate, AuditUnsigned).",
            axis="age",
            limits=(Limit(60, "OutboxStuck", Colour.RED),),
        ),
        Panel(
            "Deadlines that passed and are not handled",
            (Query(f"servicecert_deadlines_overdue{{{_OWN}}}", "deadlines"),),
            axis="deadlines",
        ),
        Panel(
            "Parked",
            (
                Query(or_none(f"sum by (reason) (servicecert_parked{{{_OWN}}})", "reason"), "{{reason}}"),
                Query(f"servicecert_parked_behind{{{_OWN}}}", "behind an earlier one"),
                Query(f"servicecert_parked_unkept{{{_OWN}}}", "not kept whole"),
            ),
            about="Alerts Parked and ParkedNotKept.",
            axis="records",
        ),
        Panel(
            "Age of the oldest parked record",
            (Query(f"servicecert_parked_oldest_seconds{{{_OWN}}}", "age"),),
            Unit.SECONDS,
            axis="age",
        ),
        Panel(
            "Not decidable, lost, skipped, untrusted, belated",
            (
                Query(f"sum(servicecert_stuck{{{_OWN}}})", "not decidable now"),
                Query(increase("servicecert_lost_records_total", "topic", _OWN), "lost: {{topic}}"),
                Query(increase("servicecert_skipped_records_total", "reason", _OWN), "skipped: {{reason}}"),
                Query(increase("servicecert_untrusted_records_total", "topic", _OWN), "untrusted: {{topic}}"),
                Query(increase("servicecert_belated_results_total", "code", _OWN), "belated: {{code}}"),
            ),
            about="Results and deadlines that cannot be decided (alert Stuck). In an hour: records deleted unread"
            " (RecordsLost), without an event (RecordsSkipped), without a signature of a writer (ForgedRecords), late"
            " results (SignedAfterVoid).",
            axis="now, or in an hour",
        ),
    ),
)

DASHBOARD = Dashboard(
    "service",
    "One service",
    "A service's workers, its events and acts, and what waits for it.",
    (_WORKERS, _EVENTS, _ACTS, _WAITING),
    services=SERVICES,
)
