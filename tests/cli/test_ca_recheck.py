"""`servicecert ca recheck`, on a stock of its own."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from click.testing import Result
from commandline import do, read_json
from servicecert_issuer.service import MIGRATIONS
from servicecert_pki.authority import Authority
from servicecert_worker.storage import database, schema

Servicecert = Callable[..., Result]

INSERT = """
insert into certificates (key, version, state, issuer, serial, tbs, profile, profile_version, partition, not_before,
                          not_after, key_sha256, "grant", certificate)
values ($1, 2, 'issued', $2, '4a01', 'x', 'server', 1, 0, $3, $4, repeat('0', 64), '{}', 'x')
"""


@pytest.fixture
def stock(admin_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The environment names the issuer's role; the stock is empty."""
    (url,) = schema.prepare(admin_url, {"issuer": database.new_password()}).values()
    schema.migrate(admin_url, "issuer", [MIGRATIONS])
    monkeypatch.setenv("DATABASE_URL", url)
    return admin_url


async def store(url: str, authority: Authority) -> None:
    """A certificate that is none."""
    issuer = next(iter(authority.issuers.values()))
    connection: Any = await asyncpg.connect(url, server_settings={"search_path": "issuer"})
    try:
        await connection.execute("alter table certificates disable trigger user")
        await connection.execute(INSERT, "a", issuer.id, issuer.not_before, issuer.not_before + timedelta(days=1))
    finally:
        await connection.close()


def test_the_stock_is_counted_and_what_is_bad_is_named(servicecert: Servicecert, stock: str, authority: Path) -> None:
    nothing = servicecert("ca", "recheck", authority)
    assert (nothing.exit_code, nothing.stdout) == (0, "0 certificates are good, 0 bad.\n")
    do(partial(store, stock, Authority.load(authority)))
    bad = servicecert("ca", "recheck", authority, "--part", 1)
    assert bad.exit_code == 1
    assert "recheck.unsound" in bad.stdout
    assert bad.stdout.endswith("0 certificates are good, 1 bad.\n")
    assert "1 checked, 1 of them bad" in bad.stderr
    report = read_json(servicecert("ca", "recheck", authority, "--json"))
    assert (report["good"], report["bad"]) == (0, 1)
    assert report["found"][0] | {"issuer": ""} == {
        "issuer": "",
        "serial": "4a01",
        "case_id": "a",
        "codes": ["recheck.unsound"],
    }
