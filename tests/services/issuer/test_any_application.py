"""Certificates of generated applications: every field is the application's, read by a second library."""

from base64 import b64decode
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from ipaddress import ip_address
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from asn1crypto import csr as asn1_csr
from asn1crypto import x509 as asn1
from hypothesis import given
from hypothesis import strategies as st
from pki.drawn import texts
from servicecert_issuer.domain.examine import IssuingContext, examine_application
from servicecert_issuer.domain.issuance import Linted
from servicecert_issuer.domain.unissuable import Unissuable
from servicecert_schemas.certificate import ApplicationAccepted, ServerNames, Subject
from servicecert_schemas.values import CertificateType, Usage

Accepted = Callable[..., ApplicationAccepted]

NOW = datetime(2026, 11, 24, 10, 30, 15, tzinfo=UTC)
USAGE = {Usage.SERVER_AUTH: "server_auth", Usage.CLIENT_AUTH: "client_auth"}
KEY_USAGE = {
    (True, "rsa"): {"digital_signature"},
    (True, "ec"): {"digital_signature"},
    (False, "rsa"): {"digital_signature", "non_repudiation"},
    (False, "ec"): {"digital_signature", "non_repudiation"},
}
POLICY = {it: f"1.3.6.1.4.1.32473.1.{number}" for number, it in enumerate(CertificateType, 1)}

hosts = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?\.(example|xn--trdgrd-cuak)\.(fi|FI)", fullmatch=True).filter(
    lambda it: not it.startswith("xn--")
)
addresses = (st.ip_addresses(network="2a00:1450::/32") | st.ip_addresses(network="193.166.0.0/16")).map(str)


@st.composite
def applications(draw: st.DrawFn, accepted: Accepted) -> tuple[ApplicationAccepted, str]:
    """An application as intake accepts it, and the family of its key."""
    kind, family = draw(st.sampled_from(CertificateType)), draw(st.sampled_from(("rsa", "ec")))
    dns = draw(st.lists(hosts, min_size=1, max_size=5, unique_by=str.lower)) if kind.is_server else []
    ip = draw(st.lists(addresses, max_size=3, unique=True)) if kind.is_server else []
    application = accepted(
        kind,
        family,
        subject=Subject(
            organisation=draw(texts),
            organisational_unit=draw(texts),
            business_id="0204819-8",
            common_name=dns[0].lower() if dns else draw(texts),
        ),
        names=ServerNames(dns=tuple(dns), ip=tuple(ip)),
        usages=tuple(draw(st.sets(st.sampled_from(Usage), min_size=1))) if kind.is_server else (),
        validity_days=draw(st.none() | st.integers(1, 730)),
        start_date=draw(st.none() | st.dates(NOW.date() + timedelta(days=1), NOW.date() + timedelta(days=60))),
    )
    return application, family


def extensions(tbs: Any) -> dict[str, Any]:
    return {it["extn_id"].native: it["extn_value"].parsed for it in tbs["extensions"]}


