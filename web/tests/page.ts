// As much of a browser as the modules ask for when they are loaded; imported before them.
const nothing = () => undefined;
Object.assign(globalThis, {
  location: new URL("http://localhost/"),
  history: { replaceState: (_: unknown, __: string, hash: string) => (location.hash = hash) },
  addEventListener: nothing,
  document: { createElement: () => ({ getContext: () => canvas() }) },
});

/** A canvas on which every letter is ten wide, and that notes what is drawn. */
export function canvas() {
  const calls: unknown[][] = [];
  const noted = (name: string) => (...args: unknown[]) => void calls.push([name, ...args]);
  return {
    calls,
    measureText: (text: string) => ({ width: 10 * [...text].length }),
    ...Object.fromEntries(["fillRect", "strokeRect", "beginPath", "moveTo", "lineTo", "stroke", "fillText"].map((name) => [name, noted(name)])),
  };
}
