"""The ids of a recording and those of the simulated exchange: which stand for one another (pure).

The ids themselves differ, of course. What is compared is whether they stay the same, or become others, together.
"""

from decimal import Decimal


class Relations:
    """Pairs of ids, by what they are ids of."""

    def __init__(self) -> None:
        self._simulated: dict[tuple[str, str], str] = {}
        self._recorded: dict[tuple[str, str], str] = {}
        self._latest: dict[str, str] = {}
        self.sizes: dict[str, Decimal] = {}
        """Of each position the size in the recording's last reading, signed."""

    def compare(self, of: str, recorded: str, simulated: str, *, learn: bool = True) -> tuple[str, str] | None:
        """Take note of a pair; return how the two behave if they do so differently, else None.

        Args:
            of: What they are ids of: only such are compared.
            recorded: The recording's.
            simulated: The simulated exchange's.
            learn: Whether the two stand for one another from now on; by default they do.
        """
        before = self._simulated.get((of, recorded)), self._recorded.get((of, simulated))
        if before == (simulated, recorded):
            return None
        if learn:
            self._simulated[of, recorded] = simulated
            self._recorded[of, simulated] = recorded
            self._latest[recorded] = simulated
        if before == (None, None):
            return None
        if before[1] is None:
            return "as before", "another one"
        if before[0] is None:
            return "another one", "as before"
        return "one of before", "another one of before"

    def simulated(self, recorded: str) -> str:
        """Return the simulated id that stands for a recorded one, whatever it is of; the same where there is none."""
        return self._latest.get(recorded, recorded)
