"""Implicit rewards that are computed once: log π/π_SFT of whole answers, kept batch by batch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slhf.evaluation import Store, policy_identity
from slhf.evaluation.answers import judged_text, prompt_text
from slhf.evaluation.identity import content_key
from slhf.evaluation.store import StoredScore
from slhf.types import Prompt

if TYPE_CHECKING:
    from slhf.policies import CausalPolicy

BATCH = 64
"""Prompts whose answers are scored, and then kept, at once."""

NAME = "implicit reward"


def against(policy: CausalPolicy, reference: CausalPolicy) -> CausalPolicy:
    """Return a policy of full weights with another one's model as its reference."""
    from slhf.policies import CausalPolicy

    joined = CausalPolicy(policy.model, policy.tokenizer, policy.roles, frozen=reference.model)
    joined.settings = policy.settings
    return joined


def kept_rewards(
    policy: CausalPolicy,
    prompts: Sequence[Prompt],
    answers: Sequence[Sequence[str]],
    store: Store,
    *,
    max_length: int | None = None,
    cache: Path | None = None,
    batch: int = BATCH,
) -> list[list[float]]:
    """Return r(x, y) = log π(y|x) − log π_SFT(y|x) of every answer, nats; the end token counts.

    Prompts are cut into the same batches whatever is kept already, so a process that was killed goes on to the same
    numbers.

    Args:
        policy: π, which knows π_SFT: an adapter on its base, or see :func:`against`.
        prompts: X prompts.
        answers: X lists of answers; a list may be empty.
        store: where rewards are kept.
        max_length: answers are cut at the end to this length with their prompts, tokens; None: they are not.
        cache: folder of the reference's log-probabilities; None keeps them in memory.
        batch: prompts at once.

    Returns:
        X lists of rewards, one an answer.
    """
    from slhf.training.pair_scores import Scorer

    scorer = Scorer(policy, cache=cache)
    whose = (policy_identity(policy), scorer.reference_digest, max_length)
    keys = [
        [content_key("implicit", *whose, prompt_text(prompt), text) for text in row]
        for prompt, row in zip(prompts, answers, strict=True)
    ]
    wanted = {key for row in keys for key in row}
    known = store.scores(wanted)
    rows = [x for x, row in enumerate(answers) if row]
    parts = [rows[start : start + batch] for start in range(0, len(rows), batch)]
    for part in parts:
        if all(key in known for x in part for key in keys[x]):
            continue
        store.watch(NAME, len(known), len(wanted))
        items = [_branches(policy, prompts[x], answers[x], max_length) for x in part]
        values = iter(scorer.all_log_ratios(items).tolist())
        known |= store.keep_scores(
            {
                key: StoredScore(NAME, judged_text(prompts[x]), text, next(values))
                for x in part
                for key, text in zip(keys[x], answers[x], strict=True)
            }
        )
        store.watch(NAME, len(known), len(wanted))
    return [[known[key] for key in row] for row in keys]


def _branches(policy: CausalPolicy, prompt: Any, answers: Sequence[str], max_length: int | None) -> Any:
    """Return a prompt and its answers as tokens, cut as training cuts them."""
    from slhf.policies.branches import Branches
    from slhf.training.pair_rows import Limits, cut_to, text_tokens

    where = f"the prompt {prompt!r:.60}"
    context = tuple(policy.roles.leader_context(prompt))
    responses = tuple(text_tokens(text, "answer", policy.roles, where) for text in answers)
    return cut_to(Branches(context, responses), Limits(max_length), where)
