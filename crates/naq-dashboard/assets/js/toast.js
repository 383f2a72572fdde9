// Short notices. A notice that leads to another page is shown on that page.
(() => {
  naq.toast = (text, bad = false) => {
    const toast = document.createElement("div");
    toast.className = bad ? "toast bad" : "toast";
    const words = document.createElement("span");
    words.textContent = text;
    const close = document.createElement("button");
    close.type = "button";
    close.textContent = "×";
    close.setAttribute("aria-label", "Close this notice");
    close.onclick = () => toast.remove();
    toast.append(words, close);
    document.querySelector(".toasts").append(toast);
    setTimeout(() => toast.remove(), bad ? 20000 : 8000);
  };
  naq.go = (to, text) => {
    try {
      if (text) sessionStorage.setItem("naq-toast", text);
    } catch {
      // Without storage the notice is lost, but the page opens.
    }
    const there = new URL(to, location.href);
    if (there.origin !== location.origin) return;
    if (there.pathname + there.search === location.pathname + location.search) location.reload();
    else location.assign(there.href);
  };
  naq.ready(() => {
    try {
      const text = sessionStorage.getItem("naq-toast");
      sessionStorage.removeItem("naq-toast");
      if (text) naq.toast(text);
    } catch {
      // Without storage there is no notice.
    }
  });
})();
