"""Log-probabilities of several responses to one prompt in one forward: the prompt's tokens are read once.

A row holds the prompt and then its responses one after the other. A response sees the prompt and itself, and its
positions go on from the prompt's: a tree, flattened.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from slhf.policies.logprobs import Head, head_off, token_log_probs

log = logging.getLogger(__name__)

_PADDING, _PROMPT = -1, 0


@dataclass(frozen=True, slots=True)
class Branches:
    """A prompt and responses to it, as tokens.

    Attributes:
        prompt: at least one token.
        responses: any number, of any length; one without tokens has log-probability 0.
    """

    prompt: tuple[int, ...]
    responses: tuple[tuple[int, ...], ...]

    @property
    def tokens(self) -> int:
        """Tokens of the prompt and all responses."""
        return len(self.prompt) + sum(map(len, self.responses))

    @property
    def longest(self) -> int:
        """Tokens of the prompt and its longest response."""
        return len(self.prompt) + max(map(len, self.responses), default=0)


@dataclass(frozen=True)
class Layout:
    """Token rows of one forward, and where in them the responses' tokens are predicted.

    Attributes:
        tokens: (R, L) token ids, padded on the right.
        positions: (R, L) position of each token in its own sequence.
        branch: (R, L) 0 for a prompt, 1, 2, … for its responses, −1 for padding.
        rows: (N,) row of each response token, all responses one after the other.
        columns: (N,) column of the hidden state that predicts it.
        targets: (N,) the token itself.
        owner: (N,) which response it belongs to, counted over all rows.
        count: number of responses.
    """

    tokens: NDArray[np.int64]
    positions: NDArray[np.int64]
    branch: NDArray[np.int64]
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    targets: NDArray[np.int64]
    owner: NDArray[np.int64]
    count: int

    @property
    def tree(self) -> bool:
        """True if some row holds more than one response."""
        return bool((self.branch > 1).any())


def tree_layout(items: Sequence[Branches], padding: int) -> Layout:
    """Lay out each prompt with all its responses in one row."""
    return _layout([(item.prompt, item.responses) for item in items], padding)


def plain_layout(items: Sequence[Branches], padding: int) -> Layout:
    """Lay out each response in a row of its own, the prompt before it."""
    return _layout([(item.prompt, (response,)) for item in items for response in item.responses], padding)


def response_log_probs(model: Any, layout: Layout, head: Head, device: torch.device) -> Tensor:
    """Return log π(y | x) of whole responses, (count,), nats; differentiable.

    Args:
        model: called once, through whatever wraps it.
        layout: what it is called on.
        head: its output head; logits exist a chunk at a time.
        device: where the model lives.
    """
    log_probs, _ = token_log_probs(response_hidden(model, layout, device), _on(layout.targets, device), head)
    return summed(log_probs, layout)


def response_hidden(model: Any, layout: Layout, device: torch.device) -> Tensor:
    """Return the hidden states that predict the responses' tokens, (N, H)."""
    more: dict[str, Any] = {}
    if layout.tree:  # rows of one response need no mask: padding stands after every real token
        more = {"attention_mask": _mask(_on(layout.branch, device)), "position_ids": _on(layout.positions, device)}
    with head_off(model):
        hidden = model(input_ids=_on(layout.tokens, device), use_cache=False, **more).logits
    return hidden[_on(layout.rows, device), _on(layout.columns, device)]


def summed(log_probs: Tensor, layout: Layout) -> Tensor:
    """Add the tokens' log-probabilities up to those of whole responses, (count,)."""
    total = torch.zeros(layout.count, dtype=log_probs.dtype, device=log_probs.device)
    return total.index_add(0, _on(layout.owner, log_probs.device), log_probs)


def why_not_a_tree(model: Any, head: Head, device: torch.device) -> str | None:
    """Return why a model cannot read several responses in one row, or None if it can; tried on a few tokens.

    Args:
        model: plain or with adapters, not wrapped for several processes.
        head: its output head.
        device: where it lives.
    """
    config = model.config.get_text_config()
    attention = getattr(config, "_attn_implementation", None)
    if attention != "sdpa":
        return f"attention by {attention!r} takes no mask of one's own"
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    if kinds - {"full_attention"} or (getattr(config, "sliding_window", None) and not _full(config)):
        return "some layers see a window of the text"
    vocabulary = head.weight.shape[0]
    draw = np.random.default_rng(0).integers(0, vocabulary, 14).tolist()
    probe = [Branches(tuple(draw[:4]), (tuple(draw[4:9]), tuple(draw[9:12]), tuple(draw[12:])))]
    was = model.training
    model.eval()
    try:
        with torch.no_grad():
            found, want = (
                response_log_probs(model, layout(probe, 0), head, device) for layout in (tree_layout, plain_layout)
            )
    except (RuntimeError, ValueError, TypeError) as error:
        return f"it refuses such a row ({str(error).splitlines()[0] if str(error) else type(error).__name__})"
    finally:
        model.train(was)
    relative, absolute = (1e-4, 1e-4) if head.weight.dtype == torch.float32 else (5e-3, 5e-2)
    same = torch.allclose(found, want, rtol=relative, atol=absolute)
    return None if same else "its positions do not follow position_ids"


def _full(config: Any) -> bool:
    """Tell whether a window that the configuration names is not used."""
    return bool(getattr(config, "layer_types", None)) or getattr(config, "use_sliding_window", True) is False


def _layout(rows: Sequence[tuple[tuple[int, ...], tuple[tuple[int, ...], ...]]], padding: int) -> Layout:
    width = max(len(prompt) + sum(map(len, responses)) for prompt, responses in rows)
    shape = (len(rows), width)
    tokens, branch = np.full(shape, padding, dtype=np.int64), np.full(shape, _PADDING, dtype=np.int64)
    positions = np.zeros(shape, dtype=np.int64)
    sources: list[NDArray[np.int64]] = []
    places: list[tuple[int, int]] = []  # row and length of each response
    for r, (prompt, responses) in enumerate(rows):
        start = at = len(prompt)
        tokens[r, :at], branch[r, :at], positions[r, :at] = prompt, _PROMPT, np.arange(at)
        for number, response in enumerate(responses, start=1):
            part = slice(at, at + len(response))
            tokens[r, part], branch[r, part] = response, number
            positions[r, part] = np.arange(start, start + len(response))
            columns = np.arange(at - 1, at - 1 + len(response), dtype=np.int64)
            columns[:1] = start - 1  # the first token is predicted at the prompt's last
            sources.append(columns)
            places.append((r, len(response)))
            at = part.stop
    lengths = [length for _, length in places]
    columns = np.concatenate(sources)
    owner = np.repeat(np.arange(len(places)), lengths)
    flat = np.repeat(np.array([r for r, _ in places], dtype=np.int64), lengths)
    targets = np.array([t for _, responses in rows for response in responses for t in response], dtype=np.int64)
    return Layout(tokens, positions, branch, flat, columns, targets, owner, len(places))


def _mask(branch: Tensor) -> Tensor:
    """Return who sees whom, (R, 1, L, L): everything before that is the prompt's or one's own."""
    length = branch.shape[1]
    before = torch.ones(length, length, dtype=torch.bool, device=branch.device).tril()
    own = branch.unsqueeze(2) == branch.unsqueeze(1)
    return (before & (own | (branch == _PROMPT).unsqueeze(1))).unsqueeze(1)


def _on(values: NDArray[np.int64], device: torch.device) -> Tensor:
    return torch.from_numpy(values).to(device)
