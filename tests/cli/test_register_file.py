"""CSV exports of the registers: how they are read, and errors as one sentence with line and column."""

from pathlib import Path

import pytest
from servicecert_cli.registers.csv_lines import RegisterFileError
from servicecert_cli.registers.reading import FICTITIOUS_REGISTERS, read_register
from servicecert_cli.watching.settings import CanarySettings
from servicecert_schemas.register import Intermediary, Organisation, RegisteredSystem, Sector
from servicecert_schemas.values import organisation_oid

ORGANISATIONS = "oid;business_id;registered_name;name_fi;name_sv;abbreviation;sector;kind;valid_from;valid_to"
ORGANISATION = "1.2.246.10.99000587;9900058-7;Impi;Onnelan I apteekki;Apoteket Lyckebo I;;private;pharmacy;2020-01-01;"
SYSTEMS = (
    "system_id,system_name,system_class,certificate_number,certificate_valid_from,certificate_valid_to,"
    "certificate_withdrawn"
)


@pytest.fixture
def read(tmp_path: Path):
    def read(*lines: str, encoding: str = "utf-8", end: str = "\n"):
        (tmp_path / "register.csv").write_bytes("".join(line + end for line in lines).encode(encoding))
        return list(read_register(tmp_path / "register.csv"))

    return read


def test_A5_the_fictitious_registers_are_whole():
    entries = [entry.entry for entry in read_register(FICTITIOUS_REGISTERS)]
    organisations = [entry for entry in entries if isinstance(entry, Organisation)]
    assert all(entry.oid.startswith(organisation_oid(entry.business_id)) for entry in organisations)
    assert {entry.sector for entry in organisations} == set(Sector)
    assert any(len(entry.names.fi) > 64 and entry.names.abbreviation for entry in organisations)
    assert {type(entry) for entry in entries} == {Organisation, Intermediary, RegisteredSystem}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "cp1252"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_an_export_is_utf_8_or_latin_1(read, encoding, end):
    (entry,) = read(ORGANISATIONS, ORGANISATION.replace("Onnelan", "Äänelän"), "", encoding=encoding, end=end)
    assert entry.entry.names.fi == "Äänelän I apteekki"
    assert entry.entry_id == "organisation/1.2.246.10.99000587/2020-01-01"


@pytest.mark.parametrize("delimiter", [";", ",", "\t"])
def test_cells_may_be_separated_in_three_ways_and_quoted(read, delimiter):
    inside = ";" if delimiter == "\t" else delimiter
    line = ORGANISATION.replace(";", delimiter).replace("Impi", f'"Impi{inside} ""apteekkari"""')
    (entry,) = read(ORGANISATIONS.replace(";", delimiter), line)
    assert entry.entry.registered_name == f'Impi{inside} "apteekkari"'


def test_further_columns_cells_and_blank_lines_are_ignored(read):
    assert len(read(f"{ORGANISATIONS};note;note", "", f"{ORGANISATION};x;y;;", ";;;;;;;;;;")) == 1


def test_a_quoted_cell_may_have_line_breaks_and_the_lines_are_still_counted(read):
    note = '"one\ntwo\u2028\nthree"'
    assert len(read(f"{ORGANISATIONS};note", f"{ORGANISATION};{note}", end="\r\n")) == 1
    with pytest.raises(RegisterFileError, match=r"^Line 5 of register.csv, column oid: "):
        read(f"{ORGANISATIONS};note", f"{ORGANISATION};{note}", f"x{ORGANISATION};")


def test_days_are_also_written_the_finnish_way_and_with_a_time_of_day(read):
    line = ORGANISATION.replace("2020-01-01;", "1.2.2020;2100-12-31T23:59:59")
    (entry,) = read(ORGANISATIONS, line)
    assert (str(entry.entry.valid_from), str(entry.entry.valid_to)) == ("2020-02-01", "2100-12-31")


