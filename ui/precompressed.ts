/**
 * Hashed names in assets/, and each file beside itself as brotli and gzip, so that the gateway
 * compresses nothing while it serves.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

import type { Plugin } from "vite";

const OUT = process.env["TALLYPORT_PAGE_OUT"] ?? "../services/gateway/static";
const TEXT = /\.(?:html|js|css|svg)$/;
const WORTH_BYTES = 512;
// The last percent of a viewer would take longer than all the rest of building.
const LARGE_BYTES = 1_000_000;

/** What both builds have in common. */
export const built = {
  outDir: OUT,
  target: "es2022",
  // The policy of the page lets no data: address through.
  assetsInlineLimit: 0,
  modulePreload: { polyfill: false },
  sourcemap: false,
} as const;

export function precompressed(): Plugin {
  let folder = OUT;
  return {
    name: "precompressed",
    apply: "build",
    configResolved(config) {
      folder = join(config.root, config.build.outDir);
    },
    closeBundle() {
      for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
        const path = join(entry.parentPath, entry.name);
        if (!entry.isFile() || !TEXT.test(path) || existsSync(`${path}.br`)) continue;
        const content = readFileSync(path);
        if (content.length < WORTH_BYTES) continue;
        const best = content.length > LARGE_BYTES ? 9 : constants.BROTLI_MAX_QUALITY;
        const quality = { [constants.BROTLI_PARAM_QUALITY]: best };
        writeFileSync(`${path}.br`, brotliCompressSync(content, { params: quality }));
        writeFileSync(`${path}.gz`, gzipSync(content, { level: 9 }));
      }
    },
  };
}
