"""A condition: what can be wrong, from which number on, how bad that is, why, and what to do."""

import operator
import re
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from enum import StrEnum
from functools import partial
from string import Formatter, Template


class Severity(StrEnum):
    """How bad a finding is. UNKNOWN: nobody could look; SKIPPED: nothing here to look at, which is no fault."""

    OK = "ok"
    SKIPPED = "skipped"
    UNKNOWN = "unknown"
    WARNING = "warning"
    CRITICAL = "critical"


class Subject(StrEnum):
    """What conditions are grouped by, in this order."""

    KAFKA = "Kafka"
    TOPICS = "topics"
    GROUPS = "groups"
    PROCESSES = "processes"
    DATABASE = "database"
    AUTHORITY = "certificate authority"
    REVOCATION = "CRL and OCSP"
    MAIL = "mail"
    REGISTERS = "registers"
    BACKLOG = "parked and late"
    SECURITY = "security"
    PROMISES = "promises"
    CONFIGURATION = "configuration"


_COMPARISON = re.compile(r"(?:(\S+) (<=?) )?(.+) ([<>]=?) (-?[\d.]+)", re.DOTALL)
_OPERATORS = {"<": operator.lt, "<=": operator.le, ">": operator.gt}
_VALUE = {"": "$value", "period": "$value | humanizeDuration", "share": "$value | humanizePercentage"}
_WORDS = {"": "N", "period": "TIME", "share": "N %"}


@dataclass(frozen=True, slots=True)
class Condition:
    """What Prometheus alerts on if it has `when`; what `servicecert doctor` looks at says `why` it matters.

    `says` and `remedy` name labels in braces, and the figure as `{value}`, `{value:period}` (seconds) or
    `{value:share}`. `severity` is None where a look tells a fault that harms nobody yet from one that stops the
    service. `when` compares a figure with a limit, in PromQL: the doctor understands it where it is a metric of the
    exporter, or `max`, `min` or `sum` of one. Of two bounds `<` is the limit, and `<=` is where another condition
    begins. `expr` is what Prometheus asks, with `$when` or `$limit` in it; it has to hold for `wait`, so that it fires
    `within` that time after its cause, with a scrape each 15 s. `well` is the doctor's good news, unless that is the
    figure beside its limit.
    """

    subject: Subject
    severity: Severity | None
    name: str
    says: str
    _: KW_ONLY
    when: str = ""
    expr: str = "$when"
    wait: str = ""
    within: str = "1m"
    why: str = ""
    remedy: str = ""
    well: str = ""

    @property
    def page(self) -> str | None:
        """Its place in the runbook: each alert has one, on the page of its subject."""
        return f"{self.subject.name.lower()}.md#{self.name.lower()}" if self.when else None

    @property
    def rule(self) -> str:
        """The expression in PromQL for which Prometheus alerts."""
        return Template(self.expr).safe_substitute(when=self.when, limit=self.limit if "$limit" in self.expr else "")

    @property
    def summary(self) -> str:
        """What it says, as a template of Prometheus."""
        return _filled(
            self.says, lambda name, unit: f"{{{{ {_VALUE[unit] if name == 'value' else f'$labels.{name}'} }}}}"
        )

    @property
    def text(self) -> str:
        """What it says, with words in capitals for what differs."""
        return _worded(self.says)

    @property
    def advice(self) -> str:
        """The remedy, with words in capitals for what differs."""
        return _worded(self.remedy)

    @property
    def limit(self) -> float:
        """The number beyond which the figure is wrong. Raises ValueError where nothing is compared."""
        least, first, _, _, most = self._compared()
        limit = least if first == "<" else most
        return float(limit) if "." in limit else int(limit)

    @property
    def below(self) -> bool:
        """Whether the figure is wrong below the limit, and not above it. Raises ValueError."""
        return self._compared()[3] == "<"

    @property
    def figure(self) -> str:
        """What is compared. Raises ValueError."""
        return self._compared()[2]

    def is_wrong(self, value: float) -> bool:
        """Return whether the figure has this value in that condition. Raises ValueError."""
        least, first, _, second, most = self._compared()
        return bool((not first or _OPERATORS[first](float(least), value)) and _OPERATORS[second](value, float(most)))

    def _compared(self) -> tuple[str, str, str, str, str]:
        found = _COMPARISON.fullmatch(self.when)
        if found is None:
            raise ValueError(f"{self.name} compares nothing with a limit.")
        least, first, figure, second, most = found.groups(default="")
        return least, first, figure, second, most


def _worded(template: str) -> str:
    return _filled(template, lambda name, unit: _WORDS[unit] if name == "value" else name.upper())


def _filled(template: str, fill: Callable[[str, str], str]) -> str:
    parts = Formatter().parse(template)
    return "".join(text + ("" if name is None else fill(name, unit or "")) for text, name, unit, _ in parts)


def conditions(subject: Subject) -> tuple[partial[Condition], ...]:
    """Return what makes critical conditions of a subject, warnings, and those of which a look says how bad they are."""
    return tuple(partial(Condition, subject, severity) for severity in (Severity.CRITICAL, Severity.WARNING, None))


def unless_outage(expr: str) -> str:
    """Return an expression that is silent while Kafka or PostgreSQL is away, and for two minutes after."""
    return f"({expr}) unless on () servicecert:outage:max == 1"


def working(expr: str) -> str:
    """Return an expression about a service whose workers run: another alert says that none does."""
    return unless_outage(f"{expr} and on (service) servicecert:workers_up:sum > 0")


def counted(counter: str, time: str, by: str = "") -> str:
    """Return an expression for a counter that grew: the first one begins a series, no increase to Prometheus."""
    return f"sum{by} (increase({counter}[{time}]) > 0 or ({counter} unless {counter} offset {time})) > 0"
