// Dialogs, typed confirmations, copy buttons, and checkboxes that select all.
(() => {
  const confirm = (form) => {
    const input = form.elements.namedItem("confirm");
    const right = input?.value.trim() === form.dataset.confirm;
    for (const button of form.querySelectorAll("button:not([type=button]):not([data-preview])")) button.disabled = !right;
  };
  // data-fill="worker=w-1": one dialog serves many rows; this sets its fields for one row.
  const fill = (dialog, pair) => {
    if (!pair) return;
    const [name, value] = [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)];
    for (const input of dialog.querySelectorAll(`input[name="${CSS.escape(name)}"]`)) input.value = value;
    for (const place of dialog.querySelectorAll(`[data-filled="${CSS.escape(name)}"]`)) place.textContent = value;
  };
  const count = () => {
    for (const place of document.querySelectorAll("[data-checked]")) {
      const boxes = document.querySelectorAll(`input[name="${CSS.escape(place.dataset.checked)}"]:checked`);
      place.textContent = String(boxes.length);
    }
  };
  const copy = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Without TLS only the old clipboard API works.
      const area = document.createElement("textarea");
      area.value = text;
      (document.querySelector("dialog[open]") || document.body).append(area);
      area.select();
      const done = document.execCommand("copy");
      area.remove();
      if (!done) return naq.toast("This browser did not allow the copy.", true);
    }
    naq.toast("Copied.");
  };

  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-dialog]");
    if (opener) {
      const dialog = document.getElementById(opener.dataset.dialog);
      if (dialog && !dialog.open) {
        fill(dialog, opener.dataset.fill);
        dialog.showModal();
      }
      return;
    }
    const closer = event.target.closest("[data-close]");
    if (closer) return closer.closest("dialog")?.close();
    if (event.target.nodeName === "DIALOG") return event.target.close();
    const copier = event.target.closest("[data-copy]");
    if (copier) {
      const source = document.querySelector(copier.dataset.copy);
      if (source) copy("value" in source ? source.value : source.textContent.trim());
    }
  });
  document.addEventListener("input", (event) => {
    const form = event.target.closest("form[data-confirm]");
    if (form) confirm(form);
  });
  // A preview is for the form as it was then: it goes away when a field other than the reason changes.
  const dropPreview = (event) => {
    const { form, name } = event.target;
    const place = form?.querySelector?.("[data-answer]");
    if (place && name !== "reason" && !place.contains(event.target)) place.replaceChildren();
  };
  document.addEventListener("input", dropPreview);
  document.addEventListener("change", dropPreview);
  document.addEventListener("change", (event) => {
    const all = event.target.closest("input[data-check-all]");
    if (all) {
      const boxes = document.querySelectorAll(`input[name="${CSS.escape(all.dataset.checkAll)}"]`);
      for (const box of boxes) if (!box.disabled) box.checked = all.checked;
      for (const box of boxes) dropPreview({ target: box });
    }
    count();
  });
  naq.ready(() => {
    for (const form of document.querySelectorAll("form[data-confirm]")) confirm(form);
    count();
  });
})();
