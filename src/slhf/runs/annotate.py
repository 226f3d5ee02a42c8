"""Sample answers to prompts and label them: a file of pairs, made batch by batch."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slhf.data import load_prompts
from slhf.data.pair_files import check_rows_file, write_rows
from slhf.errors import InputError, suggestion
from slhf.evaluation import Model, Store, policy_model, remembered
from slhf.evaluation.answers import leader_answers, refined_answers
from slhf.evaluation.store import Watch, unwatched
from slhf.judges import Judge
from slhf.runs.align_checks import IMPLICIT
from slhf.runs.align_models import placed
from slhf.runs.align_rewards import against, kept_rewards
from slhf.runs.annotation import Annotated, distinct, label_by_follower, label_by_judge, label_by_reward
from slhf.runs.judges import judge_of
from slhf.runs.sampling import sampling_of
from slhf.types import Prompt

if TYPE_CHECKING:
    from slhf.policies import CausalPolicy

log = logging.getLogger(__name__)

FOLLOWER = "follower"
"""Labels by the model's own Follower: its refinement of an answer over the answer."""


@dataclass(frozen=True)
class Annotation:
    """What is wanted.

    Attributes:
        model: who answers: ``toy``, a path, a run's folder or a hub name.
        prompts: as ``load_prompts`` takes them.
        out: the file of pairs, ``.parquet`` or ``.jsonl``.
        split: which part of the prompts; all of a local file and the training part of anything else if None.
        limit: at most so many prompts.
        answers: answers a prompt, two or more; the best and the worst make a pair. Two for ``follower``: an answer and
            its refinement.
        temperature: of the answers; above 0.
        max_new_tokens: an answer is cut after so many tokens; the model's own number if None.
        by: ``implicit``, by the model's own log π/π_SFT; ``follower``, which prefers its refinement of an answer to the
            answer; or a judge, as commands name one.
        reference: π_SFT of a model without adapters.
        beta: β of the margins of implicit rewards.
        seed: of the answers.
        prompt_column: the column that holds the prompts.
        agree: a judge that keeps those pairs of ``follower`` alone whose refinement it prefers; None keeps all.
    """

    model: str
    prompts: str
    out: str | Path
    split: str | None = None
    limit: int | None = None
    answers: int = 2
    temperature: float = 0.7
    max_new_tokens: int | None = None
    by: str = IMPLICIT
    reference: str | None = None
    beta: float = 0.1
    seed: int = 0
    prompt_column: str = "prompt"
    agree: str | None = None

    def __post_init__(self) -> None:
        if self.answers < 2:
            raise InputError(f"answers={self.answers}: a pair needs two answers or more")
        if not self.temperature > 0:
            raise InputError(f"temperature={self.temperature}: it must be positive; at 0 all answers are the same")
        if not self.beta > 0:
            raise InputError(f"beta={self.beta}: it must be positive")
        near = suggestion(self.by, (IMPLICIT, FOLLOWER))
        if near and self.by.isidentifier() and self.by not in (IMPLICIT, FOLLOWER):
            raise InputError(f"by={self.by!r} is neither {IMPLICIT!r} nor {FOLLOWER!r} nor a judge.{near}")
        if self.by != IMPLICIT and self.reference is not None:
            raise InputError(f"reference={self.reference!r} belongs to implicit rewards; {self.by!r} labels without it")
        if self.by == FOLLOWER and self.answers != 2:
            raise InputError(f"answers={self.answers}: {FOLLOWER!r} makes one answer and one refinement of it; take 2")
        if self.by != FOLLOWER and self.agree is not None:
            raise InputError(f"agree={self.agree!r} filters what {FOLLOWER!r} labels; {self.by!r} labels without it")

    @property
    def store(self) -> Path:
        """The file beside ``out`` that keeps what was generated and judged."""
        target = Path(self.out).expanduser()
        return target.with_name(f"{target.name}.sqlite")


def annotate(wanted: Annotation, watch: Watch = unwatched) -> Annotated:
    """Sample, label and write; what an interrupted call kept already is not made again.

    Args:
        wanted: what is wanted.
        watch: told how far answering and labelling are.

    Returns:
        The pairs that were written.

    Raises:
        InputError: anything wrong with model, prompts, judge or file, before anything is sampled; or no prompt has two
            answers that can be told apart.
    """
    out = check_rows_file(wanted.out)
    if out.exists():
        raise InputError(f"{out} is there already; choose another name, or delete it")
    name = wanted.agree if wanted.by == FOLLOWER else None if wanted.by == IMPLICIT else wanted.by
    judge = None if name is None else judge_of(name)
    rows = load_prompts(wanted.prompts, wanted.split, wanted.limit, prompt_column=wanted.prompt_column).to_list()
    policy = _policy(wanted)
    with Store(wanted.store, watch) as store:
        found = _labelled(wanted, rows, policy, judge, store)
    if not found.rows:
        raise InputError(
            f"{wanted.prompts}: {found.words()}; nothing can be written: raise the temperature, or take more answers "
            "or prompts"
        )
    write_rows(out, found.rows)
    return found


def _policy(wanted: Annotation) -> CausalPolicy:
    """Return the policy, which knows its reference where labels need one.

    Raises:
        InputError: there is nothing the implicit reward could be relative to.
    """
    policy = placed(wanted.model)
    if wanted.by != IMPLICIT:
        return policy
    if wanted.reference is not None:
        if policy.adapters is not None:
            raise InputError(f"{wanted.model!r} carries an adapter, whose base is its reference: leave --reference out")
        return against(policy, placed(wanted.reference))
    if policy.adapters is None:
        raise InputError(
            f"the implicit reward is log π/π_SFT, and {wanted.model!r} carries no adapter that could be switched off: "
            "name π_SFT by --reference, or let a judge label by --by JUDGE"
        )
    return policy


def _labelled(
    wanted: Annotation,
    rows: Sequence[Mapping[str, Any]],
    policy: CausalPolicy,
    judge: Judge | None,
    store: Store,
) -> Annotated:
    prompts = [row["prompt"] for row in rows]
    sampling = sampling_of(policy, temperature=wanted.temperature, max_new_tokens=wanted.max_new_tokens)
    player = policy_model(Path(wanted.model).name, policy, sampling, seed=wanted.seed)
    columns = [{k: v for k, v in row.items() if k != "prompt"} for row in rows]
    asked = None if judge is None else remembered(judge, store)
    if wanted.by == FOLLOWER:
        return label_by_follower(asked, prompts, _refined(player, prompts, store), columns)
    answers = leader_answers(player, prompts, store, samples=wanted.answers)
    if asked is not None:
        return label_by_judge(asked, prompts, answers, columns)
    kept, counts = distinct(answers)
    r = kept_rewards(policy, prompts, kept, store, max_length=policy.max_length)
    return label_by_reward([[wanted.beta * value for value in row] for row in r], prompts, kept, counts)


def _refined(player: Model, prompts: Sequence[Prompt], store: Store) -> list[list[str]]:
    """Return an answer and its refinement a prompt."""
    answers = leader_answers(player, prompts, store)
    refinements = refined_answers(player, prompts, answers, store)
    return [[*said, *improved] for said, improved in zip(answers, refinements, strict=True)]
