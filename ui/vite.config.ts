/** How the page is built. What else is in its folder: vite.documents.config.ts, built after it. */
import { defineConfig } from "vite";

import { built, precompressed } from "./precompressed.ts";

export default defineConfig({
  // Relative addresses: the page works below a path of a proxy as well.
  base: "./",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: { ...built, emptyOutDir: true },
  plugins: [precompressed()],
});
