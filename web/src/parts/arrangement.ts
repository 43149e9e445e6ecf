// How the reader has arranged a graph: nodes pinned, named and grouped, as text that an address holds.

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

/** Each part of an arrangement as the address holds it; null where there is none of it. */
export type Written = Record<keyof Arrangement, string | null>;

/** What an address says; what it holds may be anything, and what is not understood is left out. */
export function read(written: Written): Arrangement {
  return { pins: names(written.pins), labels: labels(written.labels), groups: groups(written.groups), ticked: names(written.ticked) };
}

/** A list of nodes with one more, or without it. */
export function toggled(list: string[], name: string, on: boolean): string | null {
  const others = list.filter((one) => one !== name);
  return (on ? [...others, name] : others).join(",") || null;
}

/** The names with one more; none for a node where the text is empty. */
export function labelled({ labels }: Arrangement, name: string, text: string): string | null {
  const { [name]: _, ...others } = labels;
  const next = text.trim() ? { ...others, [name]: text } : others;
  return Object.keys(next).length ? JSON.stringify(next) : null;
}

/** The groups with one of the ticked nodes, which leave the groups that they were in; one node is no group. */
export function regrouped({ groups, ticked }: Arrangement, name: string): string | null {
  const taken = new Set(ticked);
  const others = groups
    .filter((one) => one.name !== name)
    .map((one) => ({ ...one, nodes: one.nodes.filter((node) => !taken.has(node)) }));
  return written([...others.filter((one) => one.nodes.length > 1), { name, nodes: ticked }]);
}

export function ungrouped({ groups }: Arrangement, name: string): string | null {
  return written(groups.filter((one) => one.name !== name));
}

/** What a set of nodes is known by, whatever their order. */
export function keyOf(nodes: string[]): string {
  return [...nodes].sort().join("+");
}

function written(groups: Group[]): string | null {
  return groups.length ? JSON.stringify(groups.map((one) => [one.name, one.nodes])) : null;
}

function names(value: string | null): string[] {
  return value ? value.split(",") : [];
}

function labels(value: string | null): Record<string, string> {
  const found = json(value);
  if (found === null || typeof found !== "object" || Array.isArray(found)) return {};
  return Object.fromEntries(Object.entries(found).filter(([, text]) => typeof text === "string")) as Record<string, string>;
}

function groups(value: string | null): Group[] {
  const found = json(value);
  if (!Array.isArray(found)) return [];
  return found.flatMap((one: unknown) => {
    if (!Array.isArray(one) || typeof one[0] !== "string" || !Array.isArray(one[1])) return [];
    return [{ name: one[0], nodes: one[1].filter((node): node is string => typeof node === "string") }];
  });
}

function json(value: string | null): unknown {
  try {
    return JSON.parse(value ?? "null");
  } catch {
    return null;
  }
}
