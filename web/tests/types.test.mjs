import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { types } from "../types.mjs";

test("the types are those of the schema", async () => {
  assert.equal(readFileSync(new URL("../types/results.d.ts", import.meta.url), "utf8"), await types(), "run make web");
});
