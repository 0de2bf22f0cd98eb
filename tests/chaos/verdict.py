"""The verdict on a run: plan against topics, tables and observers. Pure; every finding is a line with its case."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from uuid import UUID

from servicecert_notifier.settings import Settings
from servicecert_pki.partitions import FULL, crl_name
from servicecert_schemas.case import CaseState
from servicecert_schemas.revocation import Standing

from chaos.customers import expected_mails
from chaos.observers import Mail, Signature
from chaos.plan import READERS, Case, PoisonRecord, Scenario
from chaos.tables import Tables
from chaos.topics import CaseEvents, RecordPosition, Topics

CONVERSATIONS: int = Settings.model_fields["smtp_connections"].default
"""How many SMTP conversations a notifier has, each with at most one mail that is accepted and not recorded."""


@dataclass(frozen=True)
class Evidence:
    """The data for a verdict. `poison` are the poison records with their positions, `published` the last CRLs (number,
    serials) by CA, `fetched` all fetched CRLs, in `fetch_order`, `ca_keys` the CAs by the SHA-256 of their keys.
    `answers_lost` are the mail server's, `notifier_losses` how often a notifier was lost with what it had not recorded.
    `bounced` are the mails that came back.
    """

    topics: Topics
    tables: Tables
    poison: Sequence[tuple[PoisonRecord, RecordPosition]]
    mails: Mapping[UUID, Mail]
    published: Mapping[str, tuple[int, frozenset[int]]]
    fetched: Mapping[tuple[str, int], frozenset[int]]
    fetch_order: Sequence[tuple[str, int]]
    signatures: Iterable[Signature]
    ca_keys: Mapping[str, str]
    answers_lost: int = 0
    notifier_losses: int = 0
    bounced: frozenset[UUID] = frozenset()

    @property
    def copies(self) -> int:
        """How many mails were received again."""
        return sum(mail.times - 1 for mail in self.mails.values())

    @property
    def copies_allowed(self) -> int:
        """How many mails may be received again (C3): one for each lost answer and each conversation that was lost."""
        return self.answers_lost + self.notifier_losses * CONVERSATIONS


@dataclass(frozen=True, slots=True)
class Verdict:
    """All findings. `inconsistencies` are all other ones: a wrong view, a gap in numbers, unfinished work."""

    lost: tuple[str, ...]
    doubled: tuple[str, ...]
    orphans: tuple[str, ...]
    wrongly_parked: tuple[str, ...]
    inconsistencies: tuple[str, ...]

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.doubled or self.orphans or self.wrongly_parked or self.inconsistencies)


def judge(cases: Sequence[Case], evidence: Evidence) -> Verdict:
    """Return the verdict on a run."""
    return Verdict(
        lost=(*_lost(cases, evidence), *_poison_lost(evidence)),
        doubled=tuple(_doubled(evidence)),
        orphans=tuple(_orphans(evidence)),
        wrongly_parked=tuple(_wrongly_parked(evidence)),
        inconsistencies=(
            *_wrong_views(cases, evidence),
            *_wrong_mails(evidence),
            *_wrong_crls(evidence),
            *_wrong_standings(evidence),
            *_wrong_voids(evidence),
            *_left_open(evidence),
        ),
    )


def _lost(cases: Sequence[Case], evidence: Evidence) -> Iterator[str]:
    """I1: every application reached its end state, with its certificate, its mails and its revocation."""
    mails = Counter(case_id for case_id, state in evidence.tables.mails.values() if state in _SETTLED_WELL)
    for case in cases:
        case_events = evidence.topics.cases.get(case.case_id, CaseEvents())
        row = evidence.tables.certificates.get(case.case_id)
        if case_events.state is not case.scenario.end_state:
            yield f"{case.case_id} ({case.scenario}) ended as {case_events.state} and not as {case.scenario.end_state}"
        if case.scenario.is_certified and not (case_events.issued and row is not None and row.state == "issued"):
            yield f"{case.case_id} ({case.scenario}) has no certificate"
        if mails[case.case_id] < (expected := expected_mails(case)):
            sent = mails[case.case_id]
            yield f"{case.case_id} ({case.scenario}) has {sent} mails handed over or superseded and not {expected}"
        revoked = case_events.revoked and evidence.tables.standings.get(case.case_id) == "revoked"
        if case.scenario is Scenario.REVOKED and not revoked:
            yield f"{case.case_id} was not revoked"


def _poison_lost(evidence: Evidence) -> Iterator[str]:
    """I6: a poison record is parked by every service that reads it, and reported in its topic of parked records."""
    parked = {(row.service, row.position) for row in evidence.tables.parked} & set(evidence.topics.parked)
    for planned, position in evidence.poison:
        for service in READERS[planned.topic]:
            if (service, position) not in parked:
                yield f"the {planned.poison} at {position} is not parked, or not reported, by {service}"


def _doubled(evidence: Evidence) -> Iterator[str]:
    """I2, I3, I9: one decision, one certificate, one serial number; a mail that is received again is the same mail."""
    serials: Counter[tuple[str, str]] = Counter()
    for case_id, case_events in evidence.topics.cases.items():
        for what, events in (
            ("accepted", case_events.accepted),
            ("issued", case_events.issued),
            ("revoked", case_events.revoked),
        ):
            if len(events) > 1:
                yield f"{case_id} was {what} {len(events)} times"
        for mail_id, events in case_events.handed_over.items():
            if len(events) > 1:
                yield f"{case_id}'s mail {mail_id} was published as handed over {len(events)} times"
        serials.update({(issued.issuer, issued.serial) for issued in case_events.issued.values()})
    yield from (
        f"{serial} of {issuer} was issued {times} times" for (issuer, serial), times in serials.items() if times > 1
    )
    for (service, position), words in evidence.topics.parked.items():
        if len(words) > 1:
            yield f"{service} reported {len(words)} times that it parked the record at {position}"
    yield from (
        f"mail {mail_id} was received with {len(texts)} different texts"
        for mail_id, mail in evidence.mails.items()
        for texts in mail.texts.values()
        if len(texts) > 1
    )
    if evidence.copies > evidence.copies_allowed:
        yield (
            f"{evidence.copies} mails were received again, and at most {evidence.copies_allowed} may be: "
            f"{evidence.answers_lost} answers were lost, {evidence.notifier_losses} times a notifier"
        )


def _orphans(evidence: Evidence) -> Iterator[str]:
    """I4: everything that a CA's key signed, or that was published, was intended first, certificates in a topic too."""
    certificates = {row.tbs for row in evidence.tables.certificates.values()}
    intended, unpublished = certificates | evidence.topics.responders, certificates - evidence.topics.intended
    numbers: defaultdict[str | None, set[int | None]] = defaultdict(set)
    for (ca, _), given in evidence.tables.crl_numbers.items():
        numbers[ca].update(given)
    for signature in evidence.signatures:
        issuer = evidence.ca_keys.get(signature.key)
        if issuer is not None and signature.signed not in intended and signature.crl_number not in numbers[issuer]:
            yield f"{issuer} signed {signature.signed} without an intent"
        if signature.signed in unpublished:
            yield f"{issuer} signed {signature.signed} before its intent was published"
    for case_id, case_events in evidence.topics.cases.items():
        row = evidence.tables.certificates.get(case_id)
        for issued in case_events.issued.values():
            if row is None or (row.tbs, row.serial, row.certificate) != (issued.tbs, issued.serial, issued.certificate):
                yield f"{case_id}'s published certificate {issued.serial} is not the intended one"
    released = {row.certificate for row in evidence.tables.certificates.values()}
    for mail_id, mail in evidence.mails.items():
        if mail.certificate is not None and mail.certificate not in released:
            yield f"mail {mail_id} has a certificate that is not recorded"


