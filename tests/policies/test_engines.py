"""Engines of both roles: weights that are shared are copied once, buffers are used again."""

from __future__ import annotations

import pytest

from serving_fixtures import small_policy
from slhf.policies.fused_engine import FusedEngine


@pytest.fixture
def copied(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """The adapters whose weights were copied, one by one."""
    found: list[str | None] = []
    refresh = FusedEngine.refresh

    def counted(self: FusedEngine, adapter: str | None) -> None:
        found.append(adapter)
        refresh(self, adapter)

    monkeypatch.setattr(FusedEngine, "refresh", counted)
    return found


def test_roles_that_share_weights_share_one_copy(copied: list[str | None]) -> None:
    engines = small_policy().engines()
    assert engines["leader"] is engines["follower"]
    assert len(copied) == 1


def test_roles_with_weights_of_their_own_have_two(copied: list[str | None]) -> None:
    engines = small_policy(per_role=True).engines()
    assert engines["leader"] is not engines["follower"]
    assert copied == ["leader", "follower"]


@pytest.mark.parametrize("first", ["leader", "follower"])
def test_a_shared_engine_is_used_again_whichever_role_it_was_made_for(first: str) -> None:
    policy = small_policy()
    held = policy.engines([first])
    again = policy.engines(["leader", "follower"], held=held)
    assert again["leader"] is again["follower"] is held[first]
    assert policy.engines([]) == {}
