"""Follows "Where do I change …" of docs/development.md on a copy of the product: the steps are complete and work."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from docs.changes import PAGE, ProbedCopy, assert_followed, named

from docs import pages

pytestmark = pytest.mark.long

CHANGES = pages.subheadings(PAGE, "Where do I change …")
USUAL, MOST_STEPS = 13, 5
LANGUAGES = ("en", "fi", "sv")

RULES = "services/intake/servicecert_intake/domain/rules"
INTAKE_TEXTS = "services/intake/servicecert_intake/domain/texts"
NOTIFIER = "services/notifier/servicecert_notifier"
MAIL_TEXTS = f"{NOTIFIER}/mail/domain/texts"
SCHEMAS = "schemas/servicecert_schemas"
PROFILES = "pki/servicecert_pki/profiles"
EXAMPLES = f"{SCHEMAS}/exported/examples"


@pytest.fixture
def following(tmp_path: Path) -> Callable[[str], Any]:
    """A copy to be changed as the steps under a heading say."""

    @contextmanager
    def following(heading: str) -> Iterator[ProbedCopy]:
        assert heading in CHANGES
        copy = ProbedCopy(tmp_path)
        yield copy
        assert_followed(heading, copy)

    return following


def test_there_are_thirteen_usual_changes_of_at_most_five_steps() -> None:
    assert len(CHANGES) == USUAL
    for heading in CHANGES:
        assert 1 <= len(pages.steps(PAGE, heading)) <= MOST_STEPS, heading
        assert named(heading), f"{heading} names no file"


def test_a_step_too_many_or_too_few_is_found(tmp_path: Path) -> None:
    copy = ProbedCopy(tmp_path)
    with pytest.raises(AssertionError, match="where nothing had to be changed"):
        assert_followed("A command", copy)
    copy.add("cli/servicecert_cli/commands/hello.py", "")
    copy.edit("cli/servicecert_cli/main.py", '"Operate": {', '"Operate": {"hello": "Say hello.",')
    assert_followed("A command", copy)
    copy.add("cli/servicecert_cli/operations/hello.py", "")
    with pytest.raises(AssertionError, match="no step under 'A command' names"):
        assert_followed("A command", copy)


def test_a_rule(following: Callable[[str], Any]) -> None:
    with following("A rule about applications") as copy:
        copy.edit(
            f"{RULES}/deficiencies.py",
            "START_DATE_PAST = ",
            'START_DATE_WEEKEND = Lack("start-date-weekend", "start_date")\nSTART_DATE_PAST = ',
        )
        for language in LANGUAGES:
            text = f'start-date-weekend = "{language}: {{day}} is no weekday."'
            copy.edit(f"{INTAKE_TEXTS}/{language}.toml", "\n[deficiencies]\n", f"\n[deficiencies]\n{text}\n")
        copy.edit(
            f"{RULES}/contents.py",
            "\ndef validity_days(",
            '''
def weekday(form: Form) -> Deficiencies:
    """A start date that was asked for is a weekday."""
    if form.start_date is None or form.start_date.weekday() < 5:
        return ()
    return (lacking.START_DATE_WEEKEND.deficiency(day=str(form.start_date)),)


def validity_days(''',
        )
        copy.edit(
            f"{RULES}/judgement.py",
            "*contents.start_date(form, day),",
            "*contents.start_date(form, day), *contents.weekday(form),",
        )
        returned, accepted = copy.probe("cases", '{"start_date": "2026-11-28"}', '{"start_date": "2026-11-27"}')
        assert returned["state"] == "returned"
        (lack,) = returned["deficiencies"]
        assert (lack["code"], lack["field"]) == ("start-date-weekend", "start_date")
        assert lack["texts"] == {language: f"{language}: 2026-11-28 is no weekday." for language in LANGUAGES}
        assert accepted["state"] == "accepted"


def test_what_a_customer_is_told(following: Callable[[str], Any]) -> None:
    with following("What a customer is told to do") as copy:
        copy.edit(f"{INTAKE_TEXTS}/en.toml", "The start date has passed.", "That day is over.")
        for service, before in (("issuer", "Apply anew; we are sorry"), ("revoker", "Nothing is revoked.")):
            copy.edit(f"services/{service}/servicecert_{service}/domain/texts/en.toml", before, "Other words.")
        (returned,) = copy.probe("cases", '{"start_date": "2026-11-23"}')
        (lack,) = returned["deficiencies"]
        assert lack["texts"]["en"].startswith("That day is over. Give today")
        answers = copy.probe("refusals")
        assert "Other words." in answers["voided"]
        assert "Other words." in answers["not-confirmed"]


def test_what_a_mail_says(following: Callable[[str], Any]) -> None:
    with following("What a mail says") as copy:
        copy.edit(f"{MAIL_TEXTS}/en/application-lapsed.j2", "Apply anew in the e-service if", "Begin again if")
        for _, _, text, html in copy.probe("mails", "lapsed").values():
            assert "Begin again if" in text
            assert "Begin again if" in html


def test_a_kind_of_mail(following: Callable[[str], Any]) -> None:
    with following("A new kind of mail") as copy:
        copy.edit(
            f"{SCHEMAS}/mail.py",
            "    CERTIFICATE_ISSUED =",
            '    APPLICATION_WITHDRAWN = "application-withdrawn"\n    CERTIFICATE_ISSUED =',
        )
        copy.export()
        copy.edit(
            f"{NOTIFIER}/domain/task.py",
            "class RefusedContent(",
            '''class WithdrawnContent(ApplicationContent):
    """What a mail about a withdrawn application tells (A15)."""

    kind: Literal[MailKind.APPLICATION_WITHDRAWN] = MailKind.APPLICATION_WITHDRAWN


class RefusedContent(''',
        )
        copy.edit(
            f"{NOTIFIER}/domain/task.py", "    | RefusedContent\n", "    | RefusedContent\n    | WithdrawnContent\n"
        )
        for language in LANGUAGES:
            template = "Subject: Withdrawn: {{ name }}\n# Withdrawn\n\nNothing is issued of the {{ type }}.\n"
            copy.add(f"{MAIL_TEXTS}/{language}/application-withdrawn.j2", template)
            words = f"{MAIL_TEXTS}/{language}/words.toml"
            copy.edit(words, "\n[told]\n", '\n[told]\napplication-withdrawn = "withdrawn"\n')
        copy.edit(
            f"{NOTIFIER}/domain/task.py",
            "        MailKind.APPLICATION_LAPSED: _APPLICANTS,\n",
            "        MailKind.APPLICATION_LAPSED: _APPLICANTS,\n        MailKind.APPLICATION_WITHDRAWN: _APPLICANTS,\n",
        )
        contents = f"{NOTIFIER}/domain/contents.py"
        copy.edit(contents, "ReturnedContent, RevokedContent\n", "ReturnedContent, RevokedContent, WithdrawnContent\n")
        copy.edit(
            contents,
            "        case CaseState.LAPSED:",
            "        case CaseState.WITHDRAWN:\n"
            "            return WithdrawnContent(type=case.type, applied_for=name, customer_reference=reference)\n"
            "        case CaseState.LAPSED:",
        )
        kinds = ", ".join(f"'{kind}'" for kind in copy.probe("kinds"))
        copy.add(
            f"{NOTIFIER}/storage/migrations/0004.withdrawn.sql",
            "alter table mails drop constraint mails_kind_check;\n"
            f"alter table mails add constraint mails_kind_check check (kind in ({kinds}));\n",
        )
        copy.edit(
            f"{NOTIFIER}/operator/samples.py",
            '    yield "application-refused", ',
            '    yield "application-withdrawn", _of(_case(language, CaseState.WITHDRAWN))\n'
            '    yield "application-refused", ',
        )
        mails = copy.probe("mails", "withdrawn")
        assert set(mails) <= {"orderer", "technical-contact"}
        assert "orderer" in mails
        for kind, subject, text, html in mails.values():
            assert kind == "application-withdrawn"
            assert subject.startswith("Withdrawn: ")
            assert "Nothing is issued of the system signature certificate." in text
            assert "<h1" in html
        assert all("application-withdrawn" in names for names in copy.probe("samples").values())
        closed = {f"servicecert.{name}.v1" for name in _carriers_of_kinds()}
        assert set(copy.probe("incompatible")) == closed


def _carriers_of_kinds() -> list[str]:
    """Return the events that carry a kind of mail, according to the page."""
    below = pages.section(PAGE, "A new kind of mail").partition("The kinds are a closed list")[2]
    return [word for word in below.split("`")[1::2] if "." in word]


def test_a_limit(following: Callable[[str], Any]) -> None:
    with following("A limit of a certificate") as copy:
        for profile in ("server", "test-server"):
            path = f"{PROFILES}/{profile}.toml"
            copy.add(f"{PROFILES}/earlier/{profile}.2.toml", (copy.folder / path).read_text())
            copy.edit(path, "longest = [{ years = 2 }]", "longest = [{ years = 1 }]")
            copy.edit(path, "version = 2\n", "version = 3\n")
        accepted, returned = copy.probe("cases", '{"validity_days": 365}', '{"validity_days": 366}')
        assert accepted["state"] == "accepted"
        (lack,) = returned["deficiencies"]
        assert lack["code"] == "validity-too-long"
        assert "at most 365 days" in lack["texts"]["en"]


def test_a_field_of_an_event(following: Callable[[str], Any]) -> None:
    with following("A field of an event") as copy:
        copy.edit(
            f"{SCHEMAS}/application.py",
            "    customer_reference: values.Text | None = None\n",
            "    cost_centre: values.Text | None = None\n"
            '    """Who pays, in the customer\'s own books."""\n'
            "    customer_reference: values.Text | None = None\n",
        )
        name = "servicecert.application.submitted.v1"
        stored = json.loads((copy.folder / EXAMPLES / f"{name}.json").read_text())
        stored["value"]["form"]["cost_centre"] = "4711"
        new = f"{EXAMPLES}/{name}.cost-centre.json"
        copy.add(new, json.dumps(stored, indent=2) + "\n")
        copy.export()
        assert copy.probe("incompatible") == []
        with_it, without_it = copy.probe("records", new, f"{EXAMPLES}/{name}.json")
        assert with_it["form"]["cost_centre"] == "4711"
        assert without_it["form"]["cost_centre"] is None


