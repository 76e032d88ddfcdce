/** What went wrong with a question to the API, in words that a person can act on. */

export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly kind: string,
    readonly detail: string,
    readonly retryAfterMs: number | null,
  ) {
    super(`${kind}: ${detail}`);
  }
}

const TYPE_PREFIX = "urn:fleetlake:problem:";

/** The refusal in an answer that is not a good one; an answer of something in between (a proxy) has no problem in it. */
export async function refusalOf(response: Response): Promise<Refused> {
  const seconds = Number(response.headers.get("Retry-After") ?? NaN);
  const document = (await response.json().catch(() => ({}))) as { type?: unknown; detail?: unknown };
  const kind = typeof document.type === "string" ? document.type.replace(TYPE_PREFIX, "") : "unknown";
  const detail = typeof document.detail === "string" ? document.detail : `the answer had status ${response.status}`;
  return new Refused(response.status, kind, detail, Number.isFinite(seconds) ? seconds * 1000 : null);
}

/** One or two sentences: what happened, and what follows. */
export function inWords(error: unknown): string {
  if (!(error instanceof Refused)) return "Fleetlake did not answer. Trying again.";
  switch (error.status) {
    case 401:
      return "Fleetlake asks for a key.";
    case 403:
      return `This key may not see that: ${error.detail}.`;
    case 404:
      return "There is no such thing, or it is not yours to see.";
    case 429:
      return "Too many questions at once. Waiting a moment.";
    case 503:
      return `A part of Fleetlake is away: ${error.detail}. Trying again.`;
    default:
      return `Fleetlake could not answer: ${error.detail}.`;
  }
}
