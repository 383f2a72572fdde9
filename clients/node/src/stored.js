// Values as the broker has them: plain, compressed or encrypted.

import { NaqError } from "./errors.js";

const COMPRESSED = "naq:lz4:1:";
const SEALED = /^naq:sealed:[12]:([A-Za-z0-9_-]{1,32}):/;
// As the other clients: a larger value is refused before it takes memory.
const MAX_BYTES = 64 * 1024 * 1024;

/** The value itself. Throws NaqError for one that is encrypted, or that cannot be decompressed. */
export function plain(value, what) {
  if (typeof value !== "string") return value;
  const key = SEALED.exec(value)?.[1];
  if (key !== undefined) {
    throw new NaqError(`${what} is encrypted with key ${key}, and this client has no keys: use the naq command or the gateway`);
  }
  if (!value.startsWith(COMPRESSED)) return value;
  let found;
  try {
    found = decompressed(value);
  } catch (cause) {
    throw new NaqError(`${what} cannot be decompressed: ${cause.message}`, { cause });
  }
  if (found.codec !== "json") throw new NaqError(`${what} is in ${found.codec}, and this client reads JSON`);
  return JSON.parse(new TextDecoder().decode(found.bytes));
}

/** The message of an error, or the sentence that says which key it needs. */
export function shown(text) {
  const key = SEALED.exec(text ?? "")?.[1];
  return key === undefined ? text : `encrypted with key ${key}`;
}

/** The codec and the bytes of a compressed value. */
export function decompressed(text) {
  const packed = Buffer.from(text.slice(COMPRESSED.length), "base64url");
  const codec = { 0x4a: "json", 0x4d: "msgpack" }[packed[0]];
  if (codec === undefined || packed.length < 5) throw broken();
  const size = packed.readUInt32BE(1);
  const block = packed.subarray(5);
  if (size > MAX_BYTES || size > 255 * block.length) throw new Error(`it would have ${size} bytes`);
  return { codec, bytes: lz4(block, size) };
}

// The plain bytes of a block of LZ4: literals, and copies of what is there already.
function lz4(block, size) {
  const out = Buffer.alloc(size);
  let at = 0;
  let to = 0;
  const byte = () => {
    if (at >= block.length) throw broken();
    return block[at++];
  };
  const rest = (length) => {
    if (length < 15) return length;
    let more;
    do {
      more = byte();
      length += more;
    } while (more === 255);
    return length;
  };
  for (;;) {
    const token = byte();
    const literals = rest(token >> 4);
    if (at + literals > block.length || to + literals > size) throw broken();
    block.copy(out, to, at, at + literals);
    at += literals;
    to += literals;
    if (at === block.length) {
      if (to !== size) throw broken();
      return out;
    }
    const offset = byte() + 256 * byte();
    const length = rest(token & 15) + 4;
    if (offset === 0 || offset > to || to + length > size) throw broken();
    // A copy may overlap what it writes: then its bytes repeat.
    for (const end = to + length; to < end; to++) out[to] = out[to - offset];
  }
}

function broken() {
  return new Error("it was cut or changed");
}
