"""Mail: what is handed over, what waits and why, and what nobody gets."""

from . import units
from .panel import Colour, Dashboard, Panel, Row, State, States, limit_of
from .promql import increase, or_none, percentiles

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
        units.number_of("attempts"),
        "In 5 minutes (alert MailsNotAccepted).",
    ),
    Panel(
        "Handed over by kind",
        {"{{kind}}": increase("servicecert_mails_total", "kind", 'outcome="handed-over"')},
        units.number_of("mails"),
        "In an hour.",
    ),
    Panel(
        "Duration of a hand-over",
        percentiles("servicecert_act_seconds", "service", 'service="notifier"'),
        units.SECONDS,
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
        units.number_of("connections"),
        nothing="no mail yet",
    ),
)

_WAITING = Row(
    "What waits",
    Panel(
        "Mails that are retried",
        {"{{kind}}": or_none("sum by (kind) (servicecert_mails_deferred)", "kind")},
        units.number_of("mails"),
    ),
    Panel(
        "Age of the oldest of them",
        {"age": "max(servicecert_mails_deferred_oldest_seconds)"},
        units.AGE,
        limits=(limit_of("MailsWait"),),
    ),
    Panel(
        "Reminders held back",
        {"{{goes}}": "servicecert_reminders_held_back"},
        units.number_of("reminders"),
        "By the rate limits (alert RemindersHeldBack).",
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
        units.number_of("mails"),
        limits=(limit_of("MailsUndeliverable"),),
    ),
    Panel(
        "From submission to delivery",
        percentiles("servicecert_stage_seconds", "stage", 'stage="delivered"', "1h"),
        units.SECONDS,
        "Over an hour, until the certificate's mail was accepted.",
    ),
    Panel(
        "Events that wait for the notifier",
        {"records": 'servicecert:lag:sum{service="notifier"}'},
        units.number_of("records"),
    ),
)

DASHBOARD = Dashboard(
    "mail",
    "Mail",
    "Whether people get their mails, and what keeps them from that.",
    (_HANDING_OVER, _WAITING, _RESULTS),
)
