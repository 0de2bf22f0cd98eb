"""The notifier's effect: handing mails over to a mail server (C3).

SMTP delivers at least once: if the answer to a mail is lost, it is sent again with the same bytes and Message-ID.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import monotonic

from servicecert_worker.core.decider import Done, Outcome, Task
from servicecert_worker.core.faults import error_summary

from ...domain.contents import MIN_RETRY_PERIOD
from ...domain.pace import domain_of
from ...domain.relays import Relay, Relays
from ...domain.task import NO_ANSWER, AttemptState, MailOutcome, MailState, MailTask
from ...mail.domain.letters import write
from ...mail.domain.message import Sender, UnsendableAddress, compose, mailbox
from ...settings import Settings
from ..domain.answers import Answer, Envelope, Meaning, Offers
from ..domain.refusals import Refusals
from .conversation import (
    Conversation,
    ConversationFailed,
    LoginRefused,
    NoAnswer,
    Refused,
    open_conversation,
    tls_context,
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of an attempt: the state, the server and its answer, and why a mail could not be handed over now.

    A mail that waits because the server refuses us is not given up (C3). `refused_since` is as in `MailTask`.
    """

    reason: str | None = None
    state: AttemptState = MailState.DEFERRED
    answer: str = NO_ANSWER
    relay: Relay | None = None
    is_about_us: bool = False
    refused_since: datetime | None = None


_LEVELS = {
    MailState.HANDED_OVER: logging.DEBUG,
    MailState.DEFERRED: logging.INFO,
    MailState.REFUSED: logging.WARNING,
    MailState.GIVEN_UP: logging.WARNING,
}
"""The log level of each outcome."""


