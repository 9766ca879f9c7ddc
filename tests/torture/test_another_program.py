from dataclasses import replace

from okx_async.torture import Plan, happen
from okx_async.torture.plan import AccountOptions, Part


def test_its_closes_are_signed_and_told_apart_from_those_of_clients(calm: Plan) -> None:
    account = AccountOptions(two_sided=False, foreign=True)
    history = happen(replace(calm, parts=(Part("hog", 0, 0.0, "hog"),), accounts=(account,)), noted=True)
    arrived = [text for _, text in history.notes if "close-position" in text]
    assert history.requests > 20
    assert not any("50113" in text or "50111" in text for text in arrived)
    assert history.broken == ()  # windows are of ours alone
    assert history.told == {}
