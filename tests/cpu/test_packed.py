"""Packed products: the same sums as plain ones, and left alone where they are missing or wrong."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
import torch
from torch.nn import functional as F

from slhf.cpu import pack, packed, packed_linear, packing_works


@pytest.fixture(autouse=True)
def asked_anew() -> Iterator[None]:
    packing_works.cache_clear()
    yield
    packing_works.cache_clear()


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch was built without oneDNN")
@pytest.mark.parametrize("made_for", [8, 1024])
@pytest.mark.parametrize("rows", [1, 7, 100])
def test_a_packed_product_is_the_plain_one(rows: int, made_for: int) -> None:
    generator = torch.Generator().manual_seed(rows)
    weight, x, bias = (torch.randn(*size, generator=generator) for size in ((24, 16), (rows, 16), (24,)))
    with torch.inference_mode():
        found = packed_linear(x, pack(weight, made_for), bias)
    torch.testing.assert_close(found, F.linear(x, weight, bias), atol=1e-5, rtol=1e-5)


def test_other_types_are_not_packed(caplog: pytest.LogCaptureFixture) -> None:
    assert not packing_works(torch.float64)
    assert not caplog.records


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch was built without oneDNN")
@pytest.mark.parametrize(
    ("fault", "told"), [("missing", "are not available here (no such operator)"), ("wrong", "give wrong results here")]
)
def test_products_that_fail_are_not_used_which_is_said_once(
    fault: str, told: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def product(x: torch.Tensor, weight: torch.Tensor, bias: None) -> torch.Tensor:
        if fault == "missing":
            raise AttributeError("no such operator")
        return torch.zeros(len(x), 48)

    monkeypatch.setattr(packed, "packed_linear", product)
    with caplog.at_level(logging.WARNING):
        assert not packing_works(torch.float32)
        assert not packing_works(torch.float32)
    (record,) = caplog.records
    assert record.message.endswith(told)
