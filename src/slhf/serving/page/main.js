// The page: a prompt, its answers side by side, and the pick.

import { answer, comeIn, keep, keysFrom, ServerError, settings } from "./api.js";
import { Card, settled } from "./cards.js";
import { onKeys } from "./keys.js";
import { session } from "./session.js";
import { askBetween, showWeights } from "./taste.js";

const at = (id) => document.getElementById(id);
const calm = matchMedia("(prefers-reduced-motion: reduce)");

let server = { name: "", judged: false, taste: false, max_steps: 0 };
let turns = []; // of the conversation that is behind us
let round = null; // the prompt that is being answered, its answers, and what is being written

const messages = () => [...turns, { role: "user", content: round.prompt }];
const whole = () => round.cards.filter((card) => card.complete);
const best = () => round.picked ?? whole().at(-1);

function say(words) {
  at("status").textContent = words;
}

function complain(words) {
  at("problem").textContent = words;
  at("problem").hidden = !words;
}

function refresh() {
  const busy = Boolean(round?.writing);
  const improvable = Boolean(round && best()) && server.max_steps > 0;
  at("improve").ariaDisabled = String(busy || !improvable);
  at("stop").ariaDisabled = String(!busy);
  const stored = session.pairs();
  at("stored").firstChild.data = stored ? `${stored} ${stored === 1 ? "pair" : "pairs"} stored` : "";
  at("stored").hidden = !stored;
}

/** Stream an answer into a new card, which begins with these notes. */
async function write(base, request, notes) {
  const mine = round;
  const card = new Card(mine.cards.length + 1, base, pick);
  mine.cards.push(card);
  mine.writing = new AbortController();
  at("answers").append(card.root);
  card.root.scrollIntoView({ block: "nearest", behavior: calm.matches ? "auto" : "smooth" });
  complain("");
  say(base ? "The answer is being improved …" : "The Leader is answering …");
  refresh();
  try {
    await answer({ messages: messages(), ...request }, mine.writing.signal, (choice) => {
      card.append(choice.delta.content ?? "");
      if (choice.finish_reason === "length") notes.push("cut: it became too long");
      const judged = choice.refine?.answers?.at(-1)?.preferred;
      if (base && typeof judged === "number") notes.push(`judge: ${Math.round(100 * judged)} % for this one`);
      if (choice.refine?.taste && mine === round) showTaste(choice.refine.taste);
    });
    card.finish(notes);
    card.mark(at("marks").checked);
    if (mine === round) say(`Answer ${card.number} is there.`);
  } catch (error) {
    unfinished(mine, card, error);
  } finally {
    mine.writing = null;
    if (mine === round) refresh();
  }
}

/** An answer was stopped or failed: what there is of it stays to be read. */
function unfinished(mine, card, error) {
  const stopped = error.name === "AbortError";
  if (card.text) card.leaveOut(stopped ? "stopped: it takes no part in picks" : "broken off: it takes no part in picks");
  else mine.cards.splice(mine.cards.indexOf(card), 1)[0].root.remove();
  if (mine !== round) return;
  say(stopped ? "Stopped." : "");
  if (stopped) return;
  if (error.code === "taste_unscored") {
    mine.untasted = true;
    setTimeout(improve); // once this attempt is over
    return;
  }
  if (!(error instanceof ServerError)) console.error(error);
  complain(error instanceof ServerError ? error.message : `This page failed: ${error.message}`);
  if (!mine.cards.length && !at("prompt").value) at("prompt").value = mine.prompt; // to be sent again
}

function ask(event) {
  event.preventDefault();
  const prompt = at("prompt").value;
  if (!prompt.trim() || round?.writing) return;
  if (!server.name) {
    known.then((said) => said && at("ask").requestSubmit()); // the server has not said yet who it is
    return;
  }
  settle();
  round = { prompt, cards: [], picked: null, writing: null, work: null, untasted: false };
  at("question").textContent = prompt;
  at("answers").replaceChildren();
  at("comparison").replaceChildren();
  at("round").hidden = false;
  at("intro").hidden = true;
  at("prompt").value = "";
  at("prompt-label").textContent = "Go on: the answer you picked stays, or the last one";
  at("round").focus({ preventScroll: true }); // single keys work from here
  round.work = write(null, { model: `${server.name}:leader` }, []);
}