def test_an_event(following: Callable[[str], Any]) -> None:
    with following("A new event") as copy:
        copy.edit(
            f"{SCHEMAS}/deadline.py",
            "class DeadlineWarned(CaseEvent):",
            '''class DeadlineMoved(CaseEvent):
    """Published when the time in which something has to happen ends at another moment."""

    TYPE: ClassVar[str] = "servicecert.deadline.moved.v1"
    AUDITED: ClassVar[tuple[str, ...]] = ("kind", "until")

    kind: DeadlineKind
    until: Instant
    \"""The new deadline.\"""


class DeadlineWarned(CaseEvent):''',
        )
        copy.edit(f"{SCHEMAS}/topics.py", "import DeadlineWarned\n", "import DeadlineMoved, DeadlineWarned\n")
        copy.edit(f"{SCHEMAS}/topics.py", "events=(DeadlineWarned,),", "events=(DeadlineWarned, DeadlineMoved),")
        stored = (copy.folder / EXAMPLES / "servicecert.deadline.warned.v1.json").read_text()
        example = json.loads(stored.replace("deadline.warned", "deadline.moved"))
        del example["value"]["mark"], example["value"]["since"]
        new = f"{EXAMPLES}/servicecert.deadline.moved.v1.json"
        copy.add(new, json.dumps(example, indent=2) + "\n")
        copy.export()
        assert copy.probe("incompatible") == []
        assert [each["type"] for each in copy.probe("records", new)] == ["servicecert.deadline.moved.v1"]


