"""The notifier's act on the world: handing mails over to a mail server (C3).

SMTP is at least once: where the answer to a mail got lost it is sent again, with the same bytes and the same Message-ID.
"""

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Literal

import structlog
from servicecert_worker.decider import Done, Outcome, Task

from ...domain.task import NO_ANSWER, Content, MailOutcome, MailState, MailTask
from ...mail.domain.letters import bodies
from ...mail.domain.message import Bodies, UnsendableAddress, compose, mailbox, masked
from ...settings import Settings
from ..domain.relays import Relay, Relays
from .conversation import Answer, Conversation, ConversationFailed, Envelope, LoginRefused, NoAnswer, Offers, Step
from .opening import open_conversation, tls_context

log = structlog.get_logger(__name__)

_OURS_TO_MEND = frozenset((454, 530, 534, 535, 538))
"""Replies that ask for a login or an encrypted connection (RFC 4954 section 6, RFC 3207 section 4): ours to mend, so no mail is refused for them."""

_TOO_LARGE = 552
"""The reply to MAIL that refuses the mail for its size (RFC 1870 section 6), and not its sender."""

_SYSTEM_TROUBLE = "4.3."
"""How an enhanced status begins that tells of a temporary trouble of the server itself, as a full disk (RFC 3463 section 3.4)."""

_WRITTEN_AT_ONCE = 10
"""Mails that a conversation has in memory at most: enough for those of one case to be written one after another."""


@dataclass(frozen=True, slots=True)
class Deferred:
    """A mail that could not be handed over for now: why, and the server's answer."""

    reason: str
    answer: str = NO_ANSWER


@dataclass(frozen=True, slots=True)
class _Mail:
    """A mail that is ready to be handed over."""

    envelope: Envelope
    message: bytes


