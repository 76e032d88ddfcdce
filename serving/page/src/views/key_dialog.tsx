/** Asks for a key when the API wants one. A key that is not taken is said so, and not kept. */

import { useEffect, useRef, useState } from "preact/hooks";
import { accepts } from "../api/client";
import { isKeyAsked, isPossibleKey, keepKey } from "../api/key";
import { inWords } from "../api/problem";

export function KeyDialog() {
  return isKeyAsked.value ? <Asked /> : null;
}

function Asked() {
  const dialog = useRef<HTMLDialogElement>(null);
  const [key, setKey] = useState("");
  const [trouble, setTrouble] = useState<string | null>(null);
  useEffect(() => dialog.current?.showModal(), []);

  const submit = async (): Promise<void> => {
    try {
      if (isPossibleKey(key) && (await accepts(key))) return keepKey(key);
      setTrouble("This key was not accepted.");
    } catch (error) {
      setTrouble(inWords(error));
    }
  };

  return (
    <dialog ref={dialog} aria-labelledby="key-title" onCancel={(event) => event.preventDefault()}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <h2 id="key-title">A key, please</h2>
        <p>
          Fleetlake shows this page's data to holders of a key with the scope <code>read</code>. It stays in this tab
          until you close it.
        </p>
        <label for="key">Key</label>
        <input
          id="key"
          type="password"
          autocomplete="off"
          required
          aria-invalid={trouble !== null}
          aria-describedby={trouble === null ? undefined : "key-trouble"}
          value={key}
          onInput={(event) => setKey(event.currentTarget.value.trim())}
        />
        {trouble !== null && (
          <p id="key-trouble" class="notice trouble" role="alert">
            {trouble}
          </p>
        )}
        <button type="submit" class="primary">
          Go on
        </button>
      </form>
    </dialog>
  );
}
