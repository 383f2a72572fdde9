// Actions: forms with data-act are sent by script, with a header that no other site can send.
(() => {
  const post = async (url, body) => {
    const response = await fetch(url, {
      method: "POST",
      headers: { "X-NAQ-Action": "1", Accept: "application/json" },
      body,
      credentials: "same-origin",
      redirect: "error",
    });
    const text = await response.text();
    let reply;
    try {
      reply = JSON.parse(text);
    } catch {
      reply = { problem: text || `the dashboard answered ${response.status}` };
    }
    if (!response.ok) throw new Error(reply.problem || `the dashboard answered ${response.status}`);
    return reply;
  };
  // The fields of a form and its submit button. Read them before the button is disabled.
  const fields = (form, submitter) => new URLSearchParams(new FormData(form, submitter));
  const show = (form, html) => {
    const place = form.querySelector("[data-answer]");
    if (!place) return;
    const fresh = naq.nodes(html);
    naq.showTimes(fresh);
    place.replaceChildren(fresh);
  };
  const busy = async (button, run) => {
    button?.setAttribute("aria-busy", "true");
    if (button) button.disabled = true;
    try {
      await run();
    } catch (error) {
      const unanswered = error instanceof TypeError;
      naq.toast(unanswered ? "The dashboard did not answer. It is not known whether the action was done." : error.message, true);
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
      const reply = await post(url, body);
      if (reply.html) show(form, reply.html);
      if (reply.next) return naq.go(reply.next, reply.message);
      if (reply.message) naq.toast(reply.message);
      if (!reply.html) form.closest("dialog")?.close();
    });
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-preview]");
    if (!button?.form) return;
    event.preventDefault();
    const body = fields(button.form);
    busy(button, async () => {
      const reply = await post(button.dataset.preview, body);
      if (reply.html) show(button.form, reply.html);
      else if (reply.message) naq.toast(reply.message);
    });
  });
})();
