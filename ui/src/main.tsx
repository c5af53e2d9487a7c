import "@fontsource-variable/geist/wght.css";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/controls.css";
import "./styles/frame.css";
import "./styles/numbers.css";
import "./styles/reports.css";

import { render } from "preact";

import { App } from "./app.tsx";
import { apply, load } from "./state/theme.ts";

apply(load());
const root = document.getElementById("page");
if (root) render(<App />, root);
