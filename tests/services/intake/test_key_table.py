"""A4: a key belongs to one organisation for ever, and leaked keys are refused, on any workers and in any turns."""

import asyncio
import json
import os
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from databases import administer
from figures import figures_of
from identities import any_signer
from servicecert_intake.domain.knowledge import NOTHING_KNOWN
from servicecert_intake.domain.rules.application import Blocked, JudgedCsr, JudgedKey, KeyRecord
from servicecert_intake.domain.rules.csr import SEARCH, SEARCH_KEY, Searched, SearchOrder, key_faults, next_search
from servicecert_intake.effects import shared_keys
from servicecert_intake.service import MIGRATIONS, NAME, open_service
from servicecert_intake.settings import Settings
from servicecert_pki.csr import public_key_info
from servicecert_pki.key_checks import PUBLIC_LIST, PUBLIC_NAMES, KeyListDamaged, key_digest
from servicecert_pki.spki import spki_sha256
from servicecert_schemas.application import ApplicationSubmitted, ApplicationSupplemented, CsrAttached, Form
from servicecert_schemas.codec import to_record
from servicecert_schemas.event import Actor, EventData
from servicecert_schemas.revocation import KeyCompromised, RevocationRegistered
from servicecert_worker.audit.chain import Chain
from servicecert_worker.core.decider import Deadline, Due, Event, Intent, Result
from servicecert_worker.core.record import Arrival, Record, arrive
from servicecert_worker.core.signatures import Verifier
from servicecert_worker.runtime.loop import Loop
from servicecert_worker.runtime.turn import Turns
from services.intake.conftest import COLLEAGUE, NOW, SERVER_FORM

from pki import weak_keys

OTHER_ID = "9900001-8"
OTHER = {
    "applicant": {"business_id": OTHER_ID},
    "unit_long_name": "Taruvaaran terveysasema",
    "applying_as": "care-provider",
}
KEY = ec.derive_private_key(7, ec.SECP384R1())


def request(key: Any = KEY, name: str = "x") -> str:
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    made = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return made.public_bytes(Encoding.PEM).decode()


def application(csr: str | None = None, case: UUID | None = None, **fields: Any) -> ApplicationSubmitted:
    """An application of either organisation from its own account."""
    form = Form.model_validate({**SERVER_FORM, **fields})
    account = "account-2" if form.applicant.business_id == OTHER_ID else "account-1"
    actor = Actor.model_validate({**COLLEAGUE, "account_id": account})
    return ApplicationSubmitted(case_id=case or uuid4(), actor=actor, form=form, csr=csr)


def arrived(data: EventData) -> Arrival:
    made = to_record(data, source="/e-service", id=uuid4(), time=NOW)
    event = Event(uuid4(), data.key(), data, NOW)
    return Arrival(Record(made.topic, 0, 0, made.key, made.headers, made.value, NOW), event)


class IntakeHarness:
    """Intake's turns on a database, without topics."""

    def __init__(self, pool: asyncpg.Pool, service: Any, known: Any) -> None:
        self.pool = pool
        self.service = service
        self.known = known
        self.chain = Chain(NAME, {}, os.urandom)

    async def handle(self, items: Sequence[EventData | Due | Result]) -> None:
        chain = Chain(NAME, {}, os.urandom)
        await chain.begin(self.pool, NOW)
        turns = Turns(self.service, self.pool, chain, any_signer("intake"))

        async def settle() -> None:
            pass

        loop: Loop[Any, Any] = Loop(
            self.service,
            200,
            lambda items, now: turns.take(items, self.known, now, 0, ""),
            lambda *_: None,
            settle,
            lambda: NOW,
            Verifier({}),
        )
        received = [item if isinstance(item, Due | Result) else arrived(item) for item in items]
        arrivals = await loop._examine([item for item in received if isinstance(item, Arrival)])
        await loop._handle([*arrivals, *(item for item in received if not isinstance(item, Arrival))])

    async def case(self, data: Any) -> tuple[str, set[str]]:
        row = await self.pool.fetchrow("SELECT state::text, body FROM cases WHERE case_id = $1", str(data.case_id))
        assert row is not None
        return row["state"], {each["code"] for each in json.loads(row["body"])["deficiencies"]}

    async def states(self, *applications: Any) -> list[str]:
        return sorted([(await self.case(each))[0] for each in applications])


