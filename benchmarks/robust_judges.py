"""Does the adversary help where reward models are learnt from wrong labels, and the Follower where labels are missing?

    python -m benchmarks.robust_judges                   # about 20 minutes of one core; goes on where it was stopped
    python -m benchmarks.robust_judges --parts heads     # reward models alone

Run from the project root. `heads` and `skew` train a reward model or a preference model on 320 pairs of the embedded
world, three epochs, of which a share has its labels flipped, and take the accuracy on held-out pairs, whose labels are
clean. What is flipped at one share is flipped at all larger ones, the same for each loss. `follower` trains the recipe
`quickstart`, labels answers to training prompts in four ways, trains on these pairs by DPO from there, and compares the
Leader after with the Leader before and with the base on test prompts, by the embedded world's rules. Each cell is one
line of `cells.jsonl` in `--folder`; what stands there is not made again.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import logging
import math
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t as student

from benchmarks.measure import machine
from benchmarks.noise_study import read

RESULTS = Path(__file__).resolve().parent / "results"
FLIPS = (0.0, 0.2, 0.4)
BALLS: dict[str, dict[str, Any] | None] = {
    "plain": None,
    "window": {"window": [-4, 4], "epsilon": 0.05},
    "flips": {"flip_cost": 2.0, "epsilon": 0.4},
}
"""Losses; at a cost of 2, ε = 0.4 may flip a fifth of a batch's labels."""

ATTRIBUTES = {"heads": ["helpfulness", "correctness"], "skew": ["correctness"]}
LABELS: dict[str, dict[str, Any]] = {
    "follower": {"by": "follower"},
    "follower, judge agrees": {"by": "follower", "agree": "toy"},
    "implicit": {"by": "implicit"},
    "judge": {"by": "toy"},
}
"""Who labels; the last knows the rules it is measured by."""

PAIRS, EPOCHS, PROMPTS, TESTED = 320, 3, 300, 400


def main(arguments: list[str]) -> Path | None:
    """Make the cells that are missing; once all are there, write the tables and return the results' path."""
    asked = parse(arguments)
    cells = all_cells(asked)
    kept = read(asked.folder / "cells.jsonl")
    for number, cell in enumerate(cells):
        key = json.dumps(cell)
        if key not in kept:
            print(f"{number + 1}/{len(cells)}: {key}", file=sys.stderr, flush=True)
            start = time.process_time()
            with contextlib.redirect_stdout(sys.stderr):
                found = RUN[cell["part"]](cell, asked.folder)
            kept[key] = {"key": key, **cell, **found, "cpu_seconds": round(time.process_time() - start, 1)}
            with (asked.folder / "cells.jsonl").open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(kept[key]) + "\n")
        if asked.only and number + 1 == asked.only:
            return None
    rows = [kept[json.dumps(cell)] for cell in cells]
    date = datetime.datetime.now(datetime.UTC).date().isoformat()
    path = asked.results / f"{date}-robust-judges.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"date": date, "machine": machine(), "cells": rows}, indent=1) + "\n")
    path.with_suffix(".md").write_text(markdown(rows))
    print(markdown(rows))
    return path


def all_cells(asked: argparse.Namespace) -> list[dict[str, Any]]:
    """Return what is to be made: reward and preference models seed by seed, then labels run by run."""
    cells: list[dict[str, Any]] = []
    for part in [p for p in asked.parts if p != "follower"]:
        learnt = product(range(asked.seeds), FLIPS, BALLS)
        cells += [{"part": part, "seed": seed, "flips": flips, "loss": loss} for seed, flips, loss in learnt]
    if "follower" in asked.parts:
        labelled = product(range(asked.runs), LABELS)
        cells += [{"part": "follower", "seed": seed, "labels": who} for seed, who in labelled]
    return cells


