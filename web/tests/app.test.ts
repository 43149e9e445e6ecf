import "./page";
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { resultsAmong, tensorsOf } from "../src/app/files";
import { ask, Refusal } from "../src/app/jobs";
import { shareRows } from "../src/app/shares";
import { param, setParam } from "../src/state";
import { tensor } from "./made";

const own = globalThis.fetch;
afterEach(() => void (globalThis.fetch = own));

/** A server whose job says these pieces; returns what was asked of it. */
function server(...pieces: string[]) {
  const asked: [string, RequestInit][] = [];
  const bytes = new TextEncoder();
  globalThis.fetch = (async (path: string, init: RequestInit) => {
    asked.push([path, init]);
    if (!path.endsWith("/events")) return Response.json({ id: "7" });
    return new Response(new ReadableStream({ start: (to) => (pieces.forEach((piece) => to.enqueue(bytes.encode(piece))), to.close()) }));
  }) as typeof fetch;
  return asked;
}
const said = (event: object) => `data: ${JSON.stringify(event)}\n\n`;

test("a job is asked for, followed, and told as it goes, however its events are cut", async () => {
  const told: unknown[] = [];
  const text = said({ event: "running", forwards: 1 }) + said({ event: "running", forwards: 2 }) + said({ event: "done", result: { token: "日本" } });
  const asked = server(...text.match(/[^]{1,7}/g)!);
  assert.deepEqual(await ask({ kind: "next" }, (progress) => told.push(progress.forwards)).done, { token: "日本" });
  assert.deepEqual(told, [1, 2]);
  assert.deepEqual(asked.map(([path]) => path), ["/api/jobs", "/api/jobs/7/events"]);
  assert.equal(asked[0]![1].body, '{"kind":"next"}');
});

test("several events in one piece are several events", async () => {
  server(said({ event: "running" }) + said({ event: "done", result: 5 }));
  assert.equal(await ask({ kind: "next" }).done, 5);
});

test("files go to a place of their own", async () => {
  const asked = server(said({ event: "done", result: 1 }));
  await ask({ kind: "open" }).done;
  assert.equal(asked[0]![0], "/api/files");
});

test("a job that failed says which field was wrong", async () => {
  server(said({ event: "failed", field: "prompt", message: "is empty" }));
  await assert.rejects(ask({ kind: "next" }).done, (error: Refusal) => error.field === "prompt" && error.message === "is empty");
});

test("a job that was cancelled has no result", async () => {
  server(said({ event: "cancelled" }));
  assert.equal(await ask({ kind: "next" }).done, null);
});

test("a server that ends in the middle is not taken for an answer", async () => {
  server(said({ event: "running" }), "data: {\"event\":");
  await assert.rejects(ask({ kind: "next" }).done, /stopped before/);
});

test("a server that is not there, and one that refuses", async () => {
  globalThis.fetch = () => Promise.reject(new TypeError("refused"));
  await assert.rejects(ask({ kind: "next" }).done, /does not answer/);
  globalThis.fetch = async () => new Response("plain", { status: 500 });
  await assert.rejects(ask({ kind: "next" }).done, /^Error: plain$/);
  globalThis.fetch = async () => Response.json({ field: "seed", message: "is no number" }, { status: 422 });
  await assert.rejects(ask({ kind: "next" }).done, (error: Refusal) => error.field === "seed");
});

test("a job cancelled before it has a number is cancelled once it has one", async () => {
  const asked = server(said({ event: "cancelled" }));
  const job = ask({ kind: "next" });
  job.cancel();
  assert.equal(await job.done, null);
  assert.ok(asked.some(([path]) => path === "/api/jobs/7/cancel"));
});

test("results among files: each .json, and of a folder what belongs together", () => {
  const file = (path: string) => Object.assign(new File([], path.split("/").at(-1)!), { webkitRelativePath: path.includes("/") ? path : "" });
  const found = (...paths: string[]) => resultsAmong(paths.map(file)).map(({ name, body, tensors }) => [name, body.name, ...tensors.map((one) => one.name)]);
  assert.deepEqual(found("a.json", "notes.txt"), [["a.json", "a.json"]]);
  assert.deepEqual(found("runs/one/result.json", "runs/one/tensors.safetensors", "runs/two/result.json", "runs/two/other.json"), [
    ["one", "result.json", "tensors.safetensors"], ["two", "result.json"],
  ]);
  assert.deepEqual(found(), []);
  const beside = ["mine.safetensors", "tensors.safetensors", "tensors-0123456789abcdef.safetensors"].map(file);
  assert.equal(tensorsOf('{"tensors": "0123456789abcdef0123"}', beside)?.name, "tensors-0123456789abcdef.safetensors");
  assert.equal(tensorsOf('{"tensors": "ffff456789abcdef0123"}', beside)?.name, "tensors.safetensors");
  assert.equal(tensorsOf("{}", []), null);
});

test("parts of the model have their share, once it is known", () => {
  const term = (name: string) => ({ name, kind: "head" as const, layer: 0, head: 0 });
  const direct = { terms: [term("M0"), term("L0H0")], per_example: tensor([0.5, -1, 7, 7], 2, 2) } as never;
  assert.deepEqual(shareRows(["embed", "L0H0", "M0", "M1"], direct).map(({ name, value }) => [name, value]), [["L0H0", -1], ["M0", 0.5], ["M1", null]]);
  assert.deepEqual(shareRows(["L0H0"], null).map(({ value }) => value), [null]);
});

test("what is chosen is in the address, and leaves it", () => {
  setParam("node", "L0H1 & ü");
  assert.equal(param("node"), "L0H1 & ü");
  assert.equal(new URLSearchParams(location.hash.slice(1)).get("node"), "L0H1 & ü");
  setParam("node", null);
  assert.equal(param("node"), null);
  assert.equal(location.hash, "");
});
