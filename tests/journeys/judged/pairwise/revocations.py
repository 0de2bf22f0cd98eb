"""Runs a drawn request for revocation through the revoker in memory, and what it publishes through the notifier."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any
from uuid import UUID, uuid4, uuid5

from journeys.judged.caseworker import CASE, PLACE
from journeys.judged.pairwise.applications import invitation
from journeys.judged.pairwise.table import Drawn
from servicecert_notifier.domain import decide as notifier
from servicecert_notifier.domain.ledger import Ledger
from servicecert_notifier.domain.task import MailTask
from servicecert_revoker.domain import decide as revoker
from servicecert_revoker.domain.crl_orders import (
    CONFIRM,
    PUBLISH,
    Confirmed,
    ConfirmOrder,
    Published,
    PublishedCrl,
    PublishOrder,
)
from servicecert_revoker.domain.knowledge import NOTHING_KNOWN, Knowledge, apply
from servicecert_schemas.account import AccountOpened
from servicecert_schemas.certificate import CertificateIssued
from servicecert_schemas.event import Actor, Assurance, Change, EventData, Role
from servicecert_schemas.revocation import (
    CertificateRevoked,
    KeyCompromised,
    RevocationRefused,
    RevocationRegistered,
    RevocationRequested,
    Standing,
    StandingChanged,
)
from servicecert_worker.core.decider import Due, Event, Result, Stored
from servicecert_worker.core.fold import Folded, Item, fold
from servicecert_worker.core.record import Arrival
from services.revoker.stand import examined

SERIAL = "4a1b2c3d4e5f60718293a4b5c6d7e8f9"
DIGITS_ONLY = "40112233445566778899001122334455"
ANOTHER = "5b00112233445566778899aabbccddee"
ISSUED = datetime(2026, 11, 24, 9, tzinfo=UTC)
NOT_AFTER = datetime(2028, 11, 24, 8, 59, 59, tzinfo=UTC)
FIRST_REQUEST = ISSUED + timedelta(days=60)
REQUEST_ID = UUID("7f0a2a39-5f5c-4c5e-a8a3-0d9bb3a27f01")

_DAY, _HOUR, _MINUTE, _SECOND = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)
MOMENTS = {
    "valid": (ISSUED + 200 * _DAY, ISSUED + 200 * _DAY + _MINUTE),
    "last-second": (NOT_AFTER, NOT_AFTER + 10 * _MINUTE),
    "handled-later": (NOT_AFTER - _HOUR, NOT_AFTER + 3 * _HOUR),
    "too-late": (NOT_AFTER + _SECOND, NOT_AFTER + _MINUTE),
}
_FIRST_REASONS = {"weaker": "no-longer-needed", "authority": "privilege-withdrawn", "exposed": "key-exposed"}
_NOTIFY = {
    "given": {"email": "kollega@fantasin.example", "language": "sv"},
    "recipient": {"email": "saga@fantasin.example", "language": "fi"},
    "recipient-capitals": {"email": "saga@FANTASIN.example", "language": "fi"},
}


@dataclass
class Desk:
    """The revoker with two accounts and one certificate, and the notifier that reads what it publishes."""

    known: Knowledge
    stored: dict[str, Stored[Any]] = field(default_factory=dict)
    deadlines: dict[str, tuple[UUID, datetime]] = field(default_factory=dict)
    published: list[EventData] = field(default_factory=list)
    orders: list[PublishOrder] = field(default_factory=list)
    ledger: Ledger | None = None
    mails: list[MailTask] = field(default_factory=list)

    def hear(self, data: EventData, sent: datetime, handled: datetime) -> None:
        """Handle an event, after the deadlines that pass before it."""
        self.wait(handled)
        self._decide(Arrival(PLACE, examined(Event(uuid4(), data.key(), data, sent))), handled)

    def wait(self, until: datetime) -> None:
        """Handle every deadline that passes until then, in order."""
        while due := [(at, kind, id) for kind, (id, at) in self.deadlines.items() if at <= until]:
            at, kind, id = min(due)
            del self.deadlines[kind]
            self._decide(Due(id, str(CASE), kind, at), at)

    def publish(self, now: datetime) -> None:
        """Publish the CRLs that were ordered; OCSP agrees at once."""
        while self.orders:
            order = self.orders.pop(0)
            crl = PublishedCrl(
                partition=order.partition,
                number=7,
                url="http://crl.example.fi/test-ec.crl",
                this_update=now,
                next_update=now + 72 * _HOUR,
                entries=1,
                sha256="a" * 64,
            )
            published = Published(
                issuer=order.issuer,
                crl=crl,
                next_planned=now + 24 * _HOUR,
                published_at=now,
                request_id=order.request_id,
            )
            self._decide(Result(uuid4(), str(CASE), PUBLISH, published), now)

    def _decide(self, item: Item, now: datetime) -> None:
        folded: Folded[Any] = fold(revoker.decide, [item], self.stored, {}, self.known, now)
        assert folded.parked == []
        for changed in folded.changed:
            self.stored[changed.key] = Stored(changed.key, changed.version + 1, changed.state)
        for deadline in folded.deadlines.values():
            self.deadlines.pop(deadline.kind, None)
            if deadline.at is not None:
                self.deadlines[deadline.kind] = (deadline.id, deadline.at)
        for each in folded.published:
            self.published.append(each.data)
            self._notify(Event(each.id, each.data.key(), each.data, now), now)
        for intended in folded.intended:
            match intended.intent.data:
                case PublishOrder() as order:
                    self.orders.append(order)
                case ConfirmOrder() as order:
                    confirmed = Confirmed(**dict(order), confirmed_at=now)
                    self._decide(Result(intended.id, str(CASE), CONFIRM, confirmed), now)

    def _notify(self, event: Event, now: datetime) -> None:
        """Let the notifier plan the mails about an event."""
        if not isinstance(event.data, CertificateRevoked):
            return
        decision = notifier.decide(self.ledger, event, None, now)
        self.ledger = decision.state
        self.mails += [intent.data for intent in decision.intents if isinstance(intent.data, MailTask)]


@dataclass(frozen=True)
class Outcome:
    """What came of a drawn request, as the events say it."""

    registered: RevocationRegistered | None
    refused: RevocationRefused | None
    standing: StandingChanged | None
    blocked: bool
    mails: list[tuple[str, str]]


def outcome(drawn: Drawn) -> Outcome:
    """Return what comes of a drawn request."""
    serial = DIGITS_ONLY if drawn["serial"] == "hex-digits-only" else SERIAL
    desk = Desk(_known(drawn))
    desk.hear(_issued(serial), ISSUED, ISSUED)
    _revoke_before(desk, drawn["before"], serial)
    before = len(desk.mails)
    sent, handled = MOMENTS[drawn["moment"]]
    desk.hear(_request(drawn, serial, sent), sent, handled)
    # Another account's request waits a day for a certificate, as if there were none (D1).
    desk.wait(handled + 25 * _HOUR)
    desk.publish(handled + 25 * _HOUR)
    events = desk.published
    own = [each for each in events if getattr(each, "request_id", None) == REQUEST_ID]
    revoked = [each for each in events if isinstance(each, StandingChanged) and each.standing is Standing.REVOKED]
    return Outcome(
        registered=next((each for each in own if isinstance(each, RevocationRegistered)), None),
        refused=next((each for each in own if isinstance(each, RevocationRefused)), None),
        standing=revoked[-1] if revoked else None,
        blocked=any(isinstance(each, KeyCompromised) for each in events),
        mails=sorted((_address(mail.recipient.email), mail.language.value) for mail in desk.mails[before:]),
    )


def _address(email: str) -> str:
    local, _, domain = email.rpartition("@")
    return f"{local}@{domain.lower()}"


def _revoke_before(desk: Desk, before: str, serial: str) -> None:
    """Ask for the revocation that the drawn request finds, and publish it if it was."""
    kind, _, how = before.partition("-")
    if kind == "nothing":
        return
    by_authority = kind == "authority"
    first = RevocationRequested.model_validate(
        {
            "case_id": CASE,
            "actor": _actor("opener", "account-1", Role.OPERATOR if by_authority else Role.COLLEAGUE),
            "request_id": uuid5(CASE, "first"),
            "serial_as_typed": serial,
            "reason": _FIRST_REASONS[kind],
            "exposed_since": ISSUED + 50 * _DAY if kind == "exposed" and how != "undated" else None,
            "sent_at": FIRST_REQUEST,
        }
    )
    if by_authority:
        confirmed = MappingProxyType({(first.request_id, CASE): first.reason.value})
        desk.known = replace(desk.known, confirmed=confirmed)
    desk.hear(first, FIRST_REQUEST, FIRST_REQUEST + _SECOND)
    if how != "registered":
        desk.publish(FIRST_REQUEST + _MINUTE)


def _request(drawn: Drawn, serial: str, sent: datetime) -> RevocationRequested:
    account = "account-1" if drawn["account"] == "own" else "account-2"
    actor = _actor("drawn-user", account, Role(drawn["claims"]), Assurance(drawn["assurance"]))
    since = {
        "none": None,
        "before-issuance": ISSUED - 30 * _DAY,
        "earlier": ISSUED + 10 * _DAY,
        "later": ISSUED + 100 * _DAY,
        "ahead": sent + 5 * _DAY,
    }[drawn["exposed_since"]]
    request = {
        "case_id": CASE,
        "actor": actor,
        "request_id": REQUEST_ID,
        "serial_as_typed": pasted(drawn["serial"], serial),
        "reason": drawn["reason"],
        "exposed_since": since,
        "sent_at": sent,
    }
    if drawn["notify"] != "none":
        request["notify"] = _NOTIFY[drawn["notify"]]
    return RevocationRequested.model_validate(request)


def pasted(form: str, serial: str) -> str:
    """Return a serial number as somebody pastes it."""
    number = int(serial, 16)
    pairs = [serial[place : place + 2] for place in range(0, len(serial), 2)]
    colons = ":".join(pairs)
    return {
        "hex": serial,
        "hex-colons": colons.upper(),
        "hex-blanks": "00 00 " + " ".join(pairs),
        "hex-0x": f"0x{serial}",
        "hex-digits-only": serial,
        "decimal": str(number),
        "mail-sv-hex": f"- Serienummer, hexadecimalt: {serial}",
        "mail-sv-decimal": f"Serienummer, decimalt: {number}",
        "mail-fi-hex": f"- Sarjanumero heksadesimaalilukuna: {serial}",
        "mail-fi-decimal": f"Sarjanumero desimaalilukuna: {number}",
        "mail-en-hex": f"- Serial number, hexadecimal: {serial}",
        "mail-en-decimal": f"Serial number, decimal: {number}",
        "keytool": f"Serial number: {serial}",
        "java": f"  SerialNumber: [    {serial[:8]} {serial[8:16]} {serial[16:24]} {serial[24:]}]",
        "openssl-serial": f"serial={serial.upper()}\n",
        "openssl-text": f"        Serial Number:\n            {colons}\n",
        "openssl-both": f"        Serial Number: {number} (0x{serial})",
        "bidi": f"\u2066\u202a{serial.upper()}\u202c\u2069\u200e",
        "invisible": f"\ufeff{serial[:8]}\u200b{serial[8:20]}\u2060{serial[20:]}",
        "tabs": f"\t{serial[:16]}\r\n\t{serial[16:]}\n",
        "brackets": f"[{colons}]",
        "another": ANOTHER,
        "one-digit-off": serial[:-1] + ("0" if serial[-1] != "0" else "1"),
        "two-numbers": f"{serial} {ANOTHER}",
        "words": "ei ole tiedossa",
    }[form]


def _known(drawn: Drawn) -> Knowledge:
    account = "account-1" if drawn["account"] == "own" else "account-2"
    opened = [_opened("account-1", "9902001-9"), _opened("account-2", "9902003-5")]
    invited = invitation(drawn["member"], account, ISSUED - 50 * _DAY, ISSUED + 30 * _DAY)
    return apply(NOTHING_KNOWN, [*opened, *invited])


def _opened(account: str, business_id: str) -> Change:
    data = AccountOpened(
        account_id=account,
        actor=_actor("opener", account, Role.COLLEAGUE),
        business_id=business_id,
        organisation_name="Kokeilulan palvelut",
    )
    return Change(account, data, ISSUED - 60 * _DAY)


def _actor(user: str, account: str, role: Role, assurance: Assurance = Assurance.HIGH) -> Actor:
    return Actor(user_id=user, account_id=account, role=role, assurance=assurance)


def _issued(serial: str) -> CertificateIssued:
    return CertificateIssued.model_validate(
        {
            "case_id": CASE,
            "account_id": "account-1",
            "decision_id": uuid5(CASE, "decision"),
            "type": "test-server",
            "issuer": "test-ec",
            "serial": serial,
            "serial_decimal": str(int(serial, 16)),
            "subject": "CN=kanta.kokeilula.example,C=FI",
            "not_before": ISSUED,
            "not_after": NOT_AFTER,
            "fingerprint": "0" * 64,
            "key_sha256": "1" * 64,
            "profile": "test-server",
            "profile_version": 1,
            "partition": 5,
            "certificate": b64encode(b"der").decode(),
            "chain": [],
            "due": ISSUED + 7 * _DAY,
            "language": "fi",
            "recipients": [
                {"role": "orderer", "email": "saga@fantasin.example"},
                {"role": "technical-contact", "email": "urho@fantasin.example"},
            ],
        }
    )
