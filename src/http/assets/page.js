// The live render of the front page: what is typed goes to ./render, the safe HTML that comes back is shown.
"use strict";
(() => {
  const form = document.querySelector("form.panes");
  const source = form.elements.source;
  const shown = document.querySelector(".rendered");
  const status = document.querySelector(".status");
  // The only place of this page that may write HTML, and what it writes is the service's own answer.
  const policy = window.trustedTypes?.createPolicy("rillmark", { createHTML: (html) => html });
  const options = { tail: "complete", images: "none", table_align: "attribute", task_lists: true };
  let running = null;
  let timer = 0;

  async function render() {
    running?.abort();
    const mine = (running = new AbortController());
    try {
      const answer = await fetch("./render", {
        method: "POST",
        headers: { "content-type": "application/json", accept: "application/json" },
        body: JSON.stringify({ source: source.value, options }),
        signal: mine.signal,
      });
      const body = await answer.json();
      if (!answer.ok) throw new Error(body.title + ": " + body.detail);
      shown.innerHTML = policy ? policy.createHTML(body.html) : body.html;
      status.textContent = "";
    } catch (error) {
      if (error.name !== "AbortError") status.textContent = error.message;
    }
  }

  source.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(render, 50);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    render();
  });
  form.classList.add("scripted");
  if (source.value !== source.defaultValue) render();
})();
