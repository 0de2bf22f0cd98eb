import base64
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from hypothesis import given
from hypothesis import strategies as st
from servicecert_pki import der
from servicecert_pki.csr import Csr, judge_csr
from servicecert_pki.csr_faults import FAULTS, LARGEST_CSR
from servicecert_pki.spki import KeyFamily

Run = Callable[..., CompletedProcess[bytes]]

KEYS: Mapping[str, tuple[str, ...]] = {
    "RSA 2048": ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"),
    "RSA 3072": ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"),
    "RSA 4096": ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:4096"),
    "EC P-384": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"),
    "RSA 1024": ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"),
    "RSA 2056": ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2056"),
    "RSA 2048 e=3": ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-pkeyopt", "rsa_keygen_pubexp:3"),
    "RSA 1024 e=3": ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024", "-pkeyopt", "rsa_keygen_pubexp:3"),
    "RSA-PSS": ("-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048"),
    "EC P-256": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"),
    "EC prime239v1": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:prime239v1"),
    "EC explicit": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384", "-pkeyopt", "ec_param_enc:explicit"),
    "Ed25519": ("-algorithm", "ED25519"),
    "Ed448": ("-algorithm", "ED448"),
}


class Requests:
    """Keys and requests made by OpenSSL's command line, each once."""

    def __init__(self, openssl: Run, folder: Path) -> None:
        self._openssl = openssl
        self._folder = folder

    def key(self, kind: str) -> Path:
        path = self._folder / f"{kind}.key"
        if not path.exists():
            self._openssl("genpkey", *KEYS[kind], "-out", path)
        return path

    def pem(self, kind: str, *options: str) -> bytes:
        path = self._folder / f"{kind}{'_'.join(options)}.csr".replace("/", "_")
        if not path.exists():
            self._openssl(
                "req", "-new", "-key", self.key(kind), "-subj", "/C=XX/ST=Some-State/CN=*", *options, "-out", path
            )
        return path.read_bytes()

    def der(self, kind: str, *options: str) -> bytes:
        return base64.b64decode(b"".join(self.pem(kind, *options).splitlines()[1:-1]))


@pytest.fixture(scope="session")
def requests(openssl: Run, tmp_path_factory: pytest.TempPathFactory) -> Requests:
    return Requests(openssl, tmp_path_factory.mktemp("requests"))


def accepted(source: str | bytes) -> Csr:
    judged = judge_csr(source)
    assert isinstance(judged, Csr)
    return judged


def codes(source: str | bytes) -> tuple[str, ...]:
    result = judge_csr(source)
    assert not isinstance(result, Csr)
    assert set(result) <= set(FAULTS)
    return tuple(fault.code for fault in result)


@pytest.mark.parametrize("kind", ["RSA 2048", "RSA 3072", "RSA 4096", "EC P-384"])
def test_A4_the_allowed_keys_are_accepted(requests: Requests, openssl: Run, kind: str) -> None:
    csr = accepted(requests.pem(kind))
    assert csr.key == kind
    assert csr.family is (KeyFamily.EC if kind.startswith("EC") else KeyFamily.RSA)
    assert csr.der == requests.der(kind)
    assert csr.spki_der == openssl("pkey", "-in", requests.key(kind), "-pubout", "-outform", "DER").stdout
    assert csr.spki_sha256 == openssl("dgst", "-sha256", "-r", given=csr.spki_der).stdout.split()[0].decode()


def test_A4_every_form_a_person_sends_is_read(requests: Requests) -> None:
    pem, encoded = requests.pem("EC P-384"), requests.der("EC P-384")
    text = pem.decode()
    for form in (
        pem,
        text,
        encoded,
        base64.b64encode(encoded),
        base64.encodebytes(encoded).decode(),
        pem.replace(b"\n", b"\r\n"),
        b"Certificate Request:\n  Subject: CN=\xc3\xa5\n" + pem + b"\nRegards, M\n",
        text.replace("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"),
        b"\xef\xbb\xbf" + pem,
        text.encode("utf-16"),
        text.encode("utf-16-le"),
        b"\xfe\xff" + text.encode("utf-16-be"),
        base64.b64encode(encoded).decode().encode("utf-16"),
        base64.b64encode(pem),
        base64.b64encode(text.encode("utf-16")).decode(),
        pem.replace(b"\n", b"\n  "),
        re.sub(rb"(?m)^([A-Za-z0-9+/=]{3})([A-Za-z0-9+/=]+)$", rb"\1\n\2", pem),
        b"0\n" + pem,
    ):
        assert accepted(form).der == encoded


@pytest.mark.parametrize("digest", ["-sha256", "-sha384", "-sha512"])
def test_A4_sha2_signatures_are_accepted(requests: Requests, digest: str) -> None:
    assert accepted(requests.pem("RSA 2048", digest)).key == "RSA 2048"


def test_A4_pss_signatures_of_an_rsa_key_are_accepted(requests: Requests) -> None:
    assert accepted(requests.pem("RSA 2048", "-sigopt", "rsa_padding_mode:pss")).key == "RSA 2048"


