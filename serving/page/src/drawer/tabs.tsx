/** Tabs by the ARIA pattern: one stop of the Tab key, arrows between them. */

import type { ComponentChildren } from "preact";
import { useRef } from "preact/hooks";

interface Props<Name extends string> {
  label: string;
  titles: Record<Name, string>;
  chosen: Name;
  onChoose: (name: Name) => void;
  children: ComponentChildren;
}

const MOVES: Record<string, number> = { ArrowRight: 1, ArrowLeft: -1 };

export function Tabs<Name extends string>({ label, titles, chosen, onChoose, children }: Props<Name>) {
  const list = useRef<HTMLDivElement>(null);
  const names = Object.keys(titles) as Name[];
  const move = (event: KeyboardEvent) => {
    const by = MOVES[event.key];
    if (by === undefined) return;
    event.preventDefault();
    const index = (names.indexOf(chosen) + by + names.length) % names.length;
    onChoose(names[index]!);
    list.current?.querySelectorAll<HTMLElement>("[role=tab]")[index]?.focus();
  };
  return (
    <>
      <div class="tabs" role="tablist" aria-label={label} ref={list} onKeyDown={move}>
        {names.map((name) => (
          <button
            key={name}
            type="button"
            role="tab"
            id={`tab-${name}`}
            aria-selected={name === chosen}
            aria-controls="tab-panel"
            tabIndex={name === chosen ? 0 : -1}
            onClick={() => onChoose(name)}
          >
            {titles[name]}
          </button>
        ))}
      </div>
      <div class="tab-panel" role="tabpanel" id="tab-panel" aria-labelledby={`tab-${chosen}`} tabIndex={0}>
        {children}
      </div>
    </>
  );
}