def test_A7_the_sector_is_also_read_as_the_code_service_writes_it(read):
    (entry,) = read(ORGANISATIONS, ORGANISATION.replace("private", "2 yksityinen"))
    assert entry.entry.sector is Sector.PRIVATE


def test_A7_an_entry_may_state_no_sector_and_older_readers_take_the_stricter(read):
    (entry,) = read(ORGANISATIONS, ORGANISATION.replace("private", ""))
    assert (entry.entry.sector_stated, entry.entry.sector) == (False, Sector.PRIVATE)
    (entry,) = read(ORGANISATIONS, ORGANISATION)
    assert entry.entry.sector_stated


def test_A6_a_name_in_one_language_only_may_stand_in_either_column(read):
    (entry,) = read(ORGANISATIONS, ORGANISATION.replace("Onnelan I apteekki", ""))
    assert entry.entry.names.fi == entry.entry.names.sv == "Apoteket Lyckebo I"
    with pytest.raises(RegisterFileError, match="column name_fi: the value is missing"):
        read(ORGANISATIONS, ORGANISATION.replace("Onnelan I apteekki;Apoteket Lyckebo I", ";"))


def test_the_same_entry_in_two_files_of_a_folder_is_told(tmp_path: Path):
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text(f"{ORGANISATIONS}\n{ORGANISATION}\n")
    with pytest.raises(RegisterFileError, match=r"^Line 2 of b.csv is the same entry as line 2 of a.csv: keep one\.$"):
        list(read_register(tmp_path))


@pytest.mark.parametrize(
    ("octets", "sentence"),
    [
        (f"{ORGANISATIONS}\n{ORGANISATION}".encode(), "Line 2 of register.csv, the last, has no line break at its end"),
        (f"{ORGANISATIONS}\n".encode("utf-16"), "The register file register.csv is UTF-16 or not text"),
        (b"oid\x00\n", "The register file register.csv is UTF-16 or not text"),
        (
            "å\nä\n".encode() + "ö\n".encode("latin-1"),
            "Line 3 of register.csv mixes character encodings",
        ),
        (b"a\nb\x81\n", "Line 2 of register.csv mixes character encodings"),
    ],
    ids=["cut", "UTF-16", "no text", "mixed", "no encoding"],
)
def test_a_file_that_is_cut_or_of_no_encoding_is_one_sentence(tmp_path: Path, octets: bytes, sentence: str):
    (tmp_path / "register.csv").write_bytes(octets)
    with pytest.raises(RegisterFileError) as error:
        list(read_register(tmp_path / "register.csv"))
    assert str(error.value).startswith(sentence)


def test_A7_a_system_has_the_certificates_of_all_its_lines(read):
    entries = read(
        SYSTEMS,
        "S-1,Järjestelmä,A2,1,2020-01-01,2021-01-01,",
        "S-2,Toinen,B,,,,",
        "S-1,,,2,2021-01-01,2022-01-01,2021-06-01",
    )
    first, second = (entry.entry for entry in entries)
    assert [each.number for each in first.certificates] == ["1", "2"]
    assert str(first.certificates[1].withdrawn) == "2021-06-01"
    assert second.certificates == ()