def _wrongly_parked(evidence: Evidence) -> Iterator[str]:
    """I6: nothing else is parked."""
    poison = {(service, position) for planned, position in evidence.poison for service in READERS[planned.topic]}
    for row in evidence.tables.parked:
        if (row.service, row.position) not in poison:
            yield f"{row.service} parked the record at {row.position}: {row.reason}"


def _wrong_views(cases: Sequence[Case], evidence: Evidence) -> Iterator[str]:
    """I8, I11: case versions grow by one and match the tables; test certificates are issued by test CAs."""
    planned = {case.case_id: case for case in cases}
    superseded = Counter(case_id for case_id, state in evidence.tables.mails.values() if state == "superseded")
    # Somebody else is told about the address that failed.
    told = Counter(evidence.tables.mails[mail_id][0] for mail_id in evidence.bounced & evidence.tables.mails.keys())
    for case_id, case_events in evidence.topics.cases.items():
        versions = sorted(case_events.versions + case_events.left_out)
        if case_events.versions != sorted(case_events.versions) or versions != list(range(1, len(versions) + 1)):
            yield f"{case_id} has the versions {case_events.versions}"
        if case_id in evidence.topics.canaries:
            continue
        if (case := planned.get(case_id)) is None:
            yield f"{case_id} was never applied for"
            continue
        published = max(case_events.versions), case_events.state
        if (seen := evidence.tables.views.get(case_id)) != published:
            yield f"{case_id} is published as {published} and stored as {seen}"
        if {issued.serial for issued in case_events.issued.values()} != ({case_events.serial} - {None}):
            yield f"{case_id} shows the serial {case_events.serial}, which is not its certificate's"
        if not case.scenario.is_certified and (case_events.issued or case_id in evidence.tables.certificates):
            yield f"{case_id} ({case.scenario}) has a certificate"
        if any(issued.issuer.startswith("test-") is not case.type.is_test for issued in case_events.issued.values()):
            yield f"{case_id}, a {case.type}, was issued by a CA of the other kind"
        expected = expected_mails(case) - superseded[case_id] + told[case_id]
        if case_events.state in _ENDED and case_events.deliveries != expected:
            yield f"{case_id} shows {case_events.deliveries} mails and not {expected}"


