"""F3: the act that signs believes no row, but only what intake has signed.

The attacks write as the issuer's own login at the database may, which can do more there than any other.
"""

from __future__ import annotations

import json
import os
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from identities import InMemory
from servicecert_issuer.domain.act import check_order
from servicecert_issuer.domain.examine import IssuingContext, examine_application
from servicecert_issuer.domain.issuance import Intended, Linted, Recorded, SigningOrder, Stopped
from servicecert_issuer.storage.store import CertificateStore
from servicecert_pki.ca_signing import SigningRefused
from servicecert_pki.keys import PublicKey, SigningKey
from servicecert_pki.profiles import Profiles
from servicecert_pki.serials import draw_serial
from servicecert_pki.spki import KeyFamily
from servicecert_schemas.certificate import AcceptedWithdrawn, ApplicationAccepted, ServerNames, Subject
from servicecert_schemas.values import Language, Usage
from servicecert_worker.core.decider import Conflict, Due, Event, Stored
from servicecert_worker.core.signed_record import SignedRecord
from services.issuer.harness import WRITERS, IssuerHarness, Pool, kept, record_of

Accepted = Callable[..., ApplicationAccepted]
Attack = Callable[[ApplicationAccepted], str | None]

STOP = ("pkix.a",)
WEEK = timedelta(days=7)


def another_request() -> str:
    made = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    request = made.sign(ec.generate_private_key(ec.SECP384R1()), hashes.SHA384())
    return b64encode(request.public_bytes(Encoding.DER)).decode()


FORGED: dict[str, Any] = {
    "subject": Subject(
        organisation="Kansanelakelaitos",
        organisational_unit="Kansanelakelaitos",
        business_id="0246246-0",
        common_name="kanta.fi",
    ),
    "names": ServerNames(dns=("kanta.fi",)),
    "csr": another_request(),
}
"""What an attacker wants to have certified, for a key of his own."""


class Key:
    """A CA's key that keeps what it has signed."""

    family = KeyFamily.EC

    def __init__(self, key: SigningKey) -> None:
        self._key = key
        self.signed: list[bytes] = []

    def public_key(self) -> PublicKey:
        return self._key.public_key()

    def sign(self, *parts: bytes) -> bytes:
        self.signed.append(b"".join(parts))
        return self._key.sign(*parts)


@pytest.fixture
def key(ca_keys: Mapping[str, SigningKey]) -> Key:
    return Key(ca_keys["production-ec"])


@pytest.fixture
def issuer(pool: Pool, context: IssuingContext, key: Key) -> IssuerHarness:
    return IssuerHarness(pool, context, {"production-ec": key})


@pytest.fixture
def case() -> UUID:
    return uuid4()


async def stop(issuer: IssuerHarness, application: ApplicationAccepted) -> None:
    """Have the issuer stop an application."""
    strict = IssuerHarness(issuer.pool, replace(issuer.context, lint=lambda *_: STOP), {})
    await strict.happen(application)
    assert isinstance(await issuer.state(application.case_id), Stopped)


async def retry(issuer: IssuerHarness, case: UUID) -> None:
    """Have an operator retry a stopped application: what stopped it is mended."""
    due = Due(uuid4(), str(case), "retry", issuer.now)
    await issuer.pool.execute(
        "insert into deadlines (key, kind, id, at) values ($1, 'retry', $2, now())", str(case), due.id
    )
    await issuer.happen(due)
    for _ in range(2):
        await issuer.finish()


@pytest.mark.parametrize("record", ["", "[]", "of another case", "of another service"])
async def test_f3_F2_a_swapped_application_of_a_stopped_case_signs_nothing(
    issuer: IssuerHarness, accepted: Accepted, case: UUID, key: Key, caplog: pytest.LogCaptureFixture, record: str
) -> None:
    await stop(issuer, accepted(case_id=case))
    swapped = accepted(case_id=case, **FORGED)
    await issuer.pool.execute("update certificates set application = $1", swapped.model_dump_json())
    if record:
        forged = {"of another case": kept(swapped.model_copy(update={"case_id": uuid4()}))}
        forged["of another service"] = kept(swapped, InMemory())
        text = forged[record].text if record in forged else record
        await issuer.pool.execute("update certificates set record = $1", text)
    await retry(issuer, case)
    assert key.signed == []
    assert await issuer.published() == ["stopped", "stopped"]
    state = await issuer.state(case)
    assert isinstance(state, Stopped)
    assert state.findings == ("application.unsigned",)
    (logged,) = caplog.records
    assert "republish intake" in logged.getMessage()
    assert issuer.sign.refused == {"unsigned": 1.0}


