from okx_async.simulator import Clock


class Source:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_clock_starts_where_it_is_told_and_runs_at_its_rate() -> None:
    source = Source()
    clock = Clock(source, start=5.0, rate=1.5)
    assert clock() == 5.0
    source.now += 2.0
    assert clock() == 8.0


def test_a_clock_starts_with_its_source_by_default() -> None:
    assert Clock(Source())() == 100.0


def test_a_clock_can_be_set_while_it_runs() -> None:
    source = Source()
    clock = Clock(source)
    clock.step(-3.0)
    assert clock() == 97.0
    source.now += 1.0
    assert clock() == 98.0