@pytest.fixture
async def intake(service_pool, known):
    pool = await service_pool(NAME, MIGRATIONS)
    async with open_service(Settings(), pool) as service:
        yield IntakeHarness(pool, service, known)


def test_A4_a_key_is_judged_by_what_is_recorded_of_it():
    assert key_faults(None, "9900058-7") == ()
    assert key_faults(KeyRecord(), "9900058-7") == ()
    assert key_faults(KeyRecord("9900058-7"), "9900058-7") == ()
    assert key_faults(KeyRecord("9900058-7"), None) == ()
    assert key_faults(KeyRecord("9900058-7"), "9900001-8") == ("key-of-another-organisation",)
    assert key_faults(KeyRecord("9900058-7", Blocked.COMPROMISED), "9900058-7") == ("key-compromised",)
    assert key_faults(KeyRecord("9900058-7", Blocked.SHARED_PRIME), "9900001-8") == (
        "key-shared-prime",
        "key-of-another-organisation",
    )


async def test_A4_a_key_that_was_accepted_for_one_organisation_is_refused_to_another(intake):
    first, again, other = application(request()), application(request(name="y")), application(request(), **OTHER)
    for each in (first, other, again):
        await intake.handle([each])
    assert await intake.states(first, again) == ["accepted", "accepted"]
    assert await intake.case(other) == ("returned", {"key-of-another-organisation"})


async def test_A4_of_two_organisations_in_one_turn_one_gets_the_key(intake):
    applications = [application(request(), **fields) for fields in ({}, OTHER, {}, OTHER)]
    free = application(request(ec.generate_private_key(ec.SECP384R1())), **OTHER)
    await intake.handle([*applications, free])
    assert [(await intake.case(each))[0] for each in (*applications, free)] == [
        "accepted",
        "returned",
        "accepted",
        "returned",
        "accepted",
    ]


async def test_A4_of_two_organisations_at_the_same_time_one_gets_the_key(intake):
    keys = [request(ec.generate_private_key(ec.SECP384R1())) for _ in range(6)]
    ours = [application(key) for key in keys]
    theirs = [application(key, **OTHER) for key in reversed(keys)]
    await asyncio.gather(intake.handle(ours), intake.handle(theirs))
    pairs = zip(ours, reversed(theirs), strict=True)
    assert [await intake.states(*pair) for pair in pairs] == [["accepted", "returned"]] * 6


async def test_A4_a_request_that_came_before_is_judged_by_what_is_recorded_when_the_rest_is_right(intake):
    late = application(request(), **{**OTHER, "usages": []})
    await intake.handle([late])
    await intake.handle([application(request())])
    attached = CsrAttached(case_id=late.case_id, actor=late.actor, csr=request())
    await intake.handle([attached])
    assert await intake.case(late) == ("returned", {"usages-missing", "key-of-another-organisation"})


async def test_A4_D6_a_key_that_was_exposed_is_refused_for_ever(intake, happenings):
    first, second = application(request()), application(request())
    await intake.handle([first])
    exposed = happenings["key exposed"].data.model_copy(update={"case_id": first.case_id})
    assert isinstance(exposed, RevocationRegistered)
    await intake.handle([exposed])
    await intake.handle([second])
    assert await intake.case(second) == ("returned", {"key-compromised"})
    with pytest.raises(asyncpg.CheckViolationError):
        await intake.pool.execute("UPDATE keys SET blocked = NULL")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await intake.pool.execute("DELETE FROM keys")
    with pytest.raises(asyncpg.CheckViolationError):
        await administer(intake.pool, "DELETE FROM keys")


