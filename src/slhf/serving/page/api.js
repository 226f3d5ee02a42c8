// What the page asks of its server: answers as they are written, and picks to be kept.

const KEY = "slhf.key";

/** What the server refused, or that it could not be reached; `code` is its word for programs. */
export class ServerError extends Error {
  constructor(message, code = null) {
    super(message);
    this.code = code;
  }
}

let wanted = null; // asks a person for the key; two requests that need it ask once
let asking = null;

/** Say how a person is asked for the key: a function from "was there a wrong one" to a promise of the key. */
export function keysFrom(ask) {
  wanted = ask;
}

/** Return what the server tells about itself. */
export async function settings() {
  return (await reached("/page/settings.json", {})).json();
}

/** Ask for the key now rather than after a prompt was written. */
export async function comeIn() {
  await sent("/v1/models", {});
}

/**
 * Stream an answer.
 *
 * @param {object} body of the chat completion.
 * @param {AbortSignal} signal ends it.
 * @param {(choice: object) => void} tell is told each piece of the choice.
 */
export async function answer(body, signal, tell) {
  const reply = await sent("/v1/chat/completions", posted({ ...body, stream: true }, signal));
  const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) throw new ServerError("The answer broke off: the server is gone.");
    const events = (rest + value).split("\n\n");
    rest = events.pop();
    for (const event of events) {
      if (!event.startsWith("data: ")) continue; // a comment, to show that the server lives
      if (event === "data: [DONE]") return;
      const found = JSON.parse(event.slice(6));
      if (found.error) throw new ServerError(found.error.message, found.error.code);
      for (const choice of found.choices) tell(choice);
    }
  }
}

/** Have a pick stored; returns {id, pairs}. */
export async function keep(pick) {
  return (await sent("/v1/picks", posted(pick))).json();
}

function posted(body, signal) {
  return { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" }, signal };
}

async function sent(path, options) {
  for (;;) {
    const key = sessionStorage.getItem(KEY);
    const headers = { ...options.headers, ...(key && { Authorization: `Bearer ${key}` }) };
    const reply = await reached(path, { ...options, headers });
    if (reply.ok) return reply;
    if (reply.status !== 401) throw await refusal(reply);
    if (sessionStorage.getItem(KEY) === key) await anotherKey(key !== null);
  }
}

async function anotherKey(wrong) {
  asking ??= wanted(wrong).then((key) => sessionStorage.setItem(KEY, key));
  try {
    await asking;
  } finally {
    asking = null;
  }
}

async function reached(path, options) {
  try {
    return await fetch(path, { credentials: "omit", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ServerError("The server cannot be reached. Is it running?");
  }
}

async function refusal(reply) {
  const wait = reply.headers.get("Retry-After");
  const again = wait ? ` Try again in ${wait} s.` : "";
  try {
    const { message, code } = (await reply.json()).error;
    return new ServerError(`${message}${again}`, code);
  } catch {
    return new ServerError(`The server answered with status ${reply.status}.${again}`);
  }
}
