"""Exit statuses, the same for every command: 0 good, 1 findings, 2 misuse, 130 interrupted."""

from typing import Final

STATUS_MISUSE: Final = 2
"""As click gives it for a wrong option."""
STATUS_INTERRUPTED: Final = 130
"""As shells give it for SIGINT: 128 and the number of the signal. `&&` does not go on after it."""