def learnt(cell: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Train one model and return its accuracy on held-out pairs, an attribute each."""
    from slhf.runs.reward_build import build_pairs, build_skew, build_training
    from slhf.runs.reward_recipe import load_reward_recipe
    from slhf.training.reward_heads import train_heads
    from slhf.training.skew_training import train_skew

    form, ball = cell["part"], BALLS[cell["loss"]]
    changes = [f"form={form}", f"data.attributes={json.dumps(ATTRIBUTES[form])}", f"args.num_train_epochs={EPOCHS}"]
    changes += [f"args.seed={cell['seed']}", "args.save_strategy=no"]
    changes += ["centring=0.01"] if ball is None else [f"robust={json.dumps(ball)}"]
    recipe = load_reward_recipe("reward-toy", changes)
    train, held_out = build_pairs(recipe.data)
    pairs = wrong(train, cell["flips"], cell["seed"])
    with tempfile.TemporaryDirectory(prefix="robust-judges-") as place:
        if form == "heads":
            model, text = train_heads(build_training(recipe), pairs, None, Path(place))
        else:
            model, text = train_skew(build_training(recipe), build_skew(recipe), pairs, None, Path(place))
    leads = lead(form, model, text, held_out)
    return {"accuracy": {a: accuracy(leads[n], held_out.preference[:, n]) for n, a in enumerate(held_out.attributes)}}


def wrong(train: Any, share: float, seed: int) -> Any:
    """Return some pairs drawn for a seed, a share of them with all their labels turned round."""
    from slhf.training.reward_pairs import RewardPairs

    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(train))[:PAIRS]
    preference = train.preference[chosen].copy()
    flipped = rng.permutation(len(chosen))[: round(share * len(chosen))]
    preference[flipped] = 1.0 - preference[flipped]
    prompts, first, second = (tuple(c[i] for i in chosen) for c in (train.prompts, train.first, train.second))
    return RewardPairs(train.attributes, prompts, first, second, preference)


def lead(form: str, model: Any, text: Any, pairs: Any) -> np.ndarray:
    """Return by how much each first response leads, an attribute a row."""
    from slhf.judges.reward_weights import RewardModels
    from slhf.judges.skew import SkewJudge, skew_heads
    from slhf.types import Comparison

    if form == "skew":
        asked = [Comparison(*texts) for texts in zip(pairs.prompts, pairs.first, pairs.second, strict=True)]
        return SkewJudge(RewardModels(model, text, skew_heads(model.config.num_labels // 2))).log_odds(asked)[None]
    scored = RewardModels(model, text, [(name, None, number) for number, name in enumerate(pairs.attributes)])
    return np.subtract(*(scored.scores(list(zip(pairs.prompts, y, strict=True))) for y in (pairs.first, pairs.second)))


def accuracy(leads: np.ndarray, preference: np.ndarray) -> float:
    """Return the share of labelled pairs whose lead has the sign of the label."""
    known = ~np.isnan(preference)
    return float(((leads > 0) == (preference > 0.5))[known].mean())


def followed(cell: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Label answers of a trained run, train on the pairs as `toy-ssapo` on its seed, and return win rates."""
    from slhf.algorithms.pair_dpo import DPO
    from slhf.runs.annotate import Annotation, annotate
    from slhf.training.pair_arguments import PairArguments
    from slhf.training.pairs import PairTrainer

    run = quickstart(folder, cell["seed"])
    with tempfile.TemporaryDirectory(prefix="robust-judges-") as place:
        wanted = Annotation(
            str(run), "toy", Path(place, "pairs.jsonl"), split="train", limit=PROMPTS, max_new_tokens=32,
            seed=cell["seed"], **LABELS[cell["labels"]],
        )  # fmt: skip
        found = annotate(wanted)
        args = PairArguments(
            output_dir=place, per_device_train_batch_size=32, num_train_epochs=3, learning_rate=1e-3, warmup_steps=5,
            lr_scheduler_type="cosine", save_strategy="no", report_to="none", disable_tqdm=True, use_cpu=True,
            seed=cell["seed"],
        )  # fmt: skip
        trainer = PairTrainer(str(run), DPO(beta=0.1), args, found.rows)
        trainer.train()
        after = str(Path(place, "after"))
        trainer.save_model(after)
        rates = compared({"base": "toy", "before": str(run), "after": after}, cell["seed"])
    return {"pairs": len(found.rows), "left_out": dict(found.left_out), "rates": rates}


def quickstart(folder: Path, seed: int) -> Path:
    """Return the run of the recipe `quickstart` with a seed, made or gone on with if it is not whole."""
    from slhf.runs.recipe import load_recipe
    from slhf.runs.run import run

    place = folder / f"quickstart-{seed}"
    if not (place / "result.json").is_file():
        changes = [f"args.seed={seed}", "args.eval_strategy=no", "data.eval_limit=20"]
        run(load_recipe("quickstart", changes), place, resume=place.is_dir())
    return place


def compared(models: Mapping[str, str], seed: int) -> dict[str, float]:
    """Return win rates between the Leaders of models on test prompts, and each one's Follower over its Leader."""
    from slhf.data import load_prompts
    from slhf.evaluation import Store, leader_answers, policy_model, refined_answers, tournament
    from slhf.judges import named_judge
    from slhf.policies import load_policy
    from slhf.runs.sampling import sampling_of

    rows = load_prompts("toy", "test", TESTED).to_list()
    prompts = [row["prompt"] for row in rows]
    answers, judge = {}, named_judge("toy")
    with Store(":memory:") as store:
        for name, place in models.items():
            policy = load_policy(place)
            sampling = sampling_of(policy, temperature=0.7, max_new_tokens=32)
            player = policy_model(name, policy, sampling, seed=1000 + seed)
            said = leader_answers(player, prompts, store)
            answers[name] = [row[0] for row in said]
            answers[f"{name}, follower"] = [row[0] for row in refined_answers(player, prompts, said, store)]
    columns = [{k: v for k, v in row.items() if k != "prompt"} for row in rows]
    played = tournament(judge, prompts, answers, columns)
    wanted = [("before", "base"), ("after", "base"), ("after", "before")]
    wanted += [(f"{name}, follower", name) for name in ("before", "after")]
    return {f"{a} > {b}": float(played.rate(a, b).mean) for a, b in wanted}


RUN: Mapping[str, Callable[[Mapping[str, Any], Path], dict[str, Any]]] = {
    "heads": learnt,
    "skew": learnt,
    "follower": followed,
}


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Return a mean over seeds and half its 95 % interval by Student's t; NaN for one seed."""
    if len(values) < 2:
        return float(np.mean(values)), math.nan
    half = student.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / math.sqrt(len(values))
    return float(np.mean(values)), float(half)


def shown(values: Sequence[float], sign: str = "") -> str:
    """Return a mean and half its interval in words."""
    mean, half = interval(values)
    return f"{mean:{sign}.3f} ± {half:.3f}"


def markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the tables: accuracies, differences from the plain loss paired by seed, and win rates."""
    title = "# The adversary in reward models, and the Follower as an annotator"
    lines = [title, "", "Mean over seeds ± half of its 95 % interval by Student's t."]
    for part in ("heads", "skew"):
        mine = [row for row in rows if row["part"] == part]
        for attribute in ATTRIBUTES[part] if mine else []:
            lines += ["", *learnt_table(mine, part, attribute)]
    mine = [row for row in rows if row["part"] == "follower"]
    return "\n".join([*lines, *(["", *follower_table(mine)] if mine else [])]) + "\n"


def learnt_table(rows: Sequence[Mapping[str, Any]], part: str, attribute: str) -> list[str]:
    """Return one attribute's accuracy on held-out pairs, each loss a row."""
    found = {(r["loss"], r["flips"], r["seed"]): r["accuracy"][attribute] for r in rows}
    seeds = sorted({row["seed"] for row in rows})
    lines = [f"Accuracy on clean held-out pairs, `form: {part}`, {attribute}, {len(seeds)} seeds:", ""]
    lines += ["| loss |" + "".join(f" {f:.0%} flipped |" for f in FLIPS), "|---|" + "---|" * len(FLIPS)]
    for loss in BALLS:
        cells = [[found[loss, f, s] for s in seeds] for f in FLIPS]
        lines.append(f"| {loss} |" + "".join(f" {shown(values)} |" for values in cells))
    for loss in list(BALLS)[1:]:
        cells = [[found[loss, f, s] - found["plain", f, s] for s in seeds] for f in FLIPS]
        lines.append(f"| {loss} − plain |" + "".join(f" {shown(values, '+')} |" for values in cells))
    return lines


def follower_table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return win rates before and after training on each kind of labels."""
    names = list(rows[0]["rates"])
    runs = len({row["seed"] for row in rows})
    lines = [f"Win rates on {TESTED} test prompts after DPO on {PROMPTS} prompts' pairs, {runs} runs:", ""]
    lines += ["| labels | pairs |" + "".join(f" {name} |" for name in names), "|---|---|" + "---|" * len(names)]
    for labels in LABELS:
        mine = [row for row in rows if row["labels"] == labels]
        cells = "".join(f" {shown([row['rates'][name] for row in mine])} |" for name in names)
        lines.append(f"| {labels} | {np.mean([row['pairs'] for row in mine]):.0f} |{cells}")
    return lines


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=list(RUN), default=list(RUN), help="what is made")
    parser.add_argument("--seeds", type=int, default=5, help="models of each loss and share; seeds 0, 1, …")
    parser.add_argument("--runs", type=int, default=3, help="runs whose Follower labels; seeds 0, 1, …")
    parser.add_argument("--only", type=int, default=0, help="stop after so many cells")
    parser.add_argument("--folder", type=Path, default=Path("runs/robust-judges"), help="where cells and runs are kept")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the tables go")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    warnings.simplefilter("ignore")
    logging.getLogger("slhf").setLevel(logging.ERROR)
    import torch
    from transformers.utils import logging as hub_logging

    torch.set_num_threads(1)
    hub_logging.disable_progress_bar()
    main(sys.argv[1:])
