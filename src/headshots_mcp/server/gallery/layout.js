// How many pictures stand side by side, and how large: as large as fits without making the chat scroll.

const GAP = 8; // pixels between pictures, as in style.css
const LARGEST = 280; // pixels wide; three to four, so 373 high
const SMALLEST = [60, 120]; // pixels wide, on a small page and on a large one
const NARROW = 340; // pages up to this width show two columns
const FULL = 0.9; // of a column's width; pictures at least that wide count as filling it

// Returns the number of columns for some pictures in so many pixels, and how wide each picture is.
export function fit(count, width, height) {
  if (width < NARROW) return { columns: Math.min(count, 2), tile: (width - GAP) / 2 };
  const smallest = Math.min(Math.max(width / 10, SMALLEST[0]), SMALLEST[1]);
  const room = Math.max(height, highOf(smallest));
  const choices = Array.from({ length: count }, (_, index) => choice(index + 1, count, width, room));
  const good = choices.filter(({ column, orphan }) => column >= smallest && !orphan);
  const best =
    good.find(({ column, tile }) => tile >= FULL * column) ?? good.reduce((a, b) => (b.tile > a.tile ? b : a));
  return { columns: best.columns, tile: Math.max(best.tile, smallest) };
}

const highOf = (tile) => tile / 0.75 + GAP;

function choice(columns, count, width, height) {
  const rows = Math.ceil(count / columns);
  const column = Math.min((width - GAP * (columns - 1)) / columns, LARGEST);
  const tile = Math.min(column, (height / rows - GAP) * 0.75);
  return { columns, column, tile, orphan: rows > 1 && count % columns === 1 };
}
