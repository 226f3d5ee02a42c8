"""How much likelier a policy finds responses than its reference: log-ratios and implicit rewards."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from slhf.errors import InputError
from slhf.policies.branches import (
    Branches,
    plain_layout,
    response_hidden,
    response_log_probs,
    summed,
    tree_layout,
    why_not_a_tree,
)
from slhf.policies.causal_lm import CausalPolicy
from slhf.policies.logprobs import Head
from slhf.policies.reference_store import ReferenceStore, weights_digest
from slhf.training.pair_rows import Limits, cut_to, pair_branches, prompt_tokens, text_tokens
from slhf.training.passes import automatic_chunk
from slhf.training.products import device_products

log = logging.getLogger(__name__)


class Scorer:
    """Scores whole responses under a policy and its reference; the reference's numbers are computed once.

    Args:
        policy: knows its reference.
        temperature: T of the distribution whose log-probabilities are taken.
        chunk_mib: bound on a chunk of logits, MiB; 0 is automatic.
        chunk_tokens: bound on the tokens of one forward, padding included; 0: 1,024 on a CPU, 16,384 otherwise.
        cache: folder of the reference's numbers; None keeps them in memory.
        arithmetic: precision of the forward, where autocast changes it.
    """

    def __init__(
        self,
        policy: CausalPolicy,
        *,
        temperature: float = 1.0,
        chunk_mib: float = 0.0,
        chunk_tokens: int = 0,
        cache: str | Path | None = None,
        arithmetic: str = "as stored",
    ):
        policy.check_head()
        self._policy, self._temperature = policy, temperature
        self._chunk_mib, self._chunk_tokens = chunk_mib, chunk_tokens
        with policy.reference() as reference:
            self.reference_digest = weights_digest(reference)
            reason = why_not_a_tree(reference, self._head(reference=True), policy.device)
        self._layout = tree_layout if reason is None else plain_layout
        if reason is not None:
            log.warning("the responses to a prompt are scored apart (%s); this is slower", reason)
        self._store = ReferenceStore(cache, f"{self.reference_digest} {temperature!r} {arithmetic}")

    def _head(self, *, reference: bool) -> Head:
        vocabulary = self._policy.plain.config.get_text_config().vocab_size
        chunk = self._chunk_mib or automatic_chunk(self._policy.device, vocabulary)
        return self._policy.head(temperature=self._temperature, chunk_mib=chunk, reference=reference)

    def pieces(self, items: Sequence[Branches]) -> list[list[int]]:
        """Return places of items that fit in one forward together, the longest first."""
        limit = self._chunk_tokens or (1024 if self._policy.device.type == "cpu" else 16384)
        joint = self._layout is tree_layout
        size = [(1, item.tokens) if joint else (len(item.responses), item.longest) for item in items]
        out: list[list[int]] = []
        width = held = 0
        for place in sorted(range(len(items)), key=lambda i: size[i][1], reverse=True):
            rows, length = size[place]
            if not out or (held + rows) * width > limit:
                out.append([])
                width, held = length, 0
            out[-1].append(place)
            held += rows
        return out

    def log_ratios(self, model: Any, items: Sequence[Branches]) -> Tensor:
        """Return log π(y|x) − log π_ref(y|x) of every response, in order, (N,), nats, in one forward.

        Args:
            model: the policy's model as a trainer wrapped it; called with gradients as the caller set them.
            items: prompts and responses.
        """
        layout = self._layout(items, self._policy.roles.end_tokens[0])
        reference = self.reference(items)  # first: it switches adapters off and on again
        with self._policy.playing("leader"):
            found = response_log_probs(model, layout, self._head(reference=False), self._policy.device)
        return found - reference.to(found.dtype)

    def reference(self, items: Sequence[Branches]) -> Tensor:
        """Return log π_ref(y|x) of every response, (N,), nats, no gradient; from the store where it is known.

        Where one is missing all are computed, so that a number never depends on what was known before.
        """
        keys = self._store.keys(items)
        known = self._store.get(keys)
        if len(known) < len(set(keys)):
            layout = self._layout(items, self._policy.roles.end_tokens[0])
            with torch.no_grad(), self._policy.reference() as reference:
                found = response_log_probs(reference, layout, self._head(reference=True), self._policy.device)
            fresh = dict(zip(keys, found.double().tolist(), strict=True))
            self._store.put({key: value for key, value in fresh.items() if key not in known})
            known = fresh | known
        values = [known[key] for key in keys]
        return torch.tensor(values, dtype=torch.float64, device=self._policy.device)

    def extrapolated(self, model: Any, items: Sequence[Branches], factor: float) -> Tensor:
        """Return log π̃(y|x) − log π_ref(y|x), π̃ ∝ π^{1+γ} π_ref^{−γ} token by token, (N,), no gradient.

        Args:
            model: the policy's model.
            items: prompts and responses.
            factor: γ ≥ 0.
        """
        device, mine, theirs = self._policy.device, self._head(reference=False), self._head(reference=True)
        layout = self._layout(items, self._policy.roles.end_tokens[0])
        with torch.no_grad():
            with self._policy.reference() as reference:
                ref_hidden = response_hidden(reference, layout, device)
            with self._policy.playing("leader"):
                hidden = response_hidden(model, layout, device)
            targets = torch.from_numpy(layout.targets).to(device).unsqueeze(1)
            parts = []
            for at in range(0, hidden.shape[0], mine.rows()):
                part = slice(at, at + mine.rows())
                log_q = theirs.log_softmax(ref_hidden[part])
                tilted = (1.0 + factor) * mine.log_softmax(hidden[part]) - factor * log_q
                both = tilted.log_softmax(-1) - log_q
                parts.append(both.gather(1, targets[part]).squeeze(1))
            return summed(torch.cat(parts), layout)

    def all_log_ratios(
        self, items: Sequence[Branches], around: Callable[[], AbstractContextManager[Any]] = nullcontext
    ) -> Tensor:
        """Return the log-ratios of any number of responses, in evaluation mode, (N,), on the CPU in float64.

        Args:
            items: prompts and responses.
            around: makes the context of every forward.
        """
        model = self._policy.model
        was = model.training
        model.eval()
        starts = np.cumsum([0, *(len(item.responses) for item in items)])
        out = torch.zeros(int(starts[-1]), dtype=torch.float64)
        try:
            for piece in self.pieces(items):
                with torch.no_grad(), around(), device_products(self._policy.device):
                    found = self.log_ratios(model, [items[i] for i in piece])
                places = np.concatenate([np.arange(starts[i], starts[i + 1]) for i in piece])
                out[torch.from_numpy(places)] = found.double().cpu()
        finally:
            model.train(was)
        return out


def implicit_rewards(
    policy: CausalPolicy,
    rows: Sequence[Mapping[str, Any]],
    beta: float,
    *,
    temperature: float = 1.0,
    max_length: int | None = None,
    cache: str | Path | None = None,
    chunk_tokens: int = 0,
) -> NDArray[np.float64]:
    """Reward responses by how much likelier the policy finds them than its reference does.

        r(x, y) = β [ log π(y|x) − log π_ref(y|x) ]        sums over tokens, the end token included

    Paper: Rafailov et al. 2023, Eq. (5), without the term that depends on the prompt alone.

    Args:
        policy: an adapter on its base, or a policy that kept its reference.
        rows: ``prompt`` (or ``prompt_ids``) and, the same number in each, ``answers`` (texts) or ``answer_ids`` (token
            lists, taken as they are); or ``chosen`` and ``rejected``.
        beta: β > 0.
        temperature: T of the distributions.
        max_length: responses are cut at the end to this length with their prompts, tokens.
        cache: folder of the reference's log-probabilities; None computes them afresh.
        chunk_tokens: bound on the tokens of one forward; 0 is automatic.

    Returns:
        (n, answers), nats times β.

    Raises:
        InputError: a row that is wrong, no rows, or a policy without a reference.
    """
    if not beta > 0:
        raise InputError(f"beta={beta}: must be a finite number > 0")
    if not len(rows):
        raise InputError("there are no rows to score")
    items = [_branches(dict(row), policy, max_length, number) for number, row in enumerate(rows)]
    counts = {len(item.responses) for item in items}
    if len(counts) > 1:
        raise InputError(f"rows have {min(counts)} to {max(counts)} answers; every row needs the same number")
    scorer = Scorer(policy, temperature=temperature, cache=cache, chunk_tokens=chunk_tokens)
    return beta * scorer.all_log_ratios(items).numpy().reshape(len(items), -1)


def _branches(row: Mapping[str, Any], policy: CausalPolicy, max_length: int | None, number: int) -> Branches:
    where, roles = f"row {number}", policy.roles
    if row.get("answer_ids") is not None:
        responses = tuple(tuple(int(t) for t in ids) for ids in row["answer_ids"])
    elif row.get("answers") is not None:
        responses = tuple(text_tokens(text, "answers", roles, where) for text in row["answers"])
    elif "chosen" in row or "chosen_ids" in row:
        responses = pair_branches(row, roles, where).responses
    else:
        raise InputError(f"{where}: needs 'answers' or 'answer_ids'; it has {', '.join(map(repr, row))}")
    return cut_to(Branches(prompt_tokens(row, roles, where), responses), Limits(max_length), where)
