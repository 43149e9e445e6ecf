// Buttons that save the figure beside them, as PNG and as SVG.
import { useRef, useState } from "preact/hooks";
import type { ComponentChildren } from "preact";
import { download } from "../download";
import { asPng, standalone } from "../picture";

/** A figure made of one SVG element, with its buttons. */
export function SvgFigure(props: { name: string; children: ComponentChildren }) {
  const frame = useRef<HTMLDivElement>(null);
  const svg = () => standalone(frame.current!.querySelector("svg")!);
  return (
    <div ref={frame} class="figure">
      {props.children}
      <FigureTools name={props.name} svg={svg} png={() => asPng(svg())} />
    </div>
  );
}

/** The buttons, which make the picture when one is pressed; no SVG of what has too many parts. */
export function FigureTools(props: { name: string; svg: (() => string) | null; png: () => Promise<Blob> }) {
  const { name, svg, png } = props;
  const [problem, setProblem] = useState("");
  const file = name.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "").slice(0, 60);
  const pixels = () => png().then((made) => download(`${file}.png`, "image/png", made)).catch((error: unknown) => setProblem(String(error)));
  return (
    <div class="figure-tools" role="group" aria-label={`Save the figure: ${name}`}>
      {problem && <span class="problem" role="alert">{problem}</span>}
      <button type="button" aria-label={`Save “${name}” as PNG`} onClick={() => void pixels()}>PNG</button>
      <button
        type="button" aria-label={`Save “${name}” as SVG`} disabled={!svg} title={svg ? "" : "It has too many cells for an SVG file."}
        onClick={() => svg && download(`${file}.svg`, "image/svg+xml", svg())}
      >
        SVG
      </button>
    </div>
  );
}
