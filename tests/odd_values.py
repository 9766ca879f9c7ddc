"""Values that programs pass by mistake, and that cannot even be compared or shown."""


class NoTruth:
    """As pandas.NA and arrays are: what ``==`` gives has no truth value."""

    def __eq__(self, other: object) -> "NoTruth":  # type: ignore[override]
        return self

    def __ne__(self, other: object) -> "NoTruth":  # type: ignore[override]
        return self

    __hash__ = object.__hash__

    def __bool__(self) -> bool:
        raise TypeError("ambiguous")

    def __repr__(self) -> str:
        return "<NA>"


class NoRepr:
    """As an object is that was detached from its database: its ``repr`` raises."""

    def __repr__(self) -> str:
        raise RuntimeError("detached")


ODD = (NoTruth(), NoRepr())
SHOWN = ("<NA>", "<NoRepr>")
"""How each of them stands in a message."""
