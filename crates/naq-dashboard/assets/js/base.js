"use strict";

// Shared by the other files. `setting` reads or stores a setting in this browser, if storage is allowed.
const naq = {
  prefix: () => document.body.dataset.prefix || "",
  ready(run) {
    if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", run);
    else run();
  },
  setting(name, value) {
    try {
      if (value === undefined) return localStorage.getItem(`naq-${name}`);
      localStorage.setItem(`naq-${name}`, value);
    } catch {
      // Storage is switched off: the setting lasts until the page is closed.
    }
    return value ?? null;
  },
  // HTML from a template of the dashboard, as nodes.
  nodes(html) {
    const template = document.createElement("template");
    template.innerHTML = html;
    return template.content;
  },
};
