// Reads the document on the page and draws it.
import { render } from "preact";
import { decodeDocument } from "./data/decode";
import { Explorer } from "./app/Explorer";
import type { About } from "./app/Explorer";
import { Page } from "./parts/Page";
import "./style.css";
import { viewOf } from "./views/byKind";

function start(): void {
  const raw = JSON.parse(document.getElementById("pellucid-data")!.textContent!) as Record<string, unknown>;
  if (raw.type === "App") {
    render(<Explorer about={raw.fields as About} />, document.getElementById("pellucid")!);
    return;
  }
  const found = decodeDocument(raw);
  const View = viewOf(found.type);
  const made = found.fields.provenance as { model: string; created: string } | undefined;
  render(
    <Page title={`Pellucid: ${found.type}`} {...(made ? { subtitle: `${made.model}, ${made.created}` } : {})}>
      {(theme) => <View document={found} theme={theme} />}
    </Page>,
    document.getElementById("pellucid")!,
  );
}

start();
