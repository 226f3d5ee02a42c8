"""The optimiser of the embedded model, against a singular value decomposition and against torch's own."""

from __future__ import annotations

import pytest
import torch

from slhf.toy.muon import Muon, orthogonalised


@pytest.mark.parametrize("shape", [(3, 6, 6), (2, 12, 4), (2, 4, 12)])
def test_singular_values_come_near_one_and_singular_vectors_stay(shape: tuple[int, int, int]) -> None:
    given = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    u, _, vt = torch.linalg.svd(given, full_matrices=False)
    found = u.mT @ orthogonalised(given) @ vt.mT
    values = torch.diagonal(found, dim1=-2, dim2=-1)
    torch.testing.assert_close(found, torch.diag_embed(values))
    assert values.min() >= 0.65
    assert values.max() <= 1.25


def test_zero_stays_zero() -> None:
    assert torch.equal(orthogonalised(torch.zeros(1, 3, 2)), torch.zeros(1, 3, 2))


def test_steps_are_those_of_torchs_muon_but_for_its_bfloat16() -> None:
    generator = torch.Generator().manual_seed(1)
    start = [torch.randn(shape, generator=generator) for shape in [(8, 8), (24, 8), (8, 24), (8, 8)]]
    mine, theirs = ([torch.nn.Parameter(w.clone()) for w in start] for _ in range(2))
    optimisers = Muon(mine, lr=0.02), torch.optim.Muon(theirs, lr=0.02, momentum=0.95, weight_decay=0.0)
    for _ in range(3):
        for weights in zip(mine, theirs, strict=True):
            gradient = torch.randn(weights[0].shape, generator=generator)
            for weight in weights:
                weight.grad = gradient.clone()
        for optimiser in optimisers:
            optimiser.step()
    for a, b, w in zip(mine, theirs, start, strict=True):
        moved = (b - w).norm()
        assert moved > 0.01
        assert (a - b).norm() <= 0.02 * moved
