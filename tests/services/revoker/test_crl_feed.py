"""Which of the CRLs that are served a responder believes: its CA's own, full and newer (D8, F5)."""

import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from crls import build_crl
from servicecert_pki import der
from servicecert_pki.authority import Authority
from servicecert_pki.crl import Reason, entry_der
from servicecert_pki.der import extension
from servicecert_pki.keys import SigningKey
from servicecert_revoker.ocsp.domain.standings import FullCrl, Lack, Revoked, Standings
from servicecert_revoker.ocsp.effects import crls
from servicecert_revoker.ocsp.effects.crls import CrlFeed
from servicecert_revoker.serving.crl_server import serve

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
UNTIL = NOW + timedelta(days=3)
SINCE = NOW - timedelta(days=1)
CA = "test-ec"
EXPOSED = entry_der(5, NOW, Reason.KEY_COMPROMISE, SINCE)
UNKNOWN_REASON = der.sequence(
    der.integer(6), der.time(NOW), der.sequence(extension("2.5.29.21", der.tlv(0x0A, b"\x0a")))
)
BARE = der.sequence(der.integer(7), der.time(NOW))


class Taking(Standings):
    """Standings that tell what was taken, and know only a revocation for a reason."""

    def __init__(self, taken: list[tuple[str, FullCrl, Any]]) -> None:
        super().__init__()
        self._taken = taken

    def take_crl(self, issuer: str, crl: FullCrl, entries: Iterable[tuple[int, Revoked]]) -> None:
        self._taken.append((issuer, crl, told := list(entries)))
        super().take_crl(issuer, crl, [each for each in told if each[1].reason])


class Served:
    """The folder that CRLs are fetched from, and what a feed took from it."""

    def __init__(self, folder: Path, url: str, authority: Authority, ca_keys: Mapping[str, SigningKey]) -> None:
        self.taken: list[tuple[str, FullCrl, Any]] = []
        self.session = aiohttp.ClientSession()
        self.folder = folder
        self._authority = authority
        self._keys = ca_keys
        self.feed = CrlFeed(url, Taking(self.taken), largest=2_000)
        self.feed.watch(authority.issuer(CA))

    def crl(self, number: int, *entries: bytes, issuer: str = CA, key: str = CA, url: str | None = None) -> bytes:
        return build_crl(self._keys[key], self._authority.issuer(issuer), NOW, UNTIL, entries, number, url)

    async def look(self, content: bytes | None) -> None:
        """Serve this, and look at it."""
        if content is not None:
            (self.folder / f"{CA}.crl").write_bytes(content)
        for fetched in self.feed._of.values():
            fetched.looked_at = 0.0
        await self.feed.look(self.session)


@pytest.fixture
async def served(authority: Authority, ca_keys: Mapping[str, SigningKey], tmp_path: Path) -> AsyncIterator[Served]:
    async with serve(tmp_path, "127.0.0.1", 0) as url:
        served = Served(tmp_path, url, authority, ca_keys)
        yield served
        await served.session.close()


async def test_D8_a_newer_crl_is_taken_once_with_the_entries_that_are_new(served: Served) -> None:
    await served.look(served.crl(3, EXPOSED, UNKNOWN_REASON, BARE))
    for content in (None, served.crl(3, EXPOSED, UNKNOWN_REASON, BARE)):
        await served.look(content)
    await served.look(served.crl(4, EXPOSED, BARE))
    assert served.taken == [
        (
            CA,
            FullCrl(3, UNTIL),
            [
                (5, Revoked(Reason.KEY_COMPROMISE, NOW, SINCE)),
                (6, Revoked(None, NOW, None)),
                (7, Revoked(None, NOW, None)),
            ],
        ),
        (CA, FullCrl(4, UNTIL), [(7, Revoked(None, NOW, None))]),
    ]
    await served.feed.look(served.session)


Make = Callable[[Served], bytes]


@pytest.mark.parametrize(
    ("make", "why"),
    [
        pytest.param(lambda served: b"no CRL", "cannot be read", id="junk"),
        pytest.param(
            lambda served: served.crl(9, key="test-rsa", issuer="test-rsa"), "has not signed", id="another CA's"
        ),
        pytest.param(lambda served: served.crl(9)[:-1] + b"\0", "has not signed", id="a bent signature"),
        pytest.param(lambda served: served.crl(9, url="http://x/test-ec.1.crl"), "not a full one", id="a partition's"),
        pytest.param(lambda served: served.crl(2), "not greater than 3", id="an older one"),
        pytest.param(lambda served: served.crl(3), "not greater than 3", id="another with its number"),
        pytest.param(lambda served: served.crl(9, *[EXPOSED] * 60), "more than 2000 octets", id="a large one"),
    ],
)
async def test_D8_I8_F5_what_is_no_newer_full_crl_of_the_ca_is_not_used(
    served: Served, make: Make, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    await served.look(served.crl(3, EXPOSED))
    served.taken.clear()
    with caplog.at_level(logging.ERROR):
        # Refused again, also where the server says that it did not change.
        for _ in range(2):
            await served.look(make(served))
    assert served.taken == []
    assert [why in message for message in caplog.messages] == [True, True]
    assert all(message.startswith("alarm: what is served as the CRL of test-ec") for message in caplog.messages)
    await served.look(served.crl(10))
    assert served.taken == [(CA, FullCrl(10, UNTIL), [])]


async def test_D8_a_missing_crl_is_an_outage_that_ends(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        await served.look(None)
        await served.look(None)
        await served.look(served.crl(1))
    assert [message.partition(" at ")[0] for message in caplog.messages] == ["The CRL of test-ec"] * 2
    assert ["is unavailable" in message for message in caplog.messages] == [True, False]
    assert len(served.taken) == 1


async def test_D8_one_that_is_older_than_the_revoker_s_newest_is_fetched_again_soon(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = 1_000.0
    monkeypatch.setattr(crls, "monotonic", lambda: seconds)
    await served.look(served.crl(3))
    content = served.crl(4)
    for lacks, newest in ((frozenset(), 3), (frozenset({Lack.OLD_CRL}), 4)):
        seconds += 2
        (served.folder / f"{CA}.crl").write_bytes(content)
        served.feed.standings.cas[CA].lacks = lacks
        await served.feed.look(served.session)
        assert served.taken[-1][1].number == newest
