// Times: relative or absolute as chosen, both in the title, in the zone of this browser. A relative
// time that no live region renews ages by itself.
(() => {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "local time";
  const local = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
  const opened = performance.now();
  let absolute = naq.keep("times") === "absolute";

  const span = (ms) => {
    const s = Math.floor(ms / 1000);
    const two = (big, unit, small, less) => (small ? `${big} ${unit} ${small} ${less}` : `${big} ${unit}`);
    if (s < 60) return `${s} s`;
    if (s < 3600) return two(Math.floor(s / 60), "min", s % 60, "s");
    if (s < 86400) return two(Math.floor(s / 3600), "h", Math.floor((s % 3600) / 60), "min");
    return two(Math.floor(s / 86400), "d", Math.floor((s % 86400) / 3600), "h");
  };
  const relative = (at) => {
    const now = Date.parse(document.body.dataset.now) + performance.now() - opened;
    const ms = at - now;
    if (Math.abs(ms) < 1000) return "now";
    return ms > 0 ? `in ${span(ms)}` : `${span(-ms)} ago`;
  };
  const put = (time, text) => {
    if (time.textContent !== text) time.textContent = text;
  };

  // What is about to be shown: titles in the zone of this browser, and the form that is chosen.
  naq.dress = (root) => {
    for (const time of root.querySelectorAll("time[datetime]")) {
      const at = new Date(time.dateTime);
      if (Number.isNaN(at.getTime())) continue;
      time.dataset.relative ??= time.textContent;
      time.title = `${local.format(at)}, ${zone} (${time.dateTime})`;
      put(time, absolute ? local.format(at) : time.dataset.relative);
    }
  };
  const say = () => {
    for (const button of document.querySelectorAll("[data-times-switch]")) {
      button.textContent = absolute ? "Times: absolute" : "Times: relative";
      button.title = `Times are shown in ${zone}`;
    }
  };
  const age = () => {
    if (absolute || document.hidden || !document.body.dataset.now) return;
    for (const time of document.querySelectorAll("main time[datetime]")) {
      if (time.closest("[data-live]") || time.hasAttribute("data-fixed")) continue;
      const at = Date.parse(time.dateTime);
      if (Number.isNaN(at)) continue;
      time.dataset.relative = relative(at);
      put(time, time.dataset.relative);
    }
  };
  naq.ready(() => {
    naq.dress(document);
    say();
    setInterval(age, 1000);
  });
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-times-switch]")) return;
    absolute = !absolute;
    naq.keep("times", absolute ? "absolute" : "relative");
    naq.dress(document);
    say();
  });
})();
