// Who is picking, as far as the server can tell: a random name that lives as long as this tab.

const NAME = "slhf.session";
const COUNT = "slhf.pairs";

const decided = new Set(); // what was decided since the page was loaded; deciding it again is no further pair

export const session = {
  /** Return the session's name. */
  id() {
    let name = sessionStorage.getItem(NAME);
    if (!name) {
      name = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
      sessionStorage.setItem(NAME, name);
    }
    return name;
  },

  /** Return how many pairs it has stored. */
  pairs: () => Number(sessionStorage.getItem(COUNT) ?? 0),

  /** Count a pick that was stored. */
  stored(messages, chosen, rejected) {
    const before = decided.size;
    for (const text of rejected) decided.add(JSON.stringify([messages, ...[chosen, text].sort()]));
    sessionStorage.setItem(COUNT, String(session.pairs() + decided.size - before));
  },

  /** Begin another session. */
  forget() {
    sessionStorage.removeItem(NAME);
    sessionStorage.removeItem(COUNT);
    decided.clear();
  },
};