@pytest.mark.parametrize(
    ("kind", "options", "expected"),
    [
        ("RSA 1024", (), ("key-size",)),
        ("RSA 2056", (), ("key-size",)),
        ("RSA 2048 e=3", (), ("key-exponent",)),
        ("RSA 1024 e=3", ("-md5",), ("key-size", "key-exponent", "csr-weak-signature-hash")),
        ("RSA 2048", ("-md5",), ("csr-weak-signature-hash",)),
        ("RSA 2048", ("-sha1",), ("csr-weak-signature-hash",)),
        ("EC P-384", ("-sha1",), ("csr-weak-signature-hash",)),
        ("EC P-256", (), ("key-curve",)),
        ("EC prime239v1", (), ("key-curve",)),
        ("EC explicit", (), ("key-explicit-curve",)),
        ("EC P-256", ("-sha1",), ("key-curve", "csr-weak-signature-hash")),
        ("EC explicit", ("-sha1",), ("key-explicit-curve", "csr-weak-signature-hash")),
        ("Ed25519", (), ("key-algorithm",)),
        ("Ed448", (), ("key-algorithm",)),
        ("RSA-PSS", (), ("key-encoding",)),
    ],
)
def test_A4_other_keys_and_hashes_are_refused_each_for_its_reason(
    requests: Requests, kind: str, options: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    assert codes(requests.pem(kind, *options)) == expected


def test_A4_a_compressed_point_is_refused(requests: Requests, openssl: Run, tmp_path: Path) -> None:
    key = tmp_path / "compressed.key"
    openssl("ec", "-in", requests.key("EC P-384"), "-conv_form", "compressed", "-out", key)
    assert codes(openssl("req", "-new", "-key", key, "-subj", "/CN=x").stdout) == ("key-encoding",)


def test_A4_dsa_is_refused(openssl: Run, tmp_path: Path) -> None:
    openssl("genpkey", "-genparam", "-algorithm", "DSA", "-pkeyopt", "dsa_paramgen_bits:1024", "-out", tmp_path / "p")
    openssl("genpkey", "-paramfile", tmp_path / "p", "-out", tmp_path / "k")
    assert codes(openssl("req", "-new", "-key", tmp_path / "k", "-subj", "/CN=x").stdout) == ("key-algorithm",)


def test_A4_the_size_limit_is_sixteen_kibibytes(requests: Requests) -> None:
    pem = requests.pem("EC P-384")
    padding = b"#" * (LARGEST_CSR - len(pem) - 1) + b"\n"
    assert isinstance(judge_csr(padding + pem), Csr)
    assert codes(b"#" + padding + pem) == ("csr-too-large",)
    assert codes("ö" * (LARGEST_CSR // 2 + 1)) == ("csr-too-large",)


def test_A4_a_signature_by_another_key_is_refused(requests: Requests) -> None:
    encoded = requests.der("EC P-384")
    assert codes(encoded[:-1] + bytes((encoded[-1] ^ 1,))) == ("csr-signature-invalid",)


def test_A4_an_altered_subject_breaks_the_signature(requests: Requests) -> None:
    assert codes(requests.der("RSA 2048").replace(b"Some-State", b"Same-State")) == ("csr-signature-invalid",)


def with_signature_algorithm(encoded: bytes, algorithm: bytes) -> bytes:
    outer = der.read(encoded)
    info, _, signature = der.members(encoded, outer)
    return der.sequence(encoded[info.start : info.end], algorithm, encoded[signature.start : signature.end])


@pytest.mark.parametrize(
    ("algorithm", "expected"),
    [
        ("300d06092a864886f70d0101020500", "csr-signature-algorithm"),
        ("300b06092a864886f70d01010a", "csr-signature-algorithm"),
        ("300a06082a8648ce3d040303", "csr-signature-invalid"),
        ("300506032b6570", "csr-signature-invalid"),
    ],
)
def test_A4_a_signature_algorithm_that_is_not_the_keys_is_refused(
    requests: Requests, algorithm: str, expected: str
) -> None:
    forged = with_signature_algorithm(requests.der("RSA 2048"), bytes.fromhex(algorithm))
    assert codes(forged) == (expected,)


def test_A4_a_point_off_the_curve_is_refused(requests: Requests) -> None:
    encoded = requests.der("EC P-384")
    point = encoded.index(bytes.fromhex("03620004")) + 20
    assert codes(encoded[:point] + bytes((encoded[point] ^ 1,)) + encoded[point + 1 :]) == ("key-off-curve",)


@pytest.mark.parametrize("form", ["PEM", "DER", "base64"])
def test_A4_a_certificate_is_told_from_a_request(requests: Requests, openssl: Run, form: str) -> None:
    arguments = ("req", "-x509", "-key", requests.key("EC P-384"), "-subj", "/CN=x")
    output = openssl(*arguments, "-outform", "PEM" if form == "PEM" else "DER").stdout
    assert codes(base64.b64encode(output) if form == "base64" else output) == ("csr-is-certificate",)


@pytest.mark.parametrize("version", [1, 3, 127])
def test_A4_a_certificate_of_no_known_version_is_told_too(requests: Requests, openssl: Run, version: int) -> None:
    arguments = ("req", "-x509", "-key", requests.key("EC P-384"), "-subj", "/CN=x", "-outform", "DER")
    output, known = openssl(*arguments).stdout, bytes.fromhex("a003020102")
    assert output.count(known) == 1
    assert codes(output.replace(known, known[:-1] + bytes([version]))) == ("csr-is-certificate",)


@pytest.mark.parametrize("arguments", [("pkey",), ("pkey", "-traditional"), ("pkcs8", "-topk8", "-passout", "pass:x")])
@pytest.mark.parametrize("kind", ["EC P-384", "RSA 2048"])
def test_I10_a_private_key_is_recognised_and_never_echoed(
    requests: Requests, openssl: Run, arguments: tuple[str, ...], kind: str
) -> None:
    pem = openssl(*arguments, "-in", requests.key(kind)).stdout
    encoded = openssl(*arguments, "-in", requests.key(kind), "-outform", "DER").stdout
    secret = base64.b64encode(encoded).decode()[40:]
    truncated = pem.replace(b"-----END", b"")
    for source in (
        *(
            pem,
            pem + requests.pem(kind),
            truncated,
            pem[200:],
            pem[:300],
            encoded,
            encoded[:100],
            base64.b64encode(encoded),
        ),
        *(
            base64.b64encode(encoded)[:100],
            base64.b64encode(pem),
            pem.decode().encode("utf-16"),
            b"#" * LARGEST_CSR + pem,
        ),
        *(pem.decode().encode("utf-16-le"), base64.b64encode(pem.decode().encode("utf-16")).decode()),
    ):
        faults = judge_csr(source)
        assert not isinstance(faults, Csr)
        assert [fault.code for fault in faults] == ["csr-is-private-key"]
        assert "must never be sent" in faults[0].message
        assert not any(secret[at : at + 16] in str(faults) for at in range(0, len(secret) - 16, 16))


def test_A4_several_requests_in_one_file_are_refused(requests: Requests) -> None:
    pem = requests.pem("EC P-384")
    for several in (pem * 2, pem + pem[:100], pem.replace(b"CERTIFICATE", b"NEW CERTIFICATE") + pem):
        assert codes(several) == ("csr-several",)


@pytest.mark.parametrize("nothing", ["", " \r\n", b"\xef\xbb\xbf\n", b"\xff\xfe", b"\0\0"])
def test_A4_an_empty_file_is_told_as_such(nothing: str | bytes) -> None:
    assert codes(nothing) == ("csr-empty",)


def test_A4_a_file_that_is_cut_off_is_told_as_such(requests: Requests) -> None:
    pem, encoded = requests.pem("EC P-384"), requests.der("EC P-384")
    unarmoured = base64.b64encode(encoded)
    closed = pem.replace(pem.splitlines()[-2] + b"\n", b"")
    for cut in (pem[:-40], pem[:200], encoded[:-1], encoded[:40], unarmoured[:-9], unarmoured[:-8], closed):
        assert codes(cut) == ("csr-cut",)


@pytest.mark.parametrize(
    "junk",
    [
        b"0",
        b"0\x80",
        b"hello",
        b"=",
        b"-----BEGIN X-----",
        b"AAAA",
        "ö",
        "\ud800",
        b"0\x80" * 8000,
        b"-----BEGIN CERTIFICATE REQUEST-----\n=\n-----END CERTIFICATE REQUEST-----",
        base64.b64encode(b"-----BEGIN X-----"),
    ],
)
def test_A4_what_is_no_request_is_unreadable(junk: str | bytes) -> None:
    assert codes(junk) == ("csr-unreadable",)


def test_A4_inside_der_is_strict(requests: Requests) -> None:
    encoded = requests.der("EC P-384")
    outer = der.read(encoded)
    long_form = bytes((0x30, 0x83, 0)) + len(encoded[outer.content :]).to_bytes(2, "big") + encoded[outer.content :]
    indefinite = b"\x30\x80" + encoded[outer.content :] + b"\0\0"
    version_two = encoded.replace(b"\x02\x01\x00", b"\x02\x01\x01", 1)
    nested = der.sequence()
    for _ in range(100):
        nested = der.sequence(nested)
    for wrong in (encoded + b"\0", long_form, indefinite, version_two, nested):
        assert codes(wrong) == ("csr-unreadable",)


@given(st.binary(max_size=400) | st.text(max_size=200))
def test_A4_nothing_that_is_sent_raises(source: str | bytes) -> None:
    assert codes(source)


def test_A4_a_signature_of_less_than_whole_octets_is_refused(requests: Requests) -> None:
    encoded = bytearray(requests.der("RSA 2048"))
    # The octet before the 256 of the signature counts the bits that are not used.
    encoded[-257], encoded[-1] = 1, encoded[-1] & 0xFE
    assert codes(bytes(encoded)) == ("csr-unreadable",)


@given(st.data())
def test_A4_no_altered_bit_goes_unseen(requests: Requests, data: st.DataObject) -> None:
    encoded = bytearray(requests.der("RSA 2048"))
    encoded[data.draw(st.integers(0, len(encoded) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    assert codes(bytes(encoded))
