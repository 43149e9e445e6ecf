import { diverging } from "../colour";
import type { Fields } from "../data/decode";
import { at } from "../data/tensor";
import { signed, visible } from "../format";
import { Heatmap } from "../parts/Heatmap";
import { Legend } from "../parts/Legend";
import type { Theme } from "../theme";

/** Effects of patching the stream: layers down, positions across. */
export function StreamMap(props: {
  found: Fields<"PatchEffects">; tokens: string[]; label: string; place: string | null; onPlace: (place: string) => void; theme: Theme;
}) {
  const { found, tokens } = props;
  const positions = found.positions ?? [];
  const effect = (r: number, c: number) => at(found.per_example, 0, c, r);
  const limit = Math.max(1e-12, ...Array.from(found.per_example.values, Math.abs));
  const [layer, position] = (props.place ?? "").split(",").map(Number);
  const chosen = { row: found.places.findIndex((one) => one.layer === layer), column: positions.indexOf(position ?? -1) };
  return (
    <>
      <Legend limit={limit} theme={props.theme} label={`${props.label}, in logits`} />
      <Heatmap
        label="Effect of patching the stream: layers down, positions across"
        rows={found.places.map((one) => `L${one.layer}`)}
        columns={positions.map((p) => visible(tokens[p] ?? ""))}
        value={effect}
        colour={(v) => diverging(v / limit, props.theme)}
        describe={(r, c) => `before layer ${found.places[r]!.layer}, position ${positions[c]} “${visible(tokens[positions[c]!] ?? "")}”: effect ${signed(effect(r, c))}`}
        selected={chosen.row >= 0 && chosen.column >= 0 ? [chosen] : []}
        onSelect={(r, c) => props.onPlace(`${found.places[r]!.layer},${positions[c]}`)}
        theme={props.theme}
        minCellWidth={30}
        maxCellWidth={70}
      />
    </>
  );
}
