import type { ComponentChildren } from "preact";
import { useTheme } from "../theme";
import type { Theme } from "../theme";

/** The frame around everything: heading, switch of theme, content. */
export function Page(props: { title: string; subtitle?: string; children: (theme: Theme) => ComponentChildren }) {
  const [theme, toggle] = useTheme();
  return (
    <>
      <header class="top">
        <div>
          <h1>{props.title}</h1>
          {props.subtitle && <p class="note"><bdi>{props.subtitle}</bdi></p>}
        </div>
        <button type="button" onClick={toggle} aria-label={`Change to the ${theme === "dark" ? "light" : "dark"} theme`}>
          {theme === "dark" ? "☀ light" : "☾ dark"}
        </button>
      </header>
      <main>{props.children(theme)}</main>
    </>
  );
}
