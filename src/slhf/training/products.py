"""Products and attention of a training pass on a processor, sent to the faster of torch's own kernels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from peft.helpers import disable_input_dtype_casting
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from transformers import TrainingArguments

from slhf.cpu import keep_freed_memory, packed_linear, packing_works
from slhf.training.adapter_sums import in_place_sums


@contextmanager
def fast_products(args: TrainingArguments, model: Any) -> Iterator[None]:
    """Run a forward and its backward in the way that suits the device.

    Adapters add their part in place; under autocast they take their input as it comes, which PEFT would cast to
    float32, and autocast back. On a CPU float32 products go to oneDNN instead of BLAS, which on some processors uses
    half of their vector width, and bfloat16 attention is computed in float32. Where oneDNN is missing, and where
    activations are computed again in the backward, products stay as they are. Memory that is freed there stays with
    the process. The sums are the same, in another order.

    Args:
        args: of the trainer.
        model: as the trainer wrapped it.
    """
    if args.device.type == "cpu":
        keep_freed_memory(mib=512)
    # activations that are computed again in the backward are not computed under this context, so it stays out
    again = args.gradient_checkpointing or args.activation_checkpointing
    products = nullcontext() if again else device_products(args.device)
    with disable_input_dtype_casting(model, active=args.bf16 or args.fp16), in_place_sums(model), products:
        yield


def device_products(device: torch.device) -> AbstractContextManager[Any]:
    """Return the context in which a forward runs with the kernels that suit a device; see :func:`fast_products`."""
    return _OneDNN() if device.type == "cpu" and packing_works(torch.float32) else nullcontext()


class _OneDNN(TorchFunctionMode):
    """Replaces calls of ``F.linear``, ``@`` and attention where a faster kernel fits; passes on all others.

    A mode leaves the model as it is, and covers what PEFT's layers and the output head call by themselves.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call ``func``, or its replacement."""
        replacement = _REPLACED.get(func)
        if replacement is None:
            return func(*args, **(kwargs or {}))
        return replacement(func, *args, **(kwargs or {}))


def _linear(plain: Callable[..., Tensor], input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    if not _fits(input, weight):
        return plain(input, weight, bias)
    flat = _Linear.apply(input.reshape(-1, input.shape[-1]), weight, bias)  # type: ignore[misc]
    return flat.view(*input.shape[:-1], -1)


def _matmul(plain: Callable[..., Tensor], first: Tensor, second: Tensor) -> Tensor:
    if first.dim() != 2 or second.dim() != 2 or not _fits(first, second):
        return plain(first, second)
    return _Linear.apply(first, second.t(), None)  # type: ignore[misc]


def _fits(x: Tensor, weight: Tensor) -> bool:
    same = x.dtype == weight.dtype == torch.float32 and x.device.type == weight.device.type == "cpu"
    return same and x.numel() > 0 and weight.dim() == 2 and not torch.is_autocast_enabled("cpu")


class _Linear(torch.autograd.Function):
    """x Wᵀ + b for (N, C) and (R, C), forward and backward by the unpacked kernel."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:  # type: ignore[override]
        ctx.save_for_backward(x, weight)
        return packed_linear(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        x, weight = ctx.saved_tensors
        wanted = ctx.needs_input_grad
        return (
            packed_linear(grad, weight.t(), None) if wanted[0] else None,
            packed_linear(grad.t(), x.t(), None) if wanted[1] else None,
            grad.sum(dim=0) if wanted[2] else None,
        )


def _attention(plain: Callable[..., Tensor], query: Tensor, key: Tensor, value: Tensor, **settings: Any) -> Tensor:
    if query.dtype != torch.bfloat16 or query.device.type != "cpu" or settings.get("attn_mask") is not None:
        return plain(query, key, value, **settings)
    with torch.autocast("cpu", enabled=False):  # it would cast back
        return plain(query.float(), key.float(), value.float(), **settings).to(query.dtype)


_REPLACED: Mapping[Any, Callable[..., Tensor]] = {
    F.linear: _linear,
    torch.matmul: _matmul,
    Tensor.matmul: _matmul,
    Tensor.__matmul__: _matmul,
    F.scaled_dot_product_attention: _attention,
}
