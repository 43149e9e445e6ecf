// Bundles src/ into the Python package, and records the hash of what it was made from.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const out = join(here, "../src/pellucid/report/static");
const MADE_FROM = ["build.mjs", "package.json", "package-lock.json", "tsconfig.json"];

function sources(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? sources(path) : [path];
  });
}

// Names and contents, each closed by a zero byte, in the order of the names' code points.
function sourceHash() {
  const paths = [...MADE_FROM.map((name) => join(here, name)), ...sources(join(here, "src"))];
  const names = paths.map((path) => relative(here, path).replaceAll("\\", "/")).sort();
  const hash = createHash("sha256");
  for (const name of names) hash.update(`${name}\0`).update(readFileSync(join(here, name))).update("\0");
  return hash.digest("hex");
}

// The licences of all that is bundled, each text once, as a comment that goes wherever the bundle goes.
function notices(inputs) {
  const packages = new Map();
  for (const input of inputs) {
    const name = /^(?:.*\/)?node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1];
    if (name) packages.set(name, join(here, "node_modules", name));
  }
  const texts = new Map();
  for (const [name, folder] of [...packages].sort()) {
    const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
    if (!file) throw new Error(`${name} is bundled and has no licence`);
    const { version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    const text = readFileSync(join(folder, file), "utf8").trim().replaceAll("\r\n", "\n");
    if (/\*\//.test(text)) throw new Error(`the licence of ${name} would end the comment`);
    // One licence whose copyright has several years is one text.
    const owner = /^Copyright.*$/m.exec(text)?.[0] ?? "";
    const rest = text.replace(owner, "").trim();
    texts.set(rest, [...(texts.get(rest) ?? []), `${name} ${version}: ${owner}`]);
  }
  const told = [...texts].map(([text, names]) => `${names.join("\n")}\n\n${text}`);
  return `/*! This page holds other people's work:\n\n${told.join("\n\n---\n\n")}\n*/`;
}

const { metafile } = await build({
  entryPoints: { pellucid: join(here, "src/main.tsx") },
  outdir: out,
  bundle: true,
  minify: true,
  charset: "ascii",
  target: "es2022",
  format: "iife",
  legalComments: "none",
  metafile: true,
});
const bundle = join(out, "pellucid.js");
writeFileSync(bundle, `${notices(Object.keys(metafile.inputs))}\n${readFileSync(bundle, "utf8")}`);
// A page holds both inline: neither may close the element that it stands in.
for (const name of ["pellucid.js", "pellucid.css"]) {
  const text = readFileSync(join(out, name), "utf8");
  if (/<\/(script|style)/i.test(text)) throw new Error(`${name} would end its own element`);
}
writeFileSync(join(out, "sources.sha256"), `${sourceHash()}\n`);
