"""The one trainer: samples whole optimiser batches, has them judged, and follows an algorithm's credit rule."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import gather_object
from transformers import Trainer, TrainerCallback, set_seed

from slhf.algorithms.protocol import Algorithm
from slhf.errors import CheckpointError, InputError
from slhf.judges.protocol import Judge, Preference, as_judge
from slhf.policies.load import stands_on
from slhf.policies.rollouts import PromptRow
from slhf.training import checkpoints
from slhf.training.alongside import parts_of, play_parts
from slhf.training.arguments import GameArguments
from slhf.training.callbacks import RunFiles
from slhf.training.held_out import Evaluator, HeldOut
from slhf.training.metrics import Meter
from slhf.training.optimizer import role_groups
from slhf.training.passes import automatic_tokens, game_batch
from slhf.training.play import describe, describe_weights, held_out_entry, sample_entry
from slhf.training.products import fast_products
from slhf.training.saving import save_roles, saved_if_the_judge_fails
from slhf.training.sequences import chunks
from slhf.training.setup import check_match, checked_rows, roller_of, scoring_of, trainable_policy
from slhf.types import Round


class GameTrainer(Trainer):
    """Trains a language model in a game between a Leader and a Follower.

    It knows sampling, judging, log-probabilities and optimisation; which game is played is
    the algorithm's business alone.

    Args:
        model: name, path, ``toy``, run folder, or a transformers or PEFT model object.
        judge: a ``Judge``, or a callable ``(prompts, first, second) → P(first ≻ second)``.
        algorithm: the credit rule and its settings, ``StackelbergGDA()`` say.
        args: everything else.
        train_dataset: rows with a ``prompt`` column, text or conversation; other columns reach the judge.
        eval_dataset: held-out prompts, likewise.
        processing_class: the tokenizer; loaded with the model if it came by name.
        peft_config: LoRA settings; None trains all weights against a frozen copy.
        callbacks: further transformers callbacks.

    Raises:
        InputError: anything wrong with data, settings, template or model, before training starts.
    """

    args: GameArguments  # type: ignore[assignment]
    model: Any

    def __init__(
        self,
        model: Any,
        judge: Judge | Preference,
        algorithm: Algorithm,
        args: GameArguments,
        train_dataset: Any = None,
        eval_dataset: Any = None,
        processing_class: Any = None,
        peft_config: Any = None,
        callbacks: list[TrainerCallback] | None = None,
    ):
        set_seed(args.seed)  # an adapter's first weights are drawn below
        self.judge, self.algorithm = as_judge(judge), algorithm
        self._base_name = stands_on(model) if isinstance(model, str | Path) else None
        self.policy = trainable_policy(model, processing_class, peft_config, args)
        check_match(algorithm.match, self.judge, self.policy)
        super().__init__(
            model=self.policy.model,
            args=args,
            data_collator=list,  # type: ignore[arg-type]
            train_dataset=checked_rows(train_dataset, "train_dataset", self.policy, args),  # type: ignore
            eval_dataset=checked_rows(eval_dataset, "eval_dataset", self.policy, args),  # type: ignore
            processing_class=self.policy.tokenizer,
            callbacks=callbacks,
        )
        self.policy.move(args.device)
        self._meter = Meter()
        self._folder = Path(str(args.output_dir))
        self._files = RunFiles(self._folder)
        self.add_callback(self._files)
        self._roller = roller_of(self.policy, args)
        self._scoring = scoring_of(algorithm, args)
        self._evaluators: dict[int, tuple[Any, Evaluator]] = {}
        self._rounds_in_step = 0
        self._mine: dict[str, Any] = {}
        # our steps are not token counts; transformers' own loss bookkeeping must leave them alone
        self.model_accepts_loss_kwargs = False

    # ---- one optimiser step: sample everything, judge everything, train in pieces ----

    def get_batch_samples(
        self, epoch_iterator: Iterator[list[PromptRow]], num_batches: int, device: torch.device
    ) -> tuple[list[list[Round]], None]:
        """Play the whole optimiser step at once; its last micro-batch trains all of it, a bounded piece at a time."""
        if self.state.global_step >= self.state.max_steps:
            # resumed from its last checkpoint: transformers would train one step too many
            self.control.should_training_stop = True
            return [], None
        batches = [batch for _, batch in zip(range(num_batches), epoch_iterator, strict=False)]
        with saved_if_the_judge_fails(self, self.model):
            rounds = self.play([row for batch in batches for row in batch], self.state.global_step)
        self._rounds_in_step = len(rounds)
        return [*([] for _ in batches[1:]), rounds], None

    def play(self, rows: Sequence[PromptRow], step: int) -> list[Round]:
        """Sample and judge one rollout a prompt."""
        self.model.eval()
        start = time.perf_counter()
        match = self.algorithm.match
        sampler = partial(self._roller.rollouts, step=step, match=match)
        rounds, sampled = play_parts(self.judge, parts_of(rows, self.args.judge_parts), sampler, match.opponent)
        self._roller.rest()
        self._meter.add("time/generate", sampled - start, 1)
        self._meter.add("time/judge", time.perf_counter() - sampled, 1)
        describe(self._meter, rounds)
        due = self.state.logging_steps and (step + 1) % self.state.logging_steps == 0
        if due and self.is_world_process_zero():
            for item in rounds[: self.args.log_completions]:
                self._files.sample(sample_entry(item, step + 1))
        return rounds

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> torch.Tensor:
        """Forward and backward of one micro-batch, a bounded number of tokens at a time."""
        model.train()
        start = time.perf_counter()
        total = torch.zeros((), device=self.args.device)
        narrowest = torch.bfloat16 if self.args.bf16 or self.args.fp16 else self.policy.plain.dtype
        pieces = chunks(inputs, self.args.train_chunk_tokens or automatic_tokens(self.args.device, narrowest))
        for number, piece in enumerate(pieces):
            last = number == len(pieces) - 1
            together = contextlib.nullcontext() if last else self.accelerator.no_sync(model)
            with together, fast_products(self.args, model):
                loss = self._loss(model, piece) * (len(piece) / self._rounds_in_step)
                self.accelerator.backward(loss)
            total += loss.detach()
        self._meter.add("time/train", time.perf_counter() - start, len(inputs) / self._rounds_in_step)
        return total

    def _loss(self, model: Any, rounds: Sequence[Round]) -> torch.Tensor:
        with self.compute_loss_context_manager():
            batch = game_batch(self.policy, model, rounds, self._scoring)
            losses, metrics = self.algorithm.losses(batch)
        # with an adapter a role, a role's weight is its learning rate instead
        weights = self.algorithm.role_weights if self.policy.shared else dict.fromkeys(losses, 1.0)
        loss = sum((weights[role] * value for role, value in losses.items()), torch.zeros((), device=self.args.device))
        self._meter.add_all(metrics)
        self._meter.add("loss", float(loss.detach()) * len(rounds), len(rounds))
        describe_weights(self._meter, batch)
        return loss

    # ---- evaluation ----

    def evaluate(
        self,
        eval_dataset: Any = None,
        ignore_keys: list[str] | None = None,
        metric_key_prefix: str = "eval",
    ) -> dict[str, float]:
        """Compare base, Leader and Follower on held-out prompts; names in ``slhf.training.metrics``.

        Args:
            eval_dataset: prompts; the trainer's own if None.
            ignore_keys: not used; part of transformers' signature.
            metric_key_prefix: put before each metric's name.
        """
        result = self.held_out(eval_dataset)
        metrics = {f"{metric_key_prefix}_{name}": value for name, value in result.metrics.items()}
        if self.is_world_process_zero():
            for row in result.samples[: self.args.log_completions]:
                self._files.sample(held_out_entry(row, self.state.global_step))
        self.log(dict(metrics))
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def held_out(self, eval_dataset: Any = None) -> HeldOut:
        """Sample and judge base, Leader and Follower on held-out prompts; logs nothing.

        Raises:
            InputError: there is no data set to evaluate on.
        """
        dataset = self.eval_dataset if eval_dataset is None else eval_dataset
        if dataset is None:
            raise InputError("evaluation needs held-out prompts: pass eval_dataset")
        if id(dataset) not in self._evaluators:
            rows: Any = checked_rows(dataset, "eval_dataset", self.policy, self.args)
            # the data set is kept beside its evaluator, or its id could be used again
            self._evaluators[id(dataset)] = (dataset, Evaluator(rows, self.judge, base=self.args.evaluate_base))
        self.model.eval()
        evaluator = self._evaluators[id(dataset)][1]
        return evaluator.run(self._roller, self.accelerator.process_index, self.accelerator.num_processes)

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add the metered means to a training log; evaluation logs pass through."""
        if "loss" in logs:
            logs = {**logs, **self._meter.drain(self.accelerator)}
        elif "train_runtime" in logs:
            # the rest of the summary covers this call only, and would change when a run is resumed
            logs = {"train_runtime": logs["train_runtime"]}
        super().log(logs, start_time)

    # ---- optimiser, checkpoints ----

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """With an adapter a role, give each role its own learning rate: η and κ η."""
        if self.policy.shared or self.policy.adapters is None or self.optimizer is not None:
            return super().create_optimizer(model)
        decaying = set(self.get_decay_parameter_names(self.model))
        groups = role_groups(self.model, self.policy.adapters, self.algorithm.role_weights, self.args, decaying)
        kind, settings = self.get_optimizer_cls_and_kwargs(self.args, self.model)
        self.optimizer = kind(groups, **settings)
        return self.optimizer

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
            raise InputError("training needs prompts: pass train_dataset")
        rows: Any = self.train_dataset
        self._mine = checkpoints.fingerprint(self.args, self.algorithm, self.policy, self.judge, rows)
        chosen = checkpoints.choose(resume_from_checkpoint, self._folder, self._mine)
        self.accelerator.wait_for_everyone()  # all have chosen before anything is removed
        if self.is_world_process_zero():
            checkpoints.remove_partial(self._folder)
        self._meter.restore(checkpoints.meter_of(chosen, self.args.process_index))
        return super().train(*args, resume_from_checkpoint=chosen, **kwargs)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        def kept() -> dict[str, Any]:
            return {"fingerprint": self._mine, "meters": gather_object([self._meter.state()])}

        checkpoints.save_whole(self, partial(super()._save_checkpoint, model, trial), kept)

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Save weights, tokenizer and the roles' settings; ``load_policy`` reads them.

        Raises:
            CheckpointError: it could not be written, on a full disk say.
        """
        folder = output_dir or str(self._folder)
        try:
            super().save_model(folder, _internal_call)
            if self.args.should_save:
                save_roles(folder, self.args, self.policy, self._base_name)
        except Exception as error:
            if _internal_call:
                raise
            raise CheckpointError(f"could not write the model to {folder}: {error}") from error

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        trainable = [p for p in self.model.parameters() if p.requires_grad]
        super()._load_from_checkpoint(resume_from_checkpoint, model)
        # loading a second adapter freezes it; both roles train
        for parameter in trainable:
            parameter.requires_grad_(True)

    def _load_best_model(self) -> None:
        if self.policy.shared:
            super()._load_best_model()
        elif self.state.best_model_checkpoint is not None:
            self._load_from_checkpoint(self.state.best_model_checkpoint)

    def floating_point_ops(self, inputs: Any) -> int:
        """Not counted: inputs are rounds, not tensors."""
        return 0