async def test_A4_D6_a_key_that_is_exposed_in_the_turn_in_which_it_is_applied_for_is_refused(intake, happenings):
    first, second = application(request()), application(request())
    await intake.handle([first])
    exposed = happenings["key exposed"].data.model_copy(update={"case_id": first.case_id})
    await intake.handle([exposed, second])
    assert await intake.case(second) == ("returned", {"key-compromised"})


async def test_D6_a_key_reported_as_compromised_is_blocked_also_without_an_application(intake):
    before, after = application(request()), application(request())
    lost = KeyCompromised(
        key_sha256=spki_sha256(public_key_info(x509.load_pem_x509_csr(request().encode()).public_bytes(Encoding.DER))),
        known_at=NOW,
    )
    await intake.handle([before, lost])
    await intake.handle([lost, after])
    assert await intake.case(before) == await intake.case(after) == ("returned", {"key-compromised"})


async def test_another_reason_of_revocation_leaves_the_key_free(intake, happenings):
    first, second = application(request()), application(request())
    await intake.handle([first])
    await intake.handle([happenings["to be revoked"].data.model_copy(update={"case_id": first.case_id})])
    await intake.handle([second])
    assert await intake.states(second) == ["accepted"]


async def seen(intake: IntakeHarness, modulus: int) -> str:
    spki = public_key_info(weak_keys.request(modulus))
    key = spki_sha256(spki)
    await intake.pool.execute("INSERT INTO keys (key_sha256, rsa_spki) VALUES ($1, $2)", key, spki)
    return key


async def test_A4_keys_that_share_a_prime_are_blocked_and_applications_with_them_returned(intake, caplog):
    key = rsa.generate_private_key(65537, 2048)
    apart, applied, later = weak_keys.strong(), application(request(key)), application(request(key))
    await intake.handle([applied])
    twin = await seen(intake, key.private_numbers().p * weak_keys.strong(1024, seed=8))
    await seen(intake, apart)
    order = Intent(SEARCH, SearchOrder())
    (done,) = await intake.service.effects[SEARCH].do([order])
    assert done.data == Searched(keys=3, sharing=2)
    assert "share a prime" in caplog.text
    await intake.handle([later])
    assert await intake.case(later) == ("returned", {"key-shared-prime"})
    async with intake.pool.acquire() as connection:
        found = await shared_keys.search(connection)
        assert found.fresh == frozenset()
        assert twin in found.keys
        assert [case for _, case, _ in await shared_keys.cases_of(connection, found.keys)] == [str(applied.case_id)]
    shown = await figures_of(intake.pool, NOW)
    assert shown["servicecert_keys_blocked"] == {"compromised": 0, "shared-prime": 2}


async def test_the_search_is_due_at_once_and_then_each_night(intake):
    due, result = (
        Due(uuid4(), SEARCH_KEY, SEARCH, NOW),
        Result(uuid4(), SEARCH_KEY, SEARCH, Searched(keys=0, sharing=0)),
    )
    assert (SEARCH_KEY, SEARCH) in intake.service.rules.initial_deadlines
    assert intake.service.rules.decide(None, due, NOTHING_KNOWN, NOW).intents == (Intent(SEARCH, SearchOrder()),)
    assert intake.service.rules.decide(None, result, NOTHING_KNOWN, NOW).deadlines == (
        Deadline(SEARCH, next_search(NOW)),
    )
    assert 0 < (next_search(NOW) - NOW).total_seconds() <= 86_400
    await intake.pool.execute(
        "INSERT INTO deadlines (key, kind, id, at) VALUES ($1, $2, $3, $4)", due.key, due.kind, due.id, due.at
    )
    await intake.handle([due])
    assert await intake.pool.fetchval("SELECT count(*) FROM intents") == 1


