import pytest
from hypothesis import given
from hypothesis import strategies as st
from servicecert_pki.serials import LARGEST_SERIAL, serial_hex
from servicecert_schemas.serials import serial_readings


@given(
    st.integers(1, LARGEST_SERIAL),
    st.sampled_from(["", "0", "00", "0x"]),
    st.booleans(),
    st.sampled_from(["", ":", " "]),
)
def test_D1_a_serial_is_read_however_it_is_typed(serial: int, prefix: str, lower: bool, separator: str) -> None:
    written = serial_hex(serial)
    pairs = separator.join(written[at : at + 2] for at in range(0, len(written), 2))
    assert serial in serial_readings(prefix + (pairs.lower() if lower else pairs) + "\n")
    assert serial in serial_readings(str(serial))


def test_D1_digits_alone_have_two_readings() -> None:
    assert serial_readings("10") == {10, 16}
    assert serial_readings("1A") == {26}


SERIAL = 0x4D8A31F07C5BE29461A0D3C97E18F2B5
HEX, DECIMAL = f"{SERIAL:x}", str(SERIAL)
PAIRS = ":".join(HEX[at : at + 2] for at in range(0, 32, 2))


@pytest.mark.parametrize(
    "pasted",
    [
        f"serial={HEX.upper()}",
        f"        Serial Number:\n            {PAIRS}\n",
        f"        Serial Number: {DECIMAL} (0x{HEX})",
        f"SerialNumber: [    {HEX[:8]} {HEX[8:16]} {HEX[16:24]} {HEX[24:]}]",
        f"Serial number: {HEX}",
        f"Serial Number (hex): {HEX}",
        f"Serial No. {HEX}",
        f"Serienummer, hexadecimalt: {HEX}",
        f"- Serienummer, decimalt: {DECIMAL}",
        f"> - Sarjanumero desimaalilukuna: {DECIMAL}",
        f"Sarjanumero heksadesimaalilukuna\t{HEX}",
        f"- Serial number, hexadecimal: {HEX}\r\n- Serial number, decimal: {DECIMAL}\r\n",
        f"[{HEX}]",
        f'"{PAIRS}"',
        f"--serial {HEX} \\",
        f"- kanta.example_{HEX}-chain.pem: the chain",
    ],
)
def test_D1_lines_of_mails_and_tools_are_read_whole(pasted: str) -> None:
    assert serial_readings(pasted) == {SERIAL}


@given(
    st.sampled_from([HEX, PAIRS, DECIMAL, f"serial={HEX}"]),
    st.lists(
        st.sampled_from(["<>", "{}", "「」", "⟨⟩", "[]", "()", "«»", "»»", "””", "„“", "‚‘", '""', "''", "``", "＜＞"]),
        max_size=4,
    ),
    st.sampled_from(["", " "]),
)
def test_D1_brackets_and_quotation_marks_of_any_kind_do_not_matter(text: str, around: list[str], blank: str) -> None:
    for pair in around:
        text = f"{pair[0]}{blank}{text}{pair[1]}"
    assert SERIAL in serial_readings(text)
    assert SERIAL in serial_readings(f"Serial number: {text}") or "serial" in text


def test_D1_a_base_that_is_named_leaves_one_reading() -> None:
    assert serial_readings("Serienummer, decimalt: 10") == {10}
    assert serial_readings("Serienummer, hexadecimalt: 10") == {16}
    assert serial_readings("serial number 10") == {10, 16}
    assert serial_readings("serial number dec0de") == {0xDEC0DE}, "these are digits, not the name of a base"


@pytest.mark.parametrize(
    "unreadable",
    [
        f"{HEX} {HEX}",
        f"-{DECIMAL}",
        f"serial: -{DECIMAL}",
        f"issuer={HEX}",
        f"Subject: serialNumber={HEX}",
        f"please revoke serial {HEX}",
        f"Serial number, decimal: {HEX}",
        f"Serial Number: {DECIMAL} (0x{HEX[:-1]})",
        f"{DECIMAL} ({HEX})",
        f"serial: {HEX} serial: {HEX[:-1]}0",
        f"a_{HEX}.pem b_{HEX[:-1]}0.pem",
        f"[{HEX}",
        f"x{HEX}",
        f"{HEX}g",
        "serial number",
        "decimal",
        "Serial number: [ ]",
    ],
)
def test_D1_what_is_unreadable_or_contradicts_itself_has_no_such_reading(unreadable: str) -> None:
    assert SERIAL not in serial_readings(unreadable)


@given(st.text(max_size=200))
def test_D1_any_text_has_few_readings_or_none(text: str) -> None:
    assert len(serial_readings(text)) <= 2


@pytest.mark.parametrize("typed", ["", "0", "-1", "xyz", "1.5", "f" * 41, "٣", "9" * 100])
def test_D1_what_is_no_serial_has_no_reading(typed: str) -> None:
    assert serial_readings(typed) == frozenset()


def test_hexadecimal_has_an_even_number_of_digits() -> None:
    assert serial_hex(0xABC) == "0ABC"
    assert serial_hex(0xAB) == "AB"
