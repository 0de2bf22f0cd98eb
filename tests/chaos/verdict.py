"""The judgement: what was planned against what topics, tables and witnesses tell. Pure; every finding is a line that names its case."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from uuid import UUID

from servicecert_pki.partitions import FULL, crl_name
from servicecert_schemas.case import CaseState
from servicecert_schemas.revocation import Standing

from chaos.customers import mails_owed
from chaos.plan import READERS, Case, PoisonRecord, Way
from chaos.tables_told import TablesTold
from chaos.topics_told import Place, Told, TopicsTold
from chaos.witnesses import Mail, Signature


@dataclass(frozen=True)
class Evidence:
    """All that there is to judge by. `poison` are the poisonous records with their places, `published` the last CRLs (number, serials) by CA,
    `fetched` every CRL that was fetched, in `fetch_order`, `ca_keys` the CAs by the SHA-256 of their keys."""

    topics: TopicsTold
    tables: TablesTold
    poison: Sequence[tuple[PoisonRecord, Place]]
    mails: Mapping[UUID, Mail]
    published: Mapping[str, tuple[int, frozenset[int]]]
    fetched: Mapping[tuple[str, int], frozenset[int]]
    fetch_order: Sequence[tuple[str, int]]
    signatures: Iterable[Signature]
    ca_keys: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found wrong. `faults` is what is neither lost, doubled, orphaned nor parked: a wrong view, a hole, something left open."""

    lost: tuple[str, ...]
    doubled: tuple[str, ...]
    orphans: tuple[str, ...]
    wrongly_parked: tuple[str, ...]
    faults: tuple[str, ...]

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.doubled or self.orphans or self.wrongly_parked or self.faults)


def judge(cases: Sequence[Case], evidence: Evidence) -> Verdict:
    """Finds whatever is not as it must be."""
    return Verdict(
        lost=(*_lost(cases, evidence), *_poison_lost(evidence)),
        doubled=tuple(_doubled(evidence)),
        orphans=tuple(_orphans(evidence)),
        wrongly_parked=tuple(_wrongly_parked(evidence)),
        faults=(
            *_wrong_views(cases, evidence),
            *_wrong_mails(evidence),
            *_wrong_crls(evidence),
            *_wrong_standings(evidence),
            *_wrong_voids(evidence),
            *_left_open(evidence),
        ),
    )


def _lost(cases: Sequence[Case], evidence: Evidence) -> Iterator[str]:
    """I1: every application came to its end, with its certificate, its mails and its revocation."""
    mails = Counter(case_id for case_id, state in evidence.tables.mails.values() if state in _SETTLED_WELL)
    for case in cases:
        told = evidence.topics.cases.get(case.case_id, Told())
        row = evidence.tables.certificates.get(case.case_id)
        if told.end is not case.way.end:
            yield f"{case.case_id} ({case.way}) ended as {told.end} and not as {case.way.end}"
        if case.way.is_certified and not (told.issued and row is not None and row.state == "issued"):
            yield f"{case.case_id} ({case.way}) has no certificate"
        if mails[case.case_id] < (owed := mails_owed(case)):
            yield f"{case.case_id} ({case.way}) had {mails[case.case_id]} mails handed over or superseded and not {owed}"
        if case.way is Way.REVOKED and not (told.revoked and evidence.tables.standings.get(case.case_id) == "revoked"):
            yield f"{case.case_id} was not revoked"


def _poison_lost(evidence: Evidence) -> Iterator[str]:
    """I6: what nobody can take is parked by every service that reads it, and operators are told."""
    parked = {(row.service, row.place) for row in evidence.tables.parked} & set(evidence.topics.parked)
    for planned, place in evidence.poison:
        for service in READERS[planned.topic]:
            if (service, place) not in parked:
                yield f"the {planned.poison} at {place} is not parked, or not told of, by {service}"


def _doubled(evidence: Evidence) -> Iterator[str]:
    """I2, I3, I9: one decision, one certificate, one serial number; a mail that came twice is the same mail."""
    serials: Counter[tuple[str, str]] = Counter()
    for case_id, told in evidence.topics.cases.items():
        for what, events in (("accepted", told.accepted), ("issued", told.issued), ("revoked", told.revoked)):
            if len(events) > 1:
                yield f"{case_id} was {what} {len(events)} times"
        for mail_id, events in told.handed_over.items():
            if len(events) > 1:
                yield f"{case_id}'s mail {mail_id} was told as handed over {len(events)} times"
        serials.update({(issued.issuer, issued.serial) for issued in told.issued.values()})
    yield from (
        f"{serial} of {issuer} was issued {times} times" for (issuer, serial), times in serials.items() if times > 1
    )
    for (service, place), words in evidence.topics.parked.items():
        if len(words) > 1:
            yield f"{service} told {len(words)} times that it parked the record at {place}"
    yield from (
        f"mail {mail_id} came as {len(mail.texts)} different texts"
        for mail_id, mail in evidence.mails.items()
        if len(mail.texts) > 1
    )