@given(st.data(), st.integers(1 << 120, (1 << 159) - 1))
def test_every_field_is_the_applications(
    context: IssuingContext, accepted: Accepted, data: st.DataObject, serial: int
) -> None:
    application, family = data.draw(applications(accepted))
    found = examine_application(context, application, serial, NOW)
    assert isinstance(found, Linted)
    tbs = asn1.TbsCertificate.load(found.tbs, strict=True)
    extension_values = extensions(tbs)
    subject = application.subject
    assert tbs["serial_number"].native == serial
    assert tbs["subject"].native == {
        "country_name": "FI",
        "organization_name": subject.organisation,
        "organizational_unit_name": subject.organisational_unit,
        "serial_number": subject.business_id,
        "common_name": subject.common_name,
    }
    request = asn1_csr.CertificationRequest.load(b64decode(application.csr))
    key = request["certification_request_info"]["subject_pk_info"]
    assert tbs["subject_public_key_info"].dump() == key.dump()
    assert extension_values["key_identifier"].native == key.sha1
    begins, ends = tbs["validity"]["not_before"].native, tbs["validity"]["not_after"].native
    if application.start_date is None:
        assert begins == NOW
    else:
        assert begins == datetime.combine(application.start_date, time(), ZoneInfo("Europe/Helsinki"))
    if application.validity_days is None:
        assert ends == begins.replace(year=begins.year + 2) - timedelta(seconds=1)
    else:
        assert ends - begins == timedelta(days=application.validity_days) - timedelta(seconds=1)
    is_server = application.type.is_server
    receives_keys = family == "rsa" and Usage.SERVER_AUTH in application.usages
    assert extension_values["key_usage"].native == KEY_USAGE[is_server, family] | (
        {"key_encipherment"} if receives_keys else set()
    )
    assert set(extension_values["extended_key_usage"].native if is_server else ()) == {
        USAGE[it] for it in application.usages
    }
    assert [it["policy_identifier"].native for it in extension_values["certificate_policies"]] == [
        POLICY[application.type]
    ]
    names = [it.chosen for it in extension_values["subject_alt_name"]] if is_server else []
    dns, ip = len(application.names.dns), len(application.names.ip)
    assert [it.contents.decode() for it in names[:dns]] == [it.lower() for it in application.names.dns]
    assert [ip_address(it.native) for it in names[dns:]] == list(map(ip_address, application.names.ip))
    assert len(names) == dns + ip
    issuer = f"{'test' if application.type.is_test else 'production'}-{family}"
    (crl,) = extension_values["crl_distribution_points"].native[0]["distribution_point"]
    assert 1 <= found.partition <= context.partitions
    assert crl == f"http://crl.example.fi/{issuer}.{found.partition}.crl"
    assert tbs["issuer"].dump() == context.authority.issuer(issuer).subject_der
    assert extension_values["basic_constraints"].native["ca"] is False


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Åbo hälsocentral ÄÖÅ", None),
        ("Terveystalo 🏥", None),
        ("Sääʹm ǩiõll", None),
        ("Ö" * 64, None),
        ("🏥" * 64, None),
        ("מרפאה", "text-letters"),
        ("診療所", "text-letters"),
        ("Kаnta", "text-letters"),  # with a Cyrillic а
        ("𝒜" * 64, "text-letters"),
        ("Ö" * 65, "text-too-long"),
        ("abc\u202edef", "text-characters"),
        ("👩\u200d⚕", "text-characters"),
        ("a\u00a0b", "text-characters"),
        ("\u3164", "text-letters"),
        (" a", "text-characters"),
        ("a\x00b", "text-characters"),
    ],
)
def test_a_name_passes_or_is_refused_by_a_rule(
    context: IssuingContext, accepted: Accepted, text: str, code: str | None
) -> None:
    """Latin letters and signs pass, up to 64; what turns, joins or hides characters or looks like others does not."""
    kind = CertificateType.SYSTEM_SIGNATURE
    given_subject = accepted(kind).subject.model_copy(update={"common_name": text})
    found = examine_application(context, accepted(kind, subject=given_subject), 1 << 126, NOW)
    if code is None:
        assert isinstance(found, Linted)
    else:
        assert isinstance(found, Unissuable)
        assert found.code == code


@pytest.mark.parametrize(
    ("dns", "ip", "code"),
    [
        (("xn--trdgrd-cuak.example.fi",), ("2a00:1450::1", "193.166.2.1"), None),
        (("a" * 61 + ".fi",), (), None),
        (("a" * 63 + ".fi",), (), "text-too-long"),
        (("*.example.fi",), (), "dns-name-wildcard"),
        (("trädgård.example.fi",), (), "dns-name-idn"),
        (("xn--99999999.fi",), (), "dns-name-idn"),
        (("a_b.example.fi",), (), "dns-name-underscore"),
        (("example.1",), (), "dns-name-address"),
        (("example.fi1",), (), "dns-name-form"),
        (("a.fi",), ("fe80::1%eth0",), "ip-address-form"),
        (("a.fi",), ("193.166.2.1", "193.166.2.1"), "names"),
    ],
)
def test_a_host_passes_or_is_refused_by_a_rule(
    context: IssuingContext, accepted: Accepted, dns: tuple[str, ...], ip: tuple[str, ...], code: str | None
) -> None:
    sound = accepted()
    subject = sound.subject.model_copy(update={"common_name": dns[0]})
    names = ServerNames.model_construct(dns=dns, ip=ip)
    found = examine_application(context, sound.model_copy(update={"subject": subject, "names": names}), 1 << 126, NOW)
    assert (None if isinstance(found, Linted) else found.code) == code
