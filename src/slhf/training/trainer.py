"""The one trainer: samples whole optimiser batches, has them judged, and follows an algorithm's credit rule."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peft import PeftModel
from transformers import Trainer, TrainerCallback
from transformers.trainer_utils import rotate_checkpoints

from slhf.algorithms.protocol import Algorithm
from slhf.errors import InputError
from slhf.judges.protocol import Judge, Preference, as_judge, preferences
from slhf.policies.causal_lm import CausalPolicy
from slhf.policies.decoding import Sampling
from slhf.policies.load import RoleSettings, add_adapters, load_model, load_tokenizer
from slhf.policies.roles import make_roles
from slhf.policies.rollouts import PromptRow, Roller
from slhf.training import checkpoints
from slhf.training.arguments import GameArguments
from slhf.training.callbacks import RunFiles
from slhf.training.held_out import Evaluator, HeldOut
from slhf.training.metrics import Meter
from slhf.training.passes import Scoring, game_batch
from slhf.training.prompts import PromptRows, check_lengths
from slhf.training.saving import name_base
from slhf.training.sequences import chunks, tokens_of
from slhf.types import Comparison, Round


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
        self.judge, self.algorithm = as_judge(judge), algorithm
        self._base_name = str(model) if isinstance(model, str | Path) else None
        tokenizer = processing_class
        if self._base_name is not None:
            tokenizer = tokenizer if tokenizer is not None else load_tokenizer(self._base_name)
            model = load_model(self._base_name)
        if tokenizer is None:
            raise InputError("a model object needs its tokenizer: pass processing_class=tokenizer")
        model, adapters = add_adapters(model, peft_config, per_role=args.adapters == "per_role")
        _check_trainable_precision(model)
        roles = make_roles(
            tokenizer, model, kind=args.roles, instruction=args.instruction, repeat_prompt=args.repeat_prompt
        )
        train_rows = None if train_dataset is None else PromptRows(train_dataset, "train_dataset")
        eval_rows = None if eval_dataset is None else PromptRows(eval_dataset, "eval_dataset")
        self.policy = CausalPolicy(model, tokenizer, roles, adapters=adapters)
        self.policy.check_head()
        for what, rows in (("train_dataset", train_rows), ("eval_dataset", eval_rows)):
            if rows is not None:
                limits = {"max_prompt_length": args.max_prompt_length, "max_new_tokens": args.max_new_tokens}
                check_lengths(rows, self.policy, what, **limits)
        if args.gradient_checkpointing and isinstance(model, PeftModel):
            model.enable_input_require_grads()
        super().__init__(
            model=model,
            args=args,
            data_collator=list,
            train_dataset=train_rows,  # type: ignore[arg-type]
            eval_dataset=eval_rows,  # type: ignore[arg-type]
            processing_class=tokenizer,
            callbacks=callbacks,
        )
        self.policy.move(args.device)
        self._meter = Meter()
        self._files = RunFiles(args.output_dir)
        self.add_callback(self._files)
        self._roller = Roller(
            self.policy,
            self._sampling(args),
            seed=args.seed,
            dtype=getattr(torch, args.sampling_dtype) if args.sampling_dtype else None,
            max_rows=args.generation_rows,
        )
        self._scoring = Scoring(
            temperature=args.temperature,
            chunk_mib=args.logits_chunk_mib,
            exact_kl=algorithm.exact_kl,
            importance_cap=args.importance_cap if args.sampling_dtype else None,
        )
        self._evaluators: dict[int, tuple[Any, Evaluator]] = {}
        self._rounds_in_step = 0
        # our steps are not token counts; transformers' own loss bookkeeping must leave them alone
        self.model_accepts_loss_kwargs = False

    @staticmethod
    def _sampling(args: GameArguments) -> Sampling:
        return Sampling(
            end_tokens=(),
            max_new_tokens=args.max_new_tokens,
            min_new_tokens=args.min_new_tokens,
            temperature=args.temperature,
            top_k=args.top_k,
            top_p=args.top_p,
            logprobs=args.sampling_dtype is not None,
        )

    # ---- one optimiser step: sample everything, judge everything, train in pieces ----

    def get_batch_samples(
        self, epoch_iterator: Iterator[list[PromptRow]], num_batches: int, device: torch.device
    ) -> tuple[list[list[Round]], None]:
        """Play the whole optimiser step at once and deal it out again as micro-batches of like length."""
        batches = [batch for _, batch in zip(range(num_batches), epoch_iterator, strict=False)]
        rows = [row for batch in batches for row in batch]
        if not rows:
            return [], None
        rounds = self.play(rows, self.state.global_step)
        rounds.sort(key=lambda item: tokens_of(item)[1], reverse=True)
        self._rounds_in_step = len(rounds)
        ends = np.cumsum([len(batch) for batch in batches])
        starts = ends - np.array([len(batch) for batch in batches])
        return [rounds[a:b] for a, b in zip(starts, ends, strict=True)], None

    def play(self, rows: Sequence[PromptRow], step: int) -> list[Round]:
        """Sample and judge one rollout a prompt."""
        self.model.eval()
        start = time.perf_counter()
        rollouts = self._roller.rollouts(
            rows, step, leaders=self.algorithm.leader_samples, followers=self.algorithm.follower_samples
        )
        sampled = time.perf_counter()
        asked = [
            Comparison(r.prompt, answer.text, refinement.text, r.columns)
            for r in rollouts
            for answer, refinements in zip(r.leaders, r.followers, strict=True)
            for refinement in refinements
        ]
        shape = (len(rollouts), self.algorithm.leader_samples, self.algorithm.follower_samples)
        preferred = preferences(self.judge, asked).reshape(shape)
        rounds = [Round(rollout, p) for rollout, p in zip(rollouts, preferred, strict=True)]
        self._meter.add("time/generate", sampled - start, 1)
        self._meter.add("time/judge", time.perf_counter() - sampled, 1)
        self._describe(rounds)
        return rounds

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> torch.Tensor:
        """Forward and backward of one micro-batch, a bounded number of tokens at a time."""
        model.train()
        start = time.perf_counter()
        total = torch.zeros((), device=self.args.device)
        limit = self.args.train_chunk_tokens or (1024 if self.args.device.type == "cpu" else 16384)
        pieces = chunks(inputs, limit)
        for number, piece in enumerate(pieces):
            last = number == len(pieces) - 1
            with contextlib.nullcontext() if last else self.accelerator.no_sync(model):
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
        for response in batch.roles.values():
            if response.importance is not None:
                count = float(response.mask.sum())
                self._meter.add("sampling/importance_weight", float(response.importance.sum()), count)
        return loss

    def _describe(self, rounds: Sequence[Round]) -> None:
        for item in rounds:
            refinements = [r for group in item.rollout.followers for r in group]
            for role, answers in (("leader", item.rollout.leaders), ("follower", refinements)):
                self._meter.add(f"completions/{role}_mean_length", sum(len(a.tokens) for a in answers), len(answers))
                self._meter.add(f"completions/{role}_truncated", sum(not a.ended for a in answers), len(answers))
        due = self.args.logging_steps and (self.state.global_step + 1) % max(1, int(self.args.logging_steps)) == 0
        if due and self.is_world_process_zero():
            for item in rounds[: self.args.log_completions]:
                rollout = item.rollout
                leader, follower = rollout.leaders[0].text, rollout.followers[0][0].text
                entry = {"step": self.state.global_step + 1, "prompt": rollout.prompt, "base": None}
                entry |= {"leader": leader, "follower": follower, "preference": float(item.preferences[0, 0])}
                self._files.sample(entry)

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
                kept = ("prompt", "base", "leader", "follower")
                entry = {"step": self.state.global_step, **{k: row[k] for k in kept}}
                self._files.sample(entry | {"preference": 1.0 - row["follower_vs_leader"], "held_out": True})
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
            rows = dataset if isinstance(dataset, PromptRows) else PromptRows(dataset, "eval_dataset")
            # the data set is kept beside its evaluator, or its id could be used again
            self._evaluators[id(dataset)] = (dataset, Evaluator(rows, self.judge, base=self.args.evaluate_base))
        self.model.eval()
        evaluator = self._evaluators[id(dataset)][1]
        return evaluator.run(self._roller, self.accelerator.process_index, self.accelerator.num_processes)

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add the metered means to a training log; evaluation logs pass through."""
        if "loss" in logs:
            logs = {**logs, **self._meter.drain(self.accelerator)}
        super().log(logs, start_time)

    # ---- optimiser, checkpoints ----

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """With an adapter a role, give each role its own learning rate: η and κ η."""
        if self.policy.shared or self.optimizer is not None:
            return super().create_optimizer(model)
        assert self.policy.adapters is not None
        decay = set(self.get_decay_parameter_names(self.model))
        groups = []
        for role, weight in self.algorithm.role_weights.items():
            mark = f".{self.policy.adapters[role]}."
            named = [(n, p) for n, p in self.model.named_parameters() if p.requires_grad and mark in n]
            for decays in (True, False):
                chosen = [p for n, p in named if (n in decay) == decays]
                rate = {"lr": self.args.learning_rate * weight, "weight_decay": self.args.weight_decay * decays}
                groups += [{"params": chosen, **rate}] if chosen else []
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
        mine = self._fingerprint()
        chosen = checkpoints.choose(resume_from_checkpoint, self.args.output_dir, mine)
        if self.is_world_process_zero():
            checkpoints.remove_partial(self.args.output_dir)
        if chosen is not None:
            self._meter.restore(checkpoints.read_state(chosen)["meter"])
        return super().train(*args, resume_from_checkpoint=chosen, **kwargs)

    def _fingerprint(self) -> dict[str, Any]:
        return checkpoints.fingerprint(self.args, self.algorithm, self.train_dataset)  # type: ignore[arg-type]

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        folder = Path(self.args.output_dir, f"checkpoint-{self.state.global_step}")
        limit, self.args.save_total_limit = self.args.save_total_limit, None
        try:
            super()._save_checkpoint(model, trial)
            if self.args.should_save:
                state = {"fingerprint": self._fingerprint(), "meter": self._meter.state()}
                checkpoints.mark_whole(folder, state)
        except Exception as error:
            whole = checkpoints.whole_checkpoints(self.args.output_dir)
            raise checkpoints.failed(folder, error, whole[-1] if whole else None) from error
        finally:
            self.args.save_total_limit = limit
        if self.args.should_save:
            # only now: an older checkpoint may go when the new one is known to be whole
            rotate_checkpoints(
                output_dir=self.args.output_dir,
                save_total_limit=limit,
                best_model_checkpoint=self.state.best_model_checkpoint,
                use_mtime=True,
            )

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Save weights, tokenizer and the roles' settings; ``load_policy`` reads them."""
        folder = output_dir or self.args.output_dir
        super().save_model(folder, _internal_call)
        if self.args.should_save:
            name_base(folder, self._base_name)
            self.role_settings().save(folder)

    def role_settings(self) -> RoleSettings:
        """Return how this model plays its roles, as stored beside its weights."""
        return RoleSettings(
            roles=self.args.roles,
            instruction=self.args.instruction,
            repeat_prompt=self.args.repeat_prompt,
            temperature=self.args.temperature,
            max_new_tokens=self.args.max_new_tokens,
            adapters=None if self.policy.shared else self.policy.adapters,
            base_model=self._base_name,
        )

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


def _check_trainable_precision(model: Any) -> None:
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and parameter.dtype in (torch.bfloat16, torch.float16):
            raise InputError(
                f"the trained weight {name} is {parameter.dtype}: most small updates would round to nothing; load "
                "the model in float32 (with bf16=True for the arithmetic), or train a LoRA adapter"
            )