async def plant(issuer: IssuerHarness, application: ApplicationAccepted, record: str | None, key: str = "") -> None:
    """Write the row of an intent, and the intent, as if the issuer had decided them, and have a worker adopt it."""
    facts = examine_application(issuer.context, application, draw_serial(os.urandom), issuer.now)
    assert isinstance(facts, Linted)
    kept_as = None if record is None else SignedRecord(record)
    intended, case = Intended.of(facts, application, issuer.now + WEEK, kept_as), key or application.key()
    async with issuer.pool.acquire() as connection:
        await CertificateStore().save(connection, [Stored(case, 0, intended)])
        await connection.execute(
            "insert into intents (id, key, kind, data, owner, since) values ($1, $2, 'sign', $3, 0, now())",
            *(uuid4(), case, SigningOrder.of(intended).model_dump_json().encode()),
        )
    issuer.tasks.clear()
    await issuer.adopt()


def event_of(data: ApplicationAccepted | AcceptedWithdrawn) -> Event:
    return Event(uuid4(), data.key(), data, datetime.now(UTC))


def withdrawal(application: ApplicationAccepted) -> str:
    record = record_of(event_of(AcceptedWithdrawn(case_id=application.case_id)))
    return SignedRecord.of(record.headers, record.value).text


RECORDS: dict[str, Attack] = {
    "none": lambda _: None,
    "no JSON": lambda _: "{",
    "unsigned": lambda it: json.dumps([[["ce_id", str(uuid4())]], it.model_dump_json()]),
    "signed by a key of its own": lambda it: kept(it, InMemory()).text,
    "intake's, of another case": lambda it: kept(it.model_copy(update={"case_id": uuid4()})).text,
    "intake's, with other names": lambda it: kept(it).text.replace("kanta.fi", "kantb.fi"),
    "intake's withdrawal": withdrawal,
}


@pytest.mark.parametrize("record", RECORDS)
async def test_f3_F2_rows_that_intake_has_not_signed_are_not_signed(
    issuer: IssuerHarness,
    accepted: Accepted,
    case: UUID,
    key: Key,
    caplog: pytest.LogCaptureFixture,
    record: str,
) -> None:
    attack = accepted(case_id=case, **FORGED)
    await plant(issuer, attack, RECORDS[record](attack))
    for _ in range(2):
        await issuer.finish()
    assert key.signed == []
    assert (await issuer.published(), len(issuer.tasks)) == ([], 1), (
        "it waits, until an operator or its deadline ends it"
    )
    assert [line.levelname for line in caplog.records] == ["ERROR", "ERROR"]
    assert issuer.sign.refused == {"unsigned": 2.0}


async def test_f3_F2_a_genuine_record_leads_to_its_own_certificate_and_no_other(
    issuer: IssuerHarness, accepted: Accepted, key: Key
) -> None:
    changes: list[dict[str, Any]] = [
        FORGED,
        {"csr": another_request()},
        {"names": ServerNames(dns=("kanta.example.fi", "c.example.fi"))},
        {"usages": (Usage.SERVER_AUTH,)},
        {"validity_days": 30},
        {"start_date": (issuer.now + timedelta(days=20)).date()},
        {"account_id": "account-2"},
        {"decision_id": uuid4()},
        {"language": Language.FINNISH},
        {"recipients": ()},
    ]
    for change in changes:
        case = uuid4()
        await plant(issuer, accepted(case_id=case, **change), kept(accepted(case_id=case)).text)
        await issuer.finish()
        assert (await issuer.state(case)).code == "books", change
    assert key.signed == []
    assert issuer.sign.refused == {"books": len(changes)}


async def test_f3_a_genuine_application_gets_no_start_in_the_future(
    issuer: IssuerHarness, accepted: Accepted, case: UUID, key: Key
) -> None:
    later = IssuerHarness(issuer.pool, issuer.context, issuer.keys, now=issuer.now + timedelta(hours=1))
    await plant(later, accepted(case_id=case), kept(accepted(case_id=case)).text)
    issuer.tasks = later.tasks
    await issuer.finish()
    assert (await issuer.state(case)).code == "books"
    assert key.signed == []


def test_f3_f5_a_start_that_is_no_time_of_a_certificate_is_refused(
    context: IssuingContext, accepted: Accepted, case: UUID
) -> None:
    """A row may have it: infinity. It holds up no other case."""
    application, now, hour = accepted(case_id=case), datetime.now(UTC), timedelta(hours=1)
    backdated = {it: replace(profile, backdating=hour) for it, profile in context.profiles.by_type.items()}
    context = replace(context, profiles=Profiles(backdated))
    linted = examine_application(context, application, draw_serial(os.urandom), now)
    assert isinstance(linted, Linted)
    recorded = Intended.of(linted, application, now + WEEK)
    planted = replace(recorded, linted=replace(recorded.linted, not_before=datetime.max.replace(tzinfo=UTC)))
    with pytest.raises(SigningRefused, match="no time of a certificate"):
        check_order(context, SigningOrder.of(planted), planted, application, now)