async def test_I10_a_private_key_is_in_no_table_also_where_its_event_is_parked(intake):
    pem = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    refused = application(pem + request())
    orphan = CsrAttached(case_id=uuid4(), actor=refused.actor, csr=pem)
    await intake.handle([refused, orphan, orphan.model_copy(update={"csr": pem.replace("\n", "\r\n")})])
    await intake.pool.execute("DELETE FROM inbox")
    damaged = arrived(application(pem))
    value = (damaged.record.value or b"")[:-40]
    damaged = arrive(Record("applications", 0, 1, damaged.record.key, damaged.record.headers, value, NOW), Verifier({}))
    loop_items = [damaged]
    chain = Chain(NAME, {}, os.urandom)
    await chain.begin(intake.pool, NOW)
    await Turns(intake.service, intake.pool, chain, any_signer("intake")).take(loop_items, intake.known, NOW, 0, "")
    assert await intake.case(refused) == ("returned", {"csr-is-private-key"})
    assert await intake.pool.fetchval("SELECT count(*) FROM parked") >= 1
    secret = [line for line in pem.splitlines() if "-----" not in line]
    for table in await intake.pool.fetch(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema"
    ):
        rows = await intake.pool.fetch(f'SELECT * FROM "{table["table_name"]}"')
        content = repr([dict(row) for row in rows])
        assert not any(line[:20] in content for line in secret), table["table_name"]


async def test_A4_lists_of_lost_keys_are_loaded_and_shown(service_pool, tmp_path, caplog):
    pool = await service_pool(NAME, MIGRATIONS)
    (tmp_path / "ours.dat").write_bytes(key_digest(KEY.public_key()) + b"\0")
    async with open_service(Settings(key_lists_dir=tmp_path), pool) as service:
        (event,) = examined(service, [Event(uuid4(), "k", application(request()), NOW)])
        assert event.facts == JudgedCsr(faults=("key-compromised",))
        assert service.oversight.gauges[0].read == {"ours.dat": 1}
    async with open_service(Settings(), pool) as service:
        (event,) = examined(service, [Event(uuid4(), "k", application(request()), NOW)])
        assert event.facts.key == JudgedKey(spki_sha256(public_key_info(weak_der())), "ec")
        assert service.oversight.gauges[0].read == {"none": 0}
    assert "No list of leaked and compromised keys is loaded" in caplog.text
    (tmp_path / "ours.dat").write_bytes(b"x")
    with pytest.raises(KeyListDamaged, match="sorted records"):
        async with open_service(Settings(key_lists_dir=tmp_path), pool):
            pass


@pytest.mark.parametrize("list_name", ["ours.dat", PUBLIC_LIST])
async def test_A4_A10_a_key_that_a_list_has_since_is_refused_with_what_completes_its_case(
    service_pool, known, tmp_path, list_name
):
    pool = await service_pool(NAME, MIGRATIONS)
    waiting, other = (
        application(request(), usages=[]),
        application(request(ec.derive_private_key(9, ec.SECP384R1())), usages=[]),
    )
    async with open_service(Settings(), pool) as service:
        await IntakeHarness(pool, service, known).handle([waiting, other])
    (tmp_path / list_name).write_bytes(key_digest(KEY.public_key()) + b"\x07")
    (tmp_path / PUBLIC_NAMES).write_text('{"blocklists": [{"id": 7, "name": "debian"}]}')
    async with open_service(Settings(key_lists_dir=tmp_path), pool) as service:
        intake = IntakeHarness(pool, service, known)
        for each in (waiting, other):
            form = Form.model_validate(SERVER_FORM)
            await intake.handle([ApplicationSupplemented(case_id=each.case_id, actor=each.actor, form=form)])
        code = "key-compromised" if list_name == "ours.dat" else "key-debian-weak"
        assert await intake.case(waiting) == ("returned", {code})
        assert (await intake.case(other))[0] == "accepted"


def examined(service: Any, events: list[Event]) -> Sequence[Event]:
    found: Sequence[Event] = service.rules.examine(events)
    return found


def weak_der() -> bytes:
    return x509.load_pem_x509_csr(request().encode()).public_bytes(Encoding.DER)
