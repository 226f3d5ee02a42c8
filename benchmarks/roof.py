"""The floor under a step: bytes that must be read to decode, operations that must be done to train.

Counted for the leanest known way (one forward over both roles, logits at response positions
only, merged weights while sampling), so that every contender is held against the same floor.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass

import torch

from benchmarks.case import DTYPES, Case
from benchmarks.models import SIZES
from slhf.cpu import packed_linear, packing_works

RANK = 32
BETWEEN = 10
"""Tokens of the template between the Leader's last word and the Follower's first."""
H200 = {"bandwidth": 4.3e12, "arithmetic": 790e12}
"""Reachable roofs of one H200 in bfloat16: bytes a second, operations a second."""


@dataclass(frozen=True)
class Work:
    """What one optimiser step cannot avoid.

    Attributes:
        decode_bytes: weights and key-value cache, read once a decoding step.
        decode_flops: multiplications and additions while decoding.
        train_flops: the same for the policy's forward and backward and the reference's forward.
    """

    decode_bytes: float
    decode_flops: float
    train_flops: float

    def floor(self, bandwidth: float, arithmetic: float) -> dict[str, float]:
        """Return the least seconds a machine with these roofs needs."""
        return {
            "generate": max(self.decode_bytes / bandwidth, self.decode_flops / arithmetic),
            "train": self.train_flops / arithmetic,
        }


def _parameters(size: str) -> tuple[int, int, int]:
    """Return the parameters of all linear layers, of their adapters, and of the head."""
    s = SIZES[size]
    kv = s.kv_heads * (s.hidden // s.heads)
    shapes = [(s.hidden, s.hidden)] * 2 + [(s.hidden, kv)] * 2 + [(s.hidden, s.intermediate)] * 3
    linear = s.layers * sum(a * b for a, b in shapes)
    adapters = s.layers * RANK * sum(a + b for a, b in shapes)
    return linear, adapters, s.vocabulary * s.hidden


def work(case: Case) -> Work:
    """Count one optimiser step of ``case`` with fixed lengths (with varied ones: an upper bound).

    Decoding reads, per step t of a role whose context has c tokens,
        (linear + head) · bytes                      the merged weights, once for all rows
        + rows · (c + t) · 2 · kv · layers · bytes   keys and values of every row
    and computes rows · 2 · (linear + head) operations and 4 · rows · (c + t) · hidden · layers
    in attention.

    Training, with N = rows · S tokens, S = prompt + 2 answers + template, R response tokens:
        policy forward     N · 2 · (linear + adapters) + R · 2 · head
        policy backward    N · (2 · linear + 4 · adapters) + R · 2 · head   (base weights are frozen)
        reference forward  N · 2 · linear + R · 2 · head
        attention          rows · 2 · S² · hidden · layers, times 1 + 2 + 1 (causal: half of 4 · S²)
    RLOO has one role: S = prompt + answer, and half the decoding. So has Nash-MD's training; its two answers a
    prompt, sampled side by side, read the policy's and the reference's weights once a step, and three caches a
    prompt: the policy's of both answers, the reference's of the mixture's.
    """
    s = SIZES[case.size]
    width = DTYPES[case.dtype].itemsize
    linear, adapters, head = _parameters(case.size)
    kv = s.kv_heads * (s.hidden // s.heads)
    new, rows = case.new_tokens, case.batch
    contexts = [case.prompt_tokens, case.prompt_tokens + new + BETWEEN]
    if case.contender == "rloo":
        contexts = contexts[:1]
    length, responses = contexts[-1] + new, rows * new * len(contexts)
    reads = new * len(contexts)
    if case.game == "nash_md":
        length, responses, contexts = contexts[0] + new, rows * new, contexts[:1] * 3
    cached = sum(new * c + new * (new - 1) // 2 for c in contexts)
    decode_bytes = width * (reads * (linear + head) + rows * cached * 2 * kv * s.layers)
    decode_flops = rows * (new * len(contexts) * 2 * (linear + head) + 4 * cached * s.hidden * s.layers)
    tokens = rows * length
    train_flops = (
        tokens * (6 * linear + 6 * adapters) + responses * 6 * head + 4 * rows * 2 * length**2 * s.hidden * s.layers
    )
    return Work(float(decode_bytes), float(decode_flops), float(train_flops))


def measure(dtype: str, seconds: float = 1.0) -> dict[str, float]:
    """Measure this machine's two roofs with the present number of threads.

    Arithmetic: a square matrix product, by BLAS or by oneDNN, whichever is faster. Bandwidth: reading a weight
    matrix too large for the caches, as one decoding step does.
    """
    kind = DTYPES[dtype]
    square = torch.randn(2048, 2048).to(kind)
    weights = torch.randn(65_536, 1024).to(kind)
    row = torch.randn(1, 1024).to(kind)
    product = _seconds(lambda: square @ square, seconds)
    if packing_works(kind):
        product = min(product, _seconds(lambda: packed_linear(square, square, None), seconds))
    return {
        "arithmetic": 2 * 2048**3 / product,
        "bandwidth": weights.numel()
        * kind.itemsize
        / _seconds(lambda: torch.nn.functional.linear(row, weights), seconds),
    }


def _seconds(call: object, seconds: float) -> float:
    """Return the shortest time of ``call`` within ``seconds`` of trying."""
    assert callable(call)
    call()
    end = time.perf_counter() + seconds
    best = float("inf")
    while time.perf_counter() < end:
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return best


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Measure the roofs of this machine's processor.")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--dtype", choices=list(DTYPES), action="append", help="default: all of them")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    print(json.dumps({dtype: measure(dtype) for dtype in asked.dtype or DTYPES}))
