// Light or dark: the reader's choice, else what the system prefers.
import { useEffect, useState } from "preact/hooks";
import { useParam } from "./state";

export type Theme = "light" | "dark";
const system = matchMedia("(prefers-color-scheme: dark)");

export function useTheme(): [Theme, () => void] {
  const [chosen, choose] = useParam("theme");
  const [preferred, setPreferred] = useState<Theme>(system.matches ? "dark" : "light");
  useEffect(() => {
    const follow = () => setPreferred(system.matches ? "dark" : "light");
    system.addEventListener("change", follow);
    return () => system.removeEventListener("change", follow);
  }, []);
  const theme = chosen === "light" || chosen === "dark" ? chosen : preferred;
  document.documentElement.dataset.theme = theme;
  return [theme, () => choose(theme === "dark" ? "light" : "dark")];
}
