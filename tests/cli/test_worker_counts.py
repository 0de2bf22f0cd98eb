import re

import click
import pytest
from servicecert_cli.commands.up import MOST, parse_counts

ONE = {"intake": 1, "issuer": 1, "revoker": 1, "notifier": 1, "ocsp": 1}


def test_a_number_is_of_each_of_the_four_services():
    assert parse_counts("3") == {"intake": 3, "issuer": 3, "revoker": 3, "notifier": 3, "ocsp": 1}


def test_what_is_not_named_has_one_process():
    assert parse_counts("issuer=4, notifier=2,ocsp=3") == {**ONE, "issuer": 4, "notifier": 2, "ocsp": 3}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("baker=2", "'baker' is no service: use intake, issuer, revoker, notifier, ocsp, as in issuer=4,notifier=2."),
        ("issuer=2,", "'' is no service: use intake, issuer, revoker, notifier, ocsp, as in issuer=4,notifier=2."),
        ("issuer=2,issuer=3", "issuer is named twice: give it one number."),
        *(
            (text, f"{number!r} is no number of processes: use 1 to {MOST}, or service=number pairs.")
            for text, number in (
                ("0", "0"),
                ("17", "17"),
                ("-1", "-1"),
                ("", ""),
                ("issuer", "issuer"),
                ("issuer=0", "0"),
                ("issuer=17", "17"),
                ("issuer=x", "x"),
                ("issuer=\u0662", "\u0662"),
            )
        ),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_sentence(text, sentence):
    with pytest.raises(click.BadParameter, match=f"^{re.escape(sentence)}$"):
        parse_counts(text)


def test_the_command_names_the_option(servicecert):
    done = servicecert("up", "--workers", "baker=2")
    assert done.exit_code == 2
    assert "Invalid value for '--workers': 'baker' is no service" in done.stderr
