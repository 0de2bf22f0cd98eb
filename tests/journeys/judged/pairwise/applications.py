"""Runs a drawn application through intake in memory, with registers and an account of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID, uuid5

from journeys.judged.caseworker import CASE, PLACE, Caseworker
from journeys.judged.pairwise.table import Drawn
from journeys.judged.table import GOOD_REQUEST, request
from servicecert_pki.validity import HELSINKI
from servicecert_schemas.account import AccountMemberAdded, AccountMemberRemoved, AccountOpened
from servicecert_schemas.application import (
    ApplicationEvent,
    ApplicationSubmitted,
    ApplicationSupplemented,
    ApplicationWithdrawn,
    CsrAttached,
)
from servicecert_schemas.event import Actor, Assurance, Change, EventData, Role
from servicecert_schemas.register import RegisterEntry
from servicecert_worker.core.decider import Event, Service
from servicecert_worker.core.record import Arrival

BUSINESS_ID = "9902001-9"
ORGANISATION_OID = "1.2.246.10.99020019"
ORGANISATION, UNIT = "Kokeilulan palvelut", "Kokeilulan toimipiste"
ACCOUNT = "account-1"

_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)
_END_OF_A12 = {"2026-11-24": date(2027, 5, 24), "2026-02-20": date(2026, 8, 20), "2028-01-05": date(2028, 7, 5)}
_FIRST_OF_MARCH = {"2026-11-24": date(2027, 3, 1), "2026-02-20": date(2026, 3, 1), "2028-01-05": date(2028, 3, 1)}
_MARKS = {
    "absent": "Esimerkkiylläpito Oy",
    "nearly": "Kanta-välittäjäpalvelut Oy",
    "swedish": "Kanta-förmedlare",
    "finnish": "Kanta-välittäjä",
    "capitals": "KANTA-FÖRMEDLARE",
    "hyphen": "Kanta\u2011välittäjä",
    "dash": "kanta \u2013 välittäjä",
    "blank": "Kanta välittäjä",
    "decomposed": "Kanta-fo\u0308rmedlare",
    "invisible": "Kanta-\u200bvälittäjä",
}
_CONFORMITY = {
    "attached": ("TODISTUS-2024-014", "2024-06-01", "2029-05-31"),
    "expired": ("TODISTUS-2021-001", "2021-06-01", "2024-05-31"),
}
_MEMBERS = {
    "technical-partner": (Role.TECHNICAL_PARTNER, None),
    "technical-contact": (Role.TECHNICAL_CONTACT, CASE),
    "contact-elsewhere": (Role.TECHNICAL_CONTACT, UUID(int=2)),
    "colleague": (Role.COLLEAGUE, None),
    "removed": (Role.COLLEAGUE, None),
}


@dataclass(frozen=True)
class Times:
    """The moments of a drawn case. `sent` and `handled` are those of what the drawn user does."""

    day: date
    submitted: datetime
    sent: datetime
    handled: datetime
    opened: datetime
    end: datetime

    @classmethod
    def of(cls, drawn: Drawn) -> Times:
        day = date.fromisoformat(drawn["day"])
        submits = drawn["act"] == "submits"
        last = day if submits else _END_OF_A12[drawn["day"]]
        last_second = _at(last + _DAY, 0) - _SECOND
        sent = {
            "noon": _at(day, 12 if submits else 13),
            "last-second": last_second,
            "last-second-late": last_second,
            "midnight": last_second + _SECOND,
        }[drawn["clock"]]
        handled = sent + timedelta(minutes=30) if drawn["clock"] == "last-second-late" else sent
        end = _at(day + 2 * _DAY, 12) if submits or drawn["clock"] == "noon" else _at(last + _DAY, 2)
        return cls(day, sent if submits else _at(day, 12), sent, handled, _at(day - 30 * _DAY, 9), end)


@dataclass
class PairwiseCaseworker(Caseworker):
    """Intake with one account, one applicant's entries in the registers, and one case."""

    def hear(self, data: ApplicationEvent, sent: datetime, handled: datetime) -> None:
        """Handle an event, after the deadlines that pass before it, and those of the two minutes after it."""
        self._wait(handled)
        self.accepted = self.parked = self.refused = None
        self.events += 1
        assert self.service.rules.examine is not None
        (examined,) = self.service.rules.examine([Event(uuid5(CASE, str(self.events)), data.key(), data, sent)])
        self._decide(Arrival(PLACE, examined), handled)
        self._wait(handled + timedelta(minutes=2))

    def wait(self, until: datetime) -> None:
        """Handle every deadline that passes until then."""
        self._wait(until)


