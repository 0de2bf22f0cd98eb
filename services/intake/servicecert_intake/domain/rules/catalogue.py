"""All wordings of deficiencies together, wherever they stand: what pages, checks and the state of a case are read from (A10)."""

from types import MappingProxyType

from . import csr, deficiencies, server_deficiencies
from .wording import Lack

LACKS: tuple[Lack, ...] = (
    *(
        each
        for module in (deficiencies, server_deficiencies, csr)
        for each in vars(module).values()
        if isinstance(each, Lack)
    ),
    *csr.FAULTS.values(),
)
"""Each wording once. A code has a second one where there is more to say, such as the closest names."""

SEVERITIES = MappingProxyType({lack.code: lack.severity for lack in LACKS})
"""What a deficiency does to its case, by its code."""
