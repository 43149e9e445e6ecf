// Bundles tests/*.test.ts, as the page is bundled, and runs them with node's own runner.
import { spawnSync } from "node:child_process";
import { readdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const out = join(here, "node_modules/.tests");
const named = (ending) => readdirSync(join(here, "tests")).filter((name) => name.endsWith(ending)).map((name) => join(here, "tests", name));

rmSync(out, { recursive: true, force: true });
await build({
  entryPoints: named(".test.ts"), outdir: out, outExtension: { ".js": ".mjs" },
  bundle: true, platform: "node", format: "esm", sourcemap: "inline", logLevel: "warning",
});
const made = readdirSync(out).map((name) => join(out, name));
const run = spawnSync(process.execPath, ["--enable-source-maps", "--test", "--test-reporter=spec", ...made, ...named(".test.mjs")], { stdio: "inherit" });
process.exit(run.status ?? 1);
