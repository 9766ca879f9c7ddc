"""What an observer of a rehearsal sees."""

from okx_async.rehearsal.exchanges import HttpExchange, current_trial


def test_no_repr_shows_headers_or_bodies() -> None:
    secret = "never-shown"
    exchange = HttpExchange(
        "a-trial", "http://host", "POST", "/path", {"OK-ACCESS-SIGN": secret}, secret.encode(), 200, {"a": secret},
        secret.encode(), 1.0, 2.0,
    )  # fmt: skip
    assert secret not in repr(exchange)


def test_no_trial_is_named_outside_of_one() -> None:
    assert current_trial.get() == ""
