// The boxes of a graph and where they stand: layers from below, heads by their number, MLPs above.
import type { Positions } from "../data/positions";
import type { NodeRow } from "../data/results";
import { signed, visible } from "../format";
import { keyOf } from "./arrangement";
import type { Arrangement } from "./arrangement";

export const HEIGHT = 22;
const LEAST = 58;
const MOST = 190;
const LETTER = 6.4;
const GAP = 8;
export const LEFT = 66;
const TOP = Infinity;

export interface Box {
  key: string;
  text: string;
  /** What it is called, and its effect. */
  told: string;
  title: string;
  kind: "head" | "mlp" | "group" | "end";
  layer: number;
  /** From 0 to 1, where across it would like to stand. */
  across: number;
  effect: number | null;
  members: string[];
  backup: boolean;
  pinned: boolean;
}

export interface Placed extends Box {
  x: number;
  y: number;
  width: number;
}

export interface Band {
  name: string;
  y: number;
  height: number;
}

/** Where across a node would like to stand, from 0 to 1, and in words where that means something. */
export type Across = (node: NodeRow) => { at: number; words: string };

/** Heads by their number, an MLP after the last. */
export function byHead(rows: NodeRow[]): Across {
  const columns = 2 + Math.max(0, ...rows.map((row) => row.head ?? 0));
  return (node) => ({ at: node.kind === "embed" ? 0.5 : ((node.head ?? columns - 1) + 0.5) / columns, words: "" });
}

/** Every node where its estimate is largest. */
export function byPosition(positions: Positions): Across {
  return (node) => {
    const p = positions.largest(node.name);
    return { at: (p + 0.5) / positions.tokens.length, words: `, largest at position ${p} “${visible(positions.tokens[p]!)}”` };
  };
}

/** One box for each node or group; a group has an effect only where it was measured together. */
export function boxesOf(
  nodes: NodeRow[], backups: Set<string>, arranged: Arrangement, together: Map<string, number>, across: Across,
): Box[] {
  const groupOf = new Map(arranged.groups.flatMap((group) => group.nodes.map((name) => [name, group] as const)));
  const boxes = new Map<string, Box>();
  for (const node of nodes) {
    const group = groupOf.get(node.name);
    const key = group ? `group:${group.name}` : node.name;
    const old = boxes.get(key);
    if (old) {
      boxes.set(key, { ...old, members: [...old.members, node.name], backup: old.backup && backups.has(node.name) });
      continue;
    }
    const label = arranged.labels[node.name];
    const told = `${node.name}${label ? ` (${label})` : ""}: effect ${node.effect === null ? "not measured alone" : signed(node.effect)}`;
    const { at, words } = across(node);
    boxes.set(key, {
      key, across: at,
      text: group ? group.name : label ? `${node.name} · ${label}` : node.name,
      told,
      title: `${told}, estimate ${signed(node.estimate)}${words}`,
      kind: group ? "group" : node.kind === "embed" ? "end" : node.kind === "head" ? "head" : "mlp",
      layer: node.layer ?? -1,
      effect: group ? null : node.effect,
      members: [node.name],
      backup: backups.has(node.name),
      pinned: arranged.pins.includes(node.name),
    });
  }
  return [...boxes.values()].map((box) => (box.kind === "group" ? grouped(box, groupOf.get(box.members[0]!)!.nodes, together) : box));
}

function grouped(box: Box, all: string[], together: Map<string, number>): Box {
  const whole = all.length === box.members.length;
  const effect = whole ? (together.get(keyOf(all)) ?? null) : null;
  const count = whole ? String(all.length) : `${box.members.length} of ${all.length}`;
  const measured = effect === null ? "not measured together" : `measured together: effect ${signed(effect)}`;
  const told = `${box.text}: ${box.members.join(", ")}; ${measured}`;
  return { ...box, text: `${box.text} (${count})`, told, title: told, effect };
}

/** The logits, where edges end. */
export const LOGITS: Box = {
  key: "logits", text: "logits", told: "logits", title: "logits: what the answer is read from", kind: "end", layer: TOP, across: 0.5,
  effect: null, members: ["logits"], backup: false, pinned: false,
};

/** The logits over the last token, where the answer is read; in the middle where nothing is over tokens. */
export function logitsAt(positions: Positions | null): Box {
  return positions ? { ...LOGITS, across: 1 - 0.5 / positions.tokens.length } : LOGITS;
}

/** Rows of boxes by layer, the highest on top; what does not fit goes into another row. */
export function lay(boxes: Box[], width: number, between: number): { placed: Placed[]; bands: Band[]; height: number } {
  const placed: Placed[] = [];
  const bands: Band[] = [];
  let y = 0;
  for (const layer of [...new Set(boxes.map((box) => box.layer))].sort((a, b) => b - a)) {
    const begun = y;
    y += between / 2;
    const inside = boxes.filter((box) => box.layer === layer);
    for (const row of [inside.filter((box) => box.kind === "mlp"), inside.filter((box) => box.kind !== "mlp")]) {
      for (const line of lines(row, width)) {
        placed.push(...line.map((one) => ({ ...one, y })));
        y += HEIGHT + between;
      }
    }
    y -= between / 2;
    bands.push({ name: layer === TOP ? "output" : layer < 0 ? "input" : `layer ${layer}`, y: begun, height: y - begun });
  }
  return { placed, bands, height: y };
}

function lines(boxes: Box[], width: number): Placed[][] {
  const found: Placed[][] = [];
  let free = Infinity;
  for (const box of [...boxes].sort((a, b) => a.across - b.across)) {
    const size = Math.min(Math.max(LEAST, box.text.length * LETTER + 14), MOST, Math.max(LEAST, width - LEFT - GAP));
    const wanted = Math.min(LEFT + box.across * (width - LEFT) - size / 2, width - size - 2);
    if (free + size + 2 > width) {
      found.push([]);
      free = LEFT;
    }
    const x = Math.max(free, wanted);
    found.at(-1)!.push({ ...box, x, y: 0, width: size });
    free = x + size + GAP;
  }
  return found;
}
