"""Permanent refusals as mail servers word them, with the step, and what each says (C3)."""

from servicecert_notifier.smtp.domain.answers import Meaning, Step

_POSTFIX = (
    (Step.RECIPIENT, "554 5.7.1 <a@x.fi>: Relay access denied", Meaning.UNCLEAR),
    (Step.RECIPIENT, "454 4.7.1 <a@x.fi>: Relay access denied", Meaning.US),
    (Step.RECIPIENT, "554 5.7.1 <host[192.0.2.1]>: Client host rejected: Access denied", Meaning.UNCLEAR),
    (Step.RECIPIENT, "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen", Meaning.UNCLEAR),
    (Step.RECIPIENT, "550 5.7.1 <host>: Helo command rejected: Host not found", Meaning.UNCLEAR),
    (Step.RECIPIENT, "553 5.7.1 <ca@x.fi>: Sender address rejected: not owned by user ca", Meaning.UNCLEAR),
    (Step.RECIPIENT, "553 5.7.1 <ca@x.fi>: Sender address rejected: not logged in", Meaning.UNCLEAR),
    (Step.RECIPIENT, "550 5.1.8 <ca@x.fi>: Sender address rejected: Domain not found", Meaning.US),
    (Step.RECIPIENT, "550 5.1.0 <ca@x.fi>: Sender address rejected: User unknown", Meaning.UNCLEAR),
    (Step.RECIPIENT, "554 5.7.1 <a@x.fi>: Recipient address rejected: Access denied", Meaning.UNCLEAR),
    (Step.RECIPIENT, "530 5.7.0 Must issue a STARTTLS command first", Meaning.US),
    (Step.SENDER, "553 5.7.1 <ca@x.fi>: Sender address rejected: not logged in", Meaning.US),
    (Step.SENDER, "552 5.3.4 Message size exceeds fixed limit", Meaning.MAIL),
    (Step.CONTENT, "550 5.7.1 Message content rejected", Meaning.UNCLEAR),
    (Step.CONTENT, "554 5.7.1 Spam message rejected", Meaning.UNCLEAR),
    (Step.RECIPIENT, "550 5.1.1 <a@x.fi>: Recipient address rejected: User unknown in relay table", Meaning.MAIL),
    (Step.RECIPIENT, "550 5.1.2 <a@x.fi>: Recipient address rejected: Domain not found", Meaning.MAIL),
    (Step.RECIPIENT, "501 5.1.3 Bad recipient address syntax", Meaning.MAIL),
    (Step.RECIPIENT, "556 5.1.10 <a@x.fi>: Recipient address rejected: Domain does not accept mail", Meaning.MAIL),
    (Step.RECIPIENT, "552 5.2.2 <a@x.fi>: Recipient address rejected: Mailbox is full", Meaning.MAIL),
)

_EXIM = (
    (Step.RECIPIENT, "550 relay not permitted", Meaning.UNCLEAR),
    (Step.RECIPIENT, "550 Administrative prohibition", Meaning.UNCLEAR),
    (Step.RECIPIENT, "550 Sender verify failed", Meaning.UNCLEAR),
    (Step.RECIPIENT, "550 Unrouteable address", Meaning.UNCLEAR),
    (Step.RECIPIENT, "550 authentication required", Meaning.UNCLEAR),
    (Step.CONTENT, "550 Administrative prohibition", Meaning.UNCLEAR),
    (Step.SENDER, "550 Access denied - Invalid HELO name", Meaning.US),
    (Step.SENDER, "552 Message size exceeds maximum permitted", Meaning.MAIL),
)

