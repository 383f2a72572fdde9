// Error kinds: an error as a dotted name. NAQ compares kinds by their parts: `ConnectionError` has
// `ConnectionError.refused` too. So the kind of a class is the path from its oldest base to itself.

// NAQ's own kinds. A class of this name begins a path; its bases are left out.
const ROOTS = new Set(["ConnectionError", "TimeoutError", "PermissionError", "AuthenticationError", "HTTPError", "ValueError"]);

// Codes of the operating system, as NAQ's Rust handlers name them.
const CODES = {
  ECONNREFUSED: "ConnectionError.refused",
  ECONNRESET: "ConnectionError.reset",
  ECONNABORTED: "ConnectionError.aborted",
  EPIPE: "ConnectionError.broken_pipe",
  ENOTFOUND: "ConnectionError.not_found",
  EAI_AGAIN: "ConnectionError.not_found",
  EHOSTUNREACH: "ConnectionError.unreachable",
  ENETUNREACH: "ConnectionError.unreachable",
  ETIMEDOUT: "TimeoutError",
  EACCES: "PermissionError",
  EPERM: "PermissionError",
};

const MAX = 128;

/** The path of a class: `class TokenExpired extends AuthenticationError` is `AuthenticationError.TokenExpired`. */
export function kindOfClass(cls) {
  const path = [];
  for (let c = cls; c && c !== Error && c !== Function.prototype; c = Object.getPrototypeOf(c)) {
    path.push(c.name.replace(/[^A-Za-z0-9_:-]/g, "_") || "Error");
    if (ROOTS.has(c.name)) break;
  }
  const kind = path.reverse().join(".") || "Error";
  return kind.length <= MAX ? kind : cls.name.slice(0, MAX);
}

/** The kind of what a handler threw. */
export function kindOf(error) {
  if (!(error instanceof Error)) return "Error";
  // fetch() hides the error of the connection in its cause.
  for (let e = error, depth = 0; e instanceof Error && depth < 8; e = e.cause, depth++) {
    if (CODES[e.code]) return CODES[e.code];
    // AbortSignal.timeout() throws a DOMException of that name.
    if (e.name === "TimeoutError") return "TimeoutError";
  }
  const kind = kindOfClass(error.constructor);
  const status = error.status ?? error.statusCode ?? error.response?.status;
  if (kind.split(".")[0] === "HTTPError" && Number.isInteger(status)) return `HTTPError.${status}`;
  return kind;
}

/** The kinds of `retryOn` and `ignoreOn`: names and classes. */
export function kindsOf(listed) {
  const all = Array.isArray(listed) ? listed : [listed];
  return [...new Set(all.map((item) => (typeof item === "function" ? kindOfClass(item) : String(item))))];
}
