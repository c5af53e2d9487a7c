/**
 * Of the parser what the viewer reads a document with, and no more: the rest compiles schemas while
 * it runs. Stands in for `@asyncapi/parser` (vite.config.ts).
 */
export {
  isAsyncAPIDocument,
  isOldAsyncAPIDocument,
  isStringifiedDocument,
  toAsyncAPIDocument,
} from "@asyncapi/parser/esm/document.js";
export { unstringify } from "@asyncapi/parser/esm/stringify.js";
export { Schema as SchemaV2 } from "@asyncapi/parser/esm/models/v2/schema.js";
export { fromURL, Parser } from "./left_out.ts";
