import { useParam } from "../state";
import { labelled, read, regrouped, toggled, ungrouped } from "./arrangement";
import type { Arrangement } from "./arrangement";

export interface Arranging extends Arrangement {
  pin: (name: string, on: boolean) => void;
  tick: (name: string, on: boolean) => void;
  label: (name: string, text: string) => void;
  group: (name: string) => void;
  ungroup: (name: string) => void;
}

/** The places of the address that hold an arrangement. */
export const ARRANGED = ["pins", "labels", "groups", "ticked"];

/** The arrangement in the address, and what changes it. */
export function useArrangement(): Arranging {
  const [pins, setPins] = useParam("pins");
  const [labels, setLabels] = useParam("labels");
  const [groups, setGroups] = useParam("groups");
  const [ticked, setTicked] = useParam("ticked");
  const now = read({ pins, labels, groups, ticked });
  return {
    ...now,
    pin: (name, on) => setPins(toggled(now.pins, name, on)),
    tick: (name, on) => setTicked(toggled(now.ticked, name, on)),
    label: (name, text) => setLabels(labelled(now, name, text)),
    group: (name) => {
      setGroups(regrouped(now, name));
      setTicked(null);
    },
    ungroup: (name) => setGroups(ungrouped(now, name)),
  };
}