@pytest.mark.parametrize(
    ("column", "value", "fault"),
    [
        ("oid", "1.2.x", "is not an OID"),
        ("oid", "", "is missing"),
        ("oid", f"1.2{'.99999999' * 20}", "is not an OID"),
        ("business_id", "9900058-8", "is not a business id"),
        ("registered_name", "", "is missing"),
        ("registered_name", "x" * 201, "is longer than 200 characters"),
        ("name_fi", "x" * 201, "is longer than 200 characters"),
        ("name_sv", "x" * 201, "is longer than 200 characters"),
        ("sector", "state", "is none of public, private"),
        ("kind", "shop", "is none of care-provider, pharmacy, other"),
        ("name_fi", '"Onnelan\nI apteekki"', "has a line break or another invisible character"),
        ("name_sv", "Apoteket\u200b", "has a line break or another invisible character"),
        ("valid_from", "", "is missing"),
        ("valid_from", "1/1/2020", "is not a day like 2026-01-31 or 31.1.2026"),
        ("valid_from", "20200101", "is not a day like 2026-01-31 or 31.1.2026"),
        ("valid_from", "31.6.2020", "is not a day like 2026-01-31 or 31.1.2026"),
        ("valid_to", "2020-02-30", "is not a day like 2026-01-31 or 31.1.2026"),
        ("valid_to", "2019-12-31", "is before that of valid_from"),
    ],
)
def test_a_bad_cell_is_one_sentence_with_line_and_column(read, column, value, fault):
    cells = dict(zip(ORGANISATIONS.split(";"), ORGANISATION.split(";"), strict=True))
    line = ";".join({**cells, column: value}.values())
    with pytest.raises(RegisterFileError) as error:
        read(ORGANISATIONS, ORGANISATION, line)
    assert str(error.value).startswith(f"Line 3 of register.csv, column {column}: the value {fault}")


@pytest.mark.parametrize(
    ("header", "line", "column"),
    [
        (SYSTEMS, "a b,x,A,,,,", "system_id"),
        (SYSTEMS, f"S-1,{'x' * 201},A,,,,", "system_name"),
        (SYSTEMS, f"S-1,x,A,{'x' * 201},2020-01-01,2020-01-01,", "certificate_number"),
        (SYSTEMS, "S-1,x,,,,,", "system_class"),
        (SYSTEMS, "S-1,x,A,1,2020-01-02,2020-01-01,", "certificate_valid_to"),
        (SYSTEMS, "S-1,x,A,1,2020-01-02,,", "certificate_valid_to"),
        ("business_id,name,valid_from,valid_to", "1,x,2020-01-01,", "business_id"),
    ],
)
def test_a_bad_cell_of_the_other_registers_is_named_too(read, header, line, column):
    with pytest.raises(RegisterFileError, match=rf"^Line 2 of register.csv, column {column}: "):
        read(header, line)


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ((), "The register file register.csv is empty: export it again, with its header."),
        (("a;b", "1;2"), "Line 1 of register.csv is not the header of a register: for organisations add oid, "),
        (("business_id;name;valid_from", "1;2;3"), "Line 1 of register.csv is not the header of a register: for Kanta"),
        ((f"{ORGANISATIONS};oid", ORGANISATION), "Line 1 of register.csv has the column oid twice: keep one."),
        ((ORGANISATIONS,), "The register file register.csv has a header but no entries: export it again."),
        ((ORGANISATIONS, "1;2"), "Line 2 of register.csv has 2 columns, the header 10: correct the line."),
        ((ORGANISATIONS, f'"{ORGANISATION}'), "Line 2 of register.csv has a misplaced or unclosed quotation mark"),
        ((ORGANISATIONS, ORGANISATION, ORGANISATION), "Line 3 of register.csv is the same entry as line 2: keep one."),
    ],
)
def test_a_file_that_cannot_be_read_is_one_sentence(read, lines, sentence):
    with pytest.raises(RegisterFileError) as error:
        read(*lines)
    assert str(error.value).startswith(sentence)


def test_a_missing_file_and_an_empty_folder_are_one_sentence(tmp_path: Path):
    with pytest.raises(RegisterFileError, match="cannot be read"):
        list(read_register(tmp_path / "none.csv"))
    with pytest.raises(RegisterFileError, match="has no register file"):
        list(read_register(tmp_path))


def test_the_page_shows_the_line_of_the_canarys_organisation_which_its_settings_name() -> None:
    lines = (FICTITIOUS_REGISTERS / "organisations.csv").read_text().splitlines()
    (line,) = [each for each in lines if "kanarialintu" in each]
    fields = {name: field.default for name, field in CanarySettings.model_fields.items()}
    assert f";{fields['business_id']};{fields['unit']};{fields['unit']};" in line
    assert f"```csv\n{line}\n```" in (Path(__file__).parents[2] / "docs" / "canary.md").read_text()
