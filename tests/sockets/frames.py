"""What tools show that log exceptions with the local variables of frames."""

import traceback
from pathlib import Path

TESTS = str(Path(__file__).parent.parent)


def variables(error: BaseException) -> str:
    """Return an exception and all that it hangs together with, hidden or not, with the variables of their frames.

    The frames of the tests are left out: those hold what they please.
    """
    shown = []
    seen: set[int] = set()
    chain = [error]
    while chain:
        one = chain.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        told = traceback.TracebackException.from_exception(one, capture_locals=True)
        for frame in told.stack:
            if not frame.filename.startswith(TESTS):
                shown += [frame.name, *(f"{name} = {value}" for name, value in (frame.locals or {}).items())]
        shown += [*told.format_exception_only(), repr(one), repr(vars(one)), *getattr(one, "__notes__", ())]
        chain += [each for each in (one.__cause__, one.__context__) if each is not None]
    return "\n".join(shown)
