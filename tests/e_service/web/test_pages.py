"""What a customer sees and does, from the registration to the download."""

from __future__ import annotations

import asyncio
import re
from base64 import b64encode
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from browsers import APPLICATIONS, SERVER, SYSTEM, Browser, Site
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import Certificate, CertificateBuilder, Name, NameAttribute, NameOID, load_pem_x509_certificates
from portal import live, views
from servicecert_schemas import CaseState, EventRefused, Language, Texts, decode

PATH = "/sv/accounts/{}/apply/server/care-provider"


async def opened(site: Site, browser: Browser, state: str, example: str = "", **more) -> tuple[str, str]:
    account = await browser.open_account("9900001-8")
    case = await browser.apply(account)
    await site.show(case, account, 1, state, example, **more)
    await browser.get(f"/sv/cases/{case}")
    return account, case


async def sent(site: Site):
    record = (await site.publish())[-1]
    return decode(record.topic, record.key, record.headers, record.value)[1]


async def test_a_visitor_is_told_what_this_is(site):
    browser = site.browser()
    for language in Language:
        assert (await browser.get(f"/{language}/")).status_code == 200
    assert (await browser.get("/", headers={"accept-language": "fi-FI,fi;q=0.9"})).url.path == "/fi/"
    assert (await browser.get("/", headers={"accept-language": "de"})).url.path == "/sv/"


async def test_after_the_login_one_is_where_one_wanted_to_go(site):
    browser = site.browser()
    page = await browser.get("/fi/accounts/new")
    await browser.client.post(str(page.url), data={"person": "saga", "level": "substantial"})
    await browser.get("/fi/accounts/new")
    assert "Fantasins" in browser.text


async def test_an_organisation_has_one_account(site, colleague):
    account = await colleague.open_account("9900001-8")
    assert (await sent(site)).account_id == account
    await colleague.get("/sv/accounts/new")
    assert "Fantasins" not in colleague.text
    assert (await colleague.post("/sv/accounts/new", {"business_id": "9900001-8"})).status_code == 422


async def test_the_type_and_the_capacity_are_chosen_first(site, colleague):
    account = await colleague.open_account("9900001-8")
    choose = f"/sv/accounts/{account}/apply"
    assert (await colleague.get(choose)).status_code == 200
    assert (await colleague.get(f"{choose}?type=server")).status_code == 422
    assert 'href="#f-applying_as"' in colleague.text
    await colleague.get(f"{choose}?type=system-signature&applying_as=it-supplier")
    assert colleague.page.status_code == 422
    await colleague.get(f"{choose}?type=server&applying_as=care-provider")
    assert colleague.path == PATH.format(account)
    assert '<option value="Sagouddens hälsostation">' in colleague.text
    assert "Apoteket" not in re.sub("Apoteket Helsingfors VI", "", colleague.text)


@pytest.mark.parametrize("limits", [{"examples": APPLICATIONS}])
@pytest.mark.parametrize("place", ["server/care-provider", "test-system-signature/pharmacy"])
async def test_in_a_trial_the_form_is_filled_in_by_a_click(site, colleague, place):
    account = await colleague.open_account("9900001-8")
    path = f"/sv/accounts/{account}/apply/{place}"
    await colleague.get(path)
    assert "BEGIN CERTIFICATE" not in colleague.text
    assert 'href="?example"' in colleague.text
    await colleague.get(f"{path}?example")
    assert "-----BEGIN CERTIFICATE REQUEST-----" in colleague.text
    assert 'value="Sagouddens hälsostation"' in colleague.text


async def test_an_e_service_in_earnest_fills_in_no_example(site, colleague):
    account = await colleague.open_account("9900001-8")
    await colleague.get(f"{PATH.format(account)}?example")
    assert "?example" not in colleague.text
    assert "BEGIN CERTIFICATE" not in colleague.text


async def test_what_is_missing_stands_at_the_top_and_at_the_field_and_nothing_is_lost(site, colleague):
    account = await colleague.open_account("9900001-8")
    await colleague.get(PATH.format(account))
    await colleague.post(PATH.format(account), {**SERVER, "orderer.email": ""})
    assert colleague.page.status_code == 422
    assert 'href="#f-orderer.email"' in colleague.text
    assert 'aria-describedby="p-orderer.email" aria-invalid="true"' in colleague.text
    assert SERVER["unit_long_name"] in colleague.text
    assert len(await site.publish()) == 1


