"""Whether a responder knows all standings of a CA, by what it is told in whatever order (D8)."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from servicecert_pki.crl import Reason
from servicecert_revoker.ocsp.domain.standings import GRACE, FullCrl, Lack, Revoked, Standings
from servicecert_schemas.revocation import StandingsCount
from services.revoker.ocsp_stand import GOOD, NEVER_ISSUED, REVOKED, revoked, said

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
CA = "test-ec"
CRL = FullCrl(7, NOW + 3 * DAY)
LISTED = Revoked(Reason.CESSATION_OF_OPERATION, NOW - DAY, None)


def count(*serials: int, at: datetime = NOW, crl_number: int = 7) -> StandingsCount:
    return StandingsCount(at=at, crl_number=crl_number, standings=len(serials), total=sum(serials) % 2**52)


def whole(number: int = 7, *, crl: bool = True) -> Standings:
    """One certificate is good and one revoked."""
    standings = Standings()
    for each in (said(GOOD), said(REVOKED), revoked(REVOKED, NOW - DAY)):
        standings.take(each, NOW - DAY)
    if crl:
        standings.cas[CA].crl = FullCrl(number, NOW + 3 * DAY)
    return standings


def lacks(standings: Standings, at: datetime = NOW) -> set[Lack]:
    standings.look(at)
    return set(standings.cas[CA].lacks)


def test_D8_who_has_all_that_was_counted_vouches_until_the_crl_s_next_update() -> None:
    standings = whole()
    assert standings.vouched_until(CA, NOW) is None
    assert lacks(standings) == set()
    standings.counted(CA, count(GOOD, REVOKED, REVOKED))
    assert lacks(standings) == set()
    assert standings.vouched_until(CA, NOW) == NOW + 3 * DAY


@pytest.mark.parametrize(
    "counted",
    [
        pytest.param((GOOD, REVOKED, REVOKED, 5), id="one more"),
        pytest.param((GOOD, REVOKED, 5), id="as many others"),
    ],
)
def test_D8_who_has_less_than_was_counted_does_not_vouch(counted: Iterable[int]) -> None:
    standings = whole()
    standings.counted(CA, count(*counted))
    assert lacks(standings) == {Lack.FEWER}
    assert standings.vouched_until(CA, NOW) is None


def test_D8_later_standings_do_not_stand_in_for_those_that_were_counted() -> None:
    standings = whole()
    standings.counted(CA, count(GOOD, REVOKED, REVOKED, 5))
    for serial in range(10, 20):
        standings.take(said(serial), NOW + 2 * MINUTE)
    assert lacks(standings) == {Lack.FEWER}
    standings.take(said(5), NOW - DAY)
    assert lacks(standings) == set()
    later = (GOOD, REVOKED, REVOKED, 5, *range(10, 20))
    standings.counted(CA, count(*later, at=NOW + 3 * MINUTE))
    assert lacks(standings) == set()
    standings.counted(CA, count(*later, 20, at=NOW + 4 * MINUTE))
    assert lacks(standings) == {Lack.FEWER}


def test_D8_more_than_was_counted_is_not_less_and_an_older_count_says_nothing() -> None:
    standings = whole()
    standings.counted(CA, count(REVOKED, REVOKED))
    assert lacks(standings) == set()
    standings.counted(CA, count(1, 2, 3, 4, 5, 6, at=NOW - MINUTE))
    assert lacks(standings) == set()


def test_D8_standings_are_counted_the_same_in_any_order() -> None:
    events = (said(GOOD), said(REVOKED), revoked(REVOKED, NOW - DAY), said(REVOKED))
    for order in permutations((*events, count(GOOD, REVOKED, REVOKED))):
        standings = Standings()
        standings.cas[CA].crl = FullCrl(7, NOW + DAY)
        for each in order:
            if isinstance(each, StandingsCount):
                standings.counted(CA, each)
            else:
                standings.take(each, NOW - DAY)
        assert lacks(standings) == set()


def test_D8_what_only_the_crl_lists_is_revoked_and_a_difference_until_the_topic_says_it() -> None:
    standings = whole()
    before = standings.of(CA, REVOKED)
    standings.take_crl(CA, CRL, [(serial, LISTED) for serial in (GOOD, NEVER_ISSUED, REVOKED)])
    assert standings.of(CA, REVOKED) == before
    assert standings.of(CA, GOOD) == standings.of(CA, NEVER_ISSUED) == LISTED
    assert lacks(standings) == {Lack.DIFFERENT}
    assert standings.cas[CA].different == {GOOD, NEVER_ISSUED}
    # An old genuine record, copied to the end, takes nothing back.
    standings.take(said(GOOD), NOW)
    assert standings.of(CA, GOOD) == LISTED
    assert lacks(standings) == {Lack.DIFFERENT}
    for serial in (GOOD, NEVER_ISSUED):
        standings.take(revoked(serial, NOW - DAY), NOW)
    assert lacks(standings) == set()
    standings.counted(CA, count(GOOD, REVOKED, REVOKED, GOOD, NEVER_ISSUED, NEVER_ISSUED))
    assert lacks(standings) == set()


def test_D8_the_topic_is_ahead_of_the_crl_and_an_entry_leaves_it_after_its_end() -> None:
    standings = whole()
    standings.take(revoked(GOOD, NOW), NOW)
    standings.cas[CA].crl = FullCrl(8, NOW + 3 * DAY)
    assert lacks(standings) == set()
    assert isinstance(standings.of(CA, GOOD), Revoked)


def test_D8_without_a_crl_in_force_nobody_vouches() -> None:
    standings = whole(crl=False)
    assert lacks(standings) == {Lack.NO_CRL}
    assert standings.vouched_until(CA, NOW) is None
    standings.cas[CA].crl = FullCrl(7, NOW + MINUTE)
    assert lacks(standings) == set()
    assert lacks(standings, NOW + MINUTE) == {Lack.NO_CRL}
    assert standings.vouched_until(CA, NOW + MINUTE) == NOW + MINUTE


def test_D8_a_crl_that_is_older_than_the_revoker_s_newest_is_not_enough() -> None:
    standings = whole(number=6)
    standings.counted(CA, count(GOOD, REVOKED, REVOKED, crl_number=7))
    assert lacks(standings) == {Lack.OLD_CRL}
    standings.cas[CA].crl = FullCrl(7, NOW + DAY)
    assert lacks(standings) == set()


def test_D8_who_knew_everything_vouches_while_something_may_be_on_its_way() -> None:
    standings = whole()
    standings.look(NOW)
    standings.take_crl(CA, CRL, [(GOOD, LISTED)])
    assert lacks(standings, NOW + MINUTE) == {Lack.DIFFERENT}
    assert standings.cas[CA].lacks_since == NOW + MINUTE
    assert standings.vouched_until(CA, NOW + GRACE - MINUTE) is not None
    standings.look(NOW + GRACE)
    assert standings.vouched_until(CA, NOW + GRACE) is None
    assert standings.cas[CA].lacks_since == NOW + MINUTE
    standings.take(revoked(GOOD, NOW - DAY), NOW)
    standings.look(NOW + GRACE + MINUTE)
    assert standings.cas[CA].lacks_since is None
    assert standings.vouched_until(CA, NOW + GRACE + MINUTE) is not None


def test_D8_what_one_ca_lacks_does_not_concern_another() -> None:
    standings = whole()
    standings.cas["test-rsa"].crl = FullCrl(1, NOW + DAY)
    standings.counted("test-rsa", count(1, crl_number=1))
    standings.look(NOW)
    assert standings.cas["test-rsa"].lacks == {Lack.FEWER}
    assert standings.vouched_until("test-rsa", NOW) is None
    assert standings.vouched_until(CA, NOW) is not None
