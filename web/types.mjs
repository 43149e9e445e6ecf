// Writes types/results.d.ts, the results as a page holds them, from the schema that Python writes, and copies the glossary.
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { compile } from "json-schema-to-typescript";

const SCHEMA = new URL("../src/pellucid/report/schema.json", import.meta.url);
const GLOSSARY = "glossary.json";
const TYPES = new URL("types/results.d.ts", import.meta.url);

/** The types as text. Its first line has the hash of the schema, by which a test sees it is stale. */
export async function types() {
  const text = readFileSync(SCHEMA);
  const { properties, required, $defs } = JSON.parse(text, tuplesOfDraft4);
  const { type, fields: _, ...beside } = properties;
  // TypeScript has no "if the type is this, the fields are those": a document is any one result, and what is beside it.
  const result = { title: "Result", oneOf: type.enum.map((name) => ({ $ref: `#/$defs/${name}` })) };
  const rest = { type: "object", properties: beside, required: required.filter((name) => name in beside) };
  const hash = createHash("sha256").update(text).digest("hex");
  const options = { additionalProperties: false, style: { printWidth: 120 } };
  const bannerComment = `// Made by types.mjs from schema.json (sha256 ${hash}).`;
  const documents = await compile({ $defs, allOf: [result, rest] }, "Document", { ...options, bannerComment });
  // What can be chosen is in no document.
  return documents + (await compile($defs.choices, "Choices", { ...options, bannerComment: "" }));
}

/** The library knows the tuples of the schema's fourth draft, not `prefixItems` of the latest. */
function tuplesOfDraft4(_, value) {
  return value?.prefixItems ? { type: "array", items: value.prefixItems, additionalItems: false, minItems: value.minItems } : value;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(TYPES, await types());
  writeFileSync(new URL(`src/data/${GLOSSARY}`, import.meta.url), readFileSync(new URL(GLOSSARY, SCHEMA)));
}
