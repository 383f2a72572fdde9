"use strict";

// What the other files share. `keep` remembers a choice of this browser, if it lets us.
const naq = {
  prefix: () => document.body.dataset.prefix || "",
  ready(run) {
    if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", run);
    else run();
  },
  keep(name, value) {
    try {
      if (value === undefined) return localStorage.getItem(`naq-${name}`);
      localStorage.setItem(`naq-${name}`, value);
    } catch {
      // Storage is switched off: the choice holds for this page.
    }
    return value ?? null;
  },
  // HTML from a template of ours, as nodes.
  nodes(html) {
    const template = document.createElement("template");
    template.innerHTML = html;
    return template.content;
  },
};
