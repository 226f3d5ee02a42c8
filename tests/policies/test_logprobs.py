"""Log-probabilities in chunks are those of a plain log-softmax, and the whole matrix never exists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from games import PROMPTS, lora, metrics, trainer
from slhf.algorithms import StackelbergGDA
from slhf.policies.logprobs import Head, head_off, last_hidden, token_log_probs
from slhf.policies.rollouts import PromptRow
from slhf.training.passes import game_batch

N, H, V = 23, 6, 50


def parts(dtype: torch.dtype, *, bias: bool = True, seed: int = 0) -> dict[str, Tensor]:
    g = torch.Generator().manual_seed(seed)
    made = {
        "hidden": torch.randn(N, H, generator=g, dtype=torch.float64),
        "weight": torch.randn(V, H, generator=g, dtype=torch.float64),
        "bias": torch.randn(V, generator=g, dtype=torch.float64),
    }
    return {k: v.to(dtype).requires_grad_() for k, v in made.items() if bias or k != "bias"}


def plain(
    hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, temperature: float, other: dict | None
) -> tuple[Tensor, Tensor | None]:
    log_p = (F.linear(hidden, weight, bias) / temperature).log_softmax(-1)
    picked = log_p.gather(1, targets.unsqueeze(1)).squeeze(1)
    if other is None:
        return picked, None
    log_q = (F.linear(other["hidden"], other["weight"], other.get("bias")) / temperature).log_softmax(-1)
    return picked, (log_p.exp() * (log_p - log_q.detach())).sum(-1)


def mib(rows: int) -> float:
    """The bound that lets just so many rows into a chunk."""
    return rows * V * 4 / 2**20


TARGETS = torch.randint(0, V, (N,), generator=torch.Generator().manual_seed(9))


@pytest.mark.parametrize("with_reference", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("temperature", [1.0, 0.7])
@pytest.mark.parametrize("rows", [1, 5, 1000])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 2e-5)])
def test_values_and_gradients_are_those_of_log_softmax(
    dtype: torch.dtype, tolerance: float, rows: int, temperature: float, bias: bool, with_reference: bool
) -> None:
    mine, theirs = parts(dtype, bias=bias), parts(dtype, bias=bias)
    other = parts(dtype, bias=bias, seed=1) if with_reference else None
    head = Head(mine["weight"], mine.get("bias"), temperature, mib(rows))
    assert head.rows() == rows if rows < N else head.rows() >= N
    reference = None
    if other is not None:
        reference = (
            other["hidden"].detach(),
            Head(other["weight"].detach(), other["bias"].detach() if bias else None, temperature, mib(rows)),
        )
    got, got_kl = token_log_probs(mine["hidden"], TARGETS, head, reference=reference)
    want, want_kl = plain(theirs["hidden"], theirs["weight"], theirs.get("bias"), TARGETS, temperature, other)
    torch.testing.assert_close(got, want, atol=tolerance, rtol=tolerance)
    push = torch.linspace(-1, 2, N, dtype=dtype)
    loss, want_loss = (got * push).sum(), (want * push).sum()
    assert (got_kl is None) == (want_kl is None)
    if got_kl is not None and want_kl is not None:
        torch.testing.assert_close(got_kl, want_kl, atol=tolerance, rtol=tolerance)
        loss, want_loss = loss + (got_kl * push.flip(0)).sum(), want_loss + (want_kl * push.flip(0)).sum()
    loss.backward()
    want_loss.backward()
    for name in mine:
        grad, want_grad = mine[name].grad, theirs[name].grad
        assert grad is not None
        assert want_grad is not None
        torch.testing.assert_close(grad, want_grad, atol=10 * tolerance, rtol=10 * tolerance)


@pytest.mark.parametrize("with_reference", [False, True])
def test_gradcheck(with_reference: bool) -> None:
    tensors, other = parts(torch.float64), parts(torch.float64, seed=1)

    def run(hidden: Tensor, weight: Tensor, bias: Tensor) -> Any:
        reference = None
        if with_reference:
            reference = (other["hidden"].detach(), Head(other["weight"].detach(), other["bias"].detach(), 0.8, mib(4)))
        found, kl = token_log_probs(hidden, TARGETS, Head(weight, bias, 0.8, mib(4)), reference=reference)
        return (found, kl) if kl is not None else found

    assert torch.autograd.gradcheck(run, tuple(tensors.values()), atol=1e-7)


def test_bfloat16_is_reduced_in_float32() -> None:
    """Inputs rounded to bf16, compared with float64 on the same rounded inputs."""
    mine = parts(torch.bfloat16)
    exact = {k: v.detach().double().requires_grad_() for k, v in mine.items()}
    got, _ = token_log_probs(mine["hidden"], TARGETS, Head(mine["weight"], mine["bias"], 0.9, mib(4)))
    want, _ = plain(exact["hidden"], exact["weight"], exact["bias"], TARGETS, 0.9, None)
    assert got.dtype == torch.float32
    torch.testing.assert_close(got.double(), want, atol=0.06, rtol=0.02)
    got.sum().backward()
    want.sum().backward()
    for name, tensor in mine.items():
        assert tensor.grad is not None
        assert tensor.grad.dtype == torch.bfloat16
        gap = (tensor.grad.double() - exact[name].grad).norm() / exact[name].grad.norm()
        assert gap < 0.02


def test_the_kl_is_zero_against_itself_and_right_where_a_token_is_impossible() -> None:
    made = parts(torch.float32)
    head = Head(made["weight"].detach(), made["bias"].detach(), 1.0, mib(4))
    _, kl = token_log_probs(made["hidden"], TARGETS, head, reference=(made["hidden"].detach(), head))
    assert kl is not None
    assert kl.abs().max() < 1e-6
    bias = made["bias"].detach().clone()
    bias[3] = float("-inf")
    hidden = made["hidden"].detach().requires_grad_()
    _, kl = token_log_probs(hidden, TARGETS * 0, Head(head.weight, bias), reference=(hidden.detach(), head))
    assert kl is not None
    kl.sum().backward()
    assert torch.isfinite(kl).all()
    assert hidden.grad is not None
    assert torch.isfinite(hidden.grad).all()


class Largest(TorchDispatchMode):
    """Records the largest tensor that any operation returns."""

    def __init__(self, vocabulary: int):
        super().__init__()
        self.elements, self._vocabulary = 0, vocabulary

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for item in out if isinstance(out, tuple | list) else [out]:
            if isinstance(item, Tensor) and self._vocabulary in item.shape:
                self.elements = max(self.elements, item.numel())
        return out


@pytest.mark.parametrize("gradient", [False, True])
@pytest.mark.parametrize("with_reference", [False, True])
def test_the_matrix_of_all_logits_never_exists(gradient: bool, with_reference: bool) -> None:
    """200 tokens, 1,009 words: no more than the 8 rows of a chunk, forward and backward."""
    g = torch.Generator().manual_seed(0)
    hidden = torch.randn(200, 4, generator=g).requires_grad_(gradient)
    weight = torch.randn(1009, 4, generator=g).requires_grad_(gradient)
    head = Head(weight, None, 0.9, 8 * 1009 * 4 / 2**20)
    targets = torch.randint(0, 1009, (200,), generator=g)
    reference = (hidden.detach(), Head(weight.detach(), None, 0.9, head.chunk_mib)) if with_reference else None
    with Largest(1009) as seen, torch.set_grad_enabled(gradient):
        found, _ = token_log_probs(hidden, targets, head, reference=reference)
        if gradient:
            found.sum().backward()
    assert 8 * 4 <= seen.elements <= 8 * 1009


@pytest.mark.parametrize("adapter", [True, False])
def test_nor_in_a_step_of_the_trainer(tmp_path: Path, adapter: bool) -> None:
    """The model's own forward never applies its head to more than a chunk."""
    words = (
        "<end>",
        "<user>",
        "<bot>",
        *(f"w{i}" for i in range(503)),
        "Improve",
        "the",
        "previous",
        "answer!",
        "<pad>",
    )
    made = trainer(
        tmp_path,
        words=words,
        peft=lora() if adapter else None,
        algorithm=StackelbergGDA(kl="exact"),
        train=[{"prompt": "w1 w2"}] * 8,
        logits_chunk_mib=4 * len(words) * 4 / 2**20,
        max_new_tokens=6,
    )
    rounds = made.play([PromptRow(i, "w1 w2", {}) for i in range(8)], 0)
    tokens = sum(len(r.rollout.leaders[0].tokens) + len(r.rollout.followers[0][0].tokens) for r in rounds)
    assert tokens > 40
    made._rounds_in_step = 8
    parameters = len(words) * 16  # the head and its gradient have the vocabulary as a dimension too
    with Largest(len(words)) as seen:
        made.training_step(made.model, rounds)
    assert seen.elements <= max(4 * len(words), parameters)
    assert seen.elements < tokens * len(words)


