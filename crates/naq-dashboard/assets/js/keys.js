// Keyboard shortcuts: `g` and a letter goes to a page, `/` searches, `p` pauses live updates, `?` shows
// the shortcuts.
(() => {
  let going = 0;
  const typing = (at) => at.closest("input, select, textarea, [contenteditable]");
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    if (document.querySelector("dialog[open]")) return;
    if (going && performance.now() - going < 1500) {
      going = 0;
      const link = document.querySelector(`a[data-key="${CSS.escape(event.key)}"]`);
      if (link) link.click();
      return;
    }
    const search = document.querySelector("[data-search]") ?? document.querySelector(".find input");
    if (event.key === "g") going = performance.now();
    else if (event.key === "/" && search) {
      event.preventDefault();
      search.focus();
    } else if (event.key === "?") document.getElementById("help")?.showModal();
    else if (event.key === "p") naq.toggleLive();
  });
})();
