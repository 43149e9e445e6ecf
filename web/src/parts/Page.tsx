import type { ComponentChildren } from "preact";
import { useTheme } from "../theme";
import type { Theme } from "../theme";
import { Glossary, GlossaryButton } from "./Glossary";

/** The frame around everything: heading, switch of theme, content. */
export function Page(props: {
  title: string; subtitle?: string; middle?: ComponentChildren; tools?: ComponentChildren; wide?: boolean; children: (theme: Theme) => ComponentChildren;
}) {
  const [theme, toggle] = useTheme();
  return (
    <>
      <header class={props.wide ? "top whole" : "top"}>
        <div>
          <h1>{props.title}</h1>
          {props.subtitle && <p class="note"><bdi>{props.subtitle}</bdi></p>}
        </div>
        {props.middle}
        <div class="tools">
          {props.tools}
          <GlossaryButton />
          <button type="button" onClick={toggle} aria-label={`Change to the ${theme === "dark" ? "light" : "dark"} theme`}>
          {theme === "dark" ? "☀ light" : "☾ dark"}
          </button>
        </div>
      </header>
      <main class={props.wide ? "whole" : undefined}>{props.children(theme)}</main>
      <Glossary />
    </>
  );
}