_SETTLED_WELL = ("handed-over", "superseded")
"""A mail about a returned application is superseded if the certificate is issued before its retry (C3)."""

_TAKEN = ("handed-over", "bounced")
"""A mail that comes back was handed over before."""

_ENDED = frozenset({scenario.end_state for scenario in Scenario} | {CaseState.DELIVERED})


def _wrong_mails(evidence: Evidence) -> Iterator[str]:
    """I9: every row of the mail ledger was handed over, published and received, or superseded; no others.

    Those came back that had to.
    """
    reported = {mail_id for each in evidence.topics.cases.values() for mail_id in each.handed_over}
    for mail_id, (case_id, state) in evidence.tables.mails.items():
        if state not in (("bounced",) if mail_id in evidence.bounced else _SETTLED_WELL):
            yield f"{case_id}'s mail {mail_id} is {state}"
        if state in _TAKEN and mail_id not in evidence.mails:
            yield f"{case_id}'s mail {mail_id} was never received"
    yield from (f"mail {mail_id} is in no ledger" for mail_id in evidence.mails if mail_id not in evidence.tables.mails)
    handed_over = {mail_id for mail_id, (_, state) in evidence.tables.mails.items() if state in _TAKEN}
    if reported != handed_over:
        yield f"{len(reported ^ handed_over)} mails are in the ledger or published, and not both"