_EXCHANGE = (
    (Step.RECIPIENT, "550 5.7.1 Unable to relay", Meaning.UNCLEAR),
    (Step.RECIPIENT, "550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain", Meaning.UNCLEAR),
    (Step.CONTENT, "550 5.7.1 Client does not have permissions to send as this sender", Meaning.UNCLEAR),
    (Step.CONTENT, "550 5.7.60 SMTP; Client does not have permissions to send as this sender", Meaning.UNCLEAR),
    (Step.SENDER, "530 5.7.57 SMTP; Client was not authenticated to send anonymous mail", Meaning.US),
    (Step.SENDER, "501 5.1.7 Invalid address", Meaning.US),
    (Step.RECIPIENT, "550 5.7.64 TenantAttribution; Relay Access Denied", Meaning.UNCLEAR),
    (
        Step.CONTENT,
        "550 5.7.708 Service unavailable. Access denied, traffic not accepted from this IP",
        Meaning.UNCLEAR,
    ),
    (Step.CONTENT, "550 5.7.705 Access denied, tenant has exceeded threshold", Meaning.UNCLEAR),
    (Step.CONTENT, "550 5.1.8 Access denied, bad outbound sender", Meaning.US),
    (Step.RECIPIENT, "550 5.7.124 Sender not in the allowed-senders list of the group", Meaning.UNCLEAR),
    (Step.RECIPIENT, "550 5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup", Meaning.UNCLEAR),
    (Step.RECIPIENT, "550 5.4.1 Recipient address rejected: Access denied", Meaning.UNCLEAR),
    (Step.RECIPIENT, "550 5.1.1 User unknown", Meaning.MAIL),
    (Step.RECIPIENT, "550 5.1.10 RESOLVER.ADR.RecipientNotFound", Meaning.MAIL),
    (Step.CONTENT, "550 5.2.3 RESOLVER.RST.RecipSizeLimit", Meaning.MAIL),
    (Step.CONTENT, "554 5.6.0 Corrupt message content", Meaning.UNCLEAR),
)

_SENDMAIL = (
    (Step.RECIPIENT, "550 5.7.1 <a@x.fi>... Relaying denied", Meaning.UNCLEAR),
    (Step.RECIPIENT, "550 5.7.1 <a@x.fi>... Relaying denied. Proper authentication required.", Meaning.UNCLEAR),
    (Step.RECIPIENT, "550 5.7.1 <a@x.fi>... Relaying denied. IP name lookup failed", Meaning.UNCLEAR),
    (Step.RECIPIENT, "553 5.1.8 <ca@x.fi>... Domain of sender address ca@x.fi does not exist", Meaning.US),
    (Step.SENDER, "550 5.7.1 Access denied", Meaning.US),
    (Step.SENDER, "530 5.7.0 Authentication required", Meaning.US),
    (Step.RECIPIENT, "550 5.2.1 <a@x.fi>... Mailbox disabled for this recipient", Meaning.MAIL),
    (Step.RECIPIENT, "550 5.1.1 <a@x.fi>... User unknown", Meaning.MAIL),
    (Step.RECIPIENT, "550 5.1.2 <a@x.fi>... Host unknown (Name server: x.fi: host not found)", Meaning.MAIL),
    (Step.CONTENT, "554 5.7.1 Command rejected", Meaning.UNCLEAR),
)

_OTHERS = (
    (Step.RECIPIENT, "553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)", Meaning.UNCLEAR),
    (Step.CONTENT, "552 5.7.0 This message was blocked because of its content", Meaning.UNCLEAR),
    (Step.CONTENT, "554 Transaction failed", Meaning.UNCLEAR),
    (Step.RECIPIENT, "552 Requested mail action aborted: exceeded storage allocation", Meaning.MAIL),
    (Step.RECIPIENT, "450 4.7.1 Greylisted", Meaning.LATER),
    (Step.SENDER, "451 4.3.0 Lookup failure", Meaning.LATER),
)

ANSWERS = [
    (server, *answer)
    for server, answers in (
        ("Postfix", _POSTFIX),
        ("Exim", _EXIM),
        ("Exchange", _EXCHANGE),
        ("sendmail", _SENDMAIL),
        ("others", _OTHERS),
    )
    for answer in answers
]
