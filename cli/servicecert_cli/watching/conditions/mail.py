"""Mail servers, and the mails that wait for them."""

from .condition import Subject, conditions

critical, warning, look = conditions(Subject.MAIL)

CONDITIONS = (
    look(
        "MailServer",
        "A mail server opens no conversation, or none with verified TLS.",
        why="Certificates and invitations reach people by mail only.",
    ),
    critical(
        "MailLogin",
        "A mail server does not accept our login.",
        why="A server that refuses us takes no mail at all: all wait.",
        remedy="Correct SMTP_USERNAME and the file of SMTP_PASSWORD_FILE.",
    ),
    critical(
        "MailServerRefusesUs",
        "{relay} refuses our login, sender or address: all mails wait.",
        when="max by (relay) (servicecert_mail_server_refuses_all) > 0",
        within="2m",
        why="A certificate that is issued and not mailed is no use to its applicant.",
        remedy="See `servicecert mail list --state deferred`, and the answers of the mail server there.",
    ),
    critical(
        "MailsNotAccepted",
        "No mail server accepts mails: they wait and are retried.",
        when='(sum(increase(servicecert_mails_total{outcome="deferred"}[5m])) > 1 '
        'unless sum(increase(servicecert_mails_total{outcome="handed-over"}[2m])) > 0) '
        "unless max(servicecert_mail_server_refuses_all) > 0",
        wait="30s",
        within="3m",
    ),
    warning(
        "MailsWait",
        "A mail waits for {value:period}.",
        when="max(servicecert_mails_deferred_oldest_seconds) > 3600",
        within="1h5m",
        why="A certificate that is issued and not mailed is no use to its applicant.",
        remedy="See `servicecert mail list --state deferred`, and the answers of the mail server there.",
    ),
    warning(
        "MailsUndeliverable",
        "{value} mails were refused, bounced or given up within a day.",
        when="sum(increase(servicecert_published_total"
        '{type=~"servicecert.mail.(refused|bounced|given-up).v1"}[1d])) > 10',
        within="2m",
    ),
    warning(
        "RemindersHeldBack",
        "Reminders wait for the rate limits for a day: the limits are too low.",
        when='max(servicecert_reminders_held_back{goes="later"}) > 0',
        wait="1d",
        within="1d1h",
    ),
)
