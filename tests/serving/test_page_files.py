"""What the page is made of: everybody can read it, its marks are right, its files small and its own."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from tests.browser import Visit, expect, said
from tests.serving_server import Served

PAGE = Path(__file__).resolve().parents[2] / "src" / "slhf" / "serving" / "page"
UNSAFE = ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "style=", "onclick", "https:")
OUTSIDE = ("../app.py", "%2e%2e/app.py", "..%2fapp.py", "", "nothing.js", "/etc/passwd", "..%5capp.py")


CONTRAST = """() => {
  const rgb = (text) => (text.match(/[\\d.]+/g) ?? []).map(Number);
  const linear = (v) => v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const ground = (node) => {
    const found = rgb(getComputedStyle(node).backgroundColor);
    return found.length === 3 || found[3] > 0 ? found : ground(node.parentElement);
  };
  const worst = {};
  for (const node of document.querySelectorAll('body *')) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
    if (!own || !node.checkVisibility()) continue;
    const [a, b] = [light(rgb(getComputedStyle(node).color)), light(ground(node))].sort((x, y) => y - x);
    worst[`${node.tagName} ${node.className} ${node.id}`] = (a + 0.05) / (b + 0.05);
  }
  return worst;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_can_be_read_and_has_a_name(browser: Any, url: str, scheme: str) -> None:
    with Visit(browser, url, color_scheme=scheme, reduced_motion="reduce") as visit:
        page = visit.page
        visit.told(said("one two three"))
        visit.ask("a b")
        visit.answers(1)
        visit.told(said("one two four"), None)
        page.keyboard.press("i")
        expect(page.locator("#problem")).to_be_visible()
        visit.told(said("one two four"))
        page.keyboard.press("i")
        visit.answers(3)
        page.keyboard.press("3")
        page.locator("#help summary").click()
        assert page.locator("ins, del").count() == 4, page.locator("main").inner_html()
        found = page.evaluate(CONTRAST)
        assert len(found) > 15
        assert {what: ratio for what, ratio in found.items() if ratio < 4.5} == {}
        for control in page.locator("button, input, textarea, meter, [role=dialog]").all():
            assert control.evaluate("c => c.ariaLabel || c.labels?.length || c.textContent.trim()")
        assert page.locator("main, header, footer, h1").count() == 4
        assert page.get_attribute("html", "lang") == "en"
        moving = "document.getAnimations().length"
        visit.silence()
        page.keyboard.press("i")
        assert page.evaluate(moving) == 0
        page.keyboard.press("s")


def _in_common(a: list[str], b: list[str]) -> int:
    """Return the length of the longest common subsequence."""
    most = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, left in enumerate(a):
        for j, right in enumerate(b):
            most[i + 1][j + 1] = most[i][j] + 1 if left == right else max(most[i][j + 1], most[i + 1][j])
    return most[-1][-1]


def test_differences_keep_as_many_words_as_can_be(browser: Any, url: str) -> None:
    random.seed(3)
    texts = [" ".join(random.choices("abcd", k=random.randrange(12))) for _ in range(120)]
    odd = [
        "Ünïcödé, “quotes”!",
        "我们喜欢猫",
        "我们喜欢狗",
        " lead and trail \n",
        "don't stop",
        "don’t stop",
        "\U0001f600 x",
    ]
    pairs = [*zip(texts[::2], texts[1::2], strict=True), *((one, other) for one in odd for other in odd)]
    with Visit(browser, url) as visit:
        compare = """async (pairs) => {
            const {differences} = await import('/page/differences.js');
            return pairs.map(([before, after]) => differences(before, after));
        }"""
        for (before, after), found in zip(pairs, visit.page.evaluate(compare, pairs), strict=True):
            pieces = found["pieces"]
            joined = {k: [p["text"] for p in pieces if p["kind"] in ("kept", k)] for k in ("added", "removed")}
            assert "".join(joined["added"]) == after
            if found["why"]:
                assert (found["why"], len(pieces)) == ("anew", bool(after))
                continue
            assert "".join("".join(joined["removed"]).split()) == "".join(before.split())
            if set(before + after) <= set("abcd "):
                kept = [word for p in pieces if p["kind"] == "kept" for word in p["text"].split()]
                assert len(kept) == _in_common(before.split(), after.split())
                assert 2 * len(kept) / max(1, len(before.split() + after.split())) >= 0.25 or not before + after
        long = " ".join(random.choices("abcdefgh", k=4000))
        bounds = visit.page.evaluate(compare, [[long, long[:-1] + "z"], [long, long + " a"], [long[::-1], long]])
        assert [one["why"] for one in bounds] == ["", "long", ""]
        assert visit.page.evaluate(compare, [["我们喜欢猫", "我们喜欢狗"]])[0]["pieces"] == [
            {"kind": "kept", "text": "我们喜欢"}, {"kind": "removed", "text": "猫"}, {"kind": "added", "text": "狗"}
        ]  # fmt: skip


def test_the_files_are_few_small_and_our_own(page_server: Served) -> None:
    status, headers, index = page_server.raw("GET", "/")
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    policy = dict(one.strip().split(" ", 1) for one in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["require-trusted-types-for"] == "'script'"
    assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "no-referrer")
    names = sorted(path.name for path in PAGE.iterdir())
    found = {name: page_server.raw("GET", f"/page/{name}") for name in names}
    kinds = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml", "html": "text/html"}
    for name, (code, sent, body) in found.items():
        assert (code, body) == (200, (PAGE / name).read_bytes())
        assert sent["content-type"].partition(";")[0] == kinds[name.rpartition(".")[2]]
        assert sent["content-security-policy"] == headers["content-security-policy"]
        assert len(body.decode().splitlines()) <= 300
    assert sum(len(body) for _, _, body in found.values()) < 40_000
    together = b"".join(body for _, _, body in found.values()).decode()
    for unsafe in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "style=",
        "onclick",
        "https:",
    ):
        assert unsafe not in together
    assert index.count(b"<script") == 1
    assert b"<style" not in index
    for path in (
        "/page/../app.py",
        "/page/%2e%2e/app.py",
        "/page/..%2fapp.py",
        "/page/",
        "/page/nothing.js",
        "/page//etc/passwd",
    ):
        assert page_server.raw("GET", path)[0] == 404
    assert page_server.raw("POST", "/")[0] == 405
    assert page_server.raw("GET", "/", host="evil.example")[0] == 403
