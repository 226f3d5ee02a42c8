"""The benchmark measures what it says: lengths, the plain procedure's mathematics, ratios, one tiny run."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch
from benchmarks.case import Case, free_judge, parse_case
from benchmarks.measure import StepClock
from benchmarks.models import END, INSTRUCTION, build_model, build_tokenizer
from benchmarks.plain_slhf import PlainSLHF, Sampled
from benchmarks.roof import work
from benchmarks.tables import ratio

ROOT = Path(__file__).resolve().parents[2]


def plain(case: Case, **settings: object) -> PlainSLHF:
    from peft import get_peft_model

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # PEFT asks transformers for an attribute it renames
        model = get_peft_model(case.model(), case.lora())
    return PlainSLHF(
        model,
        case.tokenizer(),
        free_judge,
        max_new_tokens=case.new_tokens,
        instruction=INSTRUCTION,
        **settings,  # type: ignore[arg-type]
    )


def test_prompts_have_the_length_they_say_and_text_survives_a_round_trip() -> None:
    case = Case(size="nano", prompt_tokens=64, micro_batch=3)
    tokenizer = build_tokenizer("nano")
    prompts = case.prompts(2)
    assert len(prompts) == 6
    for prompt in prompts:
        tokens = tokenizer.apply_chat_template(prompt, add_generation_prompt=True, return_dict=False)
        assert len(tokens) == 64
    answer = [20, 31, 12, 250, 12]
    assert tokenizer.encode(tokenizer.decode(answer), add_special_tokens=False) == answer


def test_answers_never_end_with_fixed_lengths_and_end_by_themselves_with_varied_ones() -> None:
    torch.manual_seed(3)
    fixed = plain(Case(size="nano", new_tokens=12)).answer(Case(size="nano", micro_batch=8).prompts(1))
    assert fixed.answer.shape == (8, 12)
    assert bool(fixed.answer.all())
    case = Case(size="nano", lengths="varied", new_tokens=40, micro_batch=64)
    varied = plain(case).answer(case.prompts(1))
    lengths = varied.answer.sum(1).double()
    # geometric with mean 20, cut at 40: mean 20 (1 − (19/20)^40) ≈ 17.4, standard error about 1.6
    assert 11 < lengths.mean() < 24
    assert lengths.min() < 8
    assert lengths.max() == 40


def test_the_end_tokens_bias_is_the_probability_asked_for() -> None:
    model = build_model("nano", mean_length=10.0)
    tokens = torch.randint(10, 256, (16, 64), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        share = model(input_ids=tokens).logits.softmax(-1)[..., END].mean().item()
        never = build_model("nano", mean_length=math.inf)(input_ids=tokens).logits.softmax(-1)[..., :4].max().item()
    assert share == pytest.approx(0.1, rel=0.15)
    assert never < 1e-12


def test_plain_log_probability_is_the_sum_over_one_unpadded_answer() -> None:
    trainer = plain(Case(size="nano"))
    torch.manual_seed(0)
    tokens, answer = torch.randint(10, 200, (9,)), 4
    padded = Sampled(
        torch.cat([torch.zeros(3, dtype=torch.long), tokens, torch.tensor([END, 77])])[None],
        torch.tensor([[0] * 3 + [1] * 10 + [0]]),
        torch.tensor([[1] * (answer + 1) + [0]]),
        [""],
    )
    row = torch.cat([tokens, torch.tensor([END])])
    with torch.no_grad():
        logits = trainer.model(input_ids=row[None]).logits[0].double() / 0.9
        expected = sum(
            logits[i - 1, row[i]] - logits[i - 1].logsumexp(-1) for i in range(len(row) - answer - 1, len(row))
        )
        assert trainer.logprob(padded).item() == pytest.approx(float(expected), rel=1e-5)


def test_plain_loss_is_the_formula_and_moves_only_the_adapter() -> None:
    trainer = plain(Case(size="nano", new_tokens=6), tau_leader=0.3, tau_follower=0.2, kappa=2.0)
    torch.manual_seed(1)
    for parameter in trainer.trained:  # away from the reference, so that the log-ratios are not zero
        torch.nn.init.normal_(parameter, std=0.1)
    leader, follower, p = trainer.rollout(Case(size="nano", micro_batch=4).prompts(1))
    of_leader, of_follower = trainer.logprob(leader), trainer.logprob(follower)
    l_ratio = (of_leader - trainer.reference_logprob(leader)).detach()
    f_ratio = (of_follower - trainer.reference_logprob(follower)).detach()
    assert l_ratio.abs().min() > 1e-4
    s_follower = p + 0.2 * f_ratio
    s_leader = s_follower - 0.3 * l_ratio
    expected = (-(s_leader - 0.5) * of_leader + 2.0 * (s_follower - 0.5) * of_follower).sum() / 4
    assert trainer.loss(leader, follower, p).item() == pytest.approx(expected.item(), rel=1e-5)
    assert {n for n, q in trainer.model.named_parameters() if q.requires_grad and "lora_" not in n} == set()


def test_the_judge_is_antisymmetric() -> None:
    a, b = ["x y", "p"], ["z", "q r"]
    there, back = free_judge(["", ""], a, b), free_judge(["", ""], b, a)
    assert [x + y for x, y in zip(there, back, strict=True)] == pytest.approx([1.0, 1.0])
    assert all(0 <= x <= 1 for x in there)


def test_phases_nest_and_add_up() -> None:
    clock = StepClock()
    with clock.phase("generate"), clock.phase("score"):
        sum(range(200_000))
    clock.lap()
    lap = clock.laps[0]
    assert lap["score"] > lap["generate"] >= 0
    parts = ("generate", "score", "forward", "backward", "optimise", "other")
    assert sum(lap[name] for name in parts) == pytest.approx(lap["wall"])


def test_ratio_is_of_medians_and_its_range_is_over_rounds() -> None:
    got = ratio([[1.0, 1.0, 9.0], [2.0, 2.0, 2.0]], [[3.0, 3.0, 3.0], [4.0, 4.0, 8.0]])
    assert (got["low"], got["high"]) == (2.0, 3.0)
    assert got["median"] == pytest.approx(3.5 / 2.0)


def test_work_counts_what_a_hand_count_gives() -> None:
    # nano: 2 layers, hidden 64, one kv head of 32 channels, feed-forward 128, vocabulary 256
    linear = 2 * (2 * 64 * 64 + 2 * 64 * 32 + 3 * 64 * 128)
    counted = work(Case(size="nano", prompt_tokens=10, new_tokens=1, micro_batch=1))
    # contexts of 10 and 10 + 1 + 10 tokens, one step each
    assert counted.decode_bytes == 4 * (2 * (linear + 256 * 64) + 31 * 2 * 32 * 2)
    one_role = work(Case(contender="rloo", size="nano", prompt_tokens=10, new_tokens=1, micro_batch=1))
    assert one_role.decode_bytes == 4 * (linear + 256 * 64 + 10 * 2 * 32 * 2)
    assert one_role.train_flops < counted.train_flops


def test_a_case_survives_its_command_line_and_refuses_what_nobody_knows() -> None:
    case = Case(contender="slhf", size="nano", options={"logits_chunk_mib": 8})
    assert parse_case(case.arguments()) == case
    with pytest.raises(ValueError, match="dtype='fp8' is not one of fp32, bf16"):
        Case(dtype="fp8")


@pytest.mark.slow
def test_a_tiny_run_writes_results_and_a_table(tmp_path: Path) -> None:
    settings = "--sizes nano --new-tokens 8 --micro-batch 2 --rounds 1 --warmup 1 --steps 1 --name smoke"
    command = [sys.executable, "-m", "benchmarks.step_time", "--contenders", "slhf,plain", *settings.split()]
    done = subprocess.run([*command, "--results", str(tmp_path)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    results = json.loads(next(tmp_path.glob("*-smoke.json")).read_text())
    summary = results["cases"][0]["summary"]
    assert set(summary) == {"slhf", "plain"}
    assert all(one["completions"] == 4 and one["wall"] > 0 and one["memory_mib"] > 0 for one in summary.values())
    for clock, ratios in (("wall", "step_ratio"), ("cpu", "cpu_ratio")):
        expected = summary["plain"][clock] / summary["slhf"][clock]
        assert summary["plain"][ratios]["median"] == pytest.approx(expected)
    table = next(tmp_path.glob("*-smoke.md")).read_text()
    assert "| plain / slhf |" in table
    assert str(ROOT) not in table + json.dumps(results)
