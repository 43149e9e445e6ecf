// Results that were opened for comparing. The tab keeps them, so that a reload shows the same.
import { useEffect, useState } from "preact/hooks";
import type { Saved } from "../data/compare";
import { decodeDocument } from "../data/decode";
import { param, setParam } from "../state";

type Raw = Record<string, unknown>;

interface Kept extends Saved {
  raw: Raw;
}

const PREFIX = "pellucid-compared-";
/** The places of the address that say which two are shown. */
const SIDES = ["first", "second"];
const listeners = new Set<() => void>();
let shelf: Kept[] = restored();
let unkept: string[] = [];

export interface Shelf {
  saved: Saved[];
  /** Names of those that are too large for the tab to keep. */
  unkept: string[];
}

export function useShelf(): Shelf {
  const [, redraw] = useState(0);
  useEffect(() => {
    const tell = () => redraw((n) => n + 1);
    listeners.add(tell);
    return () => void listeners.delete(tell);
  }, []);
  return { saved: shelf, unkept };
}

/** Put a document on the shelf; returns the name that it got, which no other has. */
export function put(name: string, raw: Raw): string {
  let own = name;
  for (let n = 2; shelf.some((one) => one.name === own); n++) own = `${name} (${n})`;
  change([...shelf, { name: own, raw, document: decodeDocument(raw) }]);
  const free = SIDES.find((side) => param(side) === null);
  if (free && !SIDES.some((side) => param(side) === own)) setParam(free, own);
  return own;
}

export function remove(name: string): void {
  change(shelf.filter((one) => one.name !== name));
  for (const side of SIDES) if (param(side) === name) setParam(side, null);
}

function change(next: Kept[]): void {
  shelf = next;
  unkept = keep(next);
  for (const tell of listeners) tell();
}

/** Write them down; returns the names of those for which there is no room. */
function keep(all: Kept[]): string[] {
  const failed: string[] = [];
  try {
    for (const key of Object.keys(sessionStorage)) if (key.startsWith(PREFIX)) sessionStorage.removeItem(key);
  } catch {
    return all.map((one) => one.name); // A browser that keeps nothing for pages.
  }
  all.forEach(({ name, raw }, i) => {
    try {
      sessionStorage.setItem(PREFIX + i, JSON.stringify({ name, raw }));
    } catch {
      failed.push(name);
    }
  });
  return failed;
}

function restored(): Kept[] {
  try {
    const keys = Object.keys(sessionStorage).filter((key) => key.startsWith(PREFIX));
    keys.sort((a, b) => Number(a.slice(PREFIX.length)) - Number(b.slice(PREFIX.length)));
    return keys.map((key) => {
      const { name, raw } = JSON.parse(sessionStorage.getItem(key)!) as { name: string; raw: Raw };
      return { name, raw, document: decodeDocument(raw) };
    });
  } catch {
    return [];
  }
}
