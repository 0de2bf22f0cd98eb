import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from asn1crypto import x509 as asn1
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st
from pki.drawn import TYPES, contents
from servicecert_pki import der
from servicecert_pki.authority import Authority
from servicecert_pki.certificate import (
    AlternativeNames,
    CertificateUnsound,
    Contents,
    Subject,
    build_tbs,
    fingerprint,
    sign_tbs,
    verify_certificate,
)
from servicecert_pki.identity import identity_in
from servicecert_pki.keys import SigningKey
from servicecert_pki.lint import Linter
from servicecert_pki.names import CertificateRefused
from servicecert_pki.profile import Environment, Usage
from servicecert_pki.profiles import load_profiles
from servicecert_pki.read_back import difference
from servicecert_pki.serials import LARGEST_SERIAL
from servicecert_pki.spki import KeyFamily

MakeContents = Callable[..., Contents]

PURPOSE = {Usage.SERVER_AUTH: ExtendedKeyUsageOID.SERVER_AUTH, Usage.CLIENT_AUTH: ExtendedKeyUsageOID.CLIENT_AUTH}
POLICY = {type_id: f"1.3.6.1.4.1.32473.1.{number}" for number, type_id in enumerate(TYPES, 1)}


@given(st.data())
def test_another_decoder_reads_what_was_meant(make_contents: MakeContents, data: st.DataObject) -> None:
    meant = data.draw(contents(make_contents))
    tbs = build_tbs(meant)
    read = asn1.TbsCertificate.load(tbs, strict=True)
    assert read.dump(force=True) == tbs
    assert read["serial_number"].native == meant.serial
    assert [*read["subject"].native.items()] == [
        ("country_name", "FI"),
        ("organization_name", meant.subject.organisation),
        ("organizational_unit_name", meant.subject.unit),
        ("serial_number", meant.subject.business_id),
        ("common_name", meant.subject.common_name),
    ]
    assert read["issuer"].dump() == meant.issuer.subject_der
    assert read["subject_public_key_info"].dump() == meant.spki
    assert read["validity"].native == {"not_before": meant.not_before, "not_after": meant.not_after}
    extensions = {it["extn_id"].native: it for it in read["extensions"]}
    assert extensions["authority_key_identifier"]["extn_value"].parsed.native == {
        "key_identifier": meant.issuer.key_id,
        "authority_cert_issuer": None,
        "authority_cert_serial_number": None,
    }
    sha1 = read["subject_public_key_info"].sha1
    assert extensions["key_identifier"]["extn_value"].parsed.native == sha1
    assert extensions["crl_distribution_points"]["extn_value"].native[0]["distribution_point"] == [meant.crl_url]
    san = extensions["subject_alt_name"]["extn_value"].native if meant.names.dns else []
    dns = len(meant.names.dns)
    assert (tuple(san[:dns]), tuple(map(ip_address, san[dns:]))) == (meant.names.dns, meant.names.ip)
    assert ("subject_alt_name" in extensions) is meant.profile.dns_names
    assert {name for name, it in extensions.items() if it["critical"].native} == {"key_usage", "basic_constraints"}


