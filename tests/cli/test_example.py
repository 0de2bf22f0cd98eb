"""`example`: what it shows of a case that the services have answered."""

from uuid import UUID

from commandline import do
from servicecert_cli.demo import example
from servicecert_cli.e_service.publishing import publish
from servicecert_schemas.case import CaseChanged
from servicecert_schemas.certificate import CertificateIssued
from servicecert_schemas.export import stored_examples


def first(kind, **changes):
    return kind.model_validate({**stored_examples()[kind.TYPE][0]["value"], **changes})


def test_I2_a_certificate_that_was_published_twice_is_shown_once(servicecert, cluster, monkeypatch, tmp_path):
    case_id = UUID(int=7)
    monkeypatch.setattr(example, "uuid4", lambda: case_id)
    issued = first(CertificateIssued, case_id=case_id)
    delivered = first(CaseChanged, case_id=case_id, state="delivered", revocation=None)
    # The issuer was killed between Kafka's answer and its own note of it.
    do(lambda: publish(cluster, issued, issued, delivered))
    shown = servicecert("example", "--folder", tmp_path)
    assert shown.exit_code == 0, shown.output
    assert shown.output.count("server.pem\n") == 1
    (written,) = tmp_path.glob("*/server.pem")
    assert written.read_text().startswith("-----BEGIN CERTIFICATE-----")
