"""`servicecert keys shared-primes`: keys that share a prime are found, blocked and shown with their cases."""

import asyncio

import asyncpg
import pytest
from commandline import read_json
from servicecert_intake.service import MIGRATIONS
from servicecert_pki.csr import public_key_info
from servicecert_pki.spki import spki_sha256

from pki import weak_keys

TABLES = {"intake": [MIGRATIONS]}


@pytest.fixture
def prepared(place, monkeypatch):
    """The environment names intake's role on its own schema."""
    monkeypatch.setenv("DATABASE_URL", place.urls["intake"])
    return place.urls["intake"]


def put(url: str, *moduli: int) -> list[str]:
    keys = [public_key_info(weak_keys.request(modulus)) for modulus in moduli]

    async def insert() -> None:
        connection = await asyncpg.connect(url, server_settings={"search_path": "intake"})
        for key in keys:
            await connection.execute("INSERT INTO keys (key_sha256, rsa_spki) VALUES ($1, $2)", spki_sha256(key), key)
        await connection.close()

    asyncio.run(insert())
    return [spki_sha256(key) for key in keys]


def test_A4_keys_that_share_a_prime_are_shown(servicecert, prepared):
    assert servicecert("keys", "shared-primes").stdout == "Searched 0 RSA keys; 0 share a prime.\n"
    prime = weak_keys.strong(1024, seed=21)
    keys = put(prepared, weak_keys.strong(), *(prime * weak_keys.strong(1024, seed=seed) for seed in (22, 23)))
    report = read_json(servicecert("keys", "shared-primes", "--json"))
    assert report["searched"] == 3
    assert [sorted(each["key_sha256"] for each in group) for group in report["groups"]] == [sorted(keys[1:])]
    shown = servicecert("keys", "shared-primes")
    assert shown.exit_code == 1
    assert "Searched 3 RSA keys; 2 share a prime." in shown.stdout
    assert f"1       {keys[1][:16]}   none accepted" in shown.stdout
