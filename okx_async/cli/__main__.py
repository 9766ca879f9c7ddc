"""``python -m okx_async.cli`` is `okx-async`."""

from okx_async.cli import main

main()
