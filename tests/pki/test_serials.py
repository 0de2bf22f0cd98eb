from asn1crypto.core import Integer
from hypothesis import given
from hypothesis import strategies as st
from servicecert_pki import der
from servicecert_pki.serials import draw_serial


@given(st.binary(min_size=16, max_size=16))
def test_a_drawn_serial_is_positive_has_sixteen_octets_and_keeps_126_random_bits(drawn: bytes) -> None:
    serial = draw_serial(lambda size: drawn[:size])
    assert Integer.load(der.integer(serial), strict=True).native == serial > 0
    assert len(der.integer(serial)) == 2 + 16
    assert serial % (1 << 126) == int.from_bytes(drawn, "big") % (1 << 126)


def test_serials_are_drawn_from_the_systems_randomness_by_default() -> None:
    assert len({draw_serial() for _ in range(1000)}) == 1000
