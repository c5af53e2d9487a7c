/** The calls: what the gateway serves as openapi.json, to be read and tried out. */
import "./look.ts";
import "./markup.ts";

import SwaggerUI from "swagger-ui-dist/swagger-ui-es-bundle.js";
import "swagger-ui-dist/swagger-ui.css";
import "../styles/documents.css";

SwaggerUI({
  dom_id: "#document",
  url: "./openapi.json",
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  // A token that is typed in stays in this tab, and the document is sent to nobody to be checked.
  persistAuthorization: false,
  validatorUrl: null,
});
