// Single keys, for whoever wants them.

const at = (id) => document.getElementById(id);

/** Call the function of each key that is pressed; letters only outside of text fields, and if they are wanted. */
export function onKeys(does) {
  const letters = { "/": does.prompt, i: does.improve, s: does.stop, n: does.fresh };
  document.addEventListener("keydown", (event) => {
    const inPrompt = event.target === at("prompt");
    if (at("door").open || event.isComposing) return;
    if (inPrompt && event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      does.send();
    } else if (event.key === "Escape") {
      at("help").open = false;
      if (inPrompt) does.leave();
    } else if (at("letters").checked && !inPrompt && !event.ctrlKey && !event.metaKey && !event.altKey && !event.repeat) {
      const run = letters[event.key] ?? (/^[1-9]$/.test(event.key) && (() => does.pick(Number(event.key))));
      if (!run) return;
      event.preventDefault();
      run();
    }
  });
}
