"""The trials of the assumptions, by the subjects of the register; `table` has all of them by id."""
