// How the reader has arranged a graph: nodes pinned, named and grouped; all of it in the address.
import { useParam } from "../state";

export interface Group {
  name: string;
  nodes: string[];
}

export interface Arrangement {
  pins: string[];
  labels: Record<string, string>;
  groups: Group[];
  /** Nodes ticked to become a group. */
  ticked: string[];
}

export interface Arranging extends Arrangement {
  pin: (name: string, on: boolean) => void;
  tick: (name: string, on: boolean) => void;
  label: (name: string, text: string) => void;
  group: (name: string) => void;
  ungroup: (name: string) => void;
}

export const ARRANGED = ["pins", "labels", "groups", "ticked"];

export function useArrangement(): Arranging {
  const [pins, setPins] = useParam("pins");
  const [labels, setLabels] = useParam("labels");
  const [groups, setGroups] = useParam("groups");
  const [ticked, setTicked] = useParam("ticked");
  const now: Arrangement = { pins: names(pins), labels: asLabels(labels), groups: asGroups(groups), ticked: names(ticked) };
  const writeGroups = (next: Group[]) => setGroups(next.length ? JSON.stringify(next.map((one) => [one.name, one.nodes])) : null);
  return {
    ...now,
    pin: (name, on) => setPins(toggled(now.pins, name, on)),
    tick: (name, on) => setTicked(toggled(now.ticked, name, on)),
    label: (name, text) => {
      const { [name]: _, ...others } = now.labels;
      const next = text.trim() ? { ...others, [name]: text } : others;
      setLabels(Object.keys(next).length ? JSON.stringify(next) : null);
    },
    group: (name) => {
      const taken = new Set(now.ticked);
      const others = now.groups
        .filter((one) => one.name !== name)
        .map((one) => ({ ...one, nodes: one.nodes.filter((node) => !taken.has(node)) }));
      writeGroups([...others.filter((one) => one.nodes.length > 1), { name, nodes: now.ticked }]);
      setTicked(null);
    },
    ungroup: (name) => writeGroups(now.groups.filter((one) => one.name !== name)),
  };
}

/** What a set of nodes is known by, whatever their order. */
export function keyOf(nodes: string[]): string {
  return [...nodes].sort().join("+");
}

function names(value: string | null): string[] {
  return value ? value.split(",") : [];
}

function toggled(list: string[], name: string, on: boolean): string | null {
  const others = list.filter((one) => one !== name);
  return (on ? [...others, name] : others).join(",") || null;
}

function asLabels(value: string | null): Record<string, string> {
  const found = json(value);
  if (found === null || typeof found !== "object" || Array.isArray(found)) return {};
  return Object.fromEntries(Object.entries(found).filter(([, text]) => typeof text === "string")) as Record<string, string>;
}

function asGroups(value: string | null): Group[] {
  const found = json(value);
  if (!Array.isArray(found)) return [];
  return found.flatMap((one: unknown) => {
    if (!Array.isArray(one) || typeof one[0] !== "string" || !Array.isArray(one[1])) return [];
    return [{ name: one[0], nodes: one[1].filter((node): node is string => typeof node === "string") }];
  });
}

/** What an address holds may be anything. */
function json(value: string | null): unknown {
  try {
    return JSON.parse(value ?? "null");
  } catch {
    return null;
  }
}
