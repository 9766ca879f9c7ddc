from okx_async.torture.invented import invented_credentials


def test_a_name_has_credentials_of_its_own_and_always_the_same() -> None:
    one, again, other = (invented_credentials(name) for name in ("1 account", "1 account", "2 account"))
    assert one == again
    assert len({one.api_key, other.api_key, one.secret_key, other.secret_key}) == 4
    assert len(one.secret_key) == 32
