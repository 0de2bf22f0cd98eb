"""The notifier's own metrics of a process: outcomes, and mail servers."""

from servicecert_worker.core.decider import Gauge, Read


def gauges(outcomes: Read, answers: Read, refusing: Read, connections: Read) -> tuple[Gauge, ...]:
    """Return the gauges, each with the source of its values."""
    return (
        Gauge(
            "servicecert_mails", "Attempts to hand a mail over, by outcome.", ("kind", "outcome"), outcomes, counts=True
        ),
        Gauge(
            "servicecert_mail_last_answer",
            "The class of each mail server's last answer to a mail: 2, 4 or 5; 0 if it does not answer.",
            "relay",
            answers,
        ),
        Gauge(
            "servicecert_mail_server_refuses_all",
            "1 if a mail server refuses us, whoever the recipient is: its mails wait until an operator corrects it.",
            "relay",
            refusing,
        ),
        Gauge("servicecert_mail_connections", "Open SMTP conversations.", "relay", connections),
    )
