"""What is said where a library is not installed."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("call", "package", "extra"),
    [("prometheus", "prometheus_client", "prometheus"), ("opentelemetry", "opentelemetry", "opentelemetry")],
)
def test_the_extra_is_named(call: str, package: str, extra: str) -> None:
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
    assert told.stdout == f"{package} is not installed: it comes with the extra, pip install 'okx-async[{extra}]'\n"