@pytest.mark.parametrize("temperature", [0.5, 1.3])
def test_the_temperature_is_the_samplers(tmp_path: Path, temperature: float) -> None:
    """What is sampled at T is scored at T, for policy and reference: the sampler says the same."""
    made = trainer(tmp_path, temperature=temperature, sampling_dtype="float32")
    assert made._roller._sampling.temperature == temperature
    rounds = made.play([PromptRow(i, p, {}) for i, p in enumerate(PROMPTS)], 0)
    with torch.no_grad():
        batch = game_batch(made.policy, made.model.eval(), rounds, made._scoring)
    compared = 0
    for number, item in enumerate(rounds):
        pairs = {"leader": item.rollout.leaders[0], "follower": item.rollout.followers[0][0]}
        for role, answer in pairs.items():
            assert answer.logprobs is not None
            got = batch.roles[role].log_probs[number, : len(answer.tokens)]
            reference = batch.roles[role].ref_log_probs[number, : len(answer.tokens)]
            torch.testing.assert_close(got.double(), torch.from_numpy(answer.logprobs), atol=3e-5, rtol=0.0)
            # at the start the reference is the policy
            torch.testing.assert_close(reference, got, atol=1e-5, rtol=0.0)
            compared += len(answer.tokens)
    assert compared > 40
    for response in batch.roles.values():
        assert response.importance is not None
        torch.testing.assert_close(response.importance, response.mask, atol=1e-4, rtol=0.0)


