// Nodes in their layers, the lowest below: heads round, MLPs square, coloured by measured effect.
import { useState } from "preact/hooks";
import { diverging, inkOn } from "../colour";
import { bySize, largest } from "../data/edges";
import type { Edge } from "../data/edges";
import type { Theme } from "../theme";
import { HEIGHT, lay, LEFT } from "./boxes";
import type { Box, Placed } from "./boxes";
import { EdgePaths, pathsOf } from "./EdgePaths";
import { SvgFigure } from "./FigureTools";
import { useWidth } from "./width";

const APART = 8;
const FOR_EDGES = 30;
const AXIS = 20;
const LETTER = 6.2;

interface Choice {
  limit: number;
  theme: Theme;
  selected: string | null;
  onSelect: (key: string) => void;
}

export function CircuitGraph(props: Choice & { boxes: Box[]; edges: Edge[]; hidden: number; word: string;
  /** What stands above, from left to right; empty for nothing. */
  axis: string[];
}) {
  const { boxes, edges, axis } = props;
  const [frame, width] = useWidth<HTMLDivElement>();
  const [told, tell] = useState<string | null>(null);
  const { placed, bands, height } = lay(boxes, width, edges.length ? FOR_EDGES : APART);
  const above = axis.length ? AXIS : 0;
  const whole = height + above;
  const paths = pathsOf(bySize(edges.filter((edge) => Math.abs(edge.effect) >= props.hidden)), placed);
  const chosen = boxes.find((box) => box.key === props.selected);
  return (
    <>
      <div class="graph-scroll">
        <div ref={frame} class="graph">
          <SvgFigure name="Circuit">
            <svg width={width} height={whole} viewBox={`0 0 ${Math.max(width, 1)} ${Math.max(whole, 1)}`} role="group" aria-label={`${boxes.length} boxes in their layers, ${paths.length} edges drawn`}>
              <Axis names={axis} width={width} />
              <g transform={`translate(0,${above})`}>
                {bands.map((band, i) => (
                  <g>
                    <rect class={i % 2 ? "layer even" : "layer"} x={0} y={band.y} width={width} height={band.height} />
                    <text class="tick" x={8} y={band.y + band.height / 2} dy="0.32em">{band.name}</text>
                  </g>
                ))}
                {edges.length > 0 && (
                  <EdgePaths paths={paths} limit={largest(edges)} word={props.word} selected={props.selected} onTold={tell} />
                )}
                {placed.map((one) => <BoxShape {...props} box={one} />)}
              </g>
            </svg>
          </SvgFigure>
        </div>
      </div>
      <p class="graph-readout" aria-live="polite" data-testid="graph-readout">{told ?? chosen?.title ?? ""}</p>
    </>
  );
}

/** Names above the boxes, as many as fit, each cut to its place. */
function Axis({ names, width }: { names: string[]; width: number }) {
  const step = (width - LEFT) / Math.max(1, names.length);
  const every = Math.ceil((5 * LETTER) / Math.max(step, 0.1));
  return (
    <g data-testid="axis">
      {names.map((name, i) => i % every === 0 && (
        <text class="tick" x={LEFT + (i + 0.5) * step} y={AXIS / 2} dy="0.32em" text-anchor="middle">
          <title>position {i}: {name}</title>
          {cut(name, step * every - 2)}
        </text>
      ))}
    </g>
  );
}

function BoxShape({ box, limit, theme, selected, onSelect }: Choice & { box: Placed }) {
  const known = box.effect !== null;
  const fill = known ? diverging(box.effect! / limit, theme) : "var(--card)";
  const chosen = selected === box.key;
  const kinds = ["box", box.backup && "backup", box.pinned && "pinned", box.kind === "group" && "group", chosen && "chosen"];
  const still = box.kind === "end" && box.key === "logits";
  const choose = () => still || onSelect(box.key);
  return (
    <g
      class={kinds.filter(Boolean).join(" ")}
      {...(still ? { role: "img" } : { role: "button", tabIndex: 0, "aria-pressed": chosen })}
      aria-label={`${box.told}${box.backup ? ", a backup" : ""}${box.pinned ? ", pinned" : ""}`}
      transform={`translate(${box.x},${box.y})`}
      onClick={choose}
      onKeyDown={(event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        choose();
      }}
    >
      <title>{box.title}</title>
      <rect width={box.width} height={HEIGHT} rx={box.kind === "head" ? 11 : 2} fill={fill} />
      {box.kind === "group" && <rect class="inner" x={2.5} y={2.5} width={box.width - 5} height={HEIGHT - 5} rx={1} fill="none" />}
      {box.pinned && <circle class="pin" cx={box.width - 3} cy={3} r={4} />}
      <text x={box.width / 2} y={HEIGHT / 2} dy="0.35em" text-anchor="middle" fill={known ? inkOn(fill) : "currentColor"}>
        {shortened(box)}
      </text>
    </g>
  );
}

function shortened(box: Placed): string {
  return cut(box.text, box.width - 8);
}

function cut(text: string, width: number): string {
  const fits = Math.floor(width / LETTER);
  return text.length > fits ? `${text.slice(0, Math.max(fits - 1, 1))}…` : text;
}
