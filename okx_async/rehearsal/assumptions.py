"""The register of assumptions: what code of this package takes for granted of the exchange, and what rests on it.

Data only. Each assumption has a trial of the same id in `trials`. "Observed" and "assumed" say how sure it was before
any rehearsal: documented facts stand here only where a mistake in them would be dangerous.
"""

from typing import Final

from okx_async.rehearsal.register.access import ACCESS
from okx_async.rehearsal.register.closes import CLOSES
from okx_async.rehearsal.register.limits import LIMITS
from okx_async.rehearsal.register.records import RECORDS
from okx_async.rehearsal.register.refusals import REFUSALS

ASSUMPTIONS: Final = (*ACCESS, *REFUSALS, *CLOSES, *RECORDS, *LIMITS)
"""In the order in which they are listed; a run goes by `Danger`."""

BY_ID: Final = {assumption.id: assumption for assumption in ASSUMPTIONS}
