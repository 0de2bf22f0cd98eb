"""`example`: what it shows of a case that the services have answered."""

from base64 import b64decode
from email.message import EmailMessage
from hashlib import sha256
from uuid import UUID

import pytest
from commandline import do
from servicecert_cli.connections.kafka import publish
from servicecert_cli.demo import example
from servicecert_schemas.case import CaseChanged
from servicecert_schemas.certificate import CertificateIssued
from servicecert_schemas.export import stored_examples


def first(kind, **changes):
    return kind.model_validate({**stored_examples()[kind.TYPE][0]["value"], **changes})


def delivered(case_id, content):
    """The last view of a case whose certificate is this."""
    case = first(CaseChanged, case_id=case_id, state="delivered", revocation=None)
    certificate = case.certificate.model_copy(update={"fingerprint": sha256(content).hexdigest()})
    return case.model_copy(update={"certificate": certificate})


def mailed(folder, name, *contents):
    """Keep a mail with attachments, as a mail catcher does."""
    mail = EmailMessage()
    mail.set_content("Your certificate.")
    for content in contents:
        mail.add_attachment(content, "application", "pkix-cert", filename="certificate.der")
    (folder / name).write_bytes(mail.as_bytes())


def test_the_certificate_is_taken_from_the_mail_as_customers_do_and_without_one_it_is_said(
    servicecert, cluster, monkeypatch, tmp_path
):
    case_id, content = UUID(int=7), b64decode(first(CertificateIssued).certificate)
    monkeypatch.setattr(example, "uuid4", lambda: case_id)
    (mails := tmp_path / "mail").mkdir()
    (tmp_path / "environment").write_text(f"export KAFKA_BOOTSTRAP_SERVERS={cluster.bootstrap}\n")
    monkeypatch.setenv(example.MAIL_FOLDER, str(mails))
    do(lambda: publish(cluster, delivered(case_id, content)))
    mailed(mails, "1.eml", b"another's")
    shown = servicecert("example", "--folder", tmp_path / "without")
    assert shown.exit_code == 0, shown.output
    assert "certificate in the mail" in shown.output
    mailed(mails, "2.eml", b"terms", content)
    mailed(mails, "3.eml", content)
    shown = servicecert("example", "--folder", tmp_path / "with")
    assert shown.exit_code == 0, shown.output
    assert shown.output.count("server.pem\n") == 1
    assert "servicecert cases --account account-9900001-8\n" in shown.output
    assert str(mails / "2.eml") in shown.output
    (written,) = tmp_path.glob("with/*/server.pem")
    assert written.read_text().startswith("-----BEGIN CERTIFICATE-----")


@pytest.mark.parametrize("now", [None, "export KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:1\n"], ids=["ended", "started anew"])
def test_a_terminal_of_a_system_that_has_ended_is_told_so(servicecert, monkeypatch, tmp_path, now):
    monkeypatch.setenv(example.MAIL_FOLDER, str(tmp_path / "mail"))
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:2")
    monkeypatch.setenv("KAFKA_CA_FILE", str(tmp_path / "gone"))
    if now is not None:
        (tmp_path / "environment").write_text(now)
    for command in (("example",), ("watch", UUID(int=1)), ("cases", "--account", "a")):
        done = servicecert(*command)
        assert done.exit_code == 69
        assert f"has ended: start it if it does not run, then `. {tmp_path / 'environment'}` again" in done.stderr
    # Another user of the system that runs logs in elsewhere.
    (tmp_path / "as").mkdir()
    (tmp_path / "as" / "administrator").write_text("export KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:2\n")
    monkeypatch.delenv("KAFKA_CA_FILE")
    assert "has ended" not in servicecert("cases", "--account", "a").stderr
    monkeypatch.setenv("KAFKA_CA_FILE", str(tmp_path / "gone"))
    done = servicecert("demo", "--folder", tmp_path / "demo")
    assert (done.exit_code, done.stderr.count("use another one")) == (78, 1)
    assert not (tmp_path / "demo").exists()
