"""The conditions that the doctor looks at, in the order in which they are shown, and how it sees each."""

from types import MappingProxyType
from typing import Any

from ..conditions import CONDITIONS
from .facts import audit, authority, database, fence, figures, groups, kafka, machine, mail, registers, web
from .sources import Look

_ALL = (figures, kafka, groups, database, fence, authority, web, mail, registers, audit, machine)
LOOKS: dict[str, Look[Any]] = {name: look for module in _ALL for name, look in module.LOOKS.items()}

CATALOGUE = MappingProxyType({name: condition for name, condition in CONDITIONS.items() if name in LOOKS})
"""The conditions by name."""

_LATE = frozenset(
    {"LagHigh", "DeadlinesLate", "IntentsStuck", "OutboxStuck", "AuditUnsigned", "MailsWait"}
    | {"RevocationSlow", "RevocationNear", "RevocationLate", "DeliveryNear", "DeliveryLate", "LapseLate"}
)
_DECIDED = frozenset({"ServiceDown", "PartitionsUnread", "Owners", "Parked", "IssuingStopped", "Ocsp"})
CAUSES = MappingProxyType({"Fence": _LATE | _DECIDED, "TableLocked": _LATE})
"""What has to be mended first, and the conditions that then have no remedy of their own.

On a restored database no worker may start, and what its tables say is not to be acted on.
"""
