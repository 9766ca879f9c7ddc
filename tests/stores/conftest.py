"""A host whose programs share a file."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stores.host import Host


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    made = Host(tmp_path)
    with made.opened:
        yield made
