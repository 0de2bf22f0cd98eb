"""What an application asks for: names, usages, system, validity, recipients (A4, A7, A14, B1, C1)."""

import unicodedata
from datetime import UTC, datetime

import pytest
from servicecert_intake.domain.rules.application import JudgedCsr
from servicecert_intake.domain.rules.deficiencies import CSR_FAULTS
from servicecert_intake.domain.rules.subject import common_name
from servicecert_schemas.application import Form
from servicecert_schemas.certificate import RecipientRole
from servicecert_schemas.register import RegisteredSystem

DOCTORS = {
    "applying_as": "care-provider",
    "applicant": {"business_id": "9900025-3"},
    "unit_long_name": "Lääkärikeskus Satulinna Oy",
}
PUBLIC = {
    "applying_as": "care-provider",
    "applicant": {"business_id": "9900017-3"},
    "unit_long_name": "Aaveniemen kaupunki",
}


def test_names_are_certified_in_lower_case_each_once(accepts):
    names = {
        "dns": ["A.example.fi", "b.example.fi", "a.example.FI"],
        "ip": ["2A00:1450::0:1", "193.166.2.1", "2a00:1450::1"],
    }
    accepted = accepts(names=names).events[1]
    assert accepted.names.dns == ("a.example.fi", "b.example.fi")
    assert accepted.names.ip == ("2a00:1450::1", "193.166.2.1")
    assert accepted.subject.common_name == "a.example.fi"


def test_the_first_name_of_at_most_64_characters_is_the_common_name(accepts):
    long = f"{'a' * 60}.example.fi"
    assert accepts(names={"dns": [long, "b.example.fi"]}).events[1].subject.common_name == "b.example.fi"


def test_A10_names_that_no_event_holds_a_certificate_of_are_returned(accepts, returns):
    long = [".".join([f"{number:03}{'a' * 60}", "b" * 63, "c" * 63, "d" * 58, "fi"]) for number in range(71)]
    fitting = ["a.example.fi", *long, f"{'b' * 22}.fi"]
    assert sum(map(len, fitting)) == 18_000
    assert len(accepts(names={"dns": fitting}).events[1].names.dns) == 73
    returns("dns-names-too-many", names={"dns": ["ab.fi", *fitting]})


def test_a_server_without_a_name_that_fits_is_returned(returns):
    returns("common-name-missing", names={"dns": [f"{'a' * 60}.example.fi"]})


@pytest.mark.parametrize("ip", [[], ["193.166.2.1"]])
def test_a_server_without_a_host_name_is_returned(returns, ip):
    returns("dns-name-missing", names={"dns": [], "ip": ip})


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("hälsa.example.fi", "dns-name-idn"),
        ("*.example.fi", "dns-name-wildcard"),
        ("a_b.example.fi", "dns-name-underscore"),
        (f"{'a' * 64}.fi", "dns-name-length"),
        ("localhost", "dns-name-labels"),
        ("person@example.fi", "dns-name-form"),
        ("193.166.2.1", "dns-name-address"),
    ],
)
def test_a_name_that_cannot_be_certified_is_returned_with_its_place(returns, name, code):
    (deficiency,) = returns(code, names={"dns": ["good.example.fi", name]}).deficiencies
    assert deficiency.field == "names.dns[1]"


def test_a_long_wrong_name_is_shown_shortened(returns):
    (deficiency,) = returns("dns-name-length", names={"dns": ["good.example.fi", "a" * 200]}).deficiencies
    assert f"”{'a' * 60}…”" in deficiency.texts.sv


def test_a_wrong_address_is_returned_with_its_place(returns):
    names = {"dns": ["good.example.fi"], "ip": ["193.166.2.1", "193.166.2.0/24"]}
    (deficiency,) = returns("ip-address-form", names=names).deficiencies
    assert deficiency.field == "names.ip[1]"


def test_usages_are_certified_each_once_in_a_fixed_order(accepts):
    assert accepts(usages=["client-auth", "server-auth"]).events[1].usages == ("server-auth", "client-auth")
    assert accepts(usages=["client-auth", "client-auth"]).events[1].usages == ("client-auth",)


def test_a_server_without_usage_is_returned(returns):
    returns("usages-missing", usages=[])


def test_a_system_signature_has_neither_names_nor_usages(returns, signature_form):
    fields = {"names": {"ip": ["193.166.2.1"]}, "usages": ["server-auth"]}
    returns({"names-not-for-type", "usages-not-for-type"}, signature_form, **PUBLIC, **fields)


def test_a_system_signature_is_named_for_the_registered_system(accepts, signature_form):
    system = {"name": "as the applicant calls it", "system_id": "FIKTIO-1001"}
    accepted = accepts(signature_form, information_system=system, **PUBLIC).events[1]
    assert accepted.subject.common_name == "Mielikuva Potilastieto"
    assert (accepted.names.dns, accepted.usages) == ((), ())


