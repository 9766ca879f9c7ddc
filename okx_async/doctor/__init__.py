"""Checks of everything that a close depends on: this machine, the keys, the exchange and the account.

findings = okx_async.doctor.examine_machine()
findings += await okx_async.doctor.examine_exchange(okx_async.Credentials.from_env(), region="eea")

The checks change nothing at the exchange. No finding holds a secret, an IP address or the account's label.
"""

from okx_async.doctor.exchange import examine_exchange
from okx_async.doctor.finding import Finding, Level
from okx_async.doctor.limits import examine_limits
from okx_async.doctor.machine import examine_keys, examine_machine

__all__ = ["Finding", "Level", "examine_exchange", "examine_keys", "examine_limits", "examine_machine"]
