// Nodes in their layers, the lowest below: heads round, MLPs square, coloured by measured effect.
import { useState } from "preact/hooks";
import { diverging, inkOn } from "../colour";
import { bySize, largest } from "../data/edges";
import type { Edge } from "../data/edges";
import type { Theme } from "../theme";
import { HEIGHT, lay } from "./boxes";
import type { Box, Placed } from "./boxes";
import { EdgePaths, pathsOf } from "./EdgePaths";
import { SvgFigure } from "./FigureTools";
import { useWidth } from "./width";

const APART = 8;
const FOR_EDGES = 30;

interface Choice {
  limit: number;
  theme: Theme;
  selected: string | null;
  onSelect: (key: string) => void;
}

export function CircuitGraph(props: Choice & { boxes: Box[]; edges: Edge[]; hidden: number; word: string }) {
  const { boxes, edges } = props;
  const [frame, width] = useWidth<HTMLDivElement>();
  const [told, tell] = useState<string | null>(null);
  const { placed, bands, height } = lay(boxes, width, edges.length ? FOR_EDGES : APART);
  const paths = pathsOf(bySize(edges.filter((edge) => Math.abs(edge.effect) >= props.hidden)), placed);
  const chosen = boxes.find((box) => box.key === props.selected);
  return (
    <>
      <div class="graph-scroll">
        <div ref={frame} class="graph">
          <SvgFigure name="Circuit">
            <svg width={width} height={height} viewBox={`0 0 ${Math.max(width, 1)} ${Math.max(height, 1)}`} role="group" aria-label={`${boxes.length} boxes in their layers, ${paths.length} edges drawn`}>
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
            </svg>
          </SvgFigure>
        </div>
      </div>
      <p class="graph-readout" aria-live="polite" data-testid="graph-readout">{told ?? chosen?.title ?? ""}</p>
    </>
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
  const fits = Math.floor((box.width - 8) / 6.2);
  return box.text.length > fits ? `${box.text.slice(0, fits - 1)}…` : box.text;
}
