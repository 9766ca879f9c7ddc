"""Calls without the random part of their pauses."""

import pytest


@pytest.fixture
def no_spread(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of whole windows, but in the test of their random part."""
    if "spread" not in request.node.name:
        monkeypatch.setattr("okx_async._rest.retry.SPREAD", 0.0)
