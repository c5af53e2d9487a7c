/** The messages: what the gateway serves as asyncapi.json, to be read. */
import "./look.ts";
import "./markup.ts";

import Viewer from "@asyncapi/react-component/lib/esm/containers/AsyncApi/Standalone.js";
import "@asyncapi/react-component/styles/default.min.css";
import "../styles/documents.css";

import { createElement, render } from "preact";

import { resolved } from "./resolved.ts";

const root = document.getElementById("document");
const answer = await fetch("../asyncapi.json");
const config = { show: { sidebar: true, servers: false, errors: false, messageExamples: true } };
if (root) render(createElement(Viewer, { schema: resolved(await answer.json()), config }), root);
