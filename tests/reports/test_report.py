"""The page stands alone, escapes what models write, and shows what the files say."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from slhf.errors import InputError
from slhf.reports import write_report
from slhf.reports.figures import running_mean
from slhf.reports.records import read_records

NASTY = "<script>alert('x')</script> & \"quoted\" {{ 7*7 }} ’é"


@pytest.fixture
def folder(tmp_path):
    """A finished run's files, written by hand from a seed."""
    rng = np.random.default_rng(11)
    rows = []
    for step in range(1, 41):
        rows.append(
            {
                "step": step,
                "loss": float(rng.normal()),
                "preference/leader_over_follower": float(0.5 - step / 400 + rng.normal() / 50),
                "kl/leader": step / 10,
                "kl/follower": step / 5,
                "completions/leader_mean_length": 20.0 + step / 8,
                "completions/follower_mean_length": 22.0,
                "completions/leader_truncated": 0.3,
                "completions/follower_truncated": 0.1,
            }
        )
        if step % 10 == 0:
            for pair, top in (("leader_vs_base", 0.7), ("follower_vs_base", 0.8), ("follower_vs_leader", 0.6)):
                rows[-1][f"eval_{pair}"] = 0.5 + (top - 0.5) * step / 40
                rows[-1][f"eval_{pair}_stderr"] = 0.02
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    sample = {"step": 40, "prompt": NASTY, "base": "b", "leader": NASTY, "follower": "better", "preference": 0.2}
    (tmp_path / "samples.jsonl").write_text(json.dumps(sample) + "\n")
    rates = {
        "leader_vs_base": {"mean": 0.7123, "stderr": 0.021},
        "follower_vs_base": {"mean": 0.8, "stderr": 0.019},
        "follower_vs_leader": {"mean": 0.6, "stderr": 0.02},
    }
    table = [
        {"name": a, "against": {b: {"mean": 0.25, "stderr": 0.01} for b in ("base", "leader", "follower") if b != a}}
        for a in ("base", "leader", "follower")
    ]
    result = {"win_rates": rates, "seconds": 61.0, "run": "x", "table": table, "prompts": 200, "steps": 40}
    result |= {"judge": "toy", "description": "d", "samples": [sample], "versions": {"torch": "2.13.0"}}
    (tmp_path / "result.json").write_text(json.dumps(result))
    (tmp_path / "recipe.yaml").write_text("name: x\nkappa: 5\n")
    return tmp_path


class Page(HTMLParser):
    """Collects tags, attributes and balance of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.open = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in ("meta", "br", "link", "img", "path", "use", "rect"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        if tag in self.open:
            while self.open.pop() != tag:
                pass


def test_the_page_needs_no_network_and_no_script(folder):
    page = Page(write_report(folder).read_text(encoding="utf-8"))
    assert "script" not in page.tags
    assert not {"link", "img", "iframe", "object", "embed"} & set(page.tags)
    addresses = [v for k, v in page.attributes if k in ("src", "href", "xlink:href", "srcset", "action")]
    assert all(v.startswith("#") for v in addresses)
    style = " ".join(v for k, v in page.attributes if k == "style" and v)
    assert "url(http" not in style
    assert page.tags.count("svg") == 2
    assert page.open == []
    assert "//" not in re.sub(r'xmlns(:\w+)?="[^"]+"', "", write_report(folder).read_text(encoding="utf-8"))


def test_what_models_write_is_escaped(folder):
    text = write_report(folder).read_text(encoding="utf-8")
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    assert "{{ 7*7 }}" in text
    assert "’é" in text


def test_the_page_shows_what_the_files_say(folder):
    text = write_report(folder).read_text(encoding="utf-8")
    plain = " ".join(re.sub(r"<[^>]+>", " ", text).split())
    for part in ("Leader over base 71.2 % ± 2.1", "40 steps, 61 s", "200 held-out prompts", "kappa: 5", "torch 2.13.0"):
        assert part in plain
    assert plain.count("25.0 ± 1.0") == 6


def test_identifiers_are_unique_and_references_resolve(folder):
    text = write_report(folder).read_text(encoding="utf-8")
    identifiers = re.findall(r'\sid="([^"]+)"', text)
    assert len(identifiers) == len(set(identifiers)) > 10
    references = set(re.findall(r'(?:xlink:href="#|url\(#)([^")]+)', text))
    assert references
    assert references <= set(identifiers)


def test_same_files_same_page(folder):
    assert write_report(folder).read_bytes() == write_report(folder).read_bytes()


def test_an_unfinished_run_has_a_page_too(folder):
    for name in ("result.json", "recipe.yaml", "samples.jsonl"):
        (folder / name).unlink()
    text = write_report(folder).read_text(encoding="utf-8")
    assert "has not finished" in text
    assert text.count("<svg") == 2
    (folder / "metrics.jsonl").write_text("")
    assert "<svg" not in write_report(folder).read_text(encoding="utf-8")


def test_broken_files_are_named(folder, tmp_path_factory):
    with pytest.raises(InputError, match=r"holds no run: there is no metrics\.jsonl"):
        write_report(tmp_path_factory.mktemp("empty"))
    with (folder / "metrics.jsonl").open("a") as file:
        file.write('{"step": 41, "lo')
    with pytest.raises(InputError, match=r"metrics\.jsonl, line 41: not valid JSON"):
        read_records(folder)


def test_series_keep_the_last_value_of_a_step(folder):
    (folder / "metrics.jsonl").write_text('{"step": 2, "a": 1}\n{"step": 1, "a": 3}\n{"step": 2, "a": 5}\n{"b": 1}\n')
    records = read_records(folder)
    assert records.series("a") == ([1, 2], [3, 5])
    assert records.series("b") == ([], [])


def test_running_mean_by_hand():
    mean, error = running_mean(np.array([1.0, 3.0, 5.0, 1.0]), window=2)
    assert mean.tolist() == [1.0, 2.0, 4.0, 3.0]
    np.testing.assert_allclose(error, [0.0, 1.0, 1.0, 2.0])
