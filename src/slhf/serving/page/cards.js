// What is put on the screen. Texts become text, never markup.

import { differences } from "./differences.js";

/** Return an element with properties and children; strings become text. */
export function element(name, properties = {}, ...children) {
  const { dir, ...rest } = properties;
  const made = Object.assign(document.createElement(name), rest);
  if (dir) made.dir = dir;
  made.append(...children);
  return made;
}

/** Return what is there for those who listen to the page. */
export function unseen(text) {
  return element("span", { className: "unseen" }, text);
}

/** Return a text with its differences from another marked, as nodes. */
export function marked(pieces) {
  return pieces.flatMap(({ kind, text }, place) => {
    if (kind === "kept") return [text];
    const blank = text.match(/^\s*/u)[0]; // no line under or through the blank before a word
    const mark = element(kind === "added" ? "ins" : "del", {}, text.slice(blank.length));
    if (kind === "added") return [blank, mark];
    // no blank stands before the first word that is left
    return [blank && " ", mark, place === 0 && /^\S/u.test(pieces[1]?.text ?? "") ? " " : ""];
  });
}

/** One answer on the screen. */
export class Card {
  /**
   * @param {number} number from 1.
   * @param {Card | null} base the answer it improves.
   * @param {(card: Card) => void} pick called when this one is picked.
   */
  constructor(number, base, pick) {
    this.number = number;
    this.base = base;
    this.text = "";
    this.complete = false; // only whole answers are picked, rejected or improved
    const origin = base ? `improves answer ${base.number}` : "the Leader’s";
    this.words = element("p", { className: "text", dir: "auto", ariaBusy: "true", ariaLive: "polite" });
    this.note = element("p", { className: "small", hidden: true });
    this.button = element("button", { type: "button", hidden: true }, "Pick this one", unseen(` answer ${number}`));
    if (number <= 9) this.button.append(element("kbd", { ariaHidden: "true" }, String(number)));
    this.button.addEventListener("click", () => pick(this));
    const title = element("h3", {}, `Answer ${number}`, element("span", {}, origin));
    this.root = element("li", { className: "card" }, title, this.words, this.note, this.button);
  }

  /** Write on. */
  append(text) {
    this.text += text;
    this.words.append(text);
  }

  /** The answer is as long as it gets. */
  finish(notes) {
    this.complete = this.text.trim() !== "";
    this.words.ariaBusy = "false";
    this.button.hidden = !this.complete;
    this.notes = this.complete ? notes : ["an empty answer"];
    this.root.classList.toggle("left-out", !this.complete);
    this.tell();
  }

  /** It was stopped, or broke off: it stays to be read, and takes no part in anything. */
  leaveOut(why) {
    this.words.ariaBusy = "false";
    this.root.classList.add("left-out");
    this.notes = [why];
    this.tell();
  }

  /** Show or hide the marks. */
  mark(wanted) {
    if (!this.complete) return;
    const found = wanted && this.base ? differences(this.base.text, this.text) : null;
    this.words.replaceChildren(...(found ? marked(found.pieces) : [this.text]));
    const same = this.base && this.base.text === this.text;
    const why = { long: "too long to mark what changed", anew: "written anew" }[found?.why];
    this.tell(same ? `the same as answer ${this.base.number}` : why);
  }

  /** Show whether it is the one that was picked. */
  picked(is) {
    this.root.classList.toggle("picked", is);
    this.button.ariaPressed = String(is);
    this.button.firstChild.data = is ? "✓ Your pick" : "Pick this one";
  }

  tell(more) {
    const said = [...this.notes, ...(more ? [more] : [])].join(" · ");
    this.note.hidden = !said;
    this.note.textContent = said && said[0].toUpperCase() + said.slice(1);
  }
}

/** Return a turn of the conversation that is behind us. */
export function settled(prompt, answer, among) {
  const how = among > 1 ? `Answer, picked from ${among}` : "Answer";
  return element(
    "li",
    {},
    element("p", { className: "who" }, "You"),
    element("p", { dir: "auto" }, prompt),
    element("p", { className: "who" }, how),
    element("p", { className: "answer", dir: "auto" }, answer),
  );
}
