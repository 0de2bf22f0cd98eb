"""What applications are compared with: the registers, and the lists of lost keys."""

from .condition import Subject, conditions

critical, warning, _ = conditions(Subject.REGISTERS)
_LOAD = "Load them: `servicecert registers load`, see docs/registers.md."
_LISTS = "Run `badkeys --update-bl` and copy the lists there; restart intake."

CONDITIONS = (
    critical(
        "RegistersEmpty",
        "Intake knows no register: no application can be accepted.",
        when='min(servicecert_followed_entries{topic="registers"}) == 0',
        wait="1m",
        within="2m30s",
        why="An applicant who is not in the registers is sent away.",
        remedy=_LOAD,
    ),
    warning(
        "RegistersStale",
        "No change of the registers was loaded for {value:period}: they may be out of date.",
        when="time() - max(servicecert_followed_newest_timestamp_seconds"
        r'{service="intake",topic=~"(.*\\.)?registers"}) > 691200',
        why="An applicant who is not in the registers is sent away; one who has left them gets a certificate.",
        remedy=_LOAD,
    ),
    critical(
        "RegisterFull",
        "Intake's memory for {topic} is {value:share} full: at 100 % entries are left out.",
        when="max by (topic) (servicecert_followed_fill) > 0.8",
        wait="5m",
        within="7m",
    ),
    warning(
        "KeyListsMissing",
        "No list of leaked keys is loaded: such keys are accepted.",
        when="max(servicecert_key_list_records) == 0",
        wait="1h",
        within="1h5m",
        why="Without them a key that everybody knows gets a certificate.",
        remedy=_LISTS,
    ),
    warning(
        "KeyListsOld",
        "A list of leaked keys is older than three months.",
        why="A key that leaked since then gets a certificate.",
        remedy=_LISTS,
    ),
)