def test_a_metric(following: Callable[[str], Any]) -> None:
    with following("A metric") as copy:
        revoker = "services/revoker/servicecert_revoker"
        copy.edit(
            f"{revoker}/operator/figures.py",
            "FIGURES = (\n",
            'FIGURES = (\n    Figure("servicecert_proposals_dropped", "Proposals that were dropped."),\n',
        )
        copy.edit(
            f"{revoker}/storage/figures.sql",
            "    select 'servicecert_revocations', array['open'], count(*)::float8 from open\n",
            "    select 'servicecert_revocations', array['open'], count(*)::float8 from open\n"
            "    union all\n"
            "    select 'servicecert_proposals_dropped', '{}', count(*) from proposals where dropped_by is not null\n",
        )
        copy.edit(
            f"{revoker}/operator/trust_gauges.py",
            "    return (\n        Gauge(\n",
            """    return (
        Gauge("servicecert_refusals_again", "Refusals, once more.", "code", refusals, counts=True),
        Gauge(
""",
        )
        metrics = "worker/servicecert_worker/runtime/metrics.py"
        copy.edit(
            metrics,
            "        self.published = self._counter(",
            '        self.turns = self._counter("servicecert_turns", "Turns.")\n'
            "        self.published = self._counter(",
        )
        copy.edit(
            metrics,
            "        self.turn.labels(self._service).observe(seconds)\n",
            "        self.turn.labels(self._service).observe(seconds)\n"
            "        self.turns.labels(self._service).inc()\n",
        )
        shown = copy.probe("metrics").splitlines()
        assert "servicecert_proposals_dropped 7.0" in shown
        assert 'servicecert_refusals_again_total{code="x"} 7.0' in shown
        assert 'servicecert_turns_total{service="revoker"} 1.0' in shown


