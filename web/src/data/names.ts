// The one grammar of names: embed, L9H6 (a head), M3 (an MLP), M3N310 (a neuron of it), M3E7 (an expert of it), M3.router (what
// weighs its experts), L12F4821 (a latent of layer 12's dictionary), E12 (what that dictionary leaves unexplained), A9 (a layer's
// heads together), L9KV2 (a key/value head, which several heads may share), logits; with .q, .k or .v, what such a head reads.
import type * as written from "../../types/results";
import type { Decoded } from "./decode";

export type Node = Decoded<written.Node>;
export type Slot = Decoded<written.Slot>;

const NAME = /^(?:(embed|logits)|([MAE])(0|[1-9]\d*)|M(0|[1-9]\d*)(?:([NE])(0|[1-9]\d*)|\.(router))|L(0|[1-9]\d*)(?:(F)(0|[1-9]\d*)|(H|KV)(0|[1-9]\d*)(?:\.([qkv]))?))$/;
const KINDS = { M: "mlp", MN: "neuron", ME: "expert", router: "router", A: "attn", E: "error", F: "latent", H: "head", KV: "kv" } as const;

/** What a name says. */
interface Named {
  kind: "embed" | "logits" | (typeof KINDS)[keyof typeof KINDS];
  layer: number | null;
  head: number | null;
  input: "q" | "k" | "v" | null;
}

/** Null for what is no name. */
export function read(name: string): Named | null {
  const found = NAME.exec(name);
  if (!found) return null;
  const [, end, sublayer, sublayerOf, mlpOf, letter, part, router, of, f, latent, letters, head, input] = found;
  const told = sublayer ?? router ?? f ?? letters ?? `M${letter}`;
  const kind = (end ?? KINDS[told as keyof typeof KINDS]) as Named["kind"];
  return { kind, layer: number(sublayerOf ?? mlpOf ?? of), head: number(part ?? latent ?? head), input: (input ?? null) as Named["input"] };
}

function number(digits: string | undefined): number | null {
  return digits === undefined ? null : Number(digits);
}

export function nodeName({ kind, layer, head }: Node): string {
  if (kind === "embed") return "embed";
  if (kind === "neuron") return `M${layer}N${head}`;
  if (kind === "expert") return `M${layer}E${head}`;
  if (kind === "router") return `M${layer}.router`;
  if (kind === "latent") return `L${layer}F${head}`;
  if (kind === "error") return `E${layer}`;
  if (kind === "mlp") return `M${layer}`;
  return kind === "head" ? `L${layer}H${head}` : `layer ${layer}, ${kind} ${head}`;
}

/** The node that a name says; the embedding for the name of anything else. */
export function nodeOf(name: string): Node {
  const found = read(name);
  const within = found && ["neuron", "expert", "router", "latent"].includes(found.kind);
  if (found && (within || (found.kind === "head" && found.input === null))) {
    return { kind: found.kind, layer: found.layer, head: found.head };
  }
  return found?.kind === "mlp" || found?.kind === "error" ? { kind: found.kind, layer: found.layer, head: null } : { kind: "embed", layer: null, head: null };
}

/** Where the part of a name is drawn: a key/value head as a head of its number, a layer's heads as its first. */
export function placeOf(name: string): Node {
  const found = read(name);
  const isHead = found?.kind === "kv" || found?.kind === "attn";
  return isHead ? { kind: "head", layer: found.layer, head: found.head ?? 0 } : nodeOf(name);
}

export function slotName(slot: Slot): string {
  if (slot.kind === "logits") return "logits";
  if (slot.kind === "attn" || slot.kind === "mlp") return `${slot.kind === "mlp" ? "M" : "A"}${slot.layer}`;
  return `L${slot.layer}${slot.kind === "q" ? "H" : "KV"}${slot.head}.${slot.kind}`;
}

/** The part that a slot feeds; `own` where every head of its layer has keys and values of its own. */
export function fedBy(slot: Slot, own: boolean): string {
  const name = slotName(slot);
  return (own ? name.replace("KV", "H") : name).split(".")[0]!;
}

/** What nodes are sorted by: layer, heads before the MLP, number of the head. */
export function orderOf(node: Node): string {
  const padded = (value: number | null, absent: number) => String(value ?? absent).padStart(4, "0");
  return `${padded(node.layer, -1)}${node.kind}${padded(node.head, 99)}`;
}
