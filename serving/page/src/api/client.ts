/** The one place that asks the API: with the key, relative to where the page lies, and with its refusals as errors. */

import { learnServerTime } from "../clock";
import { askForKey, authorization } from "./key";
import { refusalOf } from "./problem";

export type Parameters = Record<string, string | number | null | undefined>;

/** The address of a route; parameters that are not given are left out. */
export function address(path: string, parameters: Parameters = {}): string {
  const url = new URL(path, document.baseURI);
  url.hash = "";
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== null && value !== undefined && value !== "") url.searchParams.set(name, String(value));
  }
  return url.href;
}

/** A good answer, or an error that says what is wrong. */
export async function ask(path: string, parameters: Parameters = {}, options: RequestInit = {}): Promise<Response> {
  const headers = { Accept: "application/json", ...authorization(), ...(options.headers as Record<string, string>) };
  const response = await fetch(address(path, parameters), { ...options, headers });
  learnServerTime(response.headers.get("Date"));
  if (response.ok) return response;
  if (response.status === 401) askForKey();
  throw await refusalOf(response);
}

export async function get<Answer>(path: string, parameters?: Parameters, signal?: AbortSignal): Promise<Answer> {
  const response = await ask(path, parameters, signal === undefined ? {} : { signal });
  return (await response.json()) as Answer;
}

/** Whether the API takes this key. */
export async function accepts(key: string): Promise<boolean> {
  const response = await fetch(address("vehicles", { limit: 1 }), { headers: { Authorization: `Bearer ${key}` } });
  if (response.status === 401) return false;
  if (!response.ok) throw await refusalOf(response);
  return true;
}
