// Nodes in their layers, the lowest below: heads round, MLPs square, coloured by measured effect.
import { diverging, inkOn } from "../colour";
import type { NodeRow } from "../data/results";
import { signed } from "../format";
import type { Theme } from "../theme";
import { SvgFigure } from "./FigureTools";
import { useWidth } from "./width";

const BOX = { width: 58, height: 22 };
const GAP = 8;
const LEFT = 66;

interface Placed {
  node: NodeRow;
  x: number;
  y: number;
}

export function CircuitGraph(props: {
  nodes: NodeRow[];
  limit: number;
  theme: Theme;
  selected: string | null;
  onSelect: (name: string) => void;
}) {
  const [frame, width] = useWidth<HTMLDivElement>();
  const across = Math.max(1, Math.floor((width - LEFT) / (BOX.width + GAP)));
  const { placed, bands, height } = lay(props.nodes, across);
  return (
    <div ref={frame} class="graph">
      <SvgFigure name="Circuit">
        <svg width={width} height={height} role="group" aria-label={`${props.nodes.length} nodes in their layers`}>
          {bands.map((band, i) => (
            <g>
              <rect class={i % 2 ? "layer even" : "layer"} x={0} y={band.y} width={width} height={band.height} />
              <text class="tick" x={8} y={band.y + band.height / 2} dy="0.32em">{band.name}</text>
            </g>
          ))}
          {placed.map((one) => <Box {...props} {...one} />)}
        </svg>
      </SvgFigure>
    </div>
  );
}

function Box(props: Placed & { limit: number; theme: Theme; selected: string | null; onSelect: (name: string) => void }) {
  const { node, x, y } = props;
  const known = node.effect !== null;
  const fill = known ? diverging(node.effect! / props.limit, props.theme) : "none";
  const chosen = props.selected === node.name;
  const choose = () => props.onSelect(node.name);
  return (
    <g
      class={chosen ? "box chosen" : "box"}
      role="button"
      tabIndex={0}
      aria-pressed={chosen}
      aria-label={`${node.name}, effect ${known ? signed(node.effect) : "not measured alone"}`}
      transform={`translate(${x},${y})`}
      onClick={choose}
      onKeyDown={(event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        choose();
      }}
    >
      <title>{`${node.name}: effect ${known ? signed(node.effect) : "not measured alone"}, estimate ${signed(node.estimate)}`}</title>
      <rect width={BOX.width} height={BOX.height} rx={node.kind === "head" ? 11 : 2} fill={fill} />
      <text x={BOX.width / 2} y={BOX.height / 2} dy="0.35em" text-anchor="middle" fill={known ? inkOn(fill) : "currentColor"}>
        {node.name}
      </text>
    </g>
  );
}

/** Rows of boxes by layer, the highest layer on top, wrapped where they do not fit. */
function lay(nodes: NodeRow[], across: number) {
  const layers = new Map<number, NodeRow[]>();
  for (const node of nodes) layers.set(node.layer ?? -1, [...(layers.get(node.layer ?? -1) ?? []), node]);
  const placed: Placed[] = [];
  const bands: { name: string; y: number; height: number }[] = [];
  let y = 0;
  for (const layer of [...layers.keys()].sort((a, b) => b - a)) {
    const inside = layers.get(layer)!;
    inside.forEach((node, i) =>
      placed.push({
        node,
        x: LEFT + (i % across) * (BOX.width + GAP),
        y: y + GAP + Math.floor(i / across) * (BOX.height + GAP),
      }),
    );
    const height = GAP + Math.ceil(inside.length / across) * (BOX.height + GAP);
    bands.push({ name: layer < 0 ? "input" : `layer ${layer}`, y, height });
    y += height;
  }
  return { placed, bands, height: y };
}
