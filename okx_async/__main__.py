"""``python -m okx_async`` is `okx-async`."""

from okx_async.cli import main

main()