def test_bfloat16_sampling_is_corrected_and_reported(tmp_path: Path) -> None:
    made = trainer(tmp_path, sampling_dtype="bfloat16", importance_cap=1.02, peft=lora(), max_steps=2)
    made.train()
    for line in metrics(tmp_path)[:2]:
        assert 0.9 < line["sampling/importance_weight"] < 1.02
        assert 1e-5 < line["sampling/log_ratio"] < 0.1
    rounds = made.play([PromptRow(i, p, {}) for i, p in enumerate(PROMPTS)], 5)
    with torch.no_grad():
        roles = game_batch(made.policy, made.model.eval(), rounds, made._scoring).roles
    for response in roles.values():
        assert response.importance is not None
        assert response.sampler_log_ratio is not None
        want = response.sampler_log_ratio.exp().clamp(max=1.02) * response.mask
        torch.testing.assert_close(response.importance, want)
        assert (response.importance > 1.0199).any()  # some weight was truncated
        assert not response.importance.requires_grad


def test_same_precision_needs_no_weights(tmp_path: Path) -> None:
    made = trainer(tmp_path, max_steps=1)
    made.train()
    assert "sampling/importance_weight" not in metrics(tmp_path)[0]


def test_head_off_passes_hidden_states_and_comes_back(tmp_path: Path) -> None:
    made = trainer(tmp_path, peft=lora())
    tokens = torch.tensor([[1, 2, 3, 4]])
    with torch.no_grad():
        logits = made.model(tokens).logits
        hidden = last_hidden(made.model, tokens)
        again = made.model(tokens).logits
    assert hidden.shape == (1, 4, 16)
    torch.testing.assert_close(made.policy.plain.get_output_embeddings()(hidden), logits)
    assert torch.equal(logits, again)
    with pytest.raises(RuntimeError, match="inside"), head_off(made.model):
        raise RuntimeError("inside")
    with torch.no_grad():
        assert torch.equal(made.model(tokens).logits, logits)


@pytest.mark.parametrize("adapter", [True, False])
def test_mixed_precision_is_near_full_precision(tmp_path: Path, adapter: bool) -> None:
    """The arithmetic in bf16, weights and reductions in float32: log-probabilities and their gradient."""
    found: dict[bool, tuple[Tensor, Tensor]] = {}
    rounds: Any = None
    for bf16 in (False, True):
        made = trainer(tmp_path / str(bf16), peft=lora() if adapter else None, bf16=bf16)
        with torch.no_grad():
            for number, parameter in enumerate(p for p in made.model.parameters() if p.requires_grad):
                noise = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(number))
                parameter.add_(0.05 * noise)
        rounds = rounds or made.play([PromptRow(i, p, {}) for i, p in enumerate(PROMPTS)], 0)
        prepared = made.accelerator.prepare_model(made.model)  # as train() does
        response = game_batch(made.policy, prepared, rounds, made._scoring).roles["follower"]
        assert response.log_probs.dtype == response.ref_log_probs.dtype == torch.float32
        (response.log_probs.sum() / response.mask.sum()).backward()
        grads = [p.grad for p in made.model.parameters() if p.grad is not None]
        assert {g.dtype for g in grads} == {torch.float32}
        found[bf16] = response.log_probs.detach(), torch.cat([g.flatten() for g in grads])
    for full, mixed in zip(found[False], found[True], strict=True):
        gap = (mixed - full).norm() / full.norm()
        assert 1e-5 < gap < 0.1
