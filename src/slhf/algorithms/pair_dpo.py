"""DPO and its variants that look at one pair at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from slhf.algorithms.checks import check_positive
from slhf.algorithms.pair_protocol import Plan
from slhf.errors import InputError
from slhf.objectives.pair_batch import PairBatch
from slhf.objectives.pairwise import cdpo_loss, dpo_loss, ipo_loss, rdpo_loss


def check_smoothing(smoothing: float) -> None:
    """Raise an ``InputError`` unless 0 ≤ s < ½: at ½ a label says nothing."""
    if not 0.0 <= smoothing < 0.5:
        raise InputError(f"smoothing={smoothing}: the share of labels taken to be wrong must lie in [0, 0.5)")


@dataclass(frozen=True)
class DPO:
    """Direct preference optimisation; SGPO with ε = 0.

    Paper: Rafailov et al. 2023; see ``slhf.objectives.pairwise.dpo_loss``.

    Attributes:
        beta: β > 0, KL weight.
    """

    beta: float = 0.1

    def __post_init__(self) -> None:
        check_positive(self, "beta")

    soft = True
    memory = None

    def losses(self, pairs: PairBatch, plan: Plan) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Return the loss and the metrics of some pairs."""
        return dpo_loss(pairs.margins(self.beta), preference=pairs.preference, weights=pairs.weight)


@dataclass(frozen=True)
class CDPO:
    """Conservative DPO: labels smoothed.

    Paper: Mitchell 2023; see ``slhf.objectives.pairwise.cdpo_loss``.

    Attributes:
        beta: β > 0, KL weight.
        smoothing: share of labels taken to be wrong, [0, ½).
    """

    beta: float = 0.1
    smoothing: float = 0.1

    def __post_init__(self) -> None:
        check_positive(self, "beta")
        check_smoothing(self.smoothing)

    soft = True
    memory = None

    def losses(self, pairs: PairBatch, plan: Plan) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Return the loss and the metrics of some pairs."""
        margins = pairs.margins(self.beta)
        return cdpo_loss(margins, smoothing=self.smoothing, preference=pairs.preference, weights=pairs.weight)


@dataclass(frozen=True)
class RDPO:
    """Robust DPO: unbiased for DPO on clean labels, where a known share was flipped.

    Paper: Chowdhury et al. 2024; see ``slhf.objectives.pairwise.rdpo_loss``.

    Attributes:
        beta: β > 0, KL weight.
        smoothing: share of flipped labels, [0, ½).
    """

    beta: float = 0.1
    smoothing: float = 0.1

    def __post_init__(self) -> None:
        check_positive(self, "beta")
        check_smoothing(self.smoothing)

    soft = True
    memory = None

    def losses(self, pairs: PairBatch, plan: Plan) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Return the loss and the metrics of some pairs."""
        margins = pairs.margins(self.beta)
        return rdpo_loss(margins, smoothing=self.smoothing, preference=pairs.preference, weights=pairs.weight)


@dataclass(frozen=True)
class IPO:
    """Identity preference optimisation.

    Paper: Azar et al. 2024; see ``slhf.objectives.pairwise.ipo_loss``.

    Attributes:
        beta: β > 0, the paper's τ: log-ratios are set 1/(2β) nats apart.
        per_token: take means over tokens instead of sums, as TRL does; the target is then in nats a token.
    """

    beta: float = 0.1
    per_token: bool = False

    def __post_init__(self) -> None:
        check_positive(self, "beta")

    soft = True
    memory = None

    def losses(self, pairs: PairBatch, plan: Plan) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Return the loss and the metrics of some pairs."""
        margins = pairs.token_margins(self.beta) if self.per_token else pairs.margins(self.beta)
        return ipo_loss(margins, beta=self.beta, preference=pairs.preference, weights=pairs.weight)


@dataclass(frozen=True)
class PaperLiteral:
    """SGPO's Algorithm 1 as printed: the Leader's weights are Σ_k s_ik, which its own constraints fix at 1.

    So the adversary never reaches the Leader, and this is DPO with every pair weighing the same, kept to
    reproduce what the printed algorithm does. Not the default of anything.

    What the text means is :class:`slhf.algorithms.pair_sgpo.SGPO`; tests/algorithms/test_pairwise.py shows both.

    Paper: arXiv 2502.18099, Algorithm 1.

    Attributes:
        beta: β > 0, KL weight.
    """

    beta: float = 0.1

    def __post_init__(self) -> None:
        check_positive(self, "beta")

    soft = True
    memory = None

    def losses(self, pairs: PairBatch, plan: Plan) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Return the loss and the metrics of some pairs."""
        return dpo_loss(pairs.margins(self.beta), preference=pairs.preference, weights=pairs.weight)
