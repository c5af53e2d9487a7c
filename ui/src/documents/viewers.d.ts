/** The two viewers as they are used here; neither brings types for the form that it comes in. */
declare module "swagger-ui-dist/swagger-ui-es-bundle.js" {
  export default function SwaggerUI(options: Record<string, unknown>): unknown;
}

declare module "@asyncapi/react-component/lib/esm/containers/AsyncApi/Standalone.js" {
  import type { FunctionComponent } from "preact";

  const Viewer: FunctionComponent<{ schema: unknown; config: unknown }>;
  export default Viewer;
}