/** Put the round behind us: the answer that was picked, or else the last, becomes part of the conversation. */
function settle() {
  const kept = round && best();
  if (!kept) return;
  turns.push({ role: "user", content: round.prompt }, { role: "assistant", content: kept.text });
  at("talk").append(settled(round.prompt, kept.text, round.picked ? whole().length : 1));
}

function improve() {
  if (!round || round.writing || !best() || !server.max_steps) return;
  const base = best();
  const refine = { answer: base.text, steps: 1 };
  if (server.taste && !round.untasted) refine.taste = session.id();
  else if (server.judged) refine.return = "all";
  const notes = round.untasted ? ["without regard to taste: the annotators cannot judge this prompt"] : [];
  round.work = write(base, { model: server.name, refine }, notes);
}

function stop() {
  round?.writing?.abort();
}

async function pick(card) {
  if (!card?.complete) return;
  const mine = round;
  stop(); // what is half written is no alternative
  await mine.work;
  if (mine !== round) return;
  mine.picked = card;
  for (const one of mine.cards) one.picked(one === card);
  const others = whole().filter((one) => one !== card).map((one) => one.text);
  const rejected = [...new Set(others)].filter((text) => text !== card.text);
  if (!rejected.length) {
    say(`Answer ${card.number} stays. With no other beside it there is nothing to store.`);
    refresh();
    return;
  }
  if (await store(card.text, rejected)) say(`Answer ${card.number} is stored as your pick.`);
}

/** Have a pick stored; returns whether it was. */
async function store(chosen, rejected) {
  const asked = messages();
  try {
    await keep({ session: session.id(), messages: asked, chosen, rejected, model: server.name });
    session.stored(asked, chosen, rejected);
    complain("");
    return true;
  } catch (error) {
    complain(`The pick is not stored. ${error.message}`);
    return false;
  } finally {
    refresh();
  }
}

function showTaste(taste) {
  at("taste").hidden = false;
  showWeights(at("annotators"), taste.annotators);
  const two = (taste.compare ?? []).map((place) => taste.candidates[place]);
  const asked = round;
  if (two.length === 2) askBetween(at("comparison"), two, (a, b) => asked === round && store(a, [b]));
}

function fresh() {
  stop();
  turns = [];
  round = null;
  at("talk").replaceChildren();
  at("answers").replaceChildren();
  at("comparison").replaceChildren();
  at("round").hidden = true;
  at("intro").hidden = false;
  at("prompt-label").textContent = "What would you like to ask?";
  complain("");
  say("");
  refresh();
  at("prompt").focus();
}

/** Ask a person for the server's key. */
function atTheDoor(wrong) {
  at("door-words").textContent = wrong ? "The server does not know this key." : "Whoever runs it can tell you.";
  at("key").value = "";
  at("door").showModal();
  return new Promise((resolve, reject) => {
    at("door").addEventListener(
      "close",
      () => {
        const key = at("key").value.trim();
        if (at("door").returnValue === "in" && key) resolve(key);
        else reject(new ServerError("The server asks for a key."));
        at("door").returnValue = "";
      },
      { once: true },
    );
  });
}

at("ask").addEventListener("submit", ask);
at("improve").addEventListener("click", improve);
at("stop").addEventListener("click", stop);
at("new").addEventListener("click", fresh);
at("marks").addEventListener("change", () => round?.cards.forEach((card) => card.mark(at("marks").checked)));
at("forget").addEventListener("click", () => {
  session.forget();
  at("taste").hidden = true;
  refresh();
});
onKeys({
  send: () => at("ask").requestSubmit(),
  leave: () => at("round").focus(),
  prompt: () => at("prompt").focus(),
  improve,
  stop,
  fresh,
  pick: (number) => round && pick(round.cards[number - 1]),
});
keysFrom(atTheDoor);

/** Learn who the server is; returns whether it said so. */
async function learn() {
  try {
    server = await settings();
    at("model").textContent = server.name;
    document.title = `${server.name} · refine`;
    refresh();
    return true;
  } catch (error) {
    complain(error.message);
    return false;
  }
}

const known = learn();
try {
  if (await known) {
    await comeIn();
    if (!round) at("prompt").focus(); // whoever was quicker is reading by now
  }
} catch (error) {
  complain(error.message);
}
