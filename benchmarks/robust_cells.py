"""What one process of the adversary's benchmark times: arrays, tensors, the linear programme, a training step."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

WINDOW, EPSILON, FLIP_COST = (-4.0, 4.0), 0.05, 2.0
PIECES = 6
"""Tangents of the programme, as published."""

PROMPT, RESPONSE = 128, 64
"""Tokens of a training step's pairs."""


def exact(size: int, method: str, flips: bool, repeats: int) -> dict[str, Any]:
    """Time the NumPy adversary, value, multiplier and all weights."""
    from slhf.robust import adversary

    cost = FLIP_COST if flips else None
    x = margins(size)

    def solve() -> Any:
        return adversary(x, window=WINDOW, epsilon=EPSILON, flip_cost=cost, method=method)

    found = solve()
    told = {"value": found.value, "multiplier": found.multiplier, "certificate": abs(found.certificate)}
    return told | timed(solve, repeats)


def tensors(size: int, device: str, flips: bool, repeats: int) -> dict[str, Any]:
    """Time the adversary on tensors with its backward pass; "not run" where there is no such device."""
    import torch

    from slhf.objectives import torch_adversary

    if device == "cuda" and not torch.cuda.is_available():
        return {"not_run": "no CUDA device"}
    torch.set_num_threads(1)
    cost = FLIP_COST if flips else None
    x = torch.tensor(margins(size), dtype=torch.float32, device=device, requires_grad=True)

    def solve() -> Any:
        x.grad = None
        found = torch_adversary(x, window=WINDOW, epsilon=EPSILON, flip_cost=cost)
        found.value.backward()
        if device == "cuda":
            torch.cuda.synchronize()
        return found

    found = solve()
    name = torch.cuda.get_device_name() if device == "cuda" else "cpu"
    return {"device_name": name, "value": float(found.value.detach())} | timed(solve, repeats)


def programme(size: int, solver: str, repeats: int) -> dict[str, Any]:
    """Time the finite programme of the paper by HiGHS, and the adversary of the same loss of tangents."""
    from tests.robust_oracles import TIGHT, affine_programme  # the tests' own oracle

    from slhf.robust import adversary, tangents

    x, loss = np.clip(margins(size), *WINDOW), tangents(np.linspace(*WINDOW, PIECES))
    lines = np.asarray(loss.slopes), np.asarray(loss.intercepts)
    began, spent = time.perf_counter(), time.process_time()
    oracle = affine_programme(x, *lines, WINDOW, EPSILON, method=solver, options=TIGHT)
    once = {"wall": [time.perf_counter() - began], "cpu": [time.process_time() - spent]}
    ours = timed(lambda: adversary(x, window=WINDOW, epsilon=EPSILON, loss=loss), repeats)
    found = adversary(x, window=WINDOW, epsilon=EPSILON, loss=loss)
    return once | {"ours": ours, "value": oracle.value, "apart": abs(found.value - oracle.value)}


def step(pairs: int, size: str, repeats: int) -> dict[str, Any]:
    """Time a plain DPO step on random tokens, forward and backward, and the adversary on as many margins."""
    import torch
    from torch.nn.functional import softplus

    from benchmarks.models import SIZES, build_model
    from slhf.objectives import torch_adversary

    torch.set_num_threads(1)
    model = build_model(size)
    tokens = torch.randint(16, SIZES[size].vocabulary, (2 * pairs, PROMPT + RESPONSE))

    def train() -> None:
        model.zero_grad()
        logits = model(input_ids=tokens, logits_to_keep=RESPONSE + 1).logits[:, :-1]
        said = logits.log_softmax(-1).gather(-1, tokens[:, -RESPONSE:, None])[..., 0].sum(1)
        softplus(-0.1 * (said[:pairs] - said[pairs:])).mean().backward()

    x = torch.tensor(margins(pairs), dtype=torch.float32, requires_grad=True)

    def weigh() -> None:
        x.grad = None
        torch_adversary(x, window=WINDOW, epsilon=EPSILON).value.backward()

    train()
    weigh()
    return {"train": timed(train, min(repeats, 3)), "weigh": timed(weigh, repeats)}


def margins(size: int) -> np.ndarray:
    """Draw the margins every cell of this size has."""
    return np.random.default_rng(size).normal(0.5, 1.5, size)


def timed(run: Callable[[], Any], repeats: int) -> dict[str, list[float]]:
    """Return wall and processor seconds of each run, the first two left out; short ones are run many times each."""
    run()
    began = time.perf_counter()
    run()
    rounds = max(1, min(1000, int(0.02 / max(time.perf_counter() - began, 1e-9))))
    walls, cpus = [], []
    for _ in range(repeats):
        began, spent = time.perf_counter(), time.process_time()
        for _ in range(rounds):
            run()
        walls.append((time.perf_counter() - began) / rounds)
        cpus.append((time.process_time() - spent) / rounds)
    return {"wall": walls, "cpu": cpus}


CELLS: dict[str, Callable[..., dict[str, Any]]] = {
    "exact": exact,
    "tensors": tensors,
    "programme": programme,
    "step": step,
}
