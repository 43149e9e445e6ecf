// Saved results from files, and two of them side by side.
import { useState } from "preact/hooks";
import { Card } from "../parts/Card";
import { useParam } from "../state";
import type { Theme } from "../theme";
import type { Saved } from "../data/compare";
import { viewOf } from "../views/byKind";
import { CompareView } from "../views/CompareView";
import { opened, resultsAmong } from "./files";
import { put, remove, useShelf } from "./shelf";
import type { Shelf } from "./shelf";

const NOTE = "Files stay on this machine. This tab keeps what it opened, also over a reload; a link restores which results were shown, and they must be opened again where it is followed.";
/** What the address says for no second result. */
const ALONE = "";

export function Compare({ theme }: { theme: Theme }) {
  const shelf = useShelf();
  const [first, setFirst] = useParam("first");
  const [second, setSecond] = useParam("second");
  const find = (name: string | null) => shelf.saved.find((one) => one.name === name);
  const left = find(first) ?? shelf.saved.find((one) => one.name !== second);
  const right = second === ALONE ? undefined : find(second) ?? shelf.saved.find((one) => one !== left);
  const missing = [first, second].filter((name) => name !== null && name !== ALONE && !find(name));
  return (
    <>
      <Card title="Saved results" note={NOTE} wide>
        <Openers />
        {missing.map((name) => <p class="problem"><bdi>“{name}”</bdi> is in this link and not in this tab: open it again.</p>)}
        {shelf.unkept.map((name) => <p class="problem"><bdi>“{name}”</bdi> is too large for the tab to keep: after a reload, open it again.</p>)}
        <Opened shelf={shelf} />
        {shelf.saved.length > 1 && (
          <div class="own">
            <Choice title="first" shelf={shelf} value={left?.name} onChoose={setFirst} />
            <Choice title="second" shelf={shelf} value={right?.name ?? ALONE} onChoose={setSecond} none="none: the first alone" />
          </div>
        )}
        {shelf.saved.length < 2 && <p>One result is shown by itself, two side by side.</p>}
      </Card>
      {left && right && <CompareView key={`${left.name}\n${right.name}`} left={left} right={right} theme={theme} />}
      {left && !right && <Alone key={left.name} result={left} theme={theme} />}
    </>
  );
}

function Alone({ result, theme }: { result: Saved; theme: Theme }) {
  const View = viewOf(result.document.type);
  return <View document={result.document} theme={theme} />;
}

function Openers() {
  const [busy, setBusy] = useState(0);
  const [problems, setProblems] = useState<[string, string][]>([]);
  const open = async (input: HTMLInputElement) => {
    const found = resultsAmong([...(input.files ?? [])]);
    input.value = "";
    setProblems(found.length ? [] : [["", "There is no saved result among what was chosen."]]);
    for (const one of found) {
      setBusy((n) => n + 1);
      await opened(one)
        .then((raw) => put(one.name, raw))
        .catch((error: unknown) => setProblems((old) => [...old, [one.name, String((error as Error).message)]]))
        .finally(() => setBusy((n) => n - 1));
    }
  };
  const wrong = problems.length > 0;
  return (
    <>
      <div class="own">
        <label>
          Files (.json){" "}
          <input type="file" multiple accept=".json,.safetensors" aria-invalid={wrong} onChange={(e) => void open(e.currentTarget)} />
        </label>
        <label>
          Folder{" "}
          <input type="file" {...{ webkitdirectory: true }} aria-invalid={wrong} onChange={(e) => void open(e.currentTarget)} />
        </label>
        {busy > 0 && <span role="status">reading</span>}
      </div>
      {problems.map(([name, message]) => <p class="problem" role="alert"><bdi>{name}</bdi>{name && ": "}{message}</p>)}
    </>
  );
}

function Opened({ shelf }: { shelf: Shelf }) {
  return (
    <div class="chips opened">
      {shelf.saved.map((one) => (
        <button type="button" aria-label={`Close ${one.name}`} onClick={() => remove(one.name)}>
          <bdi>{one.name}</bdi>: {one.document.type} ✕
        </button>
      ))}
    </div>
  );
}

function Choice(props: { title: string; shelf: Shelf; value: string | undefined; onChoose: (name: string) => void; none?: string }) {
  return (
    <label>
      {props.title}{" "}
      <select value={props.value} onChange={(e) => props.onChoose(e.currentTarget.value)}>
        {props.shelf.saved.map((one) => <option value={one.name}>{one.name}</option>)}
        {props.none && <option value={ALONE}>{props.none}</option>}
      </select>
    </label>
  );
}
