"""Mail: what is handed over, what waits and why, and what nobody gets."""

from .panel import Colour, Dashboard, Panel, Row, State, States, limit_of
from .promql import increase, or_none, percentiles
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
    Panel(
        "Attempts by outcome",
        {"{{outcome}}": increase("servicecert_mails_total", "outcome", span="5m")},
        about="In 5 minutes (alert MailsNotAccepted).",
        axis="attempts",
    ),
    Panel(
        "Handed over by kind",
        {"{{kind}}": increase("servicecert_mails_total", "kind", 'outcome="handed-over"')},
        about="In an hour.",
        axis="mails",
    ),
    Panel(
        "Duration of a hand-over",
        percentiles("servicecert_act_seconds", "service", 'service="notifier"'),
        Unit.SECONDS,
        "Of a batch of mails.",
        nothing="no mail",
    ),
    States(
        "Last answer of each mail server",
        {"{{relay}}": "max by (relay) (servicecert_mail_last_answer)"},
        states=_ANSWERS,
        nothing="no mail yet",
    ),
    States(
        "Mail servers that refuse us",
        {"{{relay}}": "max by (relay) (servicecert_mail_server_refuses_all)"},
        about="Whoever the recipient is: our login, sender or address (alert MailServerRefusesUs).",
        states=_REFUSES,
        nothing="no mail yet",
    ),
    Panel(
        "Open conversations",
        {"{{relay}}": "sum by (relay) (servicecert_mail_connections)"},
        axis="connections",
        nothing="no mail yet",
    ),
)

_WAITING = Row(
    "What waits",
    Panel(
        "Mails that are retried",
        {"{{kind}}": or_none("sum by (kind) (servicecert_mails_deferred)", "kind")},
        axis="mails",
    ),
    Panel(
        "Age of the oldest of them",
        {"age": "max(servicecert_mails_deferred_oldest_seconds)"},
        Unit.SECONDS,
        axis="age",
        limits=(limit_of("MailsWait"),),
    ),
    Panel(
        "Reminders held back",
        {"{{goes}}": "servicecert_reminders_held_back"},
        about="By the rate limits (alert RemindersHeldBack).",
        axis="reminders",
    ),
)

_RESULTS = Row(
    "Results",
    Panel(
        "Refused, bounced, given up in a day",
        {
            "{{type}}": increase(
                "servicecert_published_total",
                "type",
                'type=~"servicecert.mail.(refused|bounced|given-up).v1"',
                span="1d",
            )
        },
        axis="mails",
        limits=(limit_of("MailsUndeliverable"),),
    ),
    Panel(
        "From submission to delivery",
        percentiles("servicecert_stage_seconds", "stage", 'stage="delivered"', "1h"),
        Unit.SECONDS,
        "Over an hour, until the certificate's mail was accepted.",
    ),
    Panel("Events that wait for the notifier", {"records": 'servicecert:lag:sum{service="notifier"}'}, axis="records"),
)

DASHBOARD = Dashboard(
    "mail",
    "Mail",
    "Whether people get their mails, and what keeps them from that.",
    (_HANDING_OVER, _WAITING, _RESULTS),
)
