"""A value with its evidence: what was found out beside it, in words for people."""


class WithEvidence(str):
    """A text that rules compare like any other; `because` says in words how it came about: `a WebM file`."""

    __slots__ = ("because",)

    because: str

    def __new__(cls, text: str, because: str) -> "WithEvidence":
        """Return the text with its evidence."""
        described = super().__new__(cls, text)
        described.because = because
        return described
