/** Where one can go, whether the page is live, and the look. */

import { useEffect, useRef } from "preact/hooks";
import type { Alert, PipelineHealth } from "../api/shapes";
import { now } from "../clock";
import { span } from "../format/age";
import { hashOf, place, type View, VIEWS } from "../location";
import type { Polled } from "../parts/polling";
import { connection } from "../stream/connection";
import { switchTheme, theme } from "../theme";

interface Props {
  alerts: Polled<Alert[]>;
  health: Polled<PipelineHealth>;
}

export function Header({ alerts, health }: Props) {
  const { view, vehicle } = place.value;
  const open = alerts.answer?.length ?? 0;
  const isTroubled = health.answer !== null && health.answer.status !== "ok";
  const links = useRef<HTMLElement>(null);
  useEffect(() => {
    const [strip, current] = [links.current, links.current?.querySelector<HTMLElement>("[aria-current]")];
    if (strip && current) strip.scrollLeft = current.offsetLeft - strip.offsetLeft - (strip.clientWidth - current.clientWidth) / 2;
  }, [view, open, isTroubled]);
  return (
    <header class="top">
      <a class="brand" href={hashOf({ view: "map" })}>
        <img src="./icon.svg" alt="" width="26" height="26" />
        Fleetlake
      </a>
      <nav aria-label="Views" ref={links}>
        {(Object.keys(VIEWS) as View[]).map((name) => (
          <a key={name} href={hashOf({ view: name, vehicle })} aria-current={name === view ? "page" : undefined}>
            {VIEWS[name]}
            {name === "alerts" && open > 0 && (
              <span class="badge">
                {open}
                <span class="unseen"> open</span>
              </span>
            )}
            {name === "pipeline" && isTroubled && (
              <span class="badge">
                !<span class="unseen"> has problems</span>
              </span>
            )}
          </a>
        ))}
      </nav>
      <Live />
      <button type="button" class="icon" aria-label={`Use ${theme.value === "dark" ? "light" : "dark"} colours`} onClick={switchTheme}>
        <span aria-hidden="true">{theme.value === "dark" ? "☀" : "☾"}</span>
      </button>
    </header>
  );
}

function Live() {
  const state = connection.value;
  const words = { connecting: "Connecting", live: "Live", lost: "Not live", refused: "Needs a key" };
  return (
    <span class={`connection ${state.is}`} role="status">
      <span class="dot" aria-hidden="true" />
      {words[state.is]}
    </span>
  );
}

/** Above every view while nothing comes. */
export function ConnectionLost() {
  const state = connection.value;
  if (state.is !== "lost") return null;
  void now.value; // drawn anew with every second
  return (
    <p class="banner" role="alert">
      Connection lost, trying again. What you see is as of {span(Date.now() - state.since)} ago.
    </p>
  );
}
