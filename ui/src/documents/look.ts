/** Light or dark, as it was chosen on the page or as the system has it, also when that changes. */
import { apply, isDark, load } from "../state/theme.ts";

apply(load());
const query = matchMedia("(prefers-color-scheme: dark)");
function show(): void {
  document.documentElement.classList.toggle("dark-mode", isDark());
}
query.addEventListener("change", show);
show();
