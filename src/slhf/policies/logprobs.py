"""Log-probabilities of response tokens, without ever forming the (tokens × vocabulary) matrix."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Head:
    """A linear output head: logits = hidden · weightᵀ + bias, divided by the temperature.

    Attributes:
        weight: (V, H).
        bias: (V,) or None.
        temperature: T of the distribution the tokens were sampled from.
        chunk_mib: upper bound on one chunk of float32 logits, in MiB.
    """

    weight: Tensor
    bias: Tensor | None = None
    temperature: float = 1.0
    chunk_mib: float = 64.0

    def rows(self) -> int:
        """Return how many positions one chunk may hold."""
        return max(1, int(self.chunk_mib * 2**20) // (4 * self.weight.shape[0]))

    def log_softmax(self, hidden: Tensor) -> Tensor:
        """Return log softmax(logits / T) of a chunk, (n, V), in float32 at least."""
        # accelerate hands bf16 outputs back as float32; the head multiplies in its own precision
        logits = F.linear(hidden.to(self.weight.dtype), self.weight, self.bias).to(_wide(hidden))
        if self.temperature != 1.0:
            logits = logits.div_(self.temperature)
        return logits.log_softmax(dim=-1)


def _wide(tensor: Tensor) -> torch.dtype:
    return torch.promote_types(tensor.dtype, torch.float32)


class _TokenLogProbs(torch.autograd.Function):
    """log π(y_t) and, with a reference, KL(π ‖ π_ref) at each position.

    Each position has one (two) scalar outputs, so the gradient with respect to its hidden
    state is one (two) vectors of size H, computed while the chunk's probabilities are at hand
    and stored; the backward only scales them. The head's own gradient, needed when all weights
    train, is recomputed chunk by chunk in the backward.
    """

    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        targets: Tensor,
        head: Head,
        reference: Any,
        wanted: bool,
    ) -> tuple[Tensor, Tensor]:
        count, step = hidden.shape[0], head.rows()
        logprobs = torch.empty(count, dtype=_wide(hidden), device=hidden.device)
        kl = torch.zeros(count if reference else 0, dtype=_wide(hidden), device=hidden.device)
        slopes = torch.empty_like(hidden) if wanted else hidden.new_empty(0)
        kl_slopes = torch.empty_like(hidden) if wanted and reference else hidden.new_empty(0)
        for at in range(0, count, step):
            part = slice(at, at + step)
            log_p = head.log_softmax(hidden[part])
            target = targets[part].unsqueeze(1)
            logprobs[part] = log_p.gather(1, target).squeeze(1)
            if reference:
                ref_hidden, ref_head = reference
                kl[part], rise = _kl(log_p, ref_head.log_softmax(ref_hidden[part]))
                if wanted:
                    kl_slopes[part] = _pull(rise, head)
            if wanted:
                # d log p(y) / d logits = onehot(y) − p
                slopes[part] = _pull(log_p.exp_().neg_().scatter_add_(1, target, torch.ones_like(log_p[:, :1])), head)
        ctx.save_for_backward(hidden, weight, bias, targets, slopes, kl_slopes)
        ctx.head, ctx.reference = head, reference
        return logprobs, kl

    @staticmethod
    def backward(ctx: Any, grad_logprobs: Tensor, grad_kl: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        hidden, weight, bias, targets, slopes, kl_slopes = ctx.saved_tensors
        grad_hidden = grad_weight = grad_bias = None
        if ctx.needs_input_grad[0]:
            grad_hidden = slopes * grad_logprobs.unsqueeze(1).to(slopes.dtype)
            if ctx.reference:
                grad_hidden = grad_hidden + kl_slopes * grad_kl.unsqueeze(1).to(slopes.dtype)
        if ctx.needs_input_grad[1] or ctx.needs_input_grad[2]:
            grad_weight, grad_bias = _head_gradients(ctx, hidden, targets, grad_logprobs, grad_kl)
            grad_weight = grad_weight.to(weight.dtype) if ctx.needs_input_grad[1] else None
            grad_bias = grad_bias.to(bias.dtype) if ctx.needs_input_grad[2] else None
        return grad_hidden, grad_weight, grad_bias, None, None, None, None


def _kl(log_p: Tensor, log_q: Tensor) -> tuple[Tensor, Tensor]:
    """KL(p ‖ q) a row, and its gradient with respect to p's scaled logits: p (log p − log q − KL)."""
    p = log_p.exp()
    ratio = log_q.neg_().add_(log_p)
    # 0 · log 0 is 0: where p vanishes the token adds nothing, whatever the reference says
    ratio = torch.where(p > 0, ratio, torch.zeros_like(ratio))
    kl = (p * ratio).sum(dim=-1)
    return kl, p.mul_(ratio.sub_(kl.unsqueeze(1)))


