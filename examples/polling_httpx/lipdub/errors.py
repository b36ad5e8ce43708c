"""What can go wrong, and whether to try again."""

CODE_OK = 0
CODE_INVALID = {1200, 1201}
CODE_NOT_FOUND = {1201, 1203}
"""Of a query: no such task. The service was seen to say 1201; its table of codes has 1203."""
CODE_BUSY = {1302, 1303}
"""Too fast, and too many tasks in parallel: both pass with time."""
CODE_BROKEN = {5000, 5001, 5002}


class KlingError(Exception):
    """Ends the job; its text is one line for a human."""


class CallFailed(KlingError):
    """A call that brought no result."""

    call = ""
    """Which one."""
    retryable = True
    busy = False
    """Whether the service only asks for patience."""
    undecided = True
    """Whether the request may have been carried out all the same."""
    retry_after_s = 0.0

    def __str__(self) -> str:
        return f"{self.call}: {super().__str__()}" if self.call else super().__str__()


class NoAnswer(CallFailed):
    """Time ran out, the connection broke, or what came back was no answer."""


class Refused(CallFailed):
    """The service, or a gateway in front of it, said no.

    The service code decides what to do: 429 is used for unpaid accounts as well as for rate limits. The HTTP status
    counts only where there is no code, as in the error pages of gateways.
    """

    def __init__(self, status: int, code: int | None, message: str, retry_after_s: float = 0.0) -> None:
        super().__init__(f"{message} (HTTP {status}" + ("" if code is None else f", code {code}") + ")")
        self.status = status
        self.code = code
        self.busy = code in CODE_BUSY or (code is None and status == 429)
        self.undecided = code in CODE_BROKEN or (code is None and status >= 500)
        self.retryable = self.busy or self.undecided
        self.retry_after_s = retry_after_s