def _orphans(evidence: Evidence) -> Iterator[str]:
    """I4: whatever a CA's key signed, or anybody was shown, was intended first."""
    intended = {row.tbs for row in evidence.tables.certificates.values()} | evidence.topics.responders
    for signature in evidence.signatures:
        issuer = evidence.ca_keys.get(signature.key)
        numbers = {each for (ca, _), given in evidence.tables.crl_numbers.items() if ca == issuer for each in given}
        if issuer is not None and signature.signed not in intended and signature.crl_number not in numbers:
            yield f"{issuer} signed {signature.signed}, which nothing had intended"
    for case_id, told in evidence.topics.cases.items():
        row = evidence.tables.certificates.get(case_id)
        for issued in told.issued.values():
            if row is None or (row.tbs, row.serial, row.certificate) != (issued.tbs, issued.serial, issued.certificate):
                yield f"{case_id}'s published certificate {issued.serial} is not the intended one"
    released = {row.certificate for row in evidence.tables.certificates.values()}
    for mail_id, mail in evidence.mails.items():
        if mail.certificate is not None and mail.certificate not in released:
            yield f"mail {mail_id} brought a certificate that is not recorded"


def _wrongly_parked(evidence: Evidence) -> Iterator[str]:
    """I6: nothing else is parked."""
    poison = {(service, place) for planned, place in evidence.poison for service in READERS[planned.topic]}
    for row in evidence.tables.parked:
        if (row.service, row.place) not in poison:
            yield f"{row.service} parked the record at {row.place}: {row.reason}"


def _wrong_views(cases: Sequence[Case], evidence: Evidence) -> Iterator[str]:
    """I8, I11: what the customer sees grows by one and is what the tables have; test certificates come from test CAs."""
    planned = {case.case_id: case for case in cases}
    superseded = Counter(case_id for case_id, state in evidence.tables.mails.values() if state == "superseded")
    for case_id, told in evidence.topics.cases.items():
        if told.versions != list(range(1, len(told.versions) + 1)):
            yield f"{case_id} has the versions {told.versions}"
        if (case := planned.get(case_id)) is None:
            yield f"{case_id} was never applied for"
            continue
        if (seen := evidence.tables.views.get(case_id)) != (len(told.versions), told.end):
            yield f"{case_id} is told as version {len(told.versions)}, {told.end}, and stored as {seen}"
        if {issued.serial for issued in told.issued.values()} != ({told.serial} - {None}):
            yield f"{case_id} shows the serial {told.serial}, which is not its certificate's"
        if not case.way.is_certified and (told.issued or case_id in evidence.tables.certificates):
            yield f"{case_id} ({case.way}) has a certificate"
        if any(issued.issuer.startswith("test-") is not case.type.is_test for issued in told.issued.values()):
            yield f"{case_id}, a {case.type}, was issued by a CA of the other kind"
        owed = mails_owed(case) - superseded[case_id]
        if told.end in _ENDED and told.deliveries != owed:
            yield f"{case_id} shows {told.deliveries} mails and not {owed}"


_SETTLED_WELL = ("handed-over", "superseded")
"""A mail about a returned application that waits for a second try is overtaken where the certificate is issued meanwhile (C3)."""

_ENDED = frozenset({way.end for way in Way} | {CaseState.DELIVERED})


def _wrong_mails(evidence: Evidence) -> Iterator[str]:
    """I9: every row of the ledger was handed over, told, and is with the recipient, or a later mail overtook it; nobody got anything else."""
    told = {mail_id for each in evidence.topics.cases.values() for mail_id in each.handed_over}
    for mail_id, (case_id, state) in evidence.tables.mails.items():
        if state not in _SETTLED_WELL:
            yield f"{case_id}'s mail {mail_id} is {state}"
        if state == "handed-over" and mail_id not in evidence.mails:
            yield f"{case_id}'s mail {mail_id} never came"
    yield from (f"mail {mail_id} is in no ledger" for mail_id in evidence.mails if mail_id not in evidence.tables.mails)
    handed_over = {mail_id for mail_id, (_, state) in evidence.tables.mails.items() if state == "handed-over"}
    if told != handed_over:
        yield f"{len(told ^ handed_over)} mails are in the ledger or told of, and not both"


