// `naq conformance handler` against this package: as a command that stays, and as a service.
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { test } from "node:test";

const naq = process.env.NAQ_BINARY ?? "naq";
const handlers = new URL("conformance.js", import.meta.url).pathname;

async function conformance(target, env = {}) {
  const [code, out, log] = await new Promise((resolve) => {
    const args = ["conformance", "handler", target, "-o", "json"];
    const options = { env: { ...process.env, ...env }, maxBuffer: 1 << 24 };
    execFile(naq, args, options, (error, stdout, stderr) => resolve([error?.code ?? 0, stdout, stderr]));
  });
  const cases = JSON.parse(out);
  assert.deepEqual(cases.filter((it) => it.verdict === "FAILED"), [], log);
  assert.equal(code, 0, log);
  return Object.fromEntries(cases.map((it) => [it.case, it.verdict]));
}

test("a command that stays passes every case", async () => {
  const verdicts = Object.values(await conformance(`node ${handlers}`));
  assert.ok(verdicts.filter((it) => it === "passed").length >= 40);
});

for (const keys of ["", "a key of at least sixteen characters"]) {
  test(`a service ${keys && "with keys "}passes every case`, async () => {
    const env = { ...process.env, CONFORMANCE_PORT: "0", NAQ_HANDLER_KEYS: keys };
    const service = spawn("node", [handlers], { env, stdio: ["ignore", "pipe", "ignore"] });
    try {
      const [url] = await once(createInterface({ input: service.stdout }), "line");
      const verdicts = await conformance(url, { NAQ_HANDLER_KEYS: keys });
      assert.equal(verdicts["a request with a wrong signature is refused"], keys ? "passed" : "left out");
    } finally {
      service.kill();
    }
  });
}
