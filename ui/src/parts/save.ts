/** Give the person a file that was fetched with a token, which no link can carry. */

const KEPT_MILLISECONDS = 60_000;

export function saveAs(content: Blob, name: string): void {
  const address = URL.createObjectURL(content);
  const link = document.createElement("a");
  link.href = address;
  link.download = name.replace(/[\\/:*?"<>|]+/g, " ");
  link.click();
  // The browser may still be about to read it.
  setTimeout(() => URL.revokeObjectURL(address), KEPT_MILLISECONDS);
}
