// The live regions of this page, over one stream. A hidden tab closes its stream; a lost stream is opened
// again.
(() => {
  let stream = null;
  let retryTimer = 0;
  let retries = 0;
  let paused = naq.setting("live") === "paused";
  const words = { live: "Live", paused: "Paused", away: "Reconnecting" };

  const show = (now) => {
    for (const button of document.querySelectorAll("[data-live-switch]")) {
      button.dataset.now = now;
      button.textContent = words[now];
      button.setAttribute("aria-pressed", String(now === "paused"));
      button.title = now === "paused" ? "Resume live updates (p)" : "Pause live updates (p)";
    }
  };
  // An error page that needs the broker is reloaded when the broker is back.
  let away = false;
  const recover = () => {
    const stale = document.querySelector("[data-stale]") !== null;
    if (away && !stale && document.querySelector("[data-failed]")) location.reload();
    away = stale;
  };
  const close = () => {
    clearTimeout(retryTimer);
    stream?.close();
    stream = null;
  };
  const open = () => {
    close();
    if (paused || document.hidden) return;
    const page = encodeURIComponent(location.pathname + location.search);
    stream = new EventSource(`${naq.prefix()}/live?page=${page}`);
    stream.onopen = () => {
      retries = 0;
      show("live");
    };
    stream.onerror = () => {
      // EventSource gives up after a response such as "too many tabs are open"; this retry does not.
      close();
      show("away");
      retryTimer = setTimeout(open, Math.min(15000, 500 * 2 ** retries++) * (0.5 + Math.random() / 2));
    };
    stream.addEventListener("live", (event) => {
      for (const [name, html] of Object.entries(JSON.parse(event.data))) {
        const region = document.querySelector(`[data-live="${CSS.escape(name)}"]`);
        if (!region) continue;
        const fresh = naq.nodes(html);
        naq.showTimes(fresh);
        naq.morph(region, fresh);
      }
      recover();
    });
  };
  naq.toggleLive = () => {
    paused = !paused;
    naq.setting("live", paused ? "paused" : "live");
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
