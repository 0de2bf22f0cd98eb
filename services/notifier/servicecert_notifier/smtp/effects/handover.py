"""The notifier's effect: handing mails over to a mail server (C3).

SMTP delivers at least once: if the answer to a mail is lost, it is sent again with the same bytes and Message-ID.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from servicecert_worker.core.decider import Done, Outcome, Task
from servicecert_worker.core.faults import error_summary

from ...domain.pace import domain_of
from ...domain.relays import Relay, Relays
from ...domain.task import NO_ANSWER, MailOutcome, MailState, MailTask
from ...mail.domain.letters import write
from ...mail.domain.message import UnsendableAddress, compose, mailbox
from ...settings import Settings
from ..domain.answers import Answer, Envelope, Meaning, Offers
from ..domain.refusals import Refusals
from .conversation import Conversation, ConversationFailed, LoginRefused, NoAnswer, open_conversation, tls_context

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Deferred:
    """A mail that could not be handed over now: the reason, the server and its answer.

    One that waits because the server refuses us is not given up (C3). `refused_since` is as in `MailTask`.
    """

    reason: str
    answer: str = NO_ANSWER
    relay: Relay | None = None
    is_about_us: bool = False
    refused_since: datetime | None = None


AttemptState = Literal[MailState.DEFERRED, MailState.HANDED_OVER, MailState.REFUSED, MailState.GIVEN_UP]

_LEVELS = {
    MailState.HANDED_OVER: logging.DEBUG,
    MailState.DEFERRED: logging.INFO,
    MailState.REFUSED: logging.WARNING,
    MailState.GIVEN_UP: logging.WARNING,
}
"""The log level of each outcome."""


class Mailer:
    """Hands mails over through a few open conversations, with the first mail server that answers."""

    def __init__(self, settings: Settings, clock: Callable[[], datetime]) -> None:
        self._settings = settings
        self._sender = settings.sender
        self._envelope_sender = settings.envelope_sender
        self._contact = settings.contact
        self._dkim = settings.dkim_key()
        self._clock = clock
        self._tls = tls_context(settings)
        self._relays = Relays(settings.relays)
        self._refusals = Refusals()
        self._refusing: set[Relay] = set()
        self._idle: list[Conversation] = []
        self._busy: Counter[str] = Counter()
        self._outcomes: Counter[tuple[str, str]] = Counter()
        self._answers: dict[str, float] = {}

    async def deliver(self, tasks: Sequence[Task]) -> Sequence[Outcome]:
        """Hand over each task's mail (`MailTask`) in an SMTP transaction of its own. Return the outcomes in order.

        Each call uses one conversation, one mail after another. A call can be repeated.
        """
        outcomes: list[Done | Deferred] = []
        rest = await self._hand_over_all(tasks, outcomes)
        outcomes += [rest] * (len(tasks) - len(outcomes))
        return [self._final(task, outcome) for task, outcome in zip(tasks, outcomes, strict=True)]

    async def close(self) -> None:
        """End the conversations."""
        idle, self._idle = self._idle, []
        await asyncio.gather(*(conversation.close() for conversation in idle))

    async def outcomes(self) -> Mapping[tuple[str, ...], float]:
        """Return how many attempts had which outcome since the start, by kind of mail."""
        return {(kind, outcome): float(count) for (kind, outcome), count in self._outcomes.items()}

    async def answers(self) -> Mapping[str, float]:
        """Return the class of each mail server's last answer to a mail: 2, 4 or 5, and 0 if it does not answer."""
        return dict(self._answers)

    async def refusing(self) -> Mapping[str, float]:
        """Return 1 for each mail server that refuses us, 0 for the others."""
        return {str(relay): float(self._refusals.refuses_us(relay, self._clock())) for relay in self._relays.all}

    async def connections(self) -> Mapping[str, float]:
        """Return the number of open conversations, by mail server."""
        idle = Counter(str(conversation.relay) for conversation in self._idle if conversation.usable)
        return {str(relay): float(self._busy[str(relay)] + idle[str(relay)]) for relay in self._relays.all}

    async def _hand_over_all(self, tasks: Sequence[Task], outcomes: list[Done | Deferred]) -> Deferred:
        """Hand over one mail after another. Return why some are left, if no server opens or answers."""
        while len(outcomes) < len(tasks):
            try:
                conversation = await self._conversation()
            except ConversationFailed as failed:
                return Deferred(str(failed), is_about_us=isinstance(failed, LoginRefused))
            relay = str(conversation.relay)
            self._busy[relay] += 1
            try:
                while conversation.usable and len(outcomes) < len(tasks):
                    outcomes.append(await self._try(conversation, tasks[len(outcomes)]))
                if conversation.usable:
                    self._idle.append(conversation)
            except NoAnswer as fault:
                outcomes.append(Deferred(str(fault)))
                if self._relays.all_failed(asyncio.get_running_loop().time()):
                    return Deferred(str(fault))
            except BaseException:
                conversation.abort()
                raise
            finally:
                self._busy[relay] -= 1
        return Deferred("The mail was not tried.")

    async def _conversation(self) -> Conversation:
        """Return an idle conversation, or a new one with the first server that answers. Raise the last fault."""
        while self._idle:
            conversation = self._idle.pop()
            if conversation.usable:
                return conversation
            conversation.abort()
        loop = asyncio.get_running_loop()
        fault = ConversationFailed("No mail server is configured: set SMTP_HOST.")
        for relay in self._relays.preferred(loop.time()):
            if (reason := self._relays.refusal(relay, loop.time())) is not None:
                fault = LoginRefused(reason)
                continue
            try:
                conversation = await open_conversation(relay, self._settings, self._tls)
            except ConversationFailed as failed:
                fault = failed
                self._failed(relay, str(failed))
                if isinstance(failed, LoginRefused):
                    self._relays.login_refused(relay, str(failed), loop.time())
                    self._refusals.refused_us(relay, self._clock())
                    self._report_refusing(relay)
            else:
                self._relays.answered(relay)
                return conversation
        raise fault

    async def _try(self, conversation: Conversation, task: Task) -> Done | Deferred:
        """Compose a mail and hand it over. One that cannot be composed delays no others. Raise `NoAnswer`."""
        try:
            envelope, message = self._compose(task.data, conversation.offers)
        except UnsendableAddress:
            return self._done(task, MailState.REFUSED)
        except Exception as fault:
            # The exception's text may quote the mail, its type and line do not.
            log.error(
                "Mail not composed; it is retried: report this fault to the developers",
                extra={**_log_fields(task), "error": error_summary(fault)},
            )
            return Deferred(f"The mail could not be composed ({type(fault).__name__}).")
        try:
            answer = await conversation.hand_over(envelope, message)
        except ConversationFailed as failed:
            self._failed(conversation.relay, str(failed))
            if isinstance(failed, NoAnswer):
                raise
            return Deferred(str(failed))
        self._answers[str(conversation.relay)] = float(answer.reply.code // 100)
        outcome = self._outcome_of(task, answer, conversation.relay)
        if answer.is_server_fault or conversation.relay in self._refusing:
            await self._switch_server(conversation)
        return outcome

    def _compose(self, mail: MailTask, offers: Offers) -> tuple[Envelope, bytes]:
        """Return the mail as bytes, for a server with these extensions. Raise `UnsendableAddress`."""
        recipient = mailbox(mail.recipient.email, utf8=offers.smtputf8)
        letter = write(mail, self._contact)
        message = compose(letter, self._sender, mail.recipient, mail.mail_id, mail.date, mail.language)
        if self._dkim is not None:
            message = self._dkim.signed(message, mail.date)
        return Envelope(self._envelope_sender, recipient, str(mail.mail_id)), message

    async def _switch_server(self, conversation: Conversation) -> None:
        """End a conversation if there is a server that has not failed recently."""
        now = asyncio.get_running_loop().time()
        self._relays.failed(conversation.relay, now)
        if not self._relays.all_failed(now):
            await conversation.close()

    def _failed(self, relay: Relay, reason: str) -> None:
        self._relays.failed(relay, asyncio.get_running_loop().time())
        if self._answers.get(str(relay)) != 0:
            log.warning("Mail server failed; its mails are retried", extra={"relay": str(relay), "reason": reason})
        self._answers[str(relay)] = 0.0

    def _outcome_of(self, task: Task, answer: Answer, relay: Relay) -> Done | Deferred:
        """Return the outcome of an answer. A refusal of us defers the mail, until an operator has corrected it."""
        mail: MailTask = task.data
        reply, meaning, now = answer.reply, answer.meaning, self._clock()
        self._refusals.answered(relay, domain_of(mail.recipient.email), meaning, now)
        self._report_refusing(relay)
        if meaning is Meaning.TAKEN:
            return self._done(task, MailState.HANDED_OVER, str(reply), relay)
        since = mail.refused_since
        if meaning is Meaning.UNCLEAR:
            since = since or now
            is_final = self._refusals.is_about_the_recipient(relay, since, now)
        else:
            is_final = meaning is Meaning.MAIL
        if is_final:
            return self._done(task, MailState.REFUSED, str(reply), relay)
        reason = f"The mail server answered {reply} to the {answer.step.name.lower()} of the mail."
        return Deferred(reason, str(reply), relay, meaning in (Meaning.US, Meaning.UNCLEAR), since)

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

    def _final(self, task: Task, outcome: Done | Deferred) -> Outcome:
        """Return the outcome to store. A deferred mail whose time is over is given up, unless the server refuses us."""
        if isinstance(outcome, Done):
            return outcome
        mail: MailTask = task.data
        if self._clock() >= mail.give_up_at and not outcome.is_about_us:
            return self._done(task, MailState.GIVEN_UP, outcome.answer, outcome.relay)
        return self._done(
            task,
            MailState.DEFERRED,
            outcome.answer,
            outcome.relay,
            reason=outcome.reason,
            refused_since=outcome.refused_since or mail.refused_since,
        )

    def _done(
        self,
        task: Task,
        state: AttemptState,
        answer: str = NO_ANSWER,
        relay: Relay | None = None,
        reason: str | None = None,
        refused_since: datetime | None = None,
    ) -> Done:
        mail: MailTask = task.data
        attempts = mail.attempts + task.tries + 1
        level = _LEVELS[state]
        # Most mails are handed over and logged at DEBUG: the fields are collected only if the line is written.
        if log.isEnabledFor(level):
            fields = {**_log_fields(task), "answer": answer, "attempts": attempts, "reason": reason}
            log.log(level, "Mail %s", state, extra=fields)
        self._outcomes[mail.content.kind, state] += 1
        return Done(
            MailOutcome(
                mail_id=mail.mail_id,
                state=state,
                answer=answer,
                relay=None if relay is None else str(relay),
                refused_since=refused_since,
                attempts=attempts,
                at=self._clock(),
            )
        )


def _log_fields(task: Task) -> dict[str, object]:
    """Return the log fields of a mail: of the recipient the role, since a domain can name a person too (E3)."""
    mail: MailTask = task.data
    return {"mail": str(mail.mail_id), "key": str(mail.case_id), "recipient": str(mail.recipient.role)}