def _wrong_crls(evidence: Evidence) -> Iterator[str]:
    """I7, I8: who is told to be revoked is on the CRL that is named, and stays; numbers grow."""
    for case_id, told in evidence.topics.cases.items():
        for revoked in told.revoked.values():
            serial = int(revoked.serial, 16)
            if serial not in evidence.fetched.get((revoked.crl, revoked.crl_number), ()):
                yield f"{case_id} is told to be on CRL {revoked.crl_number} of {revoked.crl} and is not"
            for crl in (revoked.issuer, revoked.crl):
                if serial not in evidence.published.get(crl, (0, frozenset()))[1]:
                    yield f"{case_id} is not on the last CRL {crl}"
    for issuer in evidence.ca_keys.values():
        if (issuer, FULL) not in evidence.topics.crl_numbers:
            yield f"no full CRL of {issuer} was told of"
        partitions = [partition for ca, partition in evidence.tables.crl_numbers if ca == issuer]
        for partition in partitions:
            yield from _wrong_numbers(evidence, issuer, partition)
        parts = [serials for crl, (_, serials) in evidence.published.items() if crl.rpartition(".")[0] == issuer]
        if frozenset().union(*parts) != evidence.published.get(issuer, (0, frozenset()))[1]:
            yield f"the partitions of {issuer} are not its full CRL"


def _wrong_numbers(evidence: Evidence, issuer: str, partition: int) -> Iterator[str]:
    name = crl_name(issuer, partition).removesuffix(".crl")
    # Two that follow each other closely may be told of in either order: they are told of by different cases.
    told_of = evidence.topics.crl_numbers[issuer, partition]
    if not told_of or len(set(told_of)) < len(told_of):
        yield f"no CRL {name}, or one twice, was told of: {told_of}"
    fetched = [number for by, number in evidence.fetch_order if by == name]
    if falls := [f"{later} after {earlier}" for earlier, later in pairwise(fetched) if later < earlier]:
        yield f"CRLs {name} were published as number {', '.join(falls)}"
    if not set(told_of) <= set(fetched) <= evidence.tables.crl_numbers[issuer, partition]:
        yield f"CRLs {name} were told of and not published, or published without a number of their own"


def _wrong_standings(evidence: Evidence) -> Iterator[str]:
    """D8, I7: OCSP is told of every certificate, and that one is revoked if its CRL says so."""
    for case_id, told in evidence.topics.cases.items():
        for issued in told.issued.values():
            standings = evidence.topics.standings.get((issued.issuer, issued.serial), [])
            if Standing.VALID not in standings:
                yield f"{case_id}'s certificate is not told to OCSP responders"
            if (Standing.REVOKED in standings) is not bool(told.revoked):
                yield f"{case_id} is told as revoked to OCSP responders or to people, and not to both"


def _wrong_voids(evidence: Evidence) -> Iterator[str]:
    """B2, I7: what is void is told so, is revoked on the CRLs and for OCSP as if it were signed, and nobody is told that it was."""
    told = {case_id: each.voided for case_id, each in evidence.topics.cases.items() if each.voided}
    rows = {
        case_id: {(row.issuer, row.serial)}
        for case_id, row in evidence.tables.certificates.items()
        if row.state == "voided"
    }
    for case_id in sorted(told.keys() | rows.keys()):
        if told.get(case_id) != rows.get(case_id):
            yield f"{case_id} is void in the tables or in the topics, and not in both"
        for issuer, serial in rows.get(case_id, ()):
            if evidence.tables.standings.get(case_id) != "revoked" or evidence.topics.cases[case_id].revoked:
                yield f"{case_id} is void and not revoked, or somebody was told"
            if int(serial, 16) not in evidence.published.get(issuer, (0, frozenset()))[1]:
                yield f"{case_id} is void and not on the last CRL {issuer}"
            if set(evidence.topics.standings.get((issuer, serial), ())) != {Standing.REVOKED}:
                yield f"{case_id} is void and not told to OCSP responders, or as valid"


def _left_open(evidence: Evidence) -> Iterator[str]:
    for what, number in evidence.tables.open.items():
        yield f"{number} rows are left in {what}"
