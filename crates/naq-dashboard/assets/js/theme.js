// The theme: light, dark, or that of the system. It is set before the body loads, so that no other theme
// shows first.
(() => {
  const themes = ["auto", "light", "dark"];
  let theme = themes.includes(naq.setting("theme")) ? naq.setting("theme") : "auto";
  const show = () => {
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    for (const button of document.querySelectorAll("[data-theme-switch]")) button.textContent = `Theme: ${theme}`;
  };
  show();
  naq.ready(show);
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-theme-switch]")) return;
    theme = themes[(themes.indexOf(theme) + 1) % themes.length];
    naq.setting("theme", theme);
    show();
  });
})();
