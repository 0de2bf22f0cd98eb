"""Which mail server is asked."""

import pytest
from servicecert_notifier.domain.relays import BACKOFF_SECONDS, Relay, Relays

FIRST, SECOND = Relay("a.example", 25), Relay("b.example", 587)


@pytest.mark.parametrize(
    ("text", "relays"),
    [
        ("mail", (Relay("mail", 587),)),
        ("a.example:25, b.example", (FIRST, SECOND)),
        ("a.example:25,a.example:25", (FIRST,)),
        ("[2001:db8::1]:465,192.0.2.1", (Relay("2001:db8::1", 465), Relay("192.0.2.1", 587))),
    ],
)
def test_a_list_is_read_in_its_order(text, relays):
    assert Relay.read_all(text, 587) == relays


@pytest.mark.parametrize("text", ["", "a,,b", "a:0", "a:70000", "a:b", "2001:db8::1", "a b", ","])
def test_what_is_no_list_is_refused_with_the_way_out(text):
    with pytest.raises(ValueError, match="write host or host:port"):
        Relay.read_all(text, 587)


def test_a_relay_is_told_as_it_is_written():
    assert [str(relay) for relay in Relay.read_all("a:25,[::1]:26", 1)] == ["a:25", "[::1]:26"]


def test_the_first_is_asked_unless_it_failed_lately():
    relays = Relays((FIRST, SECOND))
    assert relays.preferred(0) == (FIRST, SECOND)
    relays.failed(FIRST, now=0)
    assert relays.preferred(1) == (SECOND, FIRST)
    assert not relays.all_failed(1)
    relays.failed(SECOND, now=2)
    assert relays.preferred(3) == (FIRST, SECOND)
    assert relays.all_failed(3)
    relays.answered(SECOND)
    assert relays.preferred(3) == (SECOND, FIRST)
    assert relays.preferred(BACKOFF_SECONDS) == (FIRST, SECOND)


def test_C3_a_server_that_refused_our_login_is_not_asked_before_it_has_rested():
    relays = Relays((FIRST, SECOND))
    relays.login_refused(FIRST, "The login is not accepted.", 100.0)
    assert relays.refusal(FIRST, 100.0) == "The login is not accepted."
    assert relays.refusal(FIRST, 100.0 + BACKOFF_SECONDS) is None
    assert relays.refusal(SECOND, 100.0) is None