class Mailer:
    """Hands mails over through a few open conversations, with the first mail server that answers.

    `outcomes` counts attempts by kind of mail and outcome; `answers` has the class of each server's last answer to a
    mail: 2, 4 or 5, and 0 if it does not answer.
    """

    def __init__(self, settings: Settings, clock: Callable[[], datetime]) -> None:
        self._settings = settings
        self._envelope_sender = settings.servicecert_mail_bounces_to or settings.sender.address
        self._heads = settings.letterheads
        self._dkim = settings.dkim_key()
        self._clock = clock
        self._tls = tls_context(settings)
        self._relays = Relays(settings.relays)
        self._refusals = Refusals()
        self._refusing: set[Relay] = set()
        self._idle: list[Conversation] = []
        self._busy: Counter[str] = Counter()
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self.answers: dict[str, float] = {}

    async def deliver(self, tasks: Sequence[Task]) -> Sequence[Outcome]:
        """Hand over each task's mail (`MailTask`) in an SMTP transaction of its own. Return the outcomes in order.

        Each call uses one conversation, one mail after another. A call can be repeated.
        """
        attempts: list[Attempt] = []
        rest = await self._hand_over_all(tasks, attempts)
        attempts += [rest] * (len(tasks) - len(attempts))
        return [self._done(task, attempt) for task, attempt in zip(tasks, attempts, strict=True)]

    async def close(self) -> None:
        idle, self._idle = self._idle, []
        await asyncio.gather(*(conversation.close() for conversation in idle))

    async def refusing(self) -> Mapping[str, float]:
        """Return 1 for each mail server that refuses us, 0 for the others."""
        return {str(relay): float(self._refusals.refuses_us(relay, self._clock())) for relay in self._relays.all}

    async def connections(self) -> Mapping[str, float]:
        """Return the number of open conversations, by mail server."""
        idle = Counter(str(conversation.relay) for conversation in self._idle if conversation.usable)
        return {str(relay): float(self._busy[str(relay)] + idle[str(relay)]) for relay in self._relays.all}

    async def _hand_over_all(self, tasks: Sequence[Task], attempts: list[Attempt]) -> Attempt:
        """Hand over one mail after another. Return why some are left, if no server opens or answers."""
        while len(attempts) < len(tasks):
            try:
                conversation = await self._conversation()
            except ConversationFailed as failed:
                return Attempt(str(failed), is_about_us=isinstance(failed, Refused))
            relay = str(conversation.relay)
            self._busy[relay] += 1
            try:
                while conversation.usable and len(attempts) < len(tasks):
                    attempts.append(await self._try(conversation, tasks[len(attempts)]))
                if conversation.usable:
                    self._idle.append(conversation)
            except NoAnswer as fault:
                attempts.append(Attempt(str(fault)))
                if self._relays.all_failed(monotonic()):
                    return attempts[-1]
            except BaseException:
                conversation.abort()
                raise
            finally:
                self._busy[relay] -= 1
        return Attempt("The mail was not tried.")

    async def _conversation(self) -> Conversation:
        """Return an idle conversation, or a new one with the first server that answers.

        Raise the last fault, but that a server refuses us before that another does not answer: it ends no mail.
        """
        while self._idle:
            conversation = self._idle.pop()
            if conversation.usable:
                return conversation
            conversation.abort()
        faults = [ConversationFailed("No mail server is configured: set SMTP_HOST.")]
        for relay in self._relays.preferred(monotonic()):
            if (reason := self._relays.refusal(relay, monotonic())) is not None:
                faults.append(LoginRefused(reason))
                continue
            try:
                conversation = await open_conversation(relay, self._settings, self._tls)
            except ConversationFailed as failed:
                faults.append(failed)
                self._failed(relay, failed)
            else:
                self._relays.answered(relay)
                return conversation
        raise next((fault for fault in faults if isinstance(fault, Refused)), faults[-1])

    async def _try(self, conversation: Conversation, task: Task) -> Attempt:
        """Compose a mail and hand it over. One that cannot be composed delays no others. Raise `NoAnswer`."""
        try:
            envelope, message = self._compose(task.data, conversation.offers)
        except UnsendableAddress:
            return Attempt(state=MailState.REFUSED)
        except Exception as fault:
            # The exception's text may quote the mail, its type and line do not.
            log.error(
                "Mail not composed; it is retried: report this fault to the developers",
                extra={**_log_fields(task), "error": error_summary(fault)},
            )
            return Attempt(f"The mail could not be composed ({type(fault).__name__}).")
        try:
            answer = await conversation.hand_over(envelope, message)
        except ConversationFailed as failed:
            self._failed(conversation.relay, failed)
            if isinstance(failed, NoAnswer):
                raise
            return Attempt(str(failed))
        self.answers[str(conversation.relay)] = float(answer.reply.code // 100)
        attempt = self._answered(task.data, answer, conversation.relay)
        if answer.is_server_fault or conversation.relay in self._refusing:
            # Another server may take the mail, if there is one that has not failed recently.
            self._relays.failed(conversation.relay, monotonic())
            if not self._relays.all_failed(monotonic()):
                await conversation.close()
        return attempt

    def _compose(self, mail: MailTask, offers: Offers) -> tuple[Envelope, bytes]:
        """Return the mail as bytes, for a server with these extensions. Raise `UnsendableAddress`."""
        recipient = mailbox(mail.recipient.email, utf8=offers.smtputf8)
        head = mail.letterhead or self._heads[mail.language]
        letter, sender = write(mail, head), Sender.of(head.sender, head.name)
        message = compose(letter, sender, mail.recipient, mail.mail_id, mail.date, mail.language)
        if self._dkim is not None:
            message = self._dkim.signed(message, mail.date)
        return Envelope(self._envelope_sender, recipient, str(mail.mail_id)), message

    def _failed(self, relay: Relay, failed: ConversationFailed) -> None:
        self._relays.failed(relay, monotonic())
        if self.answers.get(str(relay)) != 0:
            log.warning("Mail server failed; its mails are retried", extra={"relay": str(relay), "reason": str(failed)})
        self.answers[str(relay)] = 0.0
        if isinstance(failed, LoginRefused):
            self._relays.login_refused(relay, str(failed), monotonic())
        if isinstance(failed, Refused):
            self._refusals.answered(relay, "", Meaning.US, self._clock())
            self._report_refusing(relay)

    def _answered(self, mail: MailTask, answer: Answer, relay: Relay) -> Attempt:
        """Return what follows from an answer. A refusal of us defers the mail, until an operator has corrected it."""
        reply, meaning, now = answer.reply, answer.meaning, self._clock()
        self._refusals.answered(relay, domain_of(mail.recipient.email), meaning, now)
        self._report_refusing(relay)
        if meaning is Meaning.TAKEN:
            return Attempt(state=MailState.HANDED_OVER, answer=str(reply), relay=relay)
        is_final, since = meaning is Meaning.MAIL, mail.refused_since
        if meaning is Meaning.UNCLEAR:
            since = since or now
            is_final = self._refusals.is_about_the_recipient(relay, since, now)
        return Attempt(
            f"The mail server answered {reply} to the {answer.step.name.lower()} of the mail.",
            MailState.REFUSED if is_final else MailState.DEFERRED,
            str(reply),
            relay,
            is_about_us=meaning in (Meaning.US, Meaning.UNCLEAR),
            refused_since=since,
        )

    def _report_refusing(self, relay: Relay) -> None:
        """Log when a server begins to refuse us, and when it no longer does."""
        refuses = self._refusals.refuses_us(relay, self._clock())
        if refuses == (relay in self._refusing):
            return
        if refuses:
            self._refusing.add(relay)
            log.error("alarm: a mail server refuses us, not a recipient; all mails wait", extra={"relay": str(relay)})
        else:
            self._refusing.remove(relay)
            log.info("A mail server no longer refuses us", extra={"relay": str(relay)})

    def _done(self, task: Task, attempt: Attempt) -> Done:
        """Return the outcome to store. A deferred mail whose time is over is given up.

        It has time for a day after each answer that refuses us: one that waited is not lost to the next small fault.
        """
        mail: MailTask = task.data
        state, now = attempt.state, self._clock()
        give_up_at = max(mail.give_up_at, now + MIN_RETRY_PERIOD) if attempt.is_about_us else mail.give_up_at
        if state is MailState.DEFERRED and now >= give_up_at:
            state = MailState.GIVEN_UP
        attempts = mail.attempts + task.tries + 1
        level = _LEVELS[state]
        # Most mails are handed over and logged at DEBUG: the fields are collected only if the line is written.
        if log.isEnabledFor(level):
            fields = {**_log_fields(task), "answer": attempt.answer, "attempts": attempts, "reason": attempt.reason}
            log.log(level, "Mail %s", state, extra=fields)
        self.outcomes[mail.content.kind, state] += 1
        return Done(
            MailOutcome(
                mail_id=mail.mail_id,
                state=state,
                answer=attempt.answer,
                relay=None if attempt.relay is None else str(attempt.relay),
                refused_since=(attempt.refused_since or mail.refused_since) if state is MailState.DEFERRED else None,
                attempts=attempts,
                at=now,
                give_up_at=give_up_at,
            )
        )


def _log_fields(task: Task) -> dict[str, object]:
    """Return the log fields of a mail: of the recipient the role, since a domain can name a person too (E3)."""
    mail: MailTask = task.data
    return {"mail": str(mail.mail_id), "key": str(mail.case_id), "recipient": str(mail.recipient.role)}