_Written = _Mail | Exception

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
        self._written: tuple[Content, Bodies] | None = None
        self._busy: Counter[str] = Counter()
        self._outcomes: Counter[tuple[str, str]] = Counter()
        self._answers: dict[str, float] = {}

    async def deliver(self, tasks: Sequence[Task]) -> Sequence[Outcome]:
        """Hands over each task's mail (`MailTask`) in a transaction of its own, and says of each, in order, what came of it. Bears repetition.

        One mail follows another through one conversation: who calls it several times at once has several.
        """
        outcomes: dict[int, Done | Deferred] = {}
        untried = Deferred(await self._all(tasks, outcomes) or "The mail was not tried.")
        return [self._in_time(task, outcomes.get(place, untried)) for place, task in enumerate(tasks)]

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

    async def _all(self, tasks: Sequence[Task], outcomes: dict[int, Done | Deferred]) -> str | None:
        """Hands over what is waiting. Where no conversation opens, or every server was silent lately, it answers why: what it leaves is for later."""
        waiting = deque(range(len(tasks)))
        while True:
            try:
                conversation = await self._conversation()
            except ConversationFailed as failed:
                return str(failed)
            relay = str(conversation.relay)
            self._busy[relay] += 1
            try:
                await self._through(conversation, tasks, waiting, outcomes)
                if conversation.usable:
                    self._idle.append(conversation)
                if not waiting:
                    return None
            except NoAnswer as silent:
                if self._relays.rest(asyncio.get_running_loop().time()):
                    return str(silent)
            except BaseException:
                conversation.abort()
                raise
            finally:
                self._busy[relay] -= 1

    async def _through(
        self,
        conversation: Conversation,
        tasks: Sequence[Task],
        waiting: deque[int],
        outcomes: dict[int, Done | Deferred],
    ) -> None:
        """Hands over what is waiting for as long as the conversation goes on.

        A mail is written while the server takes the one before. Where other conversations use that time, several are written at once, which costs less.
        """
        offers = conversation.offers
        ahead: dict[int, _Written] = {}

        def write_ahead(count: int = 1) -> None:
            for place in islice(waiting, count):
                if place not in ahead:
                    ahead[place] = self._write(tasks[place].data, offers)

        while waiting and conversation.usable:
            alone = self._busy.total() == 1
            if waiting[0] not in ahead:
                write_ahead(1 if alone else _WRITTEN_AT_ONCE)
            place = waiting.popleft()
            task, written = tasks[place], ahead.pop(place)
            if isinstance(written, _Mail):
                try:
                    outcomes[place] = await self._hand_over(conversation, task, written, write_ahead if alone else None)
                except NoAnswer as silent:
                    outcomes[place] = Deferred(str(silent))
                    raise
            else:
                outcomes[place] = self._unwritten(task, written)

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

    def _write(self, mail: MailTask, offers: Offers) -> _Written:
        """The mail as bytes, for a server that offers this; or what is wrong with it: one mail that cannot be written must not hold up the others."""
        try:
            recipient = mailbox(mail.recipient.email, utf8=offers.smtputf8)
            message = compose(self._bodies(mail), self._sender, mail.recipient, mail.mail_id, mail.date, mail.language)
            if self._dkim is not None:
                message = self._dkim.signed(message, mail.date)
        except Exception as fault:
            return fault
        return _Mail(Envelope(self._envelope_sender, recipient, str(mail.mail_id)), message)

    def _unwritten(self, task: Task, fault: Exception) -> Done | Deferred:
        if isinstance(fault, UnsendableAddress):
            return self._done(task, MailState.REFUSED, NO_ANSWER)
        # The fault's text may quote the mail, its type does not.
        log.error("mail cannot be written", **_named(task), fault=type(fault).__name__)
        return Deferred(f"The mail could not be written ({type(fault).__name__}).")

    async def _hand_over(
        self, conversation: Conversation, task: Task, mail: _Mail, meanwhile: Callable[[], None] | None
    ) -> Done | Deferred:
        try:
            answer = await conversation.hand_over(mail.envelope, mail.message, meanwhile)
        except ConversationFailed as failed:
            self._failed(conversation.relay, str(failed))
            if isinstance(failed, NoAnswer):
                raise
            return Deferred(str(failed))
        self._answers[str(conversation.relay)] = float(answer.reply.code // 100)
        if _takes_no_mail(answer):
            await self._pass_over(conversation)
        return self._judge(task, answer)

    async def _pass_over(self, conversation: Conversation) -> None:
        """Has the next server asked, where there is one that has not failed lately."""
        now = asyncio.get_running_loop().time()
        self._relays.failed(conversation.relay, now)
        if not self._relays.rest(now):
            await conversation.close()

    def _failed(self, relay: Relay, reason: str) -> None:
        self._relays.failed(relay, asyncio.get_running_loop().time())
        if self._answers.get(str(relay)) != 0:
            log.warning("a mail server fails", relay=str(relay), reason=reason)
        self._answers[str(relay)] = 0.0

    def _bodies(self, mail: MailTask) -> Bodies:
        """The letter of a mail. Recipients of one case share the content and come one after another, so it is written once for them."""
        if self._written is None or self._written[0] is not mail.content:
            self._written = (mail.content, bodies(mail, self._contact))
        return self._written[1]

    def _judge(self, task: Task, answer: Answer) -> Done | Deferred:
        """What the answer means. A refused sender, login or encryption concerns our own set-up, so the mail waits for an operator."""
        reply = answer.reply
        if reply.positive:
            return self._done(task, MailState.HANDED_OVER, str(reply))
        if reply.code >= 500 and not _is_ours_to_mend(answer):
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
        if logging.getLogger(__name__).isEnabledFor(level):
            log.log(level, f"mail {state}", **_named(task), answer=answer, attempts=attempts, reason=reason)
        self._outcomes[mail.content.kind, state] += 1
        return Done(MailOutcome(mail_id=mail.mail_id, state=state, answer=answer, attempts=attempts, at=self._clock()))


def _is_ours_to_mend(answer: Answer) -> bool:
    """Whether the server takes nothing from us, for now or at all: what it says to MAIL, other than that this mail is too large, or of our login."""
    code = answer.reply.code
    return code in _OURS_TO_MEND or (answer.step is Step.SENDER and not answer.reply.positive and code != _TOO_LARGE)


def _takes_no_mail(answer: Answer) -> bool:
    """Whether an answer is about the server or about us, and not about the mail: another server may take it."""
    return _is_ours_to_mend(answer) or answer.reply.enhanced.startswith(_SYSTEM_TROUBLE)


def _named(task: Task) -> dict[str, object]:
    """How a log names a mail: never by its address."""
    mail: MailTask = task.data
    return {"mail": str(mail.mail_id), "case": str(mail.case_id), "recipient": masked(mail.recipient.email)}
