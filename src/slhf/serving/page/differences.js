// Which words of a text were taken over, which removed, which added: a longest common subsequence of words.

// letters with their marks, one at a time where a language writes no blanks; any other sign stands alone
const WORD =
  /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Thai}]|[\p{L}\p{N}\p{M}_]+(?:['’][\p{L}\p{N}\p{M}_]+)*|\S/gu;

/** With more words on either side, nothing is marked: the table below would take too much memory. */
export const MOST = 4000;

/** Where a smaller share of the letters was kept, marks would hide the text. */
export const REWRITTEN = 0.25;

/**
 * Compare two texts word by word; blanks go with the word after them.
 *
 * Kept and added pieces joined are `after`, to the letter.
 *
 * @returns {{pieces: {kind: "kept" | "added" | "removed", text: string}[], why: "" | "long" | "anew"}}
 *   `why` says why everything is one kept piece: too many words, or hardly one of them taken over.
 */
export function differences(before, after) {
  const unmarked = (why) => ({ pieces: after ? [{ kind: "kept", text: after }] : [], why });
  const old = words(before);
  const now = words(after);
  if (Math.max(old.words.length, now.words.length) > MOST) return unmarked("long");
  const pieces = joined(matched(old.words, now.words), old, now);
  return shareKept(pieces) < REWRITTEN ? unmarked("anew") : { pieces, why: "" };
}

function words(text) {
  const found = { words: [], blanks: [], rest: "" };
  let end = 0;
  for (const match of text.matchAll(WORD)) {
    found.words.push(match[0]);
    found.blanks.push(text.slice(end, match.index));
    end = match.index + match[0].length;
  }
  found.rest = text.slice(end);
  return found;
}

/** Return the places of the words that two lists have in common, in order, as many as possible. */
export function matched(a, b) {
  const pairs = [];
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) pairs.push([start, start++]);
  let [left, right] = [a.length, b.length];
  const tail = [];
  while (left > start && right > start && a[left - 1] === b[right - 1]) tail.unshift([--left, --right]);
  const width = right - start + 1;
  const most = new Uint16Array((left - start + 1) * width); // words in common from here to the end
  const at = (i, j) => (i - start) * width + (j - start);
  for (let i = left - 1; i >= start; i--) {
    for (let j = right - 1; j >= start; j--) {
      most[at(i, j)] = a[i] === b[j] ? most[at(i + 1, j + 1)] + 1 : Math.max(most[at(i + 1, j)], most[at(i, j + 1)]);
    }
  }
  for (let i = start, j = start; i < left && j < right; ) {
    if (a[i] === b[j]) pairs.push([i++, j++]);
    else if (most[at(i + 1, j)] >= most[at(i, j + 1)]) i++;
    else j++;
  }
  return pairs.concat(tail);
}

function joined(pairs, old, now) {
  const pieces = [];
  const add = (kind, text) => {
    if (!text) return;
    if (pieces.length && pieces.at(-1).kind === kind) pieces.at(-1).text += text;
    else pieces.push({ kind, text });
  };
  const piece = (side, from, to) => side.words.slice(from, to).map((word, i) => side.blanks[from + i] + word).join("");
  let [i, j] = [0, 0];
  for (const [left, right] of [...pairs, [old.words.length, now.words.length]]) {
    add("removed", piece(old, i, left));
    add("added", piece(now, j, right));
    add("kept", piece(now, right, right + 1));
    [i, j] = [left + 1, right + 1];
  }
  add("kept", now.rest);
  return pieces;
}

function shareKept(pieces) {
  const letters = { kept: 0, added: 0, removed: 0 };
  for (const { kind, text } of pieces) letters[kind] += text.replace(/\s/gu, "").length;
  const total = 2 * letters.kept + letters.added + letters.removed;
  return total ? (2 * letters.kept) / total : 1;
}
