/** What stands where there is nothing to show, or where what is shown is not of now: always in words. */

import type { ComponentChildren } from "preact";
import { now } from "../clock";
import { age } from "../format/age";
import type { Polled } from "./polling";

export function Loading({ what }: { what: string }) {
  return (
    <p class="notice loading" role="status">
      <span class="spinner" aria-hidden="true" />
      Loading {what}…
    </p>
  );
}

export function Empty({ children }: { children: ComponentChildren }) {
  return <p class="notice empty">{children}</p>;
}

export function Trouble({ children }: { children: ComponentChildren }) {
  return (
    <p class="notice trouble" role="alert">
      {children}
    </p>
  );
}

interface ShownProps<Answer> {
  polled: Polled<Answer>;
  what: string;
  children: (answer: Answer) => ComponentChildren;
}

/** The answer; before it a word that it is coming; with it, if the last try failed, how old it is. */
export function Shown<Answer>({ polled: { answer, at, trouble }, what, children }: ShownProps<Answer>) {
  return (
    <>
      {trouble !== null && (
        <Trouble>
          {trouble}
          {answer !== null && ` What is shown is of ${age(at, now.value)}.`}
        </Trouble>
      )}
      {answer === null ? trouble === null && <Loading what={what} /> : children(answer)}
    </>
  );
}
