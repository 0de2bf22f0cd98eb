"""The notifier's act on the world: handing mails over to the mail server (C3).

SMTP is at least once: where the answer to a mail got lost it is sent again, with the same bytes and the same Message-ID.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import structlog
from servicecert_worker.decider import Again, Done, Outcome, Task

from .conversation import Answer, Conversation, ConversationFailed, NoAnswer, Step, open_conversation, tls_context
from .letters import write
from .message import Letter, UnsendableAddress, compose, mailbox, masked
from .settings import Settings
from .task import NO_ANSWER, Content, MailOutcome, MailState, MailTask

log = structlog.get_logger(__name__)

_OURS_TO_MEND = frozenset((454, 530, 534, 535, 538))
"""Replies that ask for a login or an encrypted connection (RFC 4954 section 6, RFC 3207 section 4): ours to mend, so no mail is refused for them."""


@dataclass(frozen=True, slots=True)
class Deferred:
    """A mail that could not be handed over for now: why, and the server's answer."""

    reason: str
    answer: str = NO_ANSWER


Settled = Literal[MailState.HANDED_OVER, MailState.REFUSED, MailState.GIVEN_UP]


class Postman:
    """Hands mails over through a few conversations that it keeps open."""

    def __init__(self, settings: Settings, clock: Callable[[], datetime]) -> None:
        self._settings = settings
        self._sender = settings.sender
        self._contact = settings.contact
        self._clock = clock
        self._tls = tls_context(settings)
        self._idle: list[Conversation] = []
        self._written: tuple[Content, Letter] | None = None

    async def deliver(self, tasks: Sequence[Task]) -> Sequence[Outcome]:
        """Hands over each task's mail (`MailTask`) in a transaction of its own, and answers each, in order. Bears repetition."""
        waiting = iter(range(len(tasks)))
        outcomes: dict[int, Done | Deferred] = {}
        lanes = min(self._settings.smtp_connections, len(tasks))
        troubles = await asyncio.gather(*(self._lane(tasks, waiting, outcomes) for _ in range(lanes)))
        untried = next((Deferred(trouble) for trouble in troubles if trouble), Deferred("The mail was not tried."))
        return [self._in_time(task, outcomes.get(place, untried)) for place, task in enumerate(tasks)]

    async def close(self) -> None:
        """Ends the conversations."""
        idle, self._idle = self._idle, []
        await asyncio.gather(*(conversation.close() for conversation in idle))

    async def _lane(
        self, tasks: Sequence[Task], waiting: Iterator[int], outcomes: dict[int, Done | Deferred]
    ) -> str | None:
        """Hands over what is waiting, one mail after another. Where no conversation opens, or the server is silent, it answers why:

        what it leaves is for the other lanes, or for later.
        """
        while True:
            try:
                conversation = await self._conversation()
            except ConversationFailed as failed:
                return str(failed)
            try:
                for place in waiting:
                    outcomes[place] = await self._hand_over(conversation, tasks[place])
                    if not conversation.usable:
                        break
                else:
                    self._idle.append(conversation)
                    return None
            except NoAnswer as silent:
                return str(silent)
            except BaseException:
                conversation.abort()
                raise

    async def _conversation(self) -> Conversation:
        while self._idle:
            conversation = self._idle.pop()
            if conversation.usable:
                return conversation
            conversation.abort()
        return await open_conversation(self._settings, self._tls)

    async def _hand_over(self, conversation: Conversation, task: Task) -> Done | Deferred:
        mail: MailTask = task.data
        try:
            recipient = mailbox(mail.recipient.email)
            message = compose(self._letter(mail), self._sender, mail.recipient, mail.mail_id, mail.date, mail.language)
        except UnsendableAddress:
            return self._done(task, MailState.REFUSED, NO_ANSWER)
        except Exception as fault:
            # One mail that cannot be written must not hold up the others. The fault's text may quote the mail, its type does not.
            return Deferred(f"The mail could not be written ({type(fault).__name__}).")
        try:
            return self._judge(task, await conversation.hand_over(self._sender.address, recipient, message))
        except NoAnswer:
            raise
        except ConversationFailed as failed:
            return Deferred(str(failed))

    def _letter(self, mail: MailTask) -> Letter:
        """The letter of a mail. Recipients of one case share the content and come one after another, so it is written once for them."""
        if self._written is None or self._written[0] is not mail.content:
            self._written = (mail.content, write(mail, self._contact))
        return self._written[1]

    def _judge(self, task: Task, answer: Answer) -> Done | Deferred:
        """What the answer means. A refused sender, login or encryption concerns our own set-up, so the mail waits for an operator."""
        reply = answer.reply
        if reply.positive:
            return self._done(task, MailState.HANDED_OVER, str(reply))
        if reply.code >= 500 and answer.step is not Step.SENDER and reply.code not in _OURS_TO_MEND:
            return self._done(task, MailState.REFUSED, str(reply))
        return Deferred(f"The mail server answered {reply} to the {answer.step.name.lower()} of the mail.", str(reply))

    def _in_time(self, task: Task, outcome: Done | Deferred) -> Outcome:
        """Ends the tries of a mail whose time is over."""
        if isinstance(outcome, Done):
            return outcome
        mail: MailTask = task.data
        if self._clock() >= mail.give_up_at:
            return self._done(task, MailState.GIVEN_UP, outcome.answer)
        log.info("mail deferred", **_named(task), reason=outcome.reason)
        return Again(outcome.reason)

    def _done(self, task: Task, state: Settled, answer: str) -> Done:
        mail: MailTask = task.data
        if state is MailState.HANDED_OVER:
            log.debug("mail handed over", **_named(task), answer=answer)
        else:
            log.warning(f"mail {state}", **_named(task), answer=answer)
        outcome = MailOutcome(
            mail_id=mail.mail_id, state=state, answer=answer, attempts=task.tries + 1, at=self._clock()
        )
        return Done(outcome)


def _named(task: Task) -> dict[str, object]:
    """How a log names a mail: never by its address."""
    mail: MailTask = task.data
    recipient = masked(mail.recipient.email)
    return {"mail": str(mail.mail_id), "case": str(mail.case_id), "recipient": recipient, "attempts": task.tries + 1}
