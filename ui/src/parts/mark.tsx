/** Four strokes and one across: a tally. */

export function Mark() {
  return (
    <span class="mark">
      <svg viewBox="0 0 26 20" width="26" height="20" aria-hidden="true">
        <path d="M5 3v14M10 3v14M15 3v14M20 3v14M2 15.5 23.5 4.5" />
      </svg>
      Tallyport
    </span>
  );
}
