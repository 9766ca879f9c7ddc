import logging
import os
import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme

from okx_async._errors import InvalidRequestError
from okx_async._http.certificates import check_context, context_of, environment_context, useless_file


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "authority.pem"
    trustme.CA().cert_pem.write_to_path(str(path))
    return path


def test_without_variables_there_is_nothing_to_add() -> None:
    assert environment_context() is None


def test_the_variable_is_read_each_time(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    context = environment_context()
    assert context is not None
    assert len(context.get_ca_certs()) == 1
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert environment_context() is context  # one for all clients
    file.write_bytes(file.read_bytes() + trustme.CA().cert_pem.bytes())
    again = environment_context()
    assert again is not None
    assert len(again.get_ca_certs()) == 2


def test_a_folder_counts_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    assert environment_context() is not None


def test_a_file_that_is_gone_is_said_and_not_used(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "no such file")
    with caplog.at_level(logging.WARNING):
        assert environment_context() is None
    assert "cannot be read: no such file" in caplog.text


@pytest.mark.parametrize("text", ["", "no certificate"])
def test_a_file_that_holds_none_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path, text: str
) -> None:
    path = tmp_path / "x.pem"
    path.write_text(text)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    assert useless_file() == "it holds no certificate"
    with caplog.at_level(logging.WARNING):
        environment_context()
    assert f"holds no certificate in PEM form: {path}" in caplog.text


def test_who_names_the_null_device_wants_none(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", os.devnull)
    with caplog.at_level(logging.WARNING):
        environment_context()
    assert (useless_file(), caplog.text) == ("", "")


def test_what_is_wrong_with_the_file_of_the_variable(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    assert not useless_file()
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    assert not useless_file()
    monkeypatch.setenv("SSL_CERT_FILE", "no such file")
    assert useless_file() == "unreadable"


def test_a_file_of_the_command_line_is_trusted_beside_the_system(file: Path) -> None:
    context = context_of(str(file))
    assert len(context.get_ca_certs()) > 0
    assert context.check_hostname


@pytest.mark.parametrize("text", [None, "", "no certificate"])
def test_a_file_without_certificates_is_refused(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "x.pem"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InvalidRequestError, match=r"cafile .* cannot be used"):
        context_of(str(path))


@pytest.mark.parametrize("context", [True, False, "x.pem", ssl.SSLContext, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)])
def test_what_is_no_context_of_a_client_is_refused(context: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r"^ssl must be .*ssl.create_default_context\("):
        check_context(context)


def test_a_context_is_taken_as_it_is() -> None:
    context = ssl.create_default_context()
    assert check_context(context) is context
    assert check_context(None) is None


def test_a_context_of_before_is_taken_where_the_class_was_replaced_since(monkeypatch: pytest.MonkeyPatch) -> None:
    class Replaced(ssl.SSLContext):
        """As `truststore` does it."""

    before = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    monkeypatch.setattr(ssl, "SSLContext", Replaced)
    since = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    assert check_context(before) is before
    assert check_context(since) is since
