"""The doctor at a whole system with TLS and rights, as the user and the role that it is meant for."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from io import StringIO
from urllib.parse import urlsplit

import pytest
from rich.console import Console
from servicecert_cli.admin import rights
from servicecert_cli.demo.example import run_example
from servicecert_cli.operations.operators import add_reader
from servicecert_cli.stand.system import System
from servicecert_cli.terminal.printing import Printer
from servicecert_cli.watching.conditions import Severity
from servicecert_cli.watching.doctor.domain.check import Check
from servicecert_cli.watching.doctor.examine import CATALOGUE, examine
from servicecert_schemas.broker import Principal
from servicecert_schemas.values import CertificateType
from servicecert_worker.core.broker_acls import Acl, AclOperation, AclResource
from servicecert_worker.kafka.cluster import Cluster

FAULTS = (Severity.UNKNOWN, Severity.WARNING, Severity.CRITICAL)


async def look(cluster: Cluster, patch: pytest.MonkeyPatch, *names: str) -> dict[str, Check]:
    for name in list(os.environ):
        if name.startswith("KAFKA_"):
            patch.delenv(name)
    for name, value in cluster.environment.items():
        patch.setenv(name, value)
    return {check.name: check for check in await examine(names)}


async def test_a_secured_system_is_well_and_each_user_sees_what_it_may(authority, tmp_path, monkeypatch):
    async with System(tmp_path, secure=True, authority=authority) as system:
        reader = await asyncio.to_thread(add_reader, system.backends.admin_url, "doctor")
        over_tls = urlsplit(system.urls["intake"]).query
        monkeypatch.setenv("DATABASE_URL", urlsplit(reader)._replace(query=over_tls).geturl())
        monkeypatch.setenv("SERVICECERT_SERVICE_KEYS", str(system.keys_folder))
        monkeypatch.delenv("SERVICECERT_INSECURE")
        printer = Printer(Console(file=StringIO()))
        await run_example(system.cluster_of(Principal.E_SERVICE), CertificateType.SERVER, tmp_path, 60, printer)

        # A responder is ready once it vouches for some CA; that of the certificate may come later.
        async with asyncio.timeout(60):
            while (await look(system.cluster_of(Principal.OPERATOR), monkeypatch, "Ocsp"))["Ocsp"].severity in FAULTS:
                pass
        operator = await look(system.cluster_of(Principal.OPERATOR), monkeypatch)
        assert list(operator) == list(CATALOGUE)
        assert {name: c.finding for name, c in operator.items() if c.severity in FAULTS} == {
            "Replication": "All topics: one copy only."
        }
        skipped = {name for name, check in operator.items() if check.severity is Severity.SKIPPED}
        # The CA's folder and the mail server are the services' alone; one broker has no copies.
        assert skipped == {
            *("MinInSync", "Transactions", "DatabaseDisk", "CrlDisk", "KeyListsMissing", "KeyListsOld"),
            *("Ca", "CaValidity", "CaProfiles", "CaKeyAway", "TrialCa", "RootCrlExpires", "MailServer", "MailLogin"),
        }
        assert operator["BrokerRights"].finding.startswith("operator: the rights are as `servicecert topics acls`")
        assert operator["Ocsp"].finding.startswith("Each of 1 answers")
        assert operator["Aia"].finding == "Each of 1 is served."
        assert operator["Crl"].finding.startswith("Each of 2 is served")
        assert operator["DatabaseLink"].finding == "TLS verifies the server."
        assert operator["VersionsDiffer"].severity is Severity.OK

        left = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "servicecert_cli", "install", "check"],
            capture_output=True,
            text=True,
        )
        assert left.returncode == 0, left.stdout
        assert "No fault is left." in left.stdout

        administrator = system.cluster
        checks = await look(administrator, monkeypatch, "BrokerRights")
        assert {check.severity for check in checks.values()} == {Severity.OK}
        extra = Acl(AclResource.TOPIC, system.cluster.prefix + "applications", AclOperation.WRITE)
        await rights.apply(administrator, {Principal.INTAKE: [extra]})
        check = (await look(administrator, monkeypatch, "BrokerRights"))["BrokerRights"]
        assert (check.severity, "User:intake Write on" in check.finding) == (Severity.WARNING, True)
