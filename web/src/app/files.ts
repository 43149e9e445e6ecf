// Saved results in files that the reader chose, sent to be read as what they are.
import { ask, Refusal } from "./jobs";

const MOST = 32 * 2 ** 20;

/** One saved result: its JSON, and the files of tensors beside it where it is a folder's. */
interface Found {
  name: string;
  body: File;
  tensors: File[];
}

/** The results among chosen files: each `.json`, or of a chosen folder each `result.json`. */
export function resultsAmong(files: File[]): Found[] {
  const folder = (file: File) => file.webkitRelativePath.split("/").slice(0, -1).join("/");
  const bodies = files.filter((file) => (folder(file) ? file.name === "result.json" : file.name.endsWith(".json")));
  return bodies.map((body) => {
    const own = folder(body);
    const tensors = files.filter((file) => file.name.endsWith(".safetensors") && folder(file) === own);
    return { name: own ? own.split("/").at(-1)! : body.name, body, tensors };
  });
}

/** Of the files beside a result, the one that its JSON names by the digest of the content; early ones had one name. */
export function tensorsOf(text: string, beside: File[]): File | null {
  const digest = /"tensors": ?"([0-9a-f]{16})/.exec(text)?.[1];
  return [`tensors-${digest}.safetensors`, "tensors.safetensors"].flatMap((name) => beside.filter((file) => file.name === name))[0] ?? null;
}

/** The document of a result; rejects with what is wrong with it. */
export async function opened(found: Found): Promise<Record<string, unknown>> {
  const text = await found.body.text();
  const beside = tensorsOf(text, found.tensors);
  if (found.body.size + (beside?.size ?? 0) > 0.7 * MOST) {
    throw new Refusal("file", `It is larger than ${Math.floor((0.7 * MOST) / 2 ** 20)} MiB; open it in Python instead.`);
  }
  const tensors = beside ? await inBase64(beside) : "";
  const result = await ask({ kind: "open", file: text, tensors }).done;
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
