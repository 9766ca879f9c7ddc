"""Errors that no part of a call foresees."""

import asyncio

import okx_async as okx


class AbortError(BaseException):
    """An exception of the user's that is no Exception."""


RAISED = [asyncio.CancelledError(), AbortError(), GeneratorExit(), ValueError(), okx.NotSentError("of the limiter")]
