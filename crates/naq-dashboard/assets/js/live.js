// The live regions of this page, over one stream. A hidden tab has none; a lost one is opened again.
(() => {
  let stream = null;
  let again = 0;
  let tries = 0;
  let paused = naq.keep("live") === "paused";
  const words = { live: "Live", paused: "Paused", away: "Reconnecting" };

  const show = (now) => {
    for (const button of document.querySelectorAll("[data-live-switch]")) {
      button.dataset.now = now;
      button.textContent = words[now];
      button.setAttribute("aria-pressed", String(now === "paused"));
      button.title = now === "paused" ? "Show changes again (p)" : "Stop showing changes (p)";
    }
  };
  // A page that could not be shown without the broker is loaded again once it is back.
  let away = false;
  const recover = () => {
    const stale = document.querySelector("[data-stale]") !== null;
    if (away && !stale && document.querySelector("[data-failed]")) location.reload();
    away = stale;
  };
  const close = () => {
    clearTimeout(again);
    stream?.close();
    stream = null;
  };
  const open = () => {
    close();
    if (paused || document.hidden) return;
    const page = encodeURIComponent(location.pathname + location.search);
    stream = new EventSource(`${naq.prefix()}/live?page=${page}`);
    stream.onopen = () => {
      tries = 0;
      show("live");
    };
    stream.onerror = () => {
      // Its own way to try again gives up on an answer like "too many tabs": ours does not.
      close();
      show("away");
      again = setTimeout(open, Math.min(15000, 500 * 2 ** tries++) * (0.5 + Math.random() / 2));
    };
    stream.addEventListener("live", (event) => {
      for (const [name, html] of Object.entries(JSON.parse(event.data))) {
        const region = document.querySelector(`[data-live="${CSS.escape(name)}"]`);
        if (!region) continue;
        const fresh = naq.nodes(html);
        naq.dress(fresh);
        naq.morph(region, fresh);
      }
      recover();
    });
  };
  naq.toggleLive = () => {
    paused = !paused;
    naq.keep("live", paused ? "paused" : "live");
    if (paused) close();
    show(paused ? "paused" : "away");
    open();
  };

  naq.ready(() => {
    recover();
    show(paused ? "paused" : "away");
    open();
  });
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  window.addEventListener("pagehide", close);
  window.addEventListener("pageshow", (event) => event.persisted && open());
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-live-switch]")) naq.toggleLive();
  });
})();
