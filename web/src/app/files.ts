// Saved results in files that the reader chose, sent to be read as what they are.
import { ask, Refusal } from "./jobs";

const MOST = 32 * 2 ** 20;

/** One saved result: its JSON, and the tensors beside it where it is a folder's. */
interface Found {
  name: string;
  body: File;
  tensors: File | null;
}

/** The results among chosen files: each `.json`, or of a chosen folder each `result.json`. */
export function resultsAmong(files: File[]): Found[] {
  const folder = (file: File) => file.webkitRelativePath.split("/").slice(0, -1).join("/");
  const bodies = files.filter((file) => (folder(file) ? file.name === "result.json" : file.name.endsWith(".json")));
  return bodies.map((body) => {
    const own = folder(body);
    const tensors = files.find((file) => file.name.endsWith(".safetensors") && folder(file) === own) ?? null;
    return { name: own ? own.split("/").at(-1)! : body.name, body, tensors };
  });
}

/** The document of a result; rejects with what is wrong with it. */
export async function opened(found: Found): Promise<Record<string, unknown>> {
  if (found.body.size + (found.tensors?.size ?? 0) > 0.7 * MOST) {
    throw new Refusal("file", `It is larger than ${Math.floor((0.7 * MOST) / 2 ** 20)} MiB; open it in Python instead.`);
  }
  const tensors = found.tensors ? await inBase64(found.tensors) : "";
  const result = await ask({ kind: "open", file: await found.body.text(), tensors }).done;
  return result as Record<string, unknown>;
}

function inBase64(file: File): Promise<string> {
  return new Promise((done, failed) => {
    const reader = new FileReader();
    reader.onload = () => done(String(reader.result).split(",")[1] ?? "");
    reader.onerror = () => failed(new Refusal("tensors", `${file.name} cannot be read.`));
    reader.readAsDataURL(file);
  });
}
