"""The doctor: what could stand between a user and the exit, looked at beforehand.

findings = okx_async.doctor.examine_machine()
findings += await okx_async.doctor.examine_exchange(okx_async.Credentials.from_env(), region="eea")

Nothing here changes anything at the exchange, and no finding holds a secret, an address or a label of the account.
"""

from okx_async.doctor.exchange import examine_exchange
from okx_async.doctor.finding import Finding, Level
from okx_async.doctor.machine import examine_keys, examine_machine

__all__ = ["Finding", "Level", "examine_exchange", "examine_keys", "examine_machine"]
