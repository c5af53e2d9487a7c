/** What the window is called: in the list of tabs, in the history, and read aloud first. */

import { useEffect } from "preact/hooks";

export function useTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} – Tallyport`;
  }, [title]);
}