@pytest.mark.parametrize("registered", ["", "Bra\tsystem", "x" * 65])
def test_a_registered_name_of_a_system_that_fits_no_certificate_gives_way_to_the_typed_one(
    profiles, signature_form, registered
):
    form = Form.model_validate({**signature_form, "information_system": {"name": "Typed", "system_id": "S-1"}})
    systems = {"S-1": RegisteredSystem(system_id="S-1", name=registered, system_class="A2")}
    assert common_name(form, None, None, systems, profiles[form.type]) == ("Typed", ())


def test_a_system_signature_for_a_system_that_is_not_registered_is_named_as_typed(accepts, signature_form):
    system = {"name": " Uusi järjestelmä ", "system_id": "none"}
    assert (
        accepts(signature_form, information_system=system, **PUBLIC).events[1].subject.common_name == "Uusi järjestelmä"
    )


def test_the_unicode_form_of_a_systems_name_does_not_count(profiles, signature_form):
    """As macOS stores it: each letter with its mark apart."""
    typed = unicodedata.normalize("NFD", "Ä" * 64)
    form = Form.model_validate({**signature_form, "information_system": {"name": typed, "system_id": "S-1"}})
    for systems in ({}, {"S-1": RegisteredSystem(system_id="S-1", name=typed, system_class="A2")}):
        assert common_name(form, None, None, systems, profiles[form.type]) == ("Ä" * 64, ())


def test_a_system_signature_without_system_is_named_for_the_organisation(accepts, signature_form):
    accepted = accepts(signature_form, information_system=None, **PUBLIC).events[1]
    assert accepted.subject.common_name == "Aaveniemen kaupunki"


@pytest.mark.parametrize("name", ["", "a" * 65, "a\nb"])
def test_a_system_name_that_does_not_fit_is_returned(returns, signature_form, name):
    returns("system-name-unfit", signature_form, information_system={"name": name, "system_id": "none"}, **PUBLIC)


def test_A7_a_private_applicant_with_conformity_certificate_is_accepted(accepts, signature_form, conformity):
    accepts(signature_form, (conformity,))


def test_A7_a_private_applicant_without_conformity_certificate_is_returned(returns, signature_form):
    returns("conformity-certificate-missing", signature_form)


def test_A7_a_private_applicant_without_system_is_returned(returns, signature_form, conformity):
    returns("information-system-missing", signature_form, (conformity,), information_system=None)


def test_A7_a_public_applicant_needs_none(accepts, signature_form):
    accepts(signature_form, **PUBLIC)


def test_A7_the_test_type_needs_none(accepts, signature_form):
    accepts(signature_form, type="test-system-signature")


def test_A7_a_server_needs_none(accepts):
    accepts(**DOCTORS)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"system_id": "FIKTIO-1001"}, "conformity-certificate-other-system"),
        ({"valid_to": "2026-11-23"}, "conformity-certificate-not-valid"),
        ({"valid_from": "2026-11-25"}, "conformity-certificate-not-valid"),
        ({"certificate_number": "TODISTUS-1999-001"}, "conformity-certificate-unknown"),
    ],
)
def test_A7_a_conformity_certificate_that_does_not_count_is_returned(
    returns, signature_form, conformity, changes, code
):
    returns(code, signature_form, ({**conformity, **changes},))


@pytest.mark.parametrize(
    ("system_id", "number"),
    [("FIKTIO-1001", "TODISTUS-2021-001"), ("FIKTIO-1003", "TODISTUS-2023-007"), ("FIKTIO-9", "TODISTUS-9")],
)
def test_A7_the_register_must_have_it_in_force(returns, signature_form, conformity, system_id, number):
    attached = {**conformity, "system_id": system_id, "certificate_number": number, "valid_from": "2020-01-01"}
    system = {"name": "system", "system_id": system_id}
    returns("conformity-certificate-unknown", signature_form, (attached,), information_system=system)


def test_A7_a_withdrawn_certificate_counted_until_the_day_before(accepts, signature_form, conformity):
    attached = {**conformity, "system_id": "FIKTIO-1003", "certificate_number": "TODISTUS-2023-007"}
    system = {"name": "system", "system_id": "FIKTIO-1003"}
    at = datetime(2025, 11, 14, 12, tzinfo=UTC)
    signatory = {**signature_form["signatory"], "signed_at": at}
    accepts(signature_form, (attached,), information_system=system, signatory=signatory, at=at)


def test_A7_any_one_of_several_certificates_is_enough(accepts, signature_form, conformity):
    accepts(signature_form, ({**conformity, "system_id": "FIKTIO-1001"}, conformity))


@pytest.mark.parametrize("day", ["2026-11-24", "2027-01-23"])
def test_A14_a_start_date_up_to_60_days_ahead_is_accepted(accepts, day):
    assert accepts(start_date=day).events[1].start_date.isoformat() == day


