"""What is said where a library is not installed."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("call", "package", "distribution"),
    [("prometheus", "prometheus_client", "prometheus-client"), ("opentelemetry", "opentelemetry", "opentelemetry-api")],
)
def test_what_to_install_is_named(call: str, package: str, distribution: str) -> None:
    code = f"""
import sys
sys.modules[{package!r}] = None
from okx_async import instrumentation
try:
    instrumentation.{call}()
except ImportError as error:
    print(error)
"""
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)  # noqa: S603 - ours
    assert told.stdout == (
        f"{package} is not installed: pip install {distribution}, or okx-async with its extra [{call}]\n"
    )
