/** Dark or light: as the system has it, until a person chooses. What is drawn on a canvas reads its colours here. */

import { computed, signal } from "@preact/signals";

export type Theme = "light" | "dark";

const PLACE = "fleetlake.theme";
const system = matchMedia("(prefers-color-scheme: dark)");

const chosen = signal<Theme | null>(localStorage.getItem(PLACE) as Theme | null);
const prefersDark = signal(system.matches);
system.addEventListener("change", () => (prefersDark.value = system.matches));

export const theme = computed<Theme>(() => chosen.value ?? (prefersDark.value ? "dark" : "light"));

theme.subscribe((now) => (document.documentElement.dataset.theme = now));

export function switchTheme(): void {
  chosen.value = theme.value === "dark" ? "light" : "dark";
  localStorage.setItem(PLACE, chosen.value);
}

/** A colour of style/tokens.css, by its name there. */
export function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

export const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");
