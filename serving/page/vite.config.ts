import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

/** What the built page is made of. `tests/serving/page/test_dist.py` computes the same hash without Node. */
const SOURCES = ["index.html", "package.json", "package-lock.json", "tsconfig.json", "vite.config.ts", "public", "src"];

/** Packages whose code or data is in the built page: their licences go with it. */
const SHIPPED = ["@preact/signals", "@preact/signals-core", "maplibre-gl", "preact", "topojson-client", "uplot", "world-atlas"];

function files(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path).flatMap((name) => files(`${path}/${name}`));
}

/** SHA-256 over a line for each source file, in order of their paths: its own SHA-256 and its path. */
function sourcesHash(): string {
  const digest = (content: Buffer | string) => createHash("sha256").update(content).digest("hex");
  const paths = SOURCES.flatMap(files).sort();
  return digest(paths.map((path) => `${digest(readFileSync(path))}  ${path}\n`).join(""));
}

function licence(name: string): string {
  const folder = join("node_modules", name);
  const file = readdirSync(folder).find((each) => /^licen[cs]e/i.test(each));
  if (file === undefined) throw new Error(`${name} ships no licence`);
  const { version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as { version: string };
  return `${name} ${version}\n\n${readFileSync(join(folder, file), "utf8").trim()}\n`;
}

/** Writes beside the page which sources it is of, and the licences of what is in it. */
function provenance(): Plugin {
  return {
    name: "provenance",
    apply: "build",
    generateBundle() {
      this.emitFile({ type: "asset", fileName: "sources.sha256", source: `${sourcesHash()}\n` });
      const rule = `\n${"-".repeat(80)}\n\n`;
      this.emitFile({ type: "asset", fileName: "licences.txt", source: SHIPPED.map(licence).join(rule) });
    },
  };
}

export default defineConfig({
  base: "./",
  plugins: [provenance()],
  worker: { format: "es" },
  build: {
    target: "es2022",
    sourcemap: false,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1500,
  },
  server: { proxy: { "^/(vehicles|trips|charging-sessions|anomalies|fleet|quality|pipeline|alerts|stream)": "http://127.0.0.1:8000" } },
  test: { include: ["tests/**/*.test.ts"] },
});
