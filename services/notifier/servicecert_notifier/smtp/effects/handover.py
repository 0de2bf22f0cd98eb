"""The notifier's act on the world: handing mails over to a mail server (C3).

SMTP is at least once: where the answer to a mail got lost it is sent again, with the same bytes and the same Message-ID.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from servicecert_worker.decider import Done, Outcome, Task

from ...domain.task import NO_ANSWER, MailOutcome, MailState, MailTask
from ...mail.domain.letters import write
from ...mail.domain.message import UnsendableAddress, compose, mailbox, masked
from ...settings import Settings
from ..domain.answers import Answer, Envelope, Offers
from ..domain.relays import Relay, Relays
from .conversation import Conversation, ConversationFailed, LoginRefused, NoAnswer, open_conversation, tls_context

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Deferred:
    """A mail that could not be handed over for now: why, and the server's answer."""

    reason: str
    answer: str = NO_ANSWER


Settled = Literal[MailState.DEFERRED, MailState.HANDED_OVER, MailState.REFUSED, MailState.GIVEN_UP]

_LEVELS = {
    MailState.HANDED_OVER: logging.DEBUG,
    MailState.DEFERRED: logging.INFO,
    MailState.REFUSED: logging.WARNING,
    MailState.GIVEN_UP: logging.WARNING,
}
"""How loud a log tells what came of a mail."""


