from okx_async.rehearsal.recording.relations import Relations


def test_two_that_behave_alike() -> None:
    relations = Relations()
    for recorded, simulated in (("a", "1"), ("a", "1"), ("b", "2"), ("a", "1")):
        assert relations.compare("posId", recorded, simulated) is None


def test_one_stays_and_the_other_one_does_not() -> None:
    relations = Relations()
    relations.compare("posId", "a", "1")
    assert relations.compare("posId", "a", "2") == ("as before", "another one")
    assert relations.compare("posId", "a", "2") is None
    assert relations.compare("posId", "b", "2") == ("another one", "as before")


def test_both_are_known_and_never_stood_together() -> None:
    relations = Relations()
    relations.compare("posId", "a", "1")
    relations.compare("posId", "b", "2")
    assert relations.compare("posId", "a", "2") == ("one of before", "another one of before")


def test_what_they_are_of_keeps_them_apart() -> None:
    relations = Relations()
    relations.compare("posId", "a", "1")
    assert relations.compare("cTime", "a", "2") is None


def test_what_is_only_looked_at() -> None:
    relations = Relations()
    relations.compare("posId", "a", "1")
    assert relations.compare("posId", "a", "2", learn=False) == ("as before", "another one")
    assert relations.compare("posId", "a", "1") is None


def test_the_latest_translation_counts() -> None:
    relations = Relations()
    relations.compare("ordId", "a", "1")
    relations.compare("ordId x", "a", "2")
    assert (relations.simulated("a"), relations.simulated("b")) == ("2", "b")