async def test_A10_each_deficiency_stands_beside_its_field_in_the_readers_language(site, colleague):
    places = {field: field for field in ("unit_long_name", "names.dns", "names.ip", "csr", "applying_as")}
    places["technical_contact"] = "technical_contact.name"
    lacks = [
        {"code": "x", "field": field, "texts": {language: f"{language} <{field}>" for language in Language}}
        for field in places
    ]
    _, case = await opened(site, colleague, "returned", ".returned", deficiencies=lacks)
    for language in Language:
        await colleague.get(f"/{language}/cases/{case}")
        for field, path in places.items():
            assert f'<div class="problem" id="p-{path}"><p>{language} <{field}></p></div>' in colleague.text
            assert f'<a href="#f-{path}">' in colleague.text


async def test_A10_a_supplement_is_the_whole_form_with_what_was_corrected(site, colleague):
    _, case = await opened(site, colleague, "returned", ".returned")
    corrected = {**SERVER, "unit_long_name": "Sagobergets hälsostation", "applying_as": "pharmacy"}
    await colleague.post(f"/sv/cases/{case}", {**corrected, "act": "supplement", "csr_text": "PEM"})
    event = await sent(site)
    assert (event.TYPE, event.form.unit_long_name, event.csr) == (
        "servicecert.application.supplemented.v1",
        "Sagobergets hälsostation",
        "PEM",
    )
    assert event.form.applying_as == "pharmacy"
    assert event.form.names.dns == (SERVER["names.dns"],)
    await colleague.get(f"/sv/cases/{case}")
    assert "Sagobergets" in colleague.text


async def test_a_supplement_that_cannot_be_sent_says_why_and_loses_nothing(site, colleague):
    _, case = await opened(site, colleague, "returned", ".returned", deficiencies=[])
    count = len(await site.publish())
    typed = {**SERVER, "orderer.name": "", "unit_long_name": "Sagobergets hälsostation", "act": "supplement"}
    assert (await colleague.post(f"/sv/cases/{case}", typed)).status_code == 422
    assert 'href="#f-orderer.name"' in colleague.text
    assert "Sagobergets hälsostation" in colleague.text
    assert len(await site.publish()) == count


async def test_A7_the_file_of_before_counts_in_a_supplement(site):
    browser = site.browser()
    await browser.login("taru")
    account = await browser.open_account("9900025-3")
    path = f"/sv/accounts/{account}/apply/system-signature/care-provider"
    await browser.get(path)
    await browser.post(path, SYSTEM, {"attachments": ("a.pdf", b"%PDF-1.7", "")})
    before = (await sent(site)).attachments[0]
    case = browser.path.rsplit("/", 1)[1]
    await site.show(case, account, 1, "returned", ".returned", type="system-signature")
    await browser.get(f"/sv/cases/{case}")
    await browser.post(f"/sv/cases/{case}", {**SYSTEM, "certificate_number": "TODISTUS-1", "act": "supplement"})
    after = (await sent(site)).attachments[0]
    assert (after.sha256, after.reference, after.size) == (before.sha256, before.reference, 8)
    assert (before.certificate_number, after.certificate_number) == ("TODISTUS-2024-014", "TODISTUS-1")


@pytest.mark.parametrize(
    ("content", "csr"),
    [(b"-----BEGIN CERTIFICATE REQUEST-----", "-----BEGIN CERTIFICATE REQUEST-----"), (b"0\x82", "MII=")],
)
async def test_A3_the_technical_contact_attaches_the_request(site, colleague, content, csr):
    account, case = await opened(site, colleague, "waiting-for-csr", ".returned", deficiencies=[])
    link = await colleague.invited(f"/sv/cases/{case}", {"act": "invite"})
    contact = site.browser()
    await contact.login("urho", "substantial")
    await contact.get(link)
    assert "Fantasins välfärdsområde" in contact.text
    await contact.post(link, {})
    added = await sent(site)
    assert (str(added.case_id), added.role, added.account_id) == (case, "technical-contact", account)
    assert added.invited_by == added.actor.user_id != added.user_id
    assert (await contact.post(f"/sv/cases/{case}", {"act": "csr"})).status_code == 422
    await contact.post(f"/sv/cases/{case}", {"act": "csr"}, {"csr": ("a.csr", content, "")})
    event = await sent(site)
    assert event.csr.startswith(csr[:3])
    assert (event.actor.role, event.actor.assurance) == ("technical-contact", "substantial")


async def test_A3_a_colleague_attaches_the_request_that_alone_is_missing(site, colleague):
    _, case = await opened(site, colleague, "waiting-for-csr", ".returned", deficiencies=[])
    assert colleague.text.count('id="f-csr"') == 1
    await colleague.post(f"/sv/cases/{case}", {"act": "csr", "csr_text": "PEM"})
    event = await sent(site)
    assert (event.TYPE, event.csr) == ("servicecert.application.csr-attached.v1", "PEM")


