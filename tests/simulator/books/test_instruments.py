from decimal import Decimal

import pytest

from okx_async.simulator.books.instruments import decimal_text, describe, listing, money, rate_scope

NOW = 1768519672000  # 2026-01-15


@pytest.mark.parametrize(
    ("inst_id", "scope"),
    [
        ("BTC-USD-260327-60000-C", "BTC-USD"),
        ("BTC-USD_UM-260327-60000-P", "BTC-USD_UM"),
        ("ETH-USD-260327-2400.5-C", "ETH-USD"),
        ("BTC-USDT", "BTC-USDT"),
        ("BTC-USDT-SWAP", "BTC-USDT-SWAP"),
        ("BTC-USD-250808", "BTC-USD-250808"),
        ("BTC-USD_UM-SWAP", "BTC-USD_UM-SWAP"),
        ("BTC-USD-260327-60000-X", "BTC-USD-260327-60000-X"),
        ("BTC-USD-260327-60000-c", "BTC-USD-260327-60000-c"),
        ("BTC-USD-2603277-60000-C", "BTC-USD-2603277-60000-C"),
        ("BTC-USD-26O327-60000-C", "BTC-USD-26O327-60000-C"),
        ("BTC-USD-٢٦٠٣٢٧-60000-C", "BTC-USD-٢٦٠٣٢٧-60000-C"),  # digits, but not ASCII ones
        ("BTC-USD-260327-60000-C-X", "BTC-USD-260327-60000-C-X"),
        ("", ""),
    ],
)
def test_options_are_counted_by_family_all_else_by_id(inst_id: str, scope: str) -> None:
    assert rate_scope(inst_id) == scope


@pytest.mark.parametrize(
    ("inst_id", "inst_type", "family", "settle_ccy", "ct_type"),
    [
        ("BTC-USDT-SWAP", "SWAP", "BTC-USDT", "USDT", "linear"),
        ("BTC-USD-SWAP", "SWAP", "BTC-USD", "BTC", "inverse"),
        ("BTC-USD_UM-SWAP", "SWAP", "BTC-USD_UM", "USD", "linear"),
        ("BTC-USD-250808", "FUTURES", "BTC-USD", "BTC", "inverse"),
        ("BTC-USD-999999", "FUTURES", "BTC-USD", "BTC", "inverse"),
        ("BTC-USD-260327-60000-C", "OPTION", "BTC-USD", "BTC", ""),
        ("BTC-USDT", "MARGIN", "", "", ""),
        ("BTC-USD-260327-60000-X", "EVENTS", "", "USD", ""),
        ("NEWCOIN-USDT-SWAP", "SWAP", "NEWCOIN-USDT", "USDT", "linear"),
    ],
)
def test_what_an_id_says(inst_id: str, inst_type: str, family: str, settle_ccy: str, ct_type: str) -> None:
    instrument = describe(inst_id)
    assert instrument is not None
    assert (instrument.inst_type, instrument.inst_family) == (inst_type, family)
    assert (instrument.settle_ccy, instrument.ct_type) == (settle_ccy, ct_type)


@pytest.mark.parametrize("inst_id", ["", "-BTC", "BTC-", "BTC--USDT", "BTC USDT", "BTC/USDT", "BTC-USDT\n"])
def test_ill_formed_ids_are_nothing(inst_id: str) -> None:
    assert describe(inst_id) is None


def test_the_list_has_every_kind_and_expires_in_the_future() -> None:
    instruments = listing(NOW)
    kinds = {instrument.inst_type for instrument in instruments.values()}
    assert kinds == {"SWAP", "FUTURES", "OPTION", "MARGIN"}
    assert {"BTC-USD-260327-60000-C", "ETH-USD-260626-2400-P", "BTC-USDT-260327"} <= set(instruments)
    assert all(instrument.exp_time == 0 or instrument.exp_time > NOW for instrument in instruments.values())
    assert instruments["BTC-USD-260327"].exp_time == 1774598400000  # 2026-03-27T08:00Z, a Friday


def test_a_quarter_ends_at_eight() -> None:
    expiry = 1774598400000
    assert "BTC-USD-260327" in listing(expiry - 1)
    assert "BTC-USD-260327" not in listing(expiry)


def test_rows_leave_empty_what_does_not_apply() -> None:
    pair, swap, option = (listing(NOW)[i] for i in ("BTC-USDT", "BTC-USDT-SWAP", "BTC-USD-260327-60000-C"))
    assert {k: pair.row(1, "SPOT")[k] for k in ("instType", "baseCcy", "quoteCcy", "uly", "settleCcy", "ctVal")} == {
        "instType": "SPOT",
        "baseCcy": "BTC",
        "quoteCcy": "USDT",
        "uly": "",
        "settleCcy": "",
        "ctVal": "",
    }
    row = swap.row(2)
    assert (row["baseCcy"], row["ctVal"], row["ctValCcy"], row["expTime"], row["state"]) == (
        "",
        "0.01",
        "BTC",
        "",
        "live",
    )
    assert (option.row(3)["optType"], option.row(3)["stk"]) == ("C", "60000")


@pytest.mark.parametrize(
    ("value", "text"),
    [("3", "3"), ("-3.50", "-3.5"), ("1E+2", "100"), ("-0", "0"), ("0.00", "0"), ("0.00000012", "0.00000012")],
)
def test_numbers_are_written_without_exponent(value: str, text: str) -> None:
    assert decimal_text(Decimal(value)) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [("0.123456789", "0.12345679"), ("-1E-9", "0"), ("3E+30", "3" + 30 * "0"), ("1E+400", "1" + 400 * "0")],
)
def test_amounts_have_eight_decimals_however_large_they_are(value: str, text: str) -> None:
    assert money(Decimal(value)) == text
