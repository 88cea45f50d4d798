"""How long to wait before a request is sent again."""

import random
from dataclasses import dataclass

__all__ = ["Backoff"]


@dataclass(frozen=True)
class Backoff:
    """Waits that double, with jitter so that requests which failed together do not come back together.

    Attributes:
        attempts: How often a request is sent at most.
        first: Longest wait before the second attempt, in seconds.
        longest: Longest wait of one's own choice, in seconds.
        patience: Longest wait that a server may ask for, in seconds; a request told to wait longer is given up.
    """

    attempts: int = 6
    first: float = 1.0
    longest: float = 60.0
    patience: float = 300.0

    def wait(self, attempt: int, retry_after: float | None = None) -> float | None:
        """Seconds to wait after an attempt that failed, or None where there is to be no other.

        Args:
            attempt: How often the request was sent so far.
            retry_after: What the server asked for, in seconds.
        """
        if attempt >= self.attempts or (retry_after or 0.0) > self.patience:
            return None
        own = min(self.longest, self.first * 2 ** (attempt - 1)) * random.uniform(0.5, 1.0)
        return own if retry_after is None else retry_after + self.first * random.random()
