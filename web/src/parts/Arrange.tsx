// Pin, name and group the nodes of a graph, with controls that every keyboard and reader knows.
import { useState } from "preact/hooks";
import type { ComponentChildren } from "preact";
import { signed } from "../format";
import { useParam } from "../state";
import { keyOf } from "./arrangement";
import type { Group } from "./arrangement";
import type { Arranging } from "./useArrangement";

export function Arrange(props: {
  names: string[]; arranging: Arranging; together: Map<string, number>; children?: ComponentChildren;
}) {
  const { names, arranging } = props;
  const [open, setOpen] = useParam("arrange");
  return (
    <details class="controls" open={open !== null} onToggle={(event) => setOpen(event.currentTarget.open ? "open" : null)}>
      <summary>Pin, name and group nodes</summary>
      <p class="note">
        What is pinned stays whatever size is shown. A name is yours and stands beside the node's. A group is drawn as
        one box; its effect is not the sum of its nodes' effects.
      </p>
      <div class="table-scroll short" tabIndex={0} role="region" aria-label="Nodes to arrange">
        <table class="arrange">
          <thead><tr><th scope="col">node</th><th scope="col">pin</th><th scope="col">for a group</th><th scope="col">your name</th></tr></thead>
          <tbody>{names.map((name) => <Row key={name} name={name} arranging={arranging} />)}</tbody>
        </table>
      </div>
      <NewGroup arranging={arranging} />
      {arranging.groups.length > 0 && (
        <>
          <ul class="groups" data-testid="groups">
            {arranging.groups.map((group) => <Made group={group} arranging={arranging} effect={props.together.get(keyOf(group.nodes))} />)}
          </ul>
          {props.children}
        </>
      )}
    </details>
  );
}

function Row({ name, arranging }: { name: string; arranging: Arranging }) {
  return (
    <tr>
      <th scope="row">{name}</th>
      <td><input type="checkbox" aria-label={`Pin ${name}`} checked={arranging.pins.includes(name)} onChange={(event) => arranging.pin(name, event.currentTarget.checked)} /></td>
      <td><input type="checkbox" aria-label={`Choose ${name} for a group`} checked={arranging.ticked.includes(name)} onChange={(event) => arranging.tick(name, event.currentTarget.checked)} /></td>
      <td><input type="text" size={14} maxLength={40} aria-label={`Your name for ${name}`} value={arranging.labels[name] ?? ""} onInput={(event) => arranging.label(name, event.currentTarget.value)} /></td>
    </tr>
  );
}

function NewGroup({ arranging }: { arranging: Arranging }) {
  const [name, setName] = useState("");
  const ready = arranging.ticked.length > 1 && name.trim() !== "";
  const make = () => {
    if (!ready) return;
    arranging.group(name.trim());
    setName("");
  };
  return (
    <form class="new-group" onSubmit={(event) => { event.preventDefault(); make(); }}>
      <label>Group name <input type="text" size={14} maxLength={40} value={name} onInput={(event) => setName(event.currentTarget.value)} /></label>
      <button type="submit" disabled={!ready}>Draw {arranging.ticked.length} chosen as one box</button>
      {arranging.ticked.length < 2 && <span class="note">Choose two nodes or more.</span>}
    </form>
  );
}

function Made({ group, arranging, effect }: { group: Group; arranging: Arranging; effect: number | undefined }) {
  return (
    <li>
      <b><bdi>{group.name}</bdi></b>: {group.nodes.join(", ")};{" "}
      {effect === undefined ? "not measured together" : <>measured together: effect <b class="number">{signed(effect)}</b></>}{" "}
      <button type="button" onClick={() => arranging.ungroup(group.name)} aria-label={`Take ${group.name} apart`}>take apart</button>
    </li>
  );
}