def caseworker(service: Service[Any, Any], drawn: Drawn) -> PairwiseCaseworker:
    """Return intake as it is when the case begins."""
    assert service.snapshot is not None
    times = Times.of(drawn)
    changes = [*_registers(drawn, times.day), *_accounts(drawn, times)]
    return PairwiseCaseworker(service, service.snapshot.apply(service.snapshot.empty, changes))


def submission(drawn: Drawn) -> ApplicationSubmitted:
    """Return the application of a colleague, without the request."""
    actor = _actor("opener", Role.COLLEAGUE, Assurance.HIGH)
    return ApplicationSubmitted.model_validate({"case_id": CASE, "actor": actor, **_application(drawn)})


def act(drawn: Drawn) -> ApplicationEvent:
    """Return what the drawn user does."""
    about: dict[str, Any] = {
        "case_id": CASE,
        "actor": _actor("drawn-user", Role(drawn["claims"]), Assurance(drawn["assurance"])),
    }
    if drawn["act"] == "withdraws":
        return ApplicationWithdrawn(**about)
    csr = request(GOOD_REQUEST)
    if drawn["act"] == "attaches":
        return CsrAttached(**about, csr=csr or "")
    kind = ApplicationSubmitted if drawn["act"] == "submits" else ApplicationSupplemented
    return kind.model_validate({**about, **_application(drawn), "csr": csr})


def _application(drawn: Drawn) -> dict[str, Any]:
    times = Times.of(drawn)
    is_server = drawn["type"].endswith("server")
    days = None if drawn["validity_days"] == "none" else int(drawn["validity_days"])
    person = {"name": "Urho Keksitty", "email": "urho@fantasin.example", "organisation": _MARKS[drawn["mark"]]}
    form = {
        "type": drawn["type"],
        "language": "fi",
        "applying_as": drawn["applying_as"],
        "applicant": {"business_id": BUSINESS_ID},
        "unit_long_name": ORGANISATION if drawn["organisation_sector"] == "itself" else UNIT,
        "signatory": _signatory(drawn["signature"], times),
        "information_system": None if is_server else {"name": "Mielikuva", "system_id": "FIKTIO-1001"},
        "names": {"dns": ["kanta.kokeilula.example.fi"] if is_server else []},
        "usages": ["server-auth"] if is_server else [],
        "orderer": {"name": "Saga Påhittad", "email": "saga@fantasin.example"},
        "technical_contact": person,
        "start_date": _start(drawn, times.day),
        "validity_days": days,
    }
    return {"form": form, "attachments": [_attachment(drawn["conformity"])] if drawn["conformity"] != "none" else []}


def _attachment(conformity: str) -> dict[str, Any]:
    number, valid_from, valid_to = _CONFORMITY[conformity]
    return {
        "kind": "conformity-certificate",
        "reference": "https://e-service.example/attachments/1.pdf",
        "sha256": "5f" * 32,
        "size": 181204,
        "media_type": "application/pdf",
        "system_id": "FIKTIO-1001",
        "certificate_number": number,
        "valid_from": valid_from,
        "valid_to": valid_to,
    }


def _signatory(signature: str, times: Times) -> dict[str, Any] | None:
    name, title, at = "Taru Tarinainen", "toimitusjohtaja", _at(times.day - 4 * _DAY, 9)
    match signature:
        case "missing":
            return None
        case "five-minutes-ahead":
            at = times.submitted + timedelta(minutes=5)
        case "six-minutes-ahead":
            at = times.submitted + timedelta(minutes=6)
        case "a-year-ahead":
            at = times.submitted + timedelta(days=365)
        case "before-account":
            at = times.opened - timedelta(minutes=5, seconds=1)
        case "at-account":
            at = times.opened - timedelta(minutes=5)
        case "invisible-name":
            name = "\u200b\u2060\u202e\ufeff"
        case "no-letters":
            name = "\u2014 007 \u2014"
        case "invisible-title":
            title = "\u200f\u200d"
        case "invisible-inside":
            name, title = "Taru\u200b Tari\u2060nainen\u202c", "\ufefftoimitus\u200bjohtaja"
    return {"name": name, "title": title, "signed_at": at}


def _start(drawn: Drawn, day: date) -> date | None:
    return {
        "none": None,
        "day-before": day - _DAY,
        "the-day": day,
        "60-days": day + timedelta(days=60),
        "61-days": day + timedelta(days=61),
        "first-of-march": _FIRST_OF_MARCH[drawn["day"]],
    }[drawn["start"]]