async def test_f3_I3_what_intake_has_signed_is_signed_for_its_case_once(
    issuer: IssuerHarness, accepted: Accepted, key: Key
) -> None:
    """A row ends for ever, and no other key has its record."""
    ended: dict[str, ApplicationAccepted] = {
        end: accepted(case_id=uuid4()) for end in ("issued", "voided", "refused", "withdrawn")
    }
    await issuer.issue(ended["issued"])
    await issuer.happen(ended["voided"])
    await issuer.pool.execute("insert into unwanted (key, reason) values ($1, 'x')", ended["voided"].key())
    await issuer.finish()
    await issuer.happen(AcceptedWithdrawn(case_id=ended["withdrawn"].case_id))
    await issuer.happen(ended["withdrawn"])
    await stop(issuer, ended["refused"])
    await issuer.happen(AcceptedWithdrawn(case_id=ended["refused"].case_id))
    assert len(key.signed) == 1
    for application in ended.values():
        genuine = kept(application).text
        with pytest.raises(Conflict):
            await plant(issuer, application, genuine)
        for state in ("'intended'", "'stopped', findings = '[]', application = '{}'"):
            with pytest.raises(asyncpg.CheckViolationError):
                await issuer.pool.execute(
                    f"update certificates set state = {state}, certificate = null, refusal = null, record = $2"
                    " where key = $1",
                    application.key(),
                    genuine,
                )
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await issuer.pool.execute("delete from certificates where key = $1", application.key())
        for other in (application.key().upper(), f"{application.key()} ", str(uuid4())):
            await plant(issuer, application, genuine, other)
    await issuer.finish()
    assert len(key.signed) == 1
    assert issuer.sign.refused == {"unsigned": len(issuer.tasks)}


async def test_f3_what_a_replaced_key_of_intake_has_signed_waits_until_intake_publishes_it_again(
    issuer: IssuerHarness, accepted: Accepted, key: Key, caplog: pytest.LogCaptureFixture
) -> None:
    """The old key is not pinned any more when an application that was stopped, or waits for its CA, is signed for."""
    waiting, stopped = accepted(case_id=uuid4()), accepted(case_id=uuid4())
    await issuer.happen(waiting)
    await stop(issuer, stopped)
    new = InMemory()
    after = IssuerHarness(issuer.pool, issuer.context, issuer.keys, os.urandom, verifier=new.verifier)
    await after.adopt()
    await retry(after, stopped.case_id)
    assert (key.signed, len(after.tasks)) == ([], 1)
    assert all("run `servicecert republish intake`" in line.getMessage() for line in caplog.records)
    junk = record_of(event_of(waiting), WRITERS)
    after.topic = [junk, *(record_of(event_of(it), new) for it in (waiting, stopped)), replace(junk, value=b"\xff")]
    await retry(after, stopped.case_id)
    ends = [await issuer.state(it.case_id) for it in (waiting, stopped)]
    assert [type(end) for end in ends] == [Recorded, Recorded]
    assert len(key.signed) == 2


async def test_f3_what_the_release_before_has_kept_without_its_record_is_read_in_the_topic(
    issuer: IssuerHarness, accepted: Accepted, key: Key
) -> None:
    """An intent of an old worker that a new one adopts, and a case that an old worker stopped."""
    many = [accepted(case_id=uuid4()) for _ in range(6)]
    await issuer.happen(*many)
    await stop(issuer, stopped := accepted(case_id=uuid4()))
    await issuer.pool.execute("update certificates set record = null")
    issuer.topic = [record_of(event_of(it)) for it in (*many, stopped)]
    await issuer.finish()
    await retry(issuer, stopped.case_id)
    assert (len(key.signed), issuer.read) == (7, 8)
    assert await issuer.parked() == 0


async def test_f3_the_topic_is_not_read_for_what_is_kept(issuer: IssuerHarness, accepted: Accepted, key: Key) -> None:
    await issuer.issue(*(accepted(case_id=uuid4()) for _ in range(6)))
    assert (len(key.signed), issuer.read) == (6, 0)


async def test_f3_what_no_profile_allows_is_not_signed_although_intake_has_signed_it(
    issuer: IssuerHarness, accepted: Accepted, key: Key
) -> None:
    """Intake lies, and whoever writes rows helps it: no issuer would have intended these."""
    cases = [uuid4() for _ in range(4)]
    for case, changes in zip(cases, ({"validity_days": 1_000}, {"usages": ()}, {"csr": "AAAA"}, {}), strict=True):
        await plant(issuer, accepted(case_id=case), kept(accepted(case_id=case, **changes)).text)
    *others, last = issuer.tasks
    issuer.tasks = others
    await issuer.finish()
    bare = IssuerHarness(issuer.pool, replace(issuer.context, profiles=Profiles({})), issuer.keys)
    bare.tasks = [last]
    await bare.finish()
    assert [(await issuer.state(case)).code for case in cases] == ["profile", "profile", "request", "profile"]
    assert key.signed == []


async def test_F2_a_request_that_is_invalid_by_now_is_not_signed(
    issuer: IssuerHarness, accepted: Accepted, case: UUID, key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Intake signed it, and the issuer that intended found nothing."""
    await issuer.happen(accepted(case_id=case))
    monkeypatch.setattr("servicecert_issuer.domain.act.request_faults", lambda _: ("request.key-roca",))
    await issuer.finish()
    assert (await issuer.state(case)).code == "request"
    assert key.signed == []
