// Times, relative or absolute, in the time zone of this browser; the title has the absolute time. Relative
// times outside live regions are updated here.
(() => {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "local time";
  const local = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
  const opened = performance.now();
  let absolute = naq.setting("times") === "absolute";

  const span = (ms) => {
    const s = Math.floor(ms / 1000);
    const two = (big, unit, small, less) => (small ? `${big}${unit}${small}${less}` : `${big}${unit}`);
    if (s < 60) return `${s}s`;
    if (s < 3600) return two(Math.floor(s / 60), "m", s % 60, "s");
    if (s < 86400) return two(Math.floor(s / 3600), "h", Math.floor((s % 3600) / 60), "m");
    return two(Math.floor(s / 86400), "d", Math.floor((s % 86400) / 3600), "h");
  };
  const relative = (at) => {
    const now = Date.parse(document.body.dataset.now) + performance.now() - opened;
    const ms = at - now;
    if (Math.abs(ms) < 1000) return "now";
    return ms > 0 ? `in ${span(ms)}` : `${span(-ms)} ago`;
  };
  const setText = (time, text) => {
    if (time.textContent !== text) time.textContent = text;
  };

  // Sets the titles of all times below a node, and shows them as the visitor chose.
  naq.showTimes = (root) => {
    for (const time of root.querySelectorAll("time[datetime]")) {
      const at = new Date(time.dateTime);
      if (Number.isNaN(at.getTime())) continue;
      time.dataset.relative ??= time.textContent;
      time.title = `${local.format(at)}, ${zone} (${time.dateTime})`;
      setText(time, absolute ? local.format(at) : time.dataset.relative);
    }
  };
  const showSwitch = () => {
    for (const button of document.querySelectorAll("[data-times-switch]")) {
      button.textContent = absolute ? "Times: absolute" : "Times: relative";
      button.title = `Times are shown in ${zone}`;
    }
  };
  const update = () => {
    if (absolute || document.hidden || !document.body.dataset.now) return;
    for (const time of document.querySelectorAll("main time[datetime]")) {
      if (time.closest("[data-live]") || time.hasAttribute("data-fixed")) continue;
      const at = Date.parse(time.dateTime);
      if (Number.isNaN(at)) continue;
      time.dataset.relative = relative(at);
      setText(time, time.dataset.relative);
    }
  };
  naq.ready(() => {
    naq.showTimes(document);
    showSwitch();
    setInterval(update, 1000);
  });
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-times-switch]")) return;
    absolute = !absolute;
    naq.setting("times", absolute ? "absolute" : "relative");
    naq.showTimes(document);
    showSwitch();
  });
})();