async def test_A15_the_applicant_withdraws(site, colleague):
    _, case = await opened(site, colleague, "accepted", deficiencies=[], certificate=None)
    assert 'value="withdraw"' in colleague.text
    await colleague.post(f"/sv/cases/{case}", {"act": "withdraw"})
    assert (await sent(site)).TYPE == "servicecert.application.withdrawn.v1"


@pytest.mark.parametrize("state", [*CaseState, "newer-state"])
async def test_E1_every_state_has_a_page_in_every_language(site, colleague, state):
    example = "" if state in ("issued", "delivered", "revocation-requested", "revoked") else ".returned"
    _, case = await opened(site, colleague, state, example)
    for language in Language:
        assert (await colleague.get(f"/{language}/cases/{case}")).status_code == 200
        assert (await colleague.get(f"/{language}/")).status_code == 200
        assert f"state-{state}" in colleague.text


async def test_E4_the_list_has_permits_and_matters_and_leads_to_revocation(site, colleague):
    account, case = await opened(site, colleague, "delivered", revocation=None)
    await colleague.apply(account, once="2", **{"names.dns": "toinen.example.fi"})
    closed = await colleague.apply(account, once="3")
    await site.show(closed, account, 1, "withdrawn", ".returned")
    await colleague.get("/sv/")
    parts = re.split("<h3>", colleague.text)
    assert [part.split("<")[0] for part in parts[1:]] == [
        "Beviljade tillstånd",
        "Ofullbordade ärenden",
        "Avslutade ärenden",
    ]
    assert "Öppna beslutet" in parts[1]
    assert f"/sv/cases/{case}/revocation" in parts[1]
    assert "toinen.example.fi" in parts[2]
    assert closed in parts[3]


async def test_the_data_are_shown_before_a_request_for_revocation_is_sent(site, colleague):
    _, case = await opened(site, colleague, "delivered", revocation=None)
    path = f"/sv/cases/{case}/revocation"
    await colleague.get(path)
    assert (await colleague.post(path, {"serial": "", "act": "check"})).status_code == 422
    fields = {"serial": "4d8a", "reason": "no-longer-needed"}
    await colleague.post(path, {**fields, "act": "check"})
    for shown in ("4d8a31f07c5be29461a0d3c97e18f2b5", "certifikatet behövs inte längre", "kanta.laakaritalo.example"):
        assert shown in colleague.text
    count = len(await site.publish())
    await colleague.post(path, {**fields, "back": "1"})
    assert 'value="4d8a"' in colleague.text
    await colleague.post(path, {**fields, "act": "send"})
    assert len(await site.publish()) == count + 1
    assert colleague.path == f"/sv/cases/{case}"


async def test_the_certificate_is_downloaded_as_pem_and_der(site, colleague):
    _, case = await opened(site, colleague, "delivered", certificate=CERTIFICATE)
    der = (await colleague.get(f"/sv/cases/{case}/certificate.der")).content
    pem = (await colleague.get(f"/sv/cases/{case}/certificate.pem")).text
    assert der == b"0" * 60
    assert pem.splitlines()[0] == "-----BEGIN CERTIFICATE-----"
    assert {len(line) for line in pem.splitlines()[1:-2]} == {64}
    assert colleague.page.headers["content-disposition"].endswith('.pem"')
    for ending in ("p12", "key"):
        assert (await colleague.get(f"/sv/cases/{case}/certificate.{ending}")).status_code == 404


async def test_the_chain_is_that_of_the_certificates_which_the_authority_publishes(site, colleague, tmp_path):
    root, other, issuing, leaf = _authorities()
    for number, each in enumerate((other, issuing, root)):
        (tmp_path / f"{number}.cer").write_bytes(each.public_bytes(Encoding.DER))
    der = b64encode(leaf.public_bytes(Encoding.DER)).decode()
    _, case = await opened(site, colleague, "delivered", certificate=CERTIFICATE | {"der": der})
    chain = f"/sv/cases/{case}/certificate.chain"
    assert (await colleague.get(chain)).status_code == 404
    object.__setattr__(site.portal.settings, "ca_certificates", tmp_path)
    assert chain in (await colleague.get(f"/sv/cases/{case}")).text
    page = await colleague.get(chain)
    assert page.headers["content-disposition"].endswith('-chain.pem"')
    assert load_pem_x509_certificates(page.content) == [issuing, root]
    (tmp_path / "1.cer").unlink()
    assert (await colleague.get(chain)).status_code == 404


