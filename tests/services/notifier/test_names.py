"""The names of the files in a mail (C1): they tell what is inside, and are safe wherever they are saved."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from servicecert_notifier.mail.domain.filling import file_stem, shown_subject
from servicecert_pki.serials import draw_serial

SERIAL = "4d8a31f07c5be29461a0d3c97e18f2b5" + "00" * 4
DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in "0123456789")}
ENDINGS = (".der", ".pem", "-chain.pem", "-fullchain.pem", ".p12")


@given(st.text(max_size=300))
@example("con.example")
@example("NUL")
@example("com1.")
@example("..")
@example("a" * 300)
@example("ＣＯＮ.example")
@example("con\u0301.example")
@example("\u202egnp.example")
@example("x/../../etc/passwd")
@example("c:\\windows")
@example("a" * 62 + ".-b")
def test_C1_a_file_name_is_safe_on_every_system(name):
    for ending in ENDINGS:
        file = file_stem(name, SERIAL) + ending
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", file), "ASCII only, no separator, no leading dot or hyphen"
        assert ".." not in file
        assert len(file) <= 64, "a person sees it whole, and a path of Windows has room for folders"
        assert file.partition(".")[0].lower() not in DEVICES
        assert file.endswith(f"_{SERIAL[:8]}{ending}")


@given(st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?){1,4}", fullmatch=True))
def test_C1_the_beginning_of_a_host_name_and_of_the_serial_number_is_told(name):
    whole = f"x-{name}" if name.partition(".")[0] in DEVICES else name
    assert file_stem(name, SERIAL) == f"{whole[:26].rstrip('.-')}_{SERIAL[:8]}"


@pytest.mark.parametrize("name", sorted(DEVICES))
def test_C1_no_file_is_a_device_of_windows(name):
    assert file_stem(f"{name.upper()}.example.fi", "0a") == f"x-{name.upper()}.example.fi_0a"


def test_C1_files_of_two_certificates_with_one_name_are_told_apart():
    assert file_stem("a.example", SERIAL) != file_stem("a.example", f"{draw_serial():x}")


def test_a_subject_is_shown_as_people_read_it():
    assert shown_subject("CN=a,2.5.4.5=9912340-5,O=x\\, y") == "CN=a, serialNumber=9912340-5, O=x\\, y"