def _wrong_crls(evidence: Evidence) -> Iterator[str]:
    """I7, I8: a certificate published as revoked is on the named CRL, and stays on later ones; numbers grow."""
    for case_id, case_events in evidence.topics.cases.items():
        for revoked in case_events.revoked.values():
            serial = int(revoked.serial, 16)
            if serial not in evidence.fetched.get((revoked.crl, revoked.crl_number), ()):
                yield f"{case_id} is published as being on CRL {revoked.crl_number} of {revoked.crl} and is not"
            for crl in (revoked.issuer, revoked.crl):
                if serial not in evidence.published.get(crl, (0, frozenset()))[1]:
                    yield f"{case_id} is not on the last CRL {crl}"
    for issuer in evidence.ca_keys.values():
        if (issuer, FULL) not in evidence.topics.crl_numbers:
            yield f"no full CRL of {issuer} was published as event"
        partitions = [partition for ca, partition in evidence.tables.crl_numbers if ca == issuer]
        for partition in partitions:
            yield from _wrong_numbers(evidence, issuer, partition)
        parts = [serials for crl, (_, serials) in evidence.published.items() if crl.rpartition(".")[0] == issuer]
        if frozenset().union(*parts) != evidence.published.get(issuer, (0, frozenset()))[1]:
            yield f"the partitions of {issuer} are not its full CRL"


def _wrong_numbers(evidence: Evidence, issuer: str, partition: int) -> Iterator[str]:
    name = crl_name(issuer, partition).removesuffix(".crl")
    # The events of two CRLs in quick succession may be in either order: different cases publish them.
    published = evidence.topics.crl_numbers[issuer, partition]
    if not published or len(set(published)) < len(published):
        yield f"no event, or two events, about a CRL {name}: {published}"
    fetched = [number for by, number in evidence.fetch_order if by == name]
    if falls := [f"{later} after {earlier}" for earlier, later in pairwise(fetched) if later < earlier]:
        yield f"CRLs {name} were served with number {', '.join(falls)}"
    if not set(published) <= set(fetched) <= evidence.tables.crl_numbers[issuer, partition]:
        yield f"CRLs {name} have an event and were not served, or were served without an allocated number"


def _wrong_standings(evidence: Evidence) -> Iterator[str]:
    """D8, I7: OCSP responders get the standing of every certificate, and revoked if its CRL says so."""
    for case_id, case_events in evidence.topics.cases.items():
        for issued in case_events.issued.values():
            standings = evidence.topics.standings.get((issued.issuer, issued.serial), [])
            if Standing.VALID not in standings:
                yield f"{case_id}'s certificate is not published to OCSP responders"
            if (Standing.REVOKED in standings) is not bool(case_events.revoked):
                yield f"{case_id} is published as revoked to OCSP responders or to customers, and not to both"


def _wrong_voids(evidence: Evidence) -> Iterator[str]:
    """B2, I7: a void certificate is published as void, revoked on CRLs and in OCSP, and not published as revoked."""
    reported = {case_id: each.voided for case_id, each in evidence.topics.cases.items() if each.voided}
    rows = {
        case_id: {(row.issuer, row.serial)}
        for case_id, row in evidence.tables.certificates.items()
        if row.state == "voided"
    }
    for case_id in sorted(reported.keys() | rows.keys()):
        if reported.get(case_id) != rows.get(case_id):
            yield f"{case_id} is void in the tables or in the topics, and not in both"
        for issuer, serial in rows.get(case_id, ()):
            if evidence.tables.standings.get(case_id) != "revoked" or evidence.topics.cases[case_id].revoked:
                yield f"{case_id} is void and not revoked, or published as revoked"
            if int(serial, 16) not in evidence.published.get(issuer, (0, frozenset()))[1]:
                yield f"{case_id} is void and not on the last CRL {issuer}"
            if set(evidence.topics.standings.get((issuer, serial), ())) != {Standing.REVOKED}:
                yield f"{case_id} is void and not published to OCSP responders, or as valid"


def _left_open(evidence: Evidence) -> Iterator[str]:
    for what, number in evidence.tables.open.items():
        yield f"{number} rows are left in {what}"