@pytest.mark.parametrize("family", KeyFamily)
@pytest.mark.parametrize(
    ("type_id", "usages"),
    [
        *(
            (type_id, frozenset(it))
            for type_id in TYPES[:2]
            for it in (Usage, [Usage.SERVER_AUTH], [Usage.CLIENT_AUTH])
        ),
        *((type_id, frozenset[Usage]()) for type_id in TYPES[2:]),
    ],
)
def test_B1_each_type_has_its_usages_and_its_policy(
    make_contents: MakeContents,
    ca_keys: Mapping[str, SigningKey],
    linter: Linter,
    type_id: str,
    usages: frozenset[Usage],
    family: KeyFamily,
) -> None:
    """An RSA key receives keys of TLS clients only (RFC 5280, 4.2.1.12)."""
    meant = make_contents(type_id, family, usages=usages)
    assert linter.findings(meant, build_tbs(meant)) == ()
    certificate = x509.load_der_x509_certificate(sign_tbs(build_tbs(meant), ca_keys[meant.issuer.id]))
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    is_server = "server" in type_id
    assert usage.digital_signature
    assert usage.content_commitment is not is_server
    assert usage.key_encipherment is (Usage.SERVER_AUTH in usages and family is KeyFamily.RSA)
    never = (usage.data_encipherment, usage.key_agreement, usage.key_cert_sign, usage.crl_sign)
    assert not any(never)
    purposes = [it.value for it in certificate.extensions if isinstance(it.value, x509.ExtendedKeyUsage)]
    assert [set(it) for it in purposes] == ([{PURPOSE[it] for it in usages}] if is_server else [])
    policies = certificate.extensions.get_extension_for_class(x509.CertificatePolicies).value
    assert [it.policy_identifier.dotted_string for it in policies] == [POLICY[type_id]]
    assert certificate.signature_algorithm_oid.dotted_string == (
        "1.2.840.113549.1.1.13" if family is KeyFamily.RSA else "1.2.840.10045.4.3.3"
    )


CPS = "https://www.example.fi/cps"
AUTHORITY = f"""
organisation = "Exempelmyndigheten"
[repository]
crls = "http://crl.example.fi"
cps = "{CPS}"
[policies]
"""


def test_b3_f3_the_certification_practice_statement_is_in_each_certificate_and_read_back(
    make_contents: MakeContents, ca_keys: Mapping[str, SigningKey], linter: Linter, tmp_path: Path
) -> None:
    text = AUTHORITY + "".join(f'{type_id} = "{policy}"\n' for type_id, policy in POLICY.items())
    (tmp_path / "authority.toml").write_text(text)
    profiles, plain = load_profiles(whose=identity_in(tmp_path)), load_profiles()
    for type_id, profile in profiles.by_type.items():
        meant = replace(make_contents(type_id), profile=profile)
        tbs = build_tbs(meant)
        assert linter.findings(meant, tbs) == ()
        assert difference(meant, tbs) is None
        assert difference(replace(meant, profile=plain[type_id]), tbs) == "profile"
        assert profile.digest != plain[type_id].digest
        certificate = x509.load_der_x509_certificate(sign_tbs(tbs, ca_keys[meant.issuer.id]))
        (policy,) = certificate.extensions.get_extension_for_class(x509.CertificatePolicies).value
        assert policy.policy_qualifiers == [CPS]


def test_sixty_four_characters_fit_whatever_their_bytes(make_contents: MakeContents) -> None:
    subject = Subject("å" * 64, "ä" * 64, "0204819-8", "ö" * 64)
    tbs = asn1.TbsCertificate.load(build_tbs(make_contents("system-signature", subject=subject)))
    assert tbs["subject"].native["common_name"] == "ö" * 64


LONG = "a" * 62 + ".fi"