def test_A14_a_later_start_date_is_returned(returns):
    (deficiency,) = returns("start-date-too-late", start_date="2027-01-24", validity_days=10).deficiencies
    assert "60" in deficiency.texts.fi


@pytest.mark.parametrize("day", ["2026-11-23", "0001-01-01"])
def test_A14_a_start_date_in_the_past_is_returned(returns, day):
    returns("start-date-past", start_date=day)


def test_B1_two_years_may_be_asked_for(accepts):
    assert accepts(validity_days=731).events[1].validity_days == 731


@pytest.mark.parametrize("days", [732, 100_000])
def test_B1_a_longer_validity_is_returned(returns, days):
    (deficiency,) = returns("validity-too-long", validity_days=days).deficiencies
    assert "731" in deficiency.texts.en


def test_B1_two_years_without_a_leap_day_are_a_day_shorter(accepts, returns):
    then = datetime(2025, 3, 1, 12, tzinfo=UTC)
    accepts(validity_days=730, at=then)
    returns("validity-too-long", validity_days=731, at=then)


def test_B1_the_two_years_begin_with_the_start_date(accepts):
    accepts(validity_days=731, at=datetime(2026, 2, 20, 12, tzinfo=UTC), start_date="2026-03-02")


def test_B1_an_absurd_start_date_does_not_disturb_the_judgement(returns):
    returns({"start-date-too-late", "validity-too-long"}, start_date="9999-12-31", validity_days=100_000)


def test_C1_orderer_contact_and_shared_mailbox_receive_it(accepts):
    recipients = accepts(shared_mailbox="it@onnela.example.fi").events[1].recipients
    assert [each.role for each in recipients] == [role for role in RecipientRole if role is not RecipientRole.REQUESTER]
    assert [each.email for each in recipients] == [
        "urho@onnela.example.fi",
        "aada@onnela.example.fi",
        "it@onnela.example.fi",
    ]


def test_C1_equal_addresses_are_one_recipient_in_the_first_role(accepts):
    recipients = accepts(shared_mailbox=" aada@ONNELA.example.fi ").events[1].recipients
    assert [each.role for each in recipients] == [RecipientRole.ORDERER, RecipientRole.TECHNICAL_CONTACT]


def test_C1_the_local_part_has_its_case(accepts):
    assert len(accepts(shared_mailbox="Aada@onnela.example.fi").events[1].recipients) == 3


def test_C1_a_blank_shared_mailbox_is_none(accepts):
    assert len(accepts(shared_mailbox=" ").events[1].recipients) == 2


def test_C1_an_address_is_written_as_a_mail_server_takes_it(accepts):
    accepted = accepts(
        orderer={"name": "Urho", "email": "Urho@ONNELA.example.fi"}, shared_mailbox="väinö@hyvinvointialue-ääkköset.fi"
    )
    addresses = [each.email for each in accepted.events[1].recipients]
    assert addresses[0] == "Urho@onnela.example.fi"
    assert addresses[-1] == "väinö@xn--hyvinvointialue-kkset-l2ba84b.fi"


@pytest.mark.parametrize(
    "email",
    [
        *["", "urho", "urho@", "a@b@c", "Urho <urho@example.fi>", "a b@example.fi", "a..b@example.fi", ".a@example.fi"],
        *["a@localhost", "a@-example.fi", "a@exa_mple.fi", "a@[192.0.2.1]", '"a b"@example.fi', "a@example.invalid"],
        *["a@example.fi\r\nBcc: b@example.fi", f"{'a' * 65}@example.fi"],
    ],
)
def test_C1_an_address_that_cannot_be_delivered_to_is_returned(returns, email):
    view = returns("email-wrong", orderer={"name": "Urho", "email": email})
    assert view.deficiencies[0].field == "orderer.email"
    assert [each.role for each in view.recipients] == [RecipientRole.TECHNICAL_CONTACT]


def test_C1_every_wrong_address_is_told(returns, contact):
    view = returns("email-wrong", technical_contact={**contact, "email": "x"}, shared_mailbox="y")
    assert [each.field for each in view.deficiencies] == ["technical_contact.email", "shared_mailbox"]


@pytest.mark.parametrize("code", CSR_FAULTS)
def test_A4_each_fault_of_a_request_is_told_in_its_own_words(returns, code):
    (deficiency,) = returns(code, csr=JudgedCsr(faults=(code,))).deficiencies
    assert deficiency.field == "csr"


def test_A4_a_fault_without_words_is_told_in_general_ones(returns):
    returns("csr-refused", csr=JudgedCsr(faults=("key-from-the-future",)))


def test_A10_all_deficiencies_are_told_at_once(returns):
    returns(
        {"business-id-form", "dns-name-missing", "usages-missing", "email-wrong", "start-date-past", "key-size"},
        csr=JudgedCsr(faults=("key-size",)),
        applicant={"business_id": "x"},
        names={},
        usages=[],
        shared_mailbox="x",
        start_date="2020-01-01",
    )
