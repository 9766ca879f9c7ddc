import pytest

from okx_async._credentials import Credentials
from okx_async._errors import InvalidRequestError

NAMES = ("OKX_API_KEY", "OKX_SECRET_KEY", "OKX_PASSPHRASE")


@pytest.mark.parametrize(
    ("api_key", "text"),
    [
        ("37c541a1-1234-5678-9abc-def012345678", "Credentials(api_key='37c5…')"),
        ("0123456789abc", "Credentials(api_key='0123…')"),
        ("0123456789ab", "Credentials(api_key='…')"),
        ("k", "Credentials(api_key='…')"),
    ],
)
def test_credentials_show_no_secret(api_key: str, text: str) -> None:
    credentials = Credentials(api_key, "hunter2", "hunter3")
    assert repr(credentials) == str(credentials) == f"{credentials}" == text


@pytest.mark.parametrize("name", ["api_key", "secret_key", "passphrase"])
@pytest.mark.parametrize(
    "value", ["", " ", " hunter2", "hunter2\n", "hunter2\r\nX-A: b", "hunter2\x00", None, b"hunter2", 5]
)
def test_wrong_credentials_are_refused_and_never_shown(name: str, value: object) -> None:
    good = {"api_key": "k", "secret_key": "s", "passphrase": "p"}
    with pytest.raises(InvalidRequestError, match=f"{name} must be a non-empty printable string") as caught:
        Credentials(**{**good, name: value})  # type: ignore[arg-type]
    assert "hunter2" not in repr(caught.value)


def test_credentials_are_ascii_and_may_hold_blanks_inside() -> None:
    assert Credentials("k", "s", "pass phrase").passphrase == "pass phrase"
    with pytest.raises(InvalidRequestError, match=r"passphrase must be ASCII \(not shown here\)"):
        Credentials("k", "s", "påss")


def test_credentials_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in zip(NAMES, ("k", "s", "p"), strict=True):
        monkeypatch.setenv(name, value)
    assert Credentials.from_env() == Credentials("k", "s", "p")


def test_every_missing_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OKX_API_KEY", raising=False)
    monkeypatch.setenv("OKX_SECRET_KEY", "hunter2")
    monkeypatch.setenv("OKX_PASSPHRASE", "")
    with pytest.raises(InvalidRequestError, match="environment: OKX_API_KEY, OKX_PASSPHRASE not set"):
        Credentials.from_env()


def test_every_variable_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in zip(NAMES, ("hunter2\n", "s", "hunter2\u00e5"), strict=True):
        monkeypatch.setenv(name, value)
    with pytest.raises(InvalidRequestError) as caught:
        Credentials.from_env()
    assert str(caught.value).startswith("environment: OKX_API_KEY must be a non-empty printable string")
    assert str(caught.value).endswith("; OKX_PASSPHRASE must be ASCII (not shown here)")
    assert "hunter2" not in repr(caught.value)


@pytest.mark.parametrize("wrong", ["OKX_API_KEY", "OKX_PASSPHRASE"])
@pytest.mark.parametrize("value", ["", "hunter2 "])
def test_no_line_that_names_the_environment_is_in_the_traceback(
    wrong: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in NAMES:
        monkeypatch.setenv(name, value if name == wrong else "hunter2")
    with pytest.raises(InvalidRequestError) as caught:
        Credentials.from_env()
    lines = [str(entry.statement) for entry in caught.traceback]
    assert len(lines) == 2
    assert not [line for line in lines if "environ" in line]
