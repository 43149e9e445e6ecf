// Two minutes through the page, one place after the other.
import { useEffect, useState } from "preact/hooks";
import { STEPS } from "./tourSteps";

export function Tour() {
  const [at, go] = useState<number | null>(null);
  return (
    <>
      <button type="button" onClick={() => go(at === null ? 0 : null)} aria-expanded={at !== null}>Tour, 2 min</button>
      {at !== null && <Step at={at} go={go} />}
    </>
  );
}

function Step({ at, go }: { at: number; go: (at: number | null) => void }) {
  const step = STEPS[at]!;
  useEffect(() => {
    const place = document.querySelector(`[data-tour="${step.place}"]`);
    place?.classList.add("toured");
    place?.scrollIntoView({ block: "nearest" });
    return () => place?.classList.remove("toured");
  }, [at]);
  const last = at === STEPS.length - 1;
  return (
    <section class="tour" role="dialog" aria-label="Tour" onKeyDown={(event) => event.key === "Escape" && go(null)}>
      <p class="note">{at + 1} of {STEPS.length}</p>
      <h2>{step.title}</h2>
      <p>{step.says}</p>
      <div class="chips">
        <button type="button" disabled={at === 0} onClick={() => go(at - 1)}>Back</button>
        <button type="button" class="run" autofocus onClick={() => go(last ? null : at + 1)}>{last ? "Done" : "Next"}</button>
        <button type="button" onClick={() => go(null)}>Close the tour</button>
      </div>
    </section>
  );
}