def _pull(rise: Tensor, head: Head) -> Tensor:
    """Pull a gradient from scaled logits back to the hidden state."""
    return (rise.to(head.weight.dtype) @ head.weight).div_(head.temperature)


def _head_gradients(
    ctx: Any, hidden: Tensor, targets: Tensor, grad_logprobs: Tensor, grad_kl: Tensor
) -> tuple[Tensor, Tensor]:
    head, step = ctx.head, ctx.head.rows()
    # float32 at least: bf16 sums over many tokens round to nothing
    dtype = torch.promote_types(head.weight.dtype, torch.float32)
    grad_weight = torch.zeros(head.weight.shape, dtype=dtype, device=hidden.device)
    grad_bias = torch.zeros(head.weight.shape[0], dtype=dtype, device=hidden.device)
    for at in range(0, hidden.shape[0], step):
        part = slice(at, at + step)
        log_p = head.log_softmax(hidden[part])
        rise = torch.zeros_like(log_p)
        if ctx.reference:
            ref_hidden, ref_head = ctx.reference
            _, slope = _kl(log_p, ref_head.log_softmax(ref_hidden[part]))
            rise.add_(slope * grad_kl[part].unsqueeze(1))
        weight = grad_logprobs[part].unsqueeze(1)
        rise.sub_(log_p.exp_().mul_(weight)).scatter_add_(1, targets[part].unsqueeze(1), weight)
        rise.div_(head.temperature)
        grad_weight.add_(rise.t().to(dtype) @ hidden[part].to(dtype))
        grad_bias.add_(rise.sum(dim=0))
    return grad_weight, grad_bias


def token_log_probs(
    hidden: Tensor, targets: Tensor, head: Head, *, reference: tuple[Tensor, Head] | None = None
) -> tuple[Tensor, Tensor | None]:
    """Log-probability of each target token, and optionally the exact KL at its position.

        log π(y_t) = z[y_t] − log Σ_v exp z[v],     z = (W h_t + b) / T
        KL_t       = Σ_v π(v) [log π(v) − log π_ref(v)]

    Reductions are in float32; logits exist a chunk at a time; both outputs are differentiable.

    Args:
        hidden: (N, H) hidden states at the positions that predict the targets.
        targets: (N,) token ids.
        head: the policy's output head.
        reference: the reference's hidden states at the same positions, and its head; no
            gradient flows there.

    Returns:
        (N,) log-probabilities in nats, and (N,) KL in nats or None.
    """
    # asked here: inside the function gradients are always off, and its inputs may want one even under no_grad
    wanted = torch.is_grad_enabled()
    arguments = (hidden, head.weight, head.bias, targets, head, reference, wanted)
    logprobs, kl = _TokenLogProbs.apply(*arguments)  # type: ignore[misc]
    return logprobs, kl if reference else None


@contextmanager
def head_off(model: Any) -> Iterator[None]:
    """Let ``model(...)`` return its final hidden states as ``logits``.

    The model is still called through whatever wraps it (PEFT, DDP, FSDP, autocast); only the
    output head passes its input on, so that it can be applied at response positions alone.
    """
    plain = model
    while hasattr(plain, "module"):
        plain = plain.module
    plain = plain.get_base_model() if hasattr(plain, "get_base_model") else plain
    head = plain.get_output_embeddings()
    head.forward = lambda hidden: hidden
    try:
        yield
    finally:
        del head.forward


def last_hidden(model: Any, tokens: Tensor) -> Tensor:
    """Run ``model`` on right-padded tokens and return its final hidden states, (R, L, H).

    Padding stands after every real token, so causal attention alone hides it and no mask is
    needed; positions count from 0.
    """
    with head_off(model):
        return model(input_ids=tokens, use_cache=False).logits
