"""A14: comparing a renewal with the certificate that it follows."""

from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from journeys.judged.table import request
from pydantic import TypeAdapter
from servicecert_intake.domain.examine import judge_request
from servicecert_intake.domain.rules.application import Followed
from servicecert_intake.domain.rules.renewal import LOOK_UP, LookedUp, LookUp
from servicecert_intake.effects.follow import Find, earlier_of
from servicecert_intake.service import MIGRATIONS, NAME
from servicecert_intake.storage.store import CaseStore
from servicecert_pki.profile import KeyUsage
from servicecert_schemas.case import CaseState
from servicecert_worker.core.decider import Result, Stored, Task
from services.intake.conftest import from_own_account, with_form

RSA, EC = (judge_request(request(f"{name}.pem")) for name in ("rsa-2048", "ec-p384"))
SERIAL = "0a" * 16


@pytest.fixture
def issued(accepts, happen, happenings):
    """A case with a certificate, of an RSA key."""
    return happen(happenings["issued"], accepts(csr=RSA).state).state


def found(happen, decision, earlier, known=None):
    """Return the decision after the lookup."""
    (intent,) = decision.intents
    assert intent.kind == LOOK_UP
    result = LookedUp(followed=Followed(intent.data.typed, earlier))
    return happen(Result(uuid4(), str(decision.state.case_id), LOOK_UP, result), decision.state, known=known)


def test_A14_the_followed_certificate_is_looked_up_before_the_application_is_judged(submit, happen, issued):
    asked = submit(follows=SERIAL, csr=EC)
    assert (asked.events[0].state, asked.intents[0].data) == (
        CaseState.SUBMITTED,
        LookUp(account_id="account-1", typed=SERIAL),
    )
    decision = found(happen, asked, earlier_of(issued))
    assert decision.events[0].state is CaseState.ACCEPTED
    assert decision.events[0].renewal.serial == SERIAL


def test_A14_every_difference_in_subject_names_and_key_usage_is_shown(submit, happen, issued):
    asked = submit(
        follows=SERIAL,
        csr=EC,
        usages=["client-auth"],
        names={"dns": ["uusi.onnela.example.fi", "kanta.onnela.example.fi"]},
    )
    renewal = found(happen, asked, earlier_of(issued)).events[0].renewal
    assert {each.field: (each.before, each.now) for each in renewal.differences} == {
        "subject.common_name": ("kanta.onnela.example.fi", "uusi.onnela.example.fi"),
        "names": ("kanta.onnela.example.fi", "kanta.onnela.example.fi, uusi.onnela.example.fi"),
        "extended_key_usage": ("server-auth", "client-auth"),
        "key_usage": ("digitalSignature, keyEncipherment", "digitalSignature"),
    }
    assert all(each.texts.sv and each.texts.fi and each.texts.en for each in renewal.differences)
    assert renewal.key_reused is None


def test_A14_of_very_many_names_every_one_that_differs_is_told(submit, happen, happenings, accepts):
    label = "kanta-ja-muut-palvelut-" * 2
    names = ["kanta.onnela.example.fi", *(f"{label}{number:02}.onnela.example.fi" for number in range(99))]
    before = happen(happenings["issued"], accepts(names={"dns": names[:99]}).state).state
    asked = submit(follows=SERIAL, csr=EC, names={"dns": [*names[:98], names[99]], "ip": ["193.166.2.1"]})
    (difference,) = [
        each for each in found(happen, asked, earlier_of(before)).events[0].renewal.differences if each.field == "names"
    ]
    assert (difference.removed, difference.added) == ((names[98],), ("193.166.2.1", names[99]))
    assert all(len(text) <= 1_010 and text.endswith("example.fi, …") for text in (difference.before, difference.now))


def test_A14_another_type_and_unit_are_differences_too(submit, happen, issued, intermediary_form, known):
    asked = submit(intermediary_form, follows=SERIAL)
    own = from_own_account(known, asked.state.form)
    renewal = found(happen, asked, earlier_of(issued), own).events[0].renewal
    assert {each.field for each in renewal.differences} >= {
        "type",
        "subject.organisation",
        "subject.organisational_unit",
        "subject.business_id",
    }


