// A message of the server: its sentences, and the lines in it that are set in columns.

export interface Block {
  /** Whether these are lines in columns, which only line up when every letter is as wide. */
  columns: boolean;
  text: string;
}

/** Lines that begin with two spaces are in columns. */
export function blocks(message: string): Block[] {
  const found: Block[] = [];
  for (const line of message.split("\n")) {
    const columns = line.startsWith("  ");
    const last = found.at(-1);
    if (last?.columns === columns) last.text += `\n${line}`;
    else found.push({ columns, text: line });
  }
  return found;
}

/** Columns of lines that are set so that every column begins at one place in all of them. */
export function cellsOf(text: string): string[][] {
  const lines = text.split("\n");
  const width = Math.max(...lines.map((line) => line.length));
  const gap = (at: number) => lines.every((line) => (line[at] ?? " ") === " ");
  const starts: number[] = [];
  for (let at = 0; at < width; at++) if (!gap(at) && (at === 0 || (gap(at - 1) && (at < 2 || gap(at - 2))))) starts.push(at);
  return lines.map((line) => starts.map((start, i) => line.slice(start, starts[i + 1]).trim()));
}
