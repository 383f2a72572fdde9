// Compressed and encrypted values, against the golden file of the Rust side.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { decompressed, plain, shown } from "../src/stored.js";

const { values, refused } = JSON.parse(
  readFileSync(new URL("../../../crates/naq-core/tests/golden/compressed.json", import.meta.url), "utf8"),
);

for (const value of values) {
  test(`a compressed value is read: ${value.name}`, () => {
    const { codec, bytes } = decompressed(value.compressed);
    assert.equal(codec, value.codec);
    assert.equal(bytes.toString("base64"), value.plain);
    if (codec === "json") assert.deepEqual(plain(value.compressed, "it"), JSON.parse(bytes));
    else assert.throws(() => plain(value.compressed, "it"), /it is in msgpack/);
  });
}

for (const value of refused) {
  test(`a compressed value is refused: ${value.name}`, () => {
    assert.throws(() => plain(value.compressed, "the result"), /^NaqError: the result cannot be decompressed/);
  });
}

test("an encrypted value is refused with the name of its key, and others stay as they are", () => {
  for (const version of [1, 2]) {
    assert.throws(() => plain(`naq:sealed:${version}:k2:AAAA`, "the result"), /the result is encrypted with key k2/);
  }
  assert.equal(shown("naq:sealed:1:k2:AA…"), "encrypted with key k2");
  for (const value of ["naq", 7, null, { a: "naq:lz4:1:" }, undefined]) assert.equal(plain(value, "it"), value);
  assert.equal(shown("busy"), "busy");
  assert.equal(shown(undefined), undefined);
});