@pytest.mark.parametrize(
    ("type_id", "changes", "code"),
    [
        ("server", {"serial": 0}, "serial"),
        ("server", {"serial": LARGEST_SERIAL + 1}, "serial"),
        ("server", {"usages": frozenset()}, "usage"),
        ("system-signature", {"usages": frozenset(Usage)}, "usage"),
        ("server", {"crl_url": "https://crl.example.fi/a.crl"}, "url"),
        ("server", {"ca_issuers_url": "http://ö.fi/"}, "url"),
        ("server", {"ocsp_url": ""}, "url"),
        ("server", {"names": AlternativeNames()}, "common-name-missing"),
        ("server", {"names": AlternativeNames((LONG,))}, "common-name-missing"),
        ("server", {"names": AlternativeNames(("kanta.example.fi",) * 2)}, "names"),
        ("server", {"names": AlternativeNames(("KANTA.example.fi",))}, "names"),
        ("server", {"names": AlternativeNames(("other.example.fi", "kanta.example.fi"))}, "names"),
        ("server", {"names": AlternativeNames((), (ip_address("192.0.2.1"),))}, "common-name-missing"),
        ("server", {"names": AlternativeNames(("*.example.fi",))}, "dns-name-wildcard"),
        ("system-signature", {"names": AlternativeNames(("a.fi",))}, "names"),
        ("system-signature", {"names": AlternativeNames((), (ip_address("::1"),))}, "names"),
        ("system-signature", {"subject": Subject("O" * 65, "U", "0204819-8", "C")}, "text-too-long"),
        ("system-signature", {"subject": Subject("O", "", "0204819-8", "C")}, "text-empty"),
        ("system-signature", {"subject": Subject("O", "U", "0204819-7", "C")}, "business-id-check-digit"),
        ("system-signature", {"subject": Subject("O", "U", "0204819-8", "C\n")}, "text-characters"),
        ("server", {"not_after": datetime(2026, 11, 24, 9, tzinfo=UTC)}, "validity"),
        ("server", {"not_after": datetime(2028, 11, 24, 9, tzinfo=UTC)}, "validity"),
        ("server", {"not_before": datetime(2026, 11, 24, 8, tzinfo=UTC)}, "validity"),
        ("server", {"spki": der.sequence(der.sequence(), der.bit_string(b""))}, "key-family"),
    ],
)
def test_B1_contents_that_break_their_profile_are_refused(
    make_contents: MakeContents, type_id: str, changes: dict[str, object], code: str
) -> None:
    with pytest.raises(CertificateRefused) as refused:
        build_tbs(make_contents(type_id, **changes))
    assert refused.value.code == code


def test_I11_an_issuer_signs_keys_of_its_environment_and_family_only(
    make_contents: MakeContents, authority: Authority
) -> None:
    for environment, family, code in (
        (Environment.TEST, KeyFamily.EC, "environment"),
        (Environment.PRODUCTION, KeyFamily.RSA, "key-family"),
    ):
        with pytest.raises(CertificateRefused) as refused:
            build_tbs(make_contents("server", issuer=authority.issuer(f"{environment}-{family}")))
        assert refused.value.code == code


def test_B1_no_certificate_outlives_its_issuer(make_contents: MakeContents, authority: Authority) -> None:
    issuer = authority.issuer("production-ec")
    for start in (issuer.not_before - timedelta(seconds=1), issuer.not_after - timedelta(hours=1)):
        with pytest.raises(CertificateRefused) as refused:
            build_tbs(make_contents("server", not_before=start, not_after=start + timedelta(days=1)))
        assert refused.value.code == "issuer-validity"


@pytest.mark.parametrize("family", KeyFamily)
def test_B4_only_the_stored_bytes_with_the_issuers_signature_are_released(
    make_contents: MakeContents, ca_keys: Mapping[str, SigningKey], authority: Authority, family: KeyFamily
) -> None:
    meant = make_contents("server", family)
    key, public = ca_keys[meant.issuer.id], meant.issuer.public_key
    tbs = build_tbs(meant)
    certificate = sign_tbs(tbs, key)
    verify_certificate(certificate, tbs, public)
    other_key = authority.issuer(f"test-{family}").public_key
    other_family = next(it for it in KeyFamily if it is not family)
    other_algorithm = authority.issuer(f"test-{other_family}").public_key
    for wrong, stored, issuer, sentence in (
        (certificate, build_tbs(make_contents("server", family)), public, "differs from the stored"),
        (certificate[:-1] + bytes((certificate[-1] ^ 1,)), tbs, public, "does not verify"),
        (certificate, tbs, other_key, "does not verify"),
        (certificate, tbs, other_algorithm, "signature algorithm"),
        (certificate[:-1], tbs, public, "cannot be read back"),
        (sign_tbs(tbs, ca_keys[f"test-{family}"]), tbs, public, "does not verify"),
    ):
        with pytest.raises(CertificateUnsound, match=sentence):
            verify_certificate(wrong, stored, issuer)


def test_the_fingerprint_is_the_sha256_of_the_der() -> None:
    assert fingerprint(b"certificate") == hashlib.sha256(b"certificate").hexdigest()
