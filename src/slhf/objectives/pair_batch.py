"""What the loss of preference pairs is computed from."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class PairBatch:
    """B pairs of responses to the same prompts.

    Attributes:
        chosen: (B,) log π(y_w) − log π_ref(y_w) of the whole response, nats; has a gradient.
        rejected: (B,) the same of y_l.
        chosen_tokens: (B,) tokens of y_w, the end token included.
        rejected_tokens: (B,) the same of y_l.
        preference: (B,) P(y_w ≻ y_l), 1 for a plain verdict.
        weight: (B,) how much a pair counts.
        extrapolated: (B,) log-ratio of y_w less that of y_l under the policy taken further away from its
            reference, no gradient; None where nothing asks for it.
    """

    chosen: Tensor
    rejected: Tensor
    chosen_tokens: Tensor
    rejected_tokens: Tensor
    preference: Tensor
    weight: Tensor
    extrapolated: Tensor | None = None

    def margins(self, beta: float) -> Tensor:
        """Return ξ = β (chosen − rejected), (B,)."""
        return beta * (self.chosen - self.rejected)

    def token_margins(self, beta: float) -> Tensor:
        """Return β (chosen / its tokens − rejected / its tokens), (B,): means over tokens instead of sums."""
        first = self.chosen / self.chosen_tokens.clamp(min=1)
        return beta * (first - self.rejected / self.rejected_tokens.clamp(min=1))

    def doubt_margins(self, beta: float) -> Tensor:
        """Return the margins by which doubtful pairs are told, no gradient: extrapolated where that was asked for."""
        apart = self.chosen - self.rejected if self.extrapolated is None else self.extrapolated
        return beta * apart.detach()
