// Makes the children of a node equal to those of another node with as few changes as possible: an
// element that stays keeps its focus, its selection, its scroll position, and whether it is open.
(() => {
  const isSame = (a, b) =>
    a.nodeType === b.nodeType && a.nodeName === b.nodeName && (a.id || "") === (b.id || "");

  const attributes = (from, to) => {
    for (const { name } of [...from.attributes]) {
      const own = name === "open" && from.nodeName === "DETAILS";
      if (!own && !to.hasAttribute(name)) from.removeAttribute(name);
    }
    for (const { name, value } of to.attributes) {
      const own = name === "open" && from.nodeName === "DETAILS";
      if (!own && from.getAttribute(name) !== value) from.setAttribute(name, value);
    }
  };

  naq.morph = (from, to) => {
    let now = from.firstChild;
    for (const wanted of [...to.childNodes]) {
      let match = now;
      // A row that is gone is removed; it does not turn into the row after it.
      if (wanted.id) for (match = now; match && !isSame(match, wanted); ) match = match.nextSibling;
      if (match && isSame(match, wanted)) {
        while (now !== match) {
          const gone = now;
          now = now.nextSibling;
          gone.remove();
        }
        now = match.nextSibling;
        if (match.nodeType === Node.ELEMENT_NODE) {
          attributes(match, wanted);
          naq.morph(match, wanted);
        } else if (match.nodeValue !== wanted.nodeValue) {
          match.nodeValue = wanted.nodeValue;
        }
      } else {
        from.insertBefore(wanted, now);
      }
    }
    while (now) {
      const gone = now;
      now = now.nextSibling;
      gone.remove();
    }
  };
})();
