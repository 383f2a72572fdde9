// What visitors do: forms with data-act are sent with the header that no other site can send.
(() => {
  const post = async (url, body) => {
    const answer = await fetch(url, {
      method: "POST",
      headers: { "X-NAQ-Action": "1", Accept: "application/json" },
      body,
      credentials: "same-origin",
      redirect: "error",
    });
    const text = await answer.text();
    let said;
    try {
      said = JSON.parse(text);
    } catch {
      said = { problem: text || `the dashboard answered ${answer.status}` };
    }
    if (!answer.ok) throw new Error(said.problem || `the dashboard answered ${answer.status}`);
    return said;
  };
  // What a form says, with the button that sends it: to be asked before that is disabled.
  const fields = (form, submitter) => new URLSearchParams(new FormData(form, submitter));
  const show = (form, html) => {
    const place = form.querySelector("[data-answer]");
    if (!place) return;
    const fresh = naq.nodes(html);
    naq.dress(fresh);
    place.replaceChildren(fresh);
  };
  const busy = async (button, run) => {
    button?.setAttribute("aria-busy", "true");
    if (button) button.disabled = true;
    try {
      await run();
    } catch (error) {
      const away = error instanceof TypeError;
      naq.toast(away ? "The dashboard did not answer: nothing is known to have been done." : error.message, true);
    } finally {
      button?.removeAttribute("aria-busy");
      if (button) button.disabled = false;
    }
  };

  document.addEventListener("submit", (event) => {
    const form = event.target.closest("form[data-act]");
    if (!form) return;
    event.preventDefault();
    const button = event.submitter || form.querySelector("button:not([type=button])");
    const url = event.submitter?.getAttribute("formaction") || form.getAttribute("action");
    const body = fields(form, event.submitter);
    busy(button, async () => {
      const said = await post(url, body);
      if (said.html) show(form, said.html);
      if (said.next) return naq.go(said.next, said.message);
      if (said.message) naq.toast(said.message);
      if (!said.html) form.closest("dialog")?.close();
    });
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-preview]");
    if (!button?.form) return;
    event.preventDefault();
    const body = fields(button.form);
    busy(button, async () => {
      const said = await post(button.dataset.preview, body);
      if (said.html) show(button.form, said.html);
      else if (said.message) naq.toast(said.message);
    });
  });
})();
