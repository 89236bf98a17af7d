// What went wrong with a call, in a form that pages can show.

/** The members of an RFC 9457 problem that the front end reads. */
export interface ProblemBody {
  type?: string;
  title?: string;
  status?: number;
  detail?: string;
}

export type ProblemKind =
  /** No answer at all: the server is down, or the network is. */
  | 'unreachable'
  /** The server answers, but something behind it does not (502, 503, 504), or asks for patience (429). */
  | 'unavailable'
  /** The call itself was refused; trying again changes nothing. */
  | 'refused';

/** A call that failed. `message` is a sentence for a person. */
export class ApiProblem extends Error {
  override readonly name = 'ApiProblem';

  constructor(
    readonly kind: ProblemKind,
    readonly status: number,
    readonly title: string,
    readonly detail: string,
    /** How long the server asked us to wait, if it did. */
    readonly retryAfterMs: number | null = null,
  ) {
    super(detail || title);
  }

  /** Waiting may help. */
  get passing(): boolean {
    return this.kind !== 'refused';
  }
}

const PLAIN_WORDS: Record<number, string> = {
  400: 'The server did not understand this request.',
  401: 'You need to sign in as the owner to do this.',
  403: 'You are not allowed to do this.',
  404: 'This is not here, or not here any more.',
  413: 'This file is larger than the server takes.',
  415: 'This file is not a video that the server knows.',
  429: 'Too many requests. One moment, please.',
  503: 'A part of the server is not available at the moment.',
  507: 'The server has no room left for this file.',
};

export function unreachable(): ApiProblem {
  return new ApiProblem(
    'unreachable',
    0,
    'The server does not answer',
    'FlixTube cannot be reached. It may be restarting, or the network may be gone.',
  );
}

/** `Retry-After` in seconds or as a date; null when there is none to be understood. */
export function parseRetryAfter(value: string | null, now: number = Date.now()): number | null {
  if (value === null || value.trim() === '') return null;
  if (/^\s*\d+\s*$/.test(value)) return Number(value) * 1000;
  const at = Date.parse(value);
  return Number.isNaN(at) ? null : Math.max(0, at - now);
}

/** Reads a refusal. Anything that is no problem+json (a proxy's page, say) gets plain words by its status. */
export function problemFrom(
  status: number,
  contentType: string | null,
  text: string,
  retryAfter: string | null,
): ApiProblem {
  let body: ProblemBody = {};
  if (contentType?.includes('json')) {
    try {
      const parsed: unknown = JSON.parse(text);
      if (parsed !== null && typeof parsed === 'object') body = parsed;
    } catch {
      // A body that was cut short says no less than its status.
    }
  }
  const patience = [429, 502, 503, 504].includes(status);
  return new ApiProblem(
    patience ? 'unavailable' : 'refused',
    status,
    body.title ?? 'The server refused',
    body.detail ?? PLAIN_WORDS[status] ?? `The server answered with an error (${status}).`,
    parseRetryAfter(retryAfter),
  );
}

/** Whatever was thrown, as a problem. */
export function asProblem(error: unknown): ApiProblem {
  if (error instanceof ApiProblem) return error;
  return new ApiProblem('refused', 0, 'Something went wrong', 'Something unexpected went wrong on this page.');
}
