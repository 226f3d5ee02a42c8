"""The models of a run of alignment, loaded when they are needed; the one used last stays loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slhf.evaluation import policy_identity

if TYPE_CHECKING:
    from slhf.policies import CausalPolicy


class Models:
    """Loads models to where they shall answer.

    Args:
        use_cpu: stay off a GPU that is there.
    """

    def __init__(self, *, use_cpu: bool = False):
        self._use_cpu = use_cpu
        self._last: tuple[str, CausalPolicy, str] | None = None

    def policy(self, name: str) -> CausalPolicy:
        """Return a model, ready to answer."""
        return self._loaded(name)[1]

    def identity(self, name: str) -> str:
        """Return what tells the model from all others."""
        return self._loaded(name)[2]

    def forget(self) -> None:
        """Free the memory: a trainer loads its own."""
        self._last = None

    def _loaded(self, name: str) -> tuple[str, CausalPolicy, str]:
        if self._last is None or self._last[0] != name:
            self._last = None  # before the next one takes its memory
            policy = placed(name, use_cpu=self._use_cpu)
            self._last = (name, policy, policy_identity(policy))
        return self._last


def placed(name: str, *, use_cpu: bool = False) -> CausalPolicy:
    """Load a model, onto the GPU where there is one.

    Args:
        name: ``toy``, a path, a run's folder or a hub name.
        use_cpu: stay off the GPU.
    """
    from slhf.policies import load_policy

    return load_policy(name, device="cpu" if use_cpu else None)