def _authorities() -> list[Certificate]:
    """Return a root, another of the same name, an issuing CA of the first, and a certificate of that."""
    keys = [generate_private_key(SECP256R1()) for _ in range(4)]
    made = []
    for number, (subject, issuer) in enumerate((("Root", 0), ("Root", 1), ("CA", 0), ("example", 2))):
        name = made[issuer].subject if issuer < number else Name([NameAttribute(NameOID.COMMON_NAME, subject)])
        builder = CertificateBuilder().subject_name(Name([NameAttribute(NameOID.COMMON_NAME, subject)]))
        builder = builder.issuer_name(name).public_key(keys[number].public_key()).serial_number(number + 1)
        builder = builder.not_valid_before(datetime(2026, 1, 1, tzinfo=UTC)).not_valid_after(
            datetime(2030, 1, 1, tzinfo=UTC)
        )
        made.append(builder.sign(keys[issuer], SHA256()))
    return made


CERTIFICATE = {
    "serial": "4d8a31f07c5be29461a0d3c97e18f2b5",
    "serial_decimal": "103068105533233134241031974706793214645",
    "issuer": "production-ec",
    "subject": "CN=kanta.laakaritalo.example",
    "not_before": "2026-11-25T00:00:00Z",
    "not_after": "2027-11-24T23:59:59Z",
    "fingerprint": "0" * 64,
    "der": "MDAw" * 20,
}


async def test_A14_a_renewal_begins_with_what_the_certificate_has(site, colleague):
    account, case = await opened(site, colleague, "delivered", revocation=None)
    await colleague.get(f"{PATH.format(account)}?renews={case}")
    assert 'value="4d8a31f07c5be29461a0d3c97e18f2b5"' in colleague.text
    assert SERVER["names.dns"] in colleague.text
    await colleague.get(f"{PATH.format(account)}?renews={uuid4()}")
    assert SERVER["names.dns"] not in colleague.text


async def test_E1_an_older_view_never_replaces_a_newer_one(site, colleague):
    account, case = await opened(site, colleague, "delivered")
    await site.show(case, account, 3, "revoked")
    await site.show(case, account, 2, "delivered")
    await colleague.get(f"/sv/cases/{case}")
    assert "state-revoked" in colleague.text


async def test_E3_an_erased_case_is_forgotten(site, colleague):
    _, case = await opened(site, colleague, "delivered")
    await views.forget(site.portal.database, case)
    assert (await colleague.get(f"/sv/cases/{case}")).status_code == 404
    assert case not in (await colleague.get("/sv/")).text


async def test_an_answer_that_no_view_can_show_is_shown_to_who_sent_the_event(site, colleague):
    account, case = await opened(site, colleague, "delivered")
    (event,) = [r for r in await site.publish() if r.topic == "applications"]
    texts = Texts(sv="Inget ändrades.", fi="Mitään ei muutettu.", en="Nothing was changed.")
    refused = EventRefused(
        event_id=dict(event.headers)["ce_id"].decode(),
        case_id=case,
        account_id=account,
        code="no-such-case",
        texts=texts,
        at="2026-11-29T12:00:00Z",
    )
    await views.store_refusal(site.portal.database, refused)
    await views.store_refusal(site.portal.database, refused)
    await colleague.get(f"/fi/cases/{case}")
    assert colleague.text.count("Mitään ei muutettu.") == 1


async def test_E1_an_open_page_is_told_of_each_change(site):
    count = 0

    async def stamp():
        return str(count)

    stream = live.stamps(site.portal.changes, "case", stamp)
    assert await anext(stream) == "retry: 1000\ndata: 0\n\n"
    following = asyncio.create_task(anext(stream))
    await asyncio.sleep(0)
    count = 1
    site.portal.changes.tell("another case")
    site.portal.changes.tell("case")
    async with asyncio.timeout(10):
        assert await following == "retry: 1000\ndata: 1\n\n"
    await stream.aclose()


async def test_two_people_work_in_one_case(site, colleague):
    account, case = await opened(site, colleague, "returned", ".returned")
    link = await colleague.invited(f"/sv/accounts/{account}", {"role": "colleague"})
    other = site.browser()
    await other.login("satu")
    await other.get(link)
    await other.post(link, {})
    await other.get(f"/fi/cases/{case}")
    await other.post(f"/fi/cases/{case}", {**SERVER, "unit_long_name": "Sagobergets hälsostation", "act": "supplement"})
    assert (await sent(site)).actor.role == "colleague"
    await colleague.get(f"/sv/cases/{case}")
    assert "Sagobergets hälsostation" in colleague.text
