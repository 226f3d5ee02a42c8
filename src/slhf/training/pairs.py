"""The trainer of preference pairs: DPO, its variants and the robust losses, on ``transformers.Trainer``."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate.utils import gather_object
from numpy.typing import NDArray
from torch import Tensor
from transformers import Trainer, TrainerCallback, set_seed

from slhf.algorithms.pair_protocol import PairLoss, PairState, Plan
from slhf.errors import CheckpointError, InputError
from slhf.objectives.pair_batch import PairBatch
from slhf.training import checkpoints
from slhf.training.callbacks import MetricsFile
from slhf.training.metrics import Meter
from slhf.training.pair_arguments import PairArguments
from slhf.training.pair_rows import PairRow, PairRows
from slhf.training.pair_setup import limits_of, pair_fingerprint, pair_policy, scorer_of
from slhf.training.pair_step import Step, everywhere, pair_batch, scored
from slhf.training.products import fast_products
from slhf.training.reward_setup import base_name
from slhf.training.saving import save_roles


class PairTrainer(Trainer):
    """Trains a language model on pairs of responses, one chosen and one rejected.

    Both responses of a pair are scored in one forward that reads their prompt once. The reference is the
    model before all training, never the policy; its log-probabilities are computed once and kept.

    Args:
        model: name, path, ``toy``, run folder, or a transformers or PEFT model object.
        loss: which loss and its settings, ``DPO()`` say; see ``slhf.algorithms.PAIR_LOSSES``.
        args: everything else.
        train_dataset: rows with ``prompt`` (text or messages), ``chosen`` and ``rejected`` (text), and if need
            be ``preference`` (P(chosen ≻ rejected)) and ``weight``, which multiplies the pair's loss. Token
            columns ``prompt_ids``, ``chosen_ids``, ``rejected_ids`` go before the texts.
        eval_dataset: held-out pairs, likewise.
        processing_class: the tokenizer; loaded with the model if it came by name.
        peft_config: LoRA settings; None trains all weights, or the adapter the model carries.
        callbacks: further transformers callbacks.

    Raises:
        InputError: anything wrong with data, settings, template or model, before training starts.
    """

    args: PairArguments  # type: ignore[assignment]
    model: Any

    def __init__(
        self,
        model: Any,
        loss: PairLoss,
        args: PairArguments,
        train_dataset: Any = None,
        eval_dataset: Any = None,
        processing_class: Any = None,
        peft_config: Any = None,
        callbacks: list[TrainerCallback] | None = None,
    ):
        set_seed(args.seed)  # an adapter's first weights are drawn below
        self.loss = loss
        self.policy, self._base_name = pair_policy(model, processing_class, peft_config, args)
        self._limits = limits_of(self.policy, args)
        super().__init__(
            model=self.policy.model,
            args=args,
            data_collator=list,  # type: ignore[arg-type]
            train_dataset=self.pairs(train_dataset, "train_dataset"),  # type: ignore[arg-type]
            eval_dataset=self.pairs(eval_dataset, "eval_dataset"),  # type: ignore[arg-type]
            processing_class=self.policy.tokenizer,
            callbacks=callbacks,
        )
        self.policy.move(args.device)
        self._folder = Path(str(args.output_dir))
        self.scorer = scorer_of(self.policy, args, loss)
        self.add_callback(MetricsFile(self._folder))
        self._meter, self._state = Meter(), PairState()
        self._mine: dict[str, Any] = {}
        self.model_accepts_loss_kwargs = False  # transformers' own loss bookkeeping must leave ours alone

    def pairs(self, dataset: Any, what: str = "the data set") -> PairRows | None:
        """Return a data set as pairs that all fit in the model; None stays None.

        Args:
            dataset: rows as ``train_dataset`` has them.
            what: its name in messages.

        Raises:
            InputError: names the data set and the first row that is wrong.
        """
        if dataset is None or isinstance(dataset, PairRows):
            return dataset
        return PairRows(dataset, what, self.policy.roles, self._limits, soft=self.loss.soft)

    # ---- one optimiser step, a bounded piece at a time ----

    def get_batch_samples(
        self, epoch_iterator: Iterator[list[PairRow]], num_batches: int, device: torch.device
    ) -> tuple[list[list[PairRow]], None]:
        """Put the whole optimiser step into its last micro-batch."""
        if self.state.global_step >= self.state.max_steps:
            # resumed from its last checkpoint: transformers would train one step too many
            self.control.should_training_stop = True
            return [], None
        batches = [batch for _, batch in zip(range(num_batches), epoch_iterator, strict=False)]
        return [*([] for _ in batches[1:]), [row for batch in batches for row in batch]], None

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Tensor:
        """Forward and backward of a whole step, a bounded number of tokens at a time."""
        total = torch.zeros((), device=self.args.device)
        if not inputs:
            return total
        model.train()
        start = time.perf_counter()
        step = self._begin(inputs)
        if step.ahead and not step.alone:
            self._look_ahead(model, step)
        for number, piece in enumerate(step.pieces):
            last = number == len(step.pieces) - 1
            together = contextlib.nullcontext() if last else self.accelerator.no_sync(model)
            with together, fast_products(self.args, model):
                loss = self._loss(model, step, piece) * (len(piece) / len(step.rows))
                self.accelerator.backward(loss)
            total += loss.detach()
        if self.loss.memory is not None:
            self._state = self.loss.memory.after(self._state, everywhere(step.margins, self.args)[0])
        for name, value in step.plan.metrics.items():
            self._meter.add(name, value, 1)
        self._meter.add("time/train", time.perf_counter() - start, 1)
        return total

    def _begin(self, rows: Sequence[PairRow]) -> Step:
        pieces = self.scorer.pieces([row.branches for row in rows])
        memory = self.loss.memory
        progress = self.state.global_step / max(1, self.state.max_steps)
        ahead = memory is not None and memory.looks_ahead(self._state)
        step = Step(rows, pieces, progress, ahead, alone=len(pieces) == 1 and self.args.world_size == 1)
        if memory is not None and not ahead:
            step.plan = memory.plan(self._state, progress, None)
        return step

    def _look_ahead(self, model: Any, step: Step) -> None:
        """Score every pair of the step without a gradient, with the dropout that its gradient will have."""
        devices = [self.args.device] if self.args.device.type == "cuda" else []
        with torch.random.fork_rng(devices), torch.no_grad(), fast_products(self.args, model):
            for piece in step.pieces:
                step.margins[piece] = self._pairs(model, step, piece).margins(self.loss.beta).double().cpu()
        self._settle(step)

    def _settle(self, step: Step) -> None:
        assert self.loss.memory is not None
        margins, first = everywhere(step.margins, self.args)
        plan = self.loss.memory.plan(self._state, step.progress, margins)
        step.plan = plan.part(range(first, first + len(step.rows)))

    def _loss(self, model: Any, step: Step, piece: list[int]) -> Tensor:
        pairs = self._pairs(model, step, piece)
        step.margins[piece] = pairs.doubt_margins(self.loss.beta).double().cpu()
        if step.ahead and step.alone:
            self._settle(step)
        loss, metrics = self.loss.losses(pairs, step.plan.part(piece))
        self._meter.add_all(metrics)
        for name, values in (("chosen", pairs.chosen), ("rejected", pairs.rejected)):
            self._meter.add_all({f"pairs/{name}_log_ratio": values.detach()})
        self._meter.add("loss", float(loss.detach()) * len(piece), len(piece))
        return loss

    def _pairs(self, model: Any, step: Step, piece: list[int]) -> PairBatch:
        rows = [step.rows[i] for i in piece]
        items = [row.branches for row in rows]
        factor = 0.0 if self.loss.memory is None else self.loss.memory.extrapolation
        with self.compute_loss_context_manager():
            further = self.scorer.extrapolated(model, items, factor) if factor else None
            return pair_batch(self.scorer.log_ratios(model, items), rows, further)

    # ---- evaluation ----

    def margins(self, dataset: Any) -> NDArray[np.float64]:
        """Return ξ = β [log π/π_ref(y_w) − log π/π_ref(y_l)] of every pair, (n,), in evaluation mode.

        Args:
            dataset: rows as ``train_dataset`` has them.

        Raises:
            InputError: names the first row that is wrong.
        """
        rows = self.pairs(dataset)
        if rows is None:
            raise InputError("margins are those of pairs: pass a data set")
        return self._scored(rows).margins(self.loss.beta).numpy()

    def evaluate(
        self, eval_dataset: Any = None, ignore_keys: list[str] | None = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        """Return the loss, the accuracy of the margins and their mean on held-out pairs.

        Args:
            eval_dataset: pairs; the trainer's own if None.
            ignore_keys: not used; part of transformers' signature.
            metric_key_prefix: put before each metric's name.

        Raises:
            InputError: there is no data set to evaluate on.
        """
        rows = self.pairs(self.eval_dataset if eval_dataset is None else eval_dataset, "eval_dataset")
        if rows is None:
            raise InputError("evaluation needs held-out pairs: pass eval_dataset")
        start = time.perf_counter()
        pairs, plan, memory = self._scored(rows), Plan(), self.loss.memory
        if memory is not None:
            plan = memory.plan(self._state, 0.0, pairs.margins(self.loss.beta))
        loss, found = self.loss.losses(pairs, plan)
        metrics = {f"{metric_key_prefix}_{name}": float(values.mean()) for name, values in found.items()}
        metrics[f"{metric_key_prefix}_loss"] = float(loss)
        metrics[f"{metric_key_prefix}_runtime"] = time.perf_counter() - start
        self.log(dict(metrics))
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _scored(self, rows: PairRows) -> PairBatch:
        return scored(self.scorer, rows, self.args, self.compute_loss_context_manager)

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add the metered means to a training log; evaluation logs pass through."""
        if "loss" in logs:
            logs = {**logs, **self._meter.drain(self.accelerator)}
        elif "train_runtime" in logs:
            # the rest of the summary covers this call only, and would change when a run is resumed
            logs = {"train_runtime": logs["train_runtime"]}
        super().log(logs, start_time)

    # ---- checkpoints ----

    def train(self, resume_from_checkpoint: str | bool | None = None, *args: Any, **kwargs: Any) -> Any:
        """Train, or go on from a checkpoint to the same result.

        Args:
            resume_from_checkpoint: True for the last whole checkpoint of ``output_dir``, or a path.
            args: passed to transformers.
            kwargs: passed to transformers.

        Raises:
            InputError: no data, nothing to resume, or the folder holds a different run.
        """
        if self.train_dataset is None:
            raise InputError("training needs pairs: pass train_dataset")
        rows: Any = self.train_dataset
        self._mine = pair_fingerprint(self.args, self.loss, self.policy, self.scorer, rows, self._limits)
        chosen = checkpoints.choose(resume_from_checkpoint, self._folder, self._mine)
        self.accelerator.wait_for_everyone()  # all have chosen before anything is removed
        if self.is_world_process_zero():
            checkpoints.remove_partial(self._folder)
        self._meter.restore(checkpoints.meter_of(chosen, self.args.process_index))
        self._state = PairState.restored(checkpoints.kept_in(chosen, "loss")) if chosen else PairState()
        return super().train(*args, resume_from_checkpoint=chosen, **kwargs)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        def kept() -> dict[str, Any]:
            meters = gather_object([self._meter.state()])
            return {"fingerprint": self._mine, "meters": meters, "loss": self._state.plain()}

        checkpoints.save_whole(self, partial(super()._save_checkpoint, model, trial), kept)

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Save weights, tokenizer and settings; ``load_policy`` reads them.

        Raises:
            CheckpointError: it could not be written, on a full disk say.
        """
        folder = output_dir or str(self._folder)
        try:
            super().save_model(folder, _internal_call)
            if self.args.should_save:
                longest = 1 if self.train_dataset is None else self.train_dataset.longest_response  # type: ignore
                settings = replace(
                    self.policy.settings, temperature=self.args.temperature, max_new_tokens=max(1, longest)
                )
                base = None if self._base_name is None else base_name(self._base_name)
                save_roles(folder, settings, self.policy, base)
        except Exception as error:
            if _internal_call:
                raise
            raise CheckpointError(f"could not write the model to {folder}: {error}") from error

    def floating_point_ops(self, inputs: Any) -> int:
        """Not counted: inputs are pairs, not tensors."""
        return 0
