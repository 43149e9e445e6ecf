// What is selected on the page, kept in the address so that a link shows the same.
import { useEffect, useState } from "preact/hooks";

const values = new URLSearchParams(location.hash.slice(1));
const listeners = new Set<() => void>();

export function setParam(name: string, value: string | null): void {
  if (value === null) values.delete(name);
  else values.set(name, value);
  try {
    history.replaceState(null, "", `#${values}`);
  } catch {
    // A frame without an address of its own: the selection lives as long as the page.
  }
  for (const tell of listeners) tell();
}

export function param(name: string): string | null {
  return values.get(name);
}

/** A value of the address, and how to change it; every user of the name sees the change. */
export function useParam(name: string): [string | null, (value: string | null) => void] {
  const [, redraw] = useState(0);
  useEffect(() => {
    const tell = () => redraw((n) => n + 1);
    listeners.add(tell);
    return () => void listeners.delete(tell);
  }, []);
  return [values.get(name), (value) => setParam(name, value)];
}

addEventListener("hashchange", () => {
  const found = new URLSearchParams(location.hash.slice(1));
  for (const name of [...values.keys()]) values.delete(name);
  for (const [name, value] of found) values.set(name, value);
  for (const tell of listeners) tell();
});
