"""The card beside reward models: what they are, how well they predict, how to use them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slhf.evaluation.reward_metrics import RewardReport, Slice
from slhf.runs.reward_recipe import SKEW, RewardRecipe

_FORMS = {
    "adapters": "one LoRA adapter an attribute, all on one base",
    "heads": "one model with a head an attribute, trained together",
    SKEW: "one skew-symmetric preference model, which may prefer in circles",
}


def card(recipe: RewardRecipe, about: Mapping[str, Any], reports: Mapping[str, RewardReport]) -> str:
    """Return the card as Markdown.

    Of ``form: skew``, the log-odds of a response stand where a difference of rewards would.

    Args:
        recipe: what the models were trained by.
        about: numbers of training pairs and prompts.
        reports: attribute → how well its reward predicts held-out pairs.
    """
    circles = recipe.form == SKEW
    apart = "the log-odds are from even" if circles else "the rewards are apart"
    lines = [
        f"# {'Preference model' if circles else 'Reward models'}: {recipe.name}",
        "",
        *([recipe.description, ""] if recipe.description else []),
        f"Form: {_FORMS[recipe.form]}. Base: `{recipe.model}`. Trained by `slhf reward train` on "
        f"`{recipe.data.train}`, pairs of {about['train_prompts']:,} prompts; loss: {_loss(recipe, about)}",
        "",
        "## Held-out pairs",
        "",
        "Accuracy ± standard error [95 % interval by bootstrap over prompts]; a coin has 0.5 and a log loss of 0.693. "
        f"A kept tie counts ½ whatever the {'model says' if circles else 'rewards'}, and a split vote at most the "
        "share of its majority: hence the best possible.",
        "",
        "| attribute | training pairs | held-out pairs | accuracy | best possible | log loss | calibration error |",
        "|---|---|---|---|---|---|---|",
        *(_row(name, about["train_pairs"][name], report) for name, report in reports.items()),
        "",
        f"Accuracy by how far {apart}, closest first:",
        "",
        *_slices(reports, "by_margin", "log-odds" if circles else "difference of rewards"),
        "",
        f"Accuracy by how many tokens longer the preferred response is. A {'model' if circles else 'reward'} that "
        "likes length itself is right where the preferred response is longer and wrong where it is shorter:",
        "",
        *_slices(reports, "by_length", "tokens longer"),
        "",
        "## Use",
        "",
        "As a judge, in a recipe or on the command line (`FOLDER` is this folder, or the run it lies in):",
        "",
        "```bash",
        "slhf train quickstart judge.name=skew judge.model=FOLDER"
        if circles
        else "slhf train quickstart judge.name=reward_panel 'judge.models=[FOLDER]'",
        "```",
        "",
        f"{'Its preferences' if circles else 'The rewards'} are what these annotators' verdicts on these responses "
        f"suggest. On text that is unlike them {'it says' if circles else 'they say'} little, and a policy that is "
        f"trained against {'it' if circles else 'them'} long enough finds such text.",
        "",
    ]
    return "\n".join(lines)


def _loss(recipe: RewardRecipe, about: Mapping[str, Any]) -> str:
    against = ""
    if recipe.robust is not None:
        against = f" The worst case of each step's margins was minimised: {recipe.robust.words()}."
    if recipe.form == SKEW:
        return (
            f"cross-entropy of σ(v(y)ᵀ R v(y′)), each response embedded as {about['dimension']} numbers. Which "
            f"response is named first makes no difference.{against}"
        )
    return (
        f"Bradley–Terry with centring λ = {recipe.centring:g}. A higher reward is always the preferred one, also where "
        f"less of the attribute is.{against}"
    )


def _row(name: str, trained: int, report: RewardReport) -> str:
    figures = f"{_estimate(report.accuracy)} | {report.ceiling:.3f} | {report.log_loss:.3f} | {report.ece:.3f}"
    return f"| {name} | {trained:,} | {report.pairs:,} | {figures} |"


def _slices(reports: Mapping[str, RewardReport], kind: str, unit: str) -> list[str]:
    """Return a table, one row a part: the parts' limits differ from attribute to attribute."""
    rows = ["| attribute | " + unit + " | pairs | accuracy |", "|---|---|---|---|"]
    for name, report in reports.items():
        parts: tuple[Slice, ...] = getattr(report, kind)
        rows += [
            f"| {name} | {_number(s.low)} to {_number(s.high)} | {s.pairs:,} | {_estimate(s.accuracy)} |" for s in parts
        ]
    return rows


def _number(value: float) -> str:
    return f"{value:.0f}" if value == round(value) else f"{value:.2f}"


def _estimate(found: Any) -> str:
    """Return an estimate without the interval it does not have."""
    if found.low != found.low:
        return f"{found.mean:.3f} ± {found.stderr:.3f}"
    return str(found)