def _registers(drawn: Drawn, day: date) -> Iterator[Change]:
    """Yield the entries of the applicant, of its unit, of the intermediary and of the information system."""
    for number, entry in enumerate(_entries(drawn, day)):
        data = RegisterEntry.model_validate({"entry_id": f"{entry['kind']}/{number}", "entry": entry})
        yield Change(data.key(), data, _at(day - 60 * _DAY, 12))


def _entries(drawn: Drawn, day: date) -> Iterator[dict[str, Any]]:
    state, itself = drawn["register"], drawn["organisation_sector"] == "itself"
    since, until = {
        "begins-today": (day, None),
        "begins-tomorrow": (day + _DAY, None),
        "ends-today": (date(2020, 1, 1), day),
        "ended-yesterday": (date(2020, 1, 1), day - _DAY),
    }.get(state, (date(2020, 1, 1), None))
    if state != "unknown":
        if drawn["organisation_sector"] not in ("absent", "itself"):
            yield _organisation(drawn, drawn["organisation_sector"], False, since, until)
        if state == "sector-changed-today":
            other = "private" if drawn["unit_sector"] == "public" else "public"
            yield _organisation(drawn, other, not itself, since, day - _DAY)
            since = day
        if state == "unit-ended":
            until = day - _DAY
        yield _organisation(drawn, drawn["unit_sector"], not itself, since, until)
    listed = {
        "yes": (date(2021, 1, 1), None),
        "from-today": (day, None),
        "until-yesterday": (date(2021, 1, 1), day - _DAY),
    }.get(drawn["listed"])
    if listed is not None:
        yield {
            "kind": "intermediary",
            "business_id": BUSINESS_ID,
            "name": ORGANISATION,
            "valid_from": listed[0],
            "valid_to": listed[1],
        }
    certificates = [
        {"number": number, "valid_from": valid_from, "valid_to": valid_to}
        for number, valid_from, valid_to in _CONFORMITY.values()
    ]
    yield {
        "kind": "information-system",
        "system_id": "FIKTIO-1001",
        "name": "Mielikuva Potilastieto",
        "system_class": "A2",
        "certificates": certificates,
    }


def _organisation(drawn: Drawn, sector: str, is_unit: bool, since: date, until: date | None) -> dict[str, Any]:
    return {
        "kind": "organisation",
        "oid": f"{ORGANISATION_OID}.10.1" if is_unit else ORGANISATION_OID,
        "business_id": BUSINESS_ID,
        "registered_name": ORGANISATION,
        "names": {"fi": UNIT if is_unit else ORGANISATION},
        "sector": "private" if sector == "none" else sector,
        "sector_stated": sector != "none",
        "organisation_kind": drawn["kind"],
        "valid_from": since,
        "valid_to": until,
    }


def _accounts(drawn: Drawn, times: Times) -> Iterator[Change]:
    """Yield the account, which its first colleague opened, and the drawn user's invitation."""
    actor = _actor("opener", Role.COLLEAGUE, Assurance.HIGH)
    opened = AccountOpened(account_id=ACCOUNT, actor=actor, business_id=BUSINESS_ID, organisation_name=ORGANISATION)
    yield _change(opened, times.opened)
    yield from invitation(drawn["member"], ACCOUNT, times.opened + _DAY, _at(times.day, 9))


def invitation(member: str, account: str, invited: datetime, removed: datetime) -> Iterator[Change]:
    """Yield the events that make the drawn user what they are in an account."""
    if member == "nobody":
        return
    role, case_id = _MEMBERS[member]
    about: Mapping[str, Any] = {
        "account_id": account,
        "actor": Actor(user_id="opener", account_id=account, role=Role.COLLEAGUE, assurance=Assurance.HIGH),
        "user_id": "drawn-user",
        "role": role,
        "invited_by": "opener",
        "case_id": case_id,
    }
    yield _change(AccountMemberAdded(**about), invited)
    if member == "removed":
        yield _change(AccountMemberRemoved(**about), removed)


def _change(data: EventData, at: datetime) -> Change:
    return Change(data.key(), data, at)


def _actor(user: str, role: Role, assurance: Assurance) -> Actor:
    return Actor(user_id=user, account_id=ACCOUNT, role=role, assurance=assurance)


def _at(day: date, hour: int) -> datetime:
    return datetime.combine(day, time(hour), HELSINKI)
