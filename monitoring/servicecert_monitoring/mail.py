"""Mail: what is handed over, what waits and why, and what nobody gets."""

from .panel import Colour, Dashboard, Kind, Limit, Panel, Query, Row, State
from .promql import increase, or_none, quantile
from .units import Unit

_ANSWERS = {
    0.0: State("no answer", Colour.RED),
    2.0: State("accepts", Colour.GREEN),
    4.0: State("later", Colour.ORANGE),
    5.0: State("refuses", Colour.RED),
}
_REFUSES = {0.0: State("no", Colour.GREEN), 1.0: State("refuses us", Colour.RED)}

_HANDING_OVER = Row(
    "Handing over",
    (
        Panel(
            "Attempts by outcome",
            (Query(increase("servicecert_mails_total", "outcome", span="5m"), "{{outcome}}"),),
            about="In 5 minutes (alert MailsNotAccepted).",
            axis="attempts",
        ),
        Panel(
            "Handed over by kind",
            (Query(increase("servicecert_mails_total", "kind", 'outcome="handed-over"'), "{{kind}}"),),
            about="In an hour.",
            axis="mails",
        ),
        Panel(
            "Duration of a hand-over",
            (
                Query(quantile(0.5, "servicecert_act_seconds", "service", 'service="notifier"'), "median"),
                Query(quantile(0.99, "servicecert_act_seconds", "service", 'service="notifier"'), "99th percentile"),
            ),
            Unit.SECONDS,
            "Of a batch of mails.",
            nothing="no mail",
        ),
        Panel(
            "Last answer of each mail server",
            (Query("max by (relay) (servicecert_mail_last_answer)", "{{relay}}"),),
            kind=Kind.STATES,
            states=_ANSWERS,
            nothing="no mail yet",
        ),
        Panel(
            "Mail servers that refuse us",
            (Query("max by (relay) (servicecert_mail_server_refuses_all)", "{{relay}}"),),
            about="Whoever the recipient is: our login, sender or address (alert MailServerRefusesUs).",
            kind=Kind.STATES,
            states=_REFUSES,
            nothing="no mail yet",
        ),
        Panel(
            "Open conversations",
            (Query("sum by (relay) (servicecert_mail_connections)", "{{relay}}"),),
            axis="connections",
            nothing="no mail yet",
        ),
    ),
)

_WAITING = Row(
    "What waits",
    (
        Panel(
            "Mails that are retried",
            (Query(or_none("sum by (kind) (servicecert_mails_deferred)", "kind"), "{{kind}}"),),
            axis="mails",
        ),
        Panel(
            "Age of the oldest of them",
            (Query("max(servicecert_mails_deferred_oldest_seconds)", "age"),),
            Unit.SECONDS,
            axis="age",
            limits=(Limit(3600, "MailsWait"),),
        ),
        Panel(
            "Reminders held back",
            (Query("servicecert_reminders_held_back", "{{goes}}"),),
            about="By the rate limits (alert RemindersHeldBack).",
            axis="reminders",
        ),
    ),
)

_RESULTS = Row(
    "Results",
    (
        Panel(
            "Refused, bounced, given up in a day",
            (
                Query(
                    increase(
                        "servicecert_published_total",
                        "type",
                        'type=~"servicecert.mail.(refused|bounced|given-up).v1"',
                        span="1d",
                    ),
                    "{{type}}",
                ),
            ),
            axis="mails",
            limits=(Limit(10, "MailsUndeliverable"),),
        ),
        Panel(
            "From submission to delivery",
            (
                Query(quantile(0.5, "servicecert_stage_seconds", "stage", 'stage="delivered"', "1h"), "median"),
                Query(
                    quantile(0.99, "servicecert_stage_seconds", "stage", 'stage="delivered"', "1h"), "99th percentile"
                ),
            ),
            Unit.SECONDS,
            "Over an hour, until the certificate's mail was accepted.",
        ),
        Panel(
            "Events that wait for the notifier",
            (Query('servicecert:lag:sum{service="notifier"}', "records"),),
            axis="records",
        ),
    ),
)

DASHBOARD = Dashboard(
    "mail",
    "Mail",
    "Whether people get their mails, and what keeps them from that.",
    (_HANDING_OVER, _WAITING, _RESULTS),
)
