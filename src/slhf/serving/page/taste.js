// What a person's picks say about what counts for them, and the question that would tell most.

import { element, unseen } from "./cards.js";

/** Show the weights of the annotators as bars, the heaviest first. */
export function showWeights(list, annotators) {
  const heaviest = Object.entries(annotators).sort(([, a], [, b]) => b - a);
  list.replaceChildren(
    ...heaviest.map(([name, weight]) => {
      const bar = element("meter", { min: 0, max: 1, value: weight });
      bar.setAttribute("aria-label", name);
      const share = element("span", { className: "share" }, `${Math.round(100 * weight)} %`);
      return element("li", {}, element("span", { dir: "auto" }, name), bar, share);
    }),
  );
}

/**
 * Ask which of two answers is preferred.
 *
 * @param {HTMLElement} place where.
 * @param {string[]} two answers.
 * @param {(chosen: string, rejected: string) => Promise<void>} decide called with what was decided.
 */
export function askBetween(place, two, decide) {
  place.replaceChildren();
  if (two[0] === two[1] || two.some((text) => !text.trim())) return;
  const option = (mine, other, label) => {
    const button = element("button", { type: "button" }, "I prefer this", unseen(` ${label}`));
    button.addEventListener("click", async () => {
      if (await decide(mine, other)) place.replaceChildren(element("p", { className: "small" }, "Thank you, stored."));
    });
    return element("div", { className: "card" }, element("p", { className: "text", dir: "auto" }, mine), button);
  };
  const pair = element("div", { className: "pair" });
  pair.append(option(two[0], two[1], "the first"), option(two[1], two[0], "the second"));
  place.append(element("h3", {}, "Which do you prefer?"), pair);
}
