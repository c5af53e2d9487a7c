/**
 * How the viewers of the two documents are built: into the page's folder, and of nothing that the
 * page loads. The viewer of the messages comes without its parser, which compiles schemas while it
 * runs, and with Preact (docs/decisions/0030-viewers.md).
 */
import { join } from "node:path";

import { defineConfig } from "vite";

import { built, precompressed } from "./precompressed.ts";

const here = (path: string) => join(import.meta.dirname, path);
const STAND_INS: Record<string, string> = {
  "@asyncapi/avro-schema-parser": here("src/documents/left_out.ts"),
  "@asyncapi/openapi-schema-parser": here("src/documents/left_out.ts"),
  "@asyncapi/protobuf-schema-parser": here("src/documents/left_out.ts"),
  "@asyncapi/specs": here("src/documents/left_out.ts"),
  "@stoplight/spectral-core": here("src/documents/left_out.ts"),
  "@stoplight/types": here("src/documents/left_out.ts"),
  "@asyncapi/parser": here("src/documents/reader.ts"),
  "@asyncapi/parser/cjs/document": here("src/documents/reader.ts"),
  "isomorphic-dompurify": here("src/documents/markup.ts"),
  react: "preact/compat",
  "react-dom": "preact/compat",
};

export default defineConfig({
  base: "./",
  resolve: {
    // Whole names only: what is below @asyncapi/parser is the real one.
    alias: Object.entries(STAND_INS).map(([name, replacement]) => ({
      find: new RegExp(`^${name}$`),
      replacement,
    })),
  },
  build: {
    ...built,
    emptyOutDir: false,
    chunkSizeWarningLimit: 2_000,
    rolldownOptions: { input: ["docs.html", "docs/messages.html"] },
  },
  plugins: [precompressed()],
});
