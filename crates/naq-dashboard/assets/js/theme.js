// The theme: of the system, light, or dark. Set before the body is there, so that nothing flashes.
(() => {
  const themes = ["auto", "light", "dark"];
  let theme = themes.includes(naq.keep("theme")) ? naq.keep("theme") : "auto";
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
    naq.keep("theme", theme);
    show();
  });
})();
