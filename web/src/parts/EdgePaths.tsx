// Edges between boxes: blue supports the answer, orange opposes it, the width is the size.
import { useState } from "preact/hooks";
import type { Edge } from "../data/edges";
import { read } from "../data/names";
import { signed } from "../format";
import { HEIGHT } from "./boxes";
import type { Placed } from "./boxes";

const WIDEST = 7;
const PORTS = { q: 0.2, k: 0.5, v: 0.8 };
const MIDDLE = 0.5;

interface Path {
  edge: Edge;
  from: Placed;
  to: Placed;
}

/** Every edge once for each box that it ends in; what stays inside a group is not drawn. */
export function pathsOf(edges: Edge[], placed: Placed[]): Path[] {
  const boxOf = new Map(placed.flatMap((box) => box.members.map((name) => [name, box] as const)));
  return edges.flatMap((edge) => {
    const from = boxOf.get(edge.sender);
    const ends = new Set(edge.into.map((name) => boxOf.get(name)).filter((box) => box !== undefined));
    return from ? [...ends].filter((to) => to !== from).map((to) => ({ edge, from, to })) : [];
  });
}

export function toldOf(edge: Edge, word: string): string {
  return `${edge.sender} → ${edge.slot}: ${word} ${signed(edge.effect)}`;
}

/** One stop of the tab key; the arrow keys go from edge to edge, the strongest first. */
export function EdgePaths(props: {
  paths: Path[]; limit: number; word: string; selected: string | null; onTold: (told: string | null) => void;
}) {
  const { paths, word, onTold } = props;
  const [at, setAt] = useState<number | null>(null);
  const go = (index: number | null) => {
    setAt(index);
    onTold(index === null ? null : toldOf(paths[index]!.edge, word));
  };
  const touched = (path: Path) => props.selected === null || path.from.key === props.selected || path.to.key === props.selected;
  const focusing = props.selected !== null && paths.some(touched);
  return (
    <g
      class="edges" role="group" tabIndex={0}
      aria-label={`${paths.length} edges; the arrow keys go from one to the next, the strongest first`}
      onFocus={() => paths.length && go(Math.min(at ?? 0, paths.length - 1))}
      onBlur={() => go(null)}
      onMouseLeave={() => go(null)}
      onKeyDown={(event) => {
        const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
        if (!step || !paths.length) return;
        event.preventDefault();
        go(((at ?? 0) + step + paths.length) % paths.length);
      }}
    >
      {paths.map((path, i) => {
        const line = curve(path);
        const sign = path.edge.effect < 0 ? "negative" : "positive";
        const width = Math.max(0.75, (WIDEST * Math.abs(path.edge.effect)) / props.limit);
        const state = i === at ? " current" : focusing && !touched(path) ? " faded" : "";
        return (
          <g onMouseEnter={() => go(i)} onClick={() => go(i)}>
            <path class={`edge ${sign}${state}`} d={line} stroke-width={width} data-edge={`${path.edge.sender}>${path.edge.slot}`}>
              <title>{toldOf(path.edge, word)}</title>
            </path>
            <path class="edge-hit" d={line} />
          </g>
        );
      })}
    </g>
  );
}

/** From the top of the sender to the bottom of the receiver: queries left, keys middle, values right. */
function curve({ edge, from, to }: Path): string {
  const input = read(edge.slot)?.input;
  const port = to.kind === "group" || !input ? MIDDLE : PORTS[input];
  const [x0, y0] = [from.x + from.width / 2, from.y];
  const [x1, y1] = [to.x + to.width * port, to.y + HEIGHT];
  const bend = Math.max(14, Math.abs(y0 - y1) * 0.45);
  return `M${x0},${y0}C${x0},${y0 - bend} ${x1},${y1 + bend} ${x1},${y1}`;
}
