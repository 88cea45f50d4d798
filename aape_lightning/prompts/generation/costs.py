"""What tokens cost."""

from dataclasses import dataclass

__all__ = ["Price"]


@dataclass(frozen=True)
class Price:
    """What a provider charges.

    Attributes:
        tokens_in: US dollars for a million tokens of questions.
        tokens_out: US dollars for a million tokens of answers.
    """

    tokens_in: float
    tokens_out: float

    def cost(self, tokens_in: int, tokens_out: int) -> float:
        """US dollars for so many tokens.

        Example:
            >>> Price(0.5, 2.0).cost(1_000_000, 250_000)
            1.0
        """
        return (tokens_in * self.tokens_in + tokens_out * self.tokens_out) / 1e6