def test_a_condition(following: Callable[[str], Any]) -> None:
    watching = "cli/servicecert_cli/watching"
    with following("A condition") as copy:
        copy.edit(
            f"{watching}/conditions/work.py",
            "_BACKLOG = (\n",
            """_BACKLOG = (
    warning(
        "OutboxLong",
        "{value} events of {service} are not published.",
        when="servicecert_outbox_events > 5000",
        expr=working("$when"),
        why="Others learn of them late.",
        remedy="See the log of {service}.",
    ),
    warning("Monday", "It is a Monday.", why="Nobody is awake.", remedy="Make coffee."),
""",
        )
        copy.edit(
            f"{watching}/doctor/facts/database.py",
            "LOOKS = {\n",
            """async def weekday(_: Sources) -> int:
    return datetime(2026, 11, 30).weekday()


LOOKS = {
    "Monday": Look(weekday, database.check_weekday),
""",
        )
        copy.edit(
            f"{watching}/doctor/domain/database.py",
            "def check_database_link(",
            """def check_weekday(day: int) -> Finding:
    return ok("It is another day.") if day else fault("It is a Monday.")


def check_database_link(""",
        )
        rule, finding = copy.probe("condition", "OutboxLong", "servicecert_outbox_events", "5001")
        assert rule.startswith("(servicecert_outbox_events > 5000 and on (service)")
        assert finding == ["warning", "5001 events of intake are not published.", "See the log of intake."]
        (monday,) = json.loads(copy.python("-m", "servicecert_cli", "doctor", "--only", "Monday", "--json", fails=1))
        assert (monday["finding"], monday["remedy"]) == ("It is a Monday.", "Make coffee.")