def test_A14_the_key_usage_is_that_of_each_certificate_s_own_profile(submit, happen, issued):
    earlier = earlier_of(issued)
    assert earlier is not None
    assert (earlier.grant.key_usage, RSA.key.family) == (("digital-signature", "key-encipherment"), "rsa")
    signed = replace(earlier, grant=replace(earlier.grant, key_usage=(KeyUsage("digital-signature"),)))
    (difference,) = found(happen, submit(follows=SERIAL, csr=RSA), signed).events[0].renewal.differences
    assert (difference.field, difference.removed, difference.added) == ("key_usage", (), ("keyEncipherment",))


def test_A14_B1_an_rsa_key_for_clients_alone_receives_no_keys(submit, happen, issued):
    asked = submit(follows=SERIAL, csr=RSA, usages=["client-auth"])
    differences = found(happen, asked, earlier_of(issued)).events[0].renewal.differences
    assert {each.field: (each.removed, each.added) for each in differences} == {
        "extended_key_usage": (("server-auth",), ("client-auth",)),
        "key_usage": (("keyEncipherment",), ()),
    }


def test_A14_the_same_again_has_no_difference_and_the_same_key_is_warned_of(submit, happen, issued):
    decision = found(happen, submit(follows=SERIAL, csr=RSA), earlier_of(issued))
    renewal = decision.events[0].renewal
    assert renewal.differences == ()
    assert "same key" in renewal.key_reused.en


def test_A14_before_the_request_is_there_the_rest_is_shown(submit, happen, issued):
    decision = found(happen, submit(follows=SERIAL, csr=None, usages=["client-auth"]), earlier_of(issued))
    view = decision.events[0]
    assert (view.state, [each.field for each in view.renewal.differences]) == (
        CaseState.WAITING_FOR_CSR,
        ["extended_key_usage"],
    )


def test_A14_a_certificate_that_the_account_does_not_have_is_a_deficiency_that_can_be_mended(
    submit, happen, happenings, issued
):
    returned = found(happen, submit(follows="00ff"), None)
    assert [each.code for each in returned.events[0].deficiencies] == ["follows-unknown"]
    supplement = happenings["supplemented"].data
    form = supplement.form.model_copy(update={"follows": SERIAL})
    mended = with_form(happenings["supplemented"], form)
    asked = happen(mended, returned.state)
    assert (asked.events, asked.state.state) == ((), CaseState.RETURNED)
    assert found(happen, asked, earlier_of(issued)).state.state is CaseState.ACCEPTED
    assert happen(happenings["supplemented"], returned.state).events[0].renewal is None


def test_A10_A14_a_certificate_that_was_not_found_is_looked_up_again_with_the_same_number(
    submit, happen, happenings, issued
):
    returned = found(happen, submit(follows=SERIAL), None)
    supplement = happenings["supplemented"].data
    form = supplement.form.model_copy(update={"follows": SERIAL})
    again = with_form(happenings["supplemented"], form)
    assert found(happen, happen(again, returned.state), earlier_of(issued)).state.state is CaseState.ACCEPTED


def test_A14_an_answer_that_nobody_waits_for_changes_nothing(happen, after):
    case = after("submitted")
    result = Result(uuid4(), str(case.case_id), LOOK_UP, LookedUp(followed=Followed("1", None)))
    assert happen(result, case).state is case
    assert happen(result).state is None
    assert happen(Result(uuid4(), "key", "other", LookUp(account_id="a", typed="1")), case).state is case


def test_A14_a_case_without_certificate_cannot_be_followed(after):
    assert earlier_of(after("submitted")) is None


@pytest.mark.parametrize(
    ("typed", "account", "is_found"),
    [
        (SERIAL, "account-1", True),
        (bytes.fromhex(SERIAL).hex(":").upper(), "account-1", True),
        (str(int(SERIAL, 16)), "account-1", True),
        (SERIAL, "account-2", False),
        ("0b" * 16, "account-1", False),
        ("no serial number", "account-1", False),
    ],
)
async def test_A14_a_certificate_is_found_in_its_own_account_however_its_number_is_typed(
    service_pool, issued, typed, account, is_found
):
    pool = await service_pool(NAME, MIGRATIONS)
    async with pool.acquire() as connection:
        await CaseStore().save(connection, [Stored(str(issued.case_id), 0, issued)])
    task = Task(UUID(int=1), "case", LOOK_UP, LookUp(account_id=account, typed=typed), None)
    (done,) = await Find(pool)([task])
    followed = TypeAdapter(Followed).validate_python(done.data.followed)
    assert followed == Followed(typed, earlier_of(issued) if is_found else None)
