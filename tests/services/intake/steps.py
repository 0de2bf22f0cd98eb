"""The transitions of a case: the usual ones with their causes, and those that the database allows."""

from types import MappingProxyType

from servicecert_schemas.case import CaseState

_REPORTED = frozenset(
    {CaseState.ISSUED, CaseState.DELIVERED, CaseState.REVOCATION_REQUESTED, CaseState.REVOKED, CaseState.REFUSED}
)

ALLOWED_TRANSITIONS = MappingProxyType(
    {
        CaseState.SUBMITTED: frozenset(CaseState) - {CaseState.SUBMITTED},
        CaseState.WAITING_FOR_CSR: frozenset(CaseState) - {CaseState.SUBMITTED, CaseState.WAITING_FOR_CSR},
        CaseState.RETURNED: frozenset(CaseState) - {CaseState.SUBMITTED, CaseState.RETURNED},
        CaseState.ACCEPTED: _REPORTED | {CaseState.WITHDRAWN},
        CaseState.LAPSED: _REPORTED,
        CaseState.WITHDRAWN: _REPORTED,
        CaseState.REFUSED: _REPORTED - {CaseState.REFUSED},
        CaseState.ISSUED: frozenset({CaseState.DELIVERED, CaseState.REVOCATION_REQUESTED, CaseState.REVOKED}),
        CaseState.DELIVERED: frozenset({CaseState.REVOCATION_REQUESTED, CaseState.REVOKED}),
        CaseState.REVOCATION_REQUESTED: frozenset({CaseState.REVOKED}),
        CaseState.REVOKED: frozenset[CaseState](),
    }
)
"""The states that may follow each, over any number of changes stored at once. The database checks them too.

A closed case is never reopened, and the authority's acts are never undone. A certificate or revocation that other
services report is shown whatever intake had decided: the customer must see what exists.
"""

TRANSITION_CAUSES = MappingProxyType(
    {
        (CaseState.SUBMITTED, CaseState.WAITING_FOR_CSR): ("application.submitted",),
        (CaseState.SUBMITTED, CaseState.RETURNED): ("application.submitted",),
        (CaseState.SUBMITTED, CaseState.REFUSED): ("application.submitted",),
        (CaseState.SUBMITTED, CaseState.ACCEPTED): ("application.submitted",),
        (CaseState.WAITING_FOR_CSR, CaseState.ACCEPTED): ("application.csr-attached", "application.supplemented"),
        (CaseState.WAITING_FOR_CSR, CaseState.RETURNED): ("application.csr-attached", "application.supplemented"),
        (CaseState.WAITING_FOR_CSR, CaseState.REFUSED): ("application.csr-attached", "application.supplemented"),
        (CaseState.WAITING_FOR_CSR, CaseState.WITHDRAWN): ("application.withdrawn",),
        (CaseState.WAITING_FOR_CSR, CaseState.LAPSED): ("6 months",),
        (CaseState.RETURNED, CaseState.ACCEPTED): ("application.supplemented", "application.csr-attached", "recheck"),
        (CaseState.RETURNED, CaseState.WAITING_FOR_CSR): ("application.supplemented", "recheck"),
        (CaseState.RETURNED, CaseState.REFUSED): ("application.supplemented", "application.csr-attached", "recheck"),
        (CaseState.RETURNED, CaseState.WITHDRAWN): ("application.withdrawn",),
        (CaseState.RETURNED, CaseState.LAPSED): ("6 months",),
        (CaseState.ACCEPTED, CaseState.ISSUED): ("certificate.issued",),
        (CaseState.ACCEPTED, CaseState.REFUSED): ("certificate.refused",),
        (CaseState.ACCEPTED, CaseState.WITHDRAWN): ("application.withdrawn, certificate.refused (withdrawn)",),
        (CaseState.ISSUED, CaseState.DELIVERED): ("mail.handed-over",),
        (CaseState.ISSUED, CaseState.REVOCATION_REQUESTED): ("revocation.registered",),
        (CaseState.DELIVERED, CaseState.REVOCATION_REQUESTED): ("revocation.registered",),
        (CaseState.REVOCATION_REQUESTED, CaseState.REVOKED): ("certificate.revoked",),
    }
)
"""The single transitions of a usual case, and their causes. Reports of other services may skip some."""