def test_a_side_effect(following: Callable[[str], Any]) -> None:
    intake = "services/intake/servicecert_intake"
    with following("A side effect") as copy:
        copy.edit(
            f"{RULES}/renewal.py",
            "class LookedUp(BaseModel):",
            '''class Bid(BaseModel):
    """Whose files are to be burnt."""

    account_id: str


class Burnt(BaseModel):
    """They are burnt."""


class LookedUp(BaseModel):''',
        )
        copy.edit(f"{intake}/effects/follow.py", "import LookedUp, ", "import Bid, Burnt, LookedUp, ")
        copy.edit(
            f"{intake}/effects/follow.py",
            "def earlier_of(",
            '''async def burn(tasks: Sequence[Task]) -> Sequence[Outcome]:
    """Burns what is there: a second time there is nothing."""
    return [Done(Burnt()) for task in tasks if isinstance(task.data, Bid)]


def earlier_of(''',
        )
        service = f"{intake}/service.py"
        copy.edit(service, "import Find\n", "import Find, burn\n")
        copy.edit(service, "import LOOK_UP, LookUp\n", "import LOOK_UP, Bid, LookUp\n")
        copy.edit(service, "effects={", 'effects={"burn": Effect(Bid, burn), ')
        copy.edit(f"{intake}/domain/moves.py", "import LOOK_UP, LookUp", "import LOOK_UP, Bid, LookUp")
        copy.edit(
            f"{intake}/domain/moves.py",
            "(AcceptedWithdrawn(case_id=case.case_id),))",
            '(AcceptedWithdrawn(case_id=case.case_id),), (Intent("burn", Bid(account_id=case.account_id)),))',
        )
        copy.edit(f"{intake}/domain/decide.py", "import LookedUp\n", "import Burnt, LookedUp\n")
        copy.edit(
            f"{intake}/domain/decide.py",
            "        case Due(kind=kind) if kind == REASSESS:",
            "        case Result(data=Burnt()):\n"
            "            return _with_view(transition(case, CaseState.WITHDRAWN, now))\n"
            "        case Due(kind=kind) if kind == REASSESS:",
        )
        assert copy.probe("act", "burn")["state"] == "withdrawn"


def test_a_setting(following: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    with following("A setting") as copy:
        field = '''
    {0}: int = Field(50, alias="SERVICECERT_{1}", ge=1)
    """the most of {0}"""

'''
        copy.edit(
            "services/intake/servicecert_intake/settings.py",
            "    key_lists_dir: ",
            field.format("look_ups", "LOOK_UPS") + "    key_lists_dir: ",
        )
        copy.edit(
            "services/intake/servicecert_intake/service.py",
            "Effect(LookUp, Find(pool)",
            "Effect(LookUp, Find(pool), batch=settings.look_ups",
        )
        copy.edit(
            "worker/servicecert_worker/runtime/settings.py",
            "    inbox_days: ",
            field.format("guests", "GUESTS") + "    inbox_days: ",
        )
        assert copy.probe("batch") == 50
        monkeypatch.setenv("SERVICECERT_LOOK_UPS", "7")
        assert copy.probe("batch") == 7
        listed = copy.probe("variables")
        assert "| `SERVICECERT_LOOK_UPS` | intake | `50` | the most of look_ups |" in listed
        assert "| `SERVICECERT_GUESTS` | services | `50` | the most of guests |" in listed


def test_a_command(following: Callable[[str], Any]) -> None:
    with following("A command") as copy:
        copy.add(
            "cli/servicecert_cli/commands/hello.py",
            '"""`servicecert hello`."""\n\nimport click\n\n\n@click.command()\ndef command() -> None:\n'
            '    """Say hello."""\n    click.echo("Hello.")\n',
        )
        copy.edit("cli/servicecert_cli/main.py", '"Operate": {', '"Operate": {"hello": "Say hello.",')
        assert "hello " in copy.python("-m", "servicecert_cli", "--help")
        assert copy.python("-m", "servicecert_cli", "hello") == "Hello.\n"