class Postman:
    """Hands mails over through a few conversations that it keeps open, with the first mail server that answers."""

    def __init__(self, settings: Settings, clock: Callable[[], datetime]) -> None:
        self._settings = settings
        self._sender = settings.sender
        self._envelope_sender = settings.envelope_sender
        self._contact = settings.contact
        self._dkim = settings.dkim_key()
        self._clock = clock
        self._tls = tls_context(settings)
        self._relays = Relays(settings.relays)
        self._idle: list[Conversation] = []
        self._busy: Counter[str] = Counter()
        self._outcomes: Counter[tuple[str, str]] = Counter()
        self._answers: dict[str, float] = {}

    async def deliver(self, tasks: Sequence[Task]) -> Sequence[Outcome]:
        """Hands over each task's mail (`MailTask`) in a transaction of its own, and says of each, in order, what came of it. Bears repetition.

        One mail follows another through one conversation: who calls it several times at once has several.
        """
        outcomes: list[Done | Deferred] = []
        why = await self._all(tasks, outcomes)
        outcomes += [Deferred(why)] * (len(tasks) - len(outcomes))
        return [self._in_time(task, outcome) for task, outcome in zip(tasks, outcomes, strict=True)]

    async def close(self) -> None:
        """Ends the conversations."""
        idle, self._idle = self._idle, []
        await asyncio.gather(*(conversation.close() for conversation in idle))

    async def outcomes(self) -> Mapping[tuple[str, ...], float]:
        """How many mails came to which outcome since the start, by kind."""
        return {(kind, outcome): float(count) for (kind, outcome), count in self._outcomes.items()}

    async def answers(self) -> Mapping[str, float]:
        """The class of each mail server's last answer to a mail: 2, 4 or 5, and 0 where it does not answer."""
        return dict(self._answers)

    async def connections(self) -> Mapping[str, float]:
        """How many conversations are open, by mail server."""
        idle = Counter(str(conversation.relay) for conversation in self._idle if conversation.usable)
        return {str(relay): float(self._busy[str(relay)] + idle[str(relay)]) for relay in self._relays.all}

    async def _all(self, tasks: Sequence[Task], outcomes: list[Done | Deferred]) -> str:
        """Hands over one mail after another, and answers why it leaves some for later: no conversation opens, or every server was silent lately."""
        while len(outcomes) < len(tasks):
            try:
                conversation = await self._conversation()
            except ConversationFailed as failed:
                return str(failed)
            relay = str(conversation.relay)
            self._busy[relay] += 1
            try:
                while conversation.usable and len(outcomes) < len(tasks):
                    outcomes.append(await self._try(conversation, tasks[len(outcomes)]))
                if conversation.usable:
                    self._idle.append(conversation)
            except NoAnswer as silent:
                outcomes.append(Deferred(str(silent)))
                if self._relays.rest(asyncio.get_running_loop().time()):
                    return str(silent)
            except BaseException:
                conversation.abort()
                raise
            finally:
                self._busy[relay] -= 1
        return "The mail was not tried."

    async def _conversation(self) -> Conversation:
        """A conversation that is open, or a new one with the first server that answers. Raises what the last of them raises."""
        while self._idle:
            conversation = self._idle.pop()
            if conversation.usable:
                return conversation
            conversation.abort()
        loop = asyncio.get_running_loop()
        trouble = ConversationFailed("There is no mail server.")
        for relay in self._relays.preferred(loop.time()):
            if (why := self._relays.refusal(relay, loop.time())) is not None:
                trouble = LoginRefused(why)
                continue
            try:
                conversation = await open_conversation(relay, self._settings, self._tls)
            except ConversationFailed as failed:
                trouble = failed
                self._failed(relay, str(failed))
                if isinstance(failed, LoginRefused):
                    self._relays.refused(relay, str(failed), loop.time())
            else:
                self._relays.answered(relay)
                return conversation
        raise trouble

    async def _try(self, conversation: Conversation, task: Task) -> Done | Deferred:
        """Writes a mail and hands it over. One that cannot be written holds up no others. Raises `NoAnswer`."""
        try:
            envelope, message = self._write(task.data, conversation.offers)
        except UnsendableAddress:
            return self._done(task, MailState.REFUSED, NO_ANSWER)
        except Exception as fault:
            # The fault's text may quote the mail, its type does not.
            log.error("mail cannot be written", extra={**_named(task), "fault": type(fault).__name__})
            return Deferred(f"The mail could not be written ({type(fault).__name__}).")
        try:
            answer = await conversation.hand_over(envelope, message)
        except ConversationFailed as failed:
            self._failed(conversation.relay, str(failed))
            if isinstance(failed, NoAnswer):
                raise
            return Deferred(str(failed))
        self._answers[str(conversation.relay)] = float(answer.reply.code // 100)
        if answer.takes_no_mail:
            await self._pass_over(conversation)
        return self._judge(task, answer)

    def _write(self, mail: MailTask, offers: Offers) -> tuple[Envelope, bytes]:
        """The mail as bytes, for a server that offers this. Raises `UnsendableAddress`."""
        recipient = mailbox(mail.recipient.email, utf8=offers.smtputf8)
        letter = write(mail, self._contact)
        message = compose(letter, self._sender, mail.recipient, mail.mail_id, mail.date, mail.language)
        if self._dkim is not None:
            message = self._dkim.signed(message, mail.date)
        return Envelope(self._envelope_sender, recipient, str(mail.mail_id)), message

    async def _pass_over(self, conversation: Conversation) -> None:
        """Has the next server asked, where there is one that has not failed lately."""
        now = asyncio.get_running_loop().time()
        self._relays.failed(conversation.relay, now)
        if not self._relays.rest(now):
            await conversation.close()

    def _failed(self, relay: Relay, reason: str) -> None:
        self._relays.failed(relay, asyncio.get_running_loop().time())
        if self._answers.get(str(relay)) != 0:
            log.warning("a mail server fails", extra={"relay": str(relay), "reason": reason})
        self._answers[str(relay)] = 0.0

    def _judge(self, task: Task, answer: Answer) -> Done | Deferred:
        """What the answer means. A refused sender, login or encryption concerns our own set-up, so the mail waits for an operator."""
        reply = answer.reply
        if reply.positive:
            return self._done(task, MailState.HANDED_OVER, str(reply))
        if reply.code >= 500 and not answer.is_ours_to_mend:
            return self._done(task, MailState.REFUSED, str(reply))
        return Deferred(f"The mail server answered {reply} to the {answer.step.name.lower()} of the mail.", str(reply))

    def _in_time(self, task: Task, outcome: Done | Deferred) -> Outcome:
        """Ends the tries of a mail whose time is over."""
        if isinstance(outcome, Done):
            return outcome
        mail: MailTask = task.data
        if self._clock() >= mail.give_up_at:
            return self._done(task, MailState.GIVEN_UP, outcome.answer)
        return self._done(task, MailState.DEFERRED, outcome.answer, outcome.reason)

    def _done(self, task: Task, state: Settled, answer: str, reason: str | None = None) -> Done:
        mail: MailTask = task.data
        attempts = mail.attempts + task.tries + 1
        level = _LEVELS[state]
        # Most mails are handed over, and few look at that: what a line holds is gathered only where somebody does.
        if log.isEnabledFor(level):
            about = {**_named(task), "answer": answer, "attempts": attempts, "reason": reason}
            log.log(level, "mail %s", state, extra=about)
        self._outcomes[mail.content.kind, state] += 1
        return Done(MailOutcome(mail_id=mail.mail_id, state=state, answer=answer, attempts=attempts, at=self._clock()))


def _named(task: Task) -> dict[str, object]:
    """How a log names a mail: never by its address."""
    mail: MailTask = task.data
    return {"mail": str(mail.mail_id), "case": str(mail.case_id), "recipient": masked(mail.recipient.email)}
