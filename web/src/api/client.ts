// One way to call the public API. Every failure leaves as an `ApiProblem`.

import { problemFrom, unreachable } from './problem';

export interface Call {
  method?: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Sent as JSON. */
  json?: unknown;
  /** Sent as it is, with its own type. */
  blob?: Blob;
  signal?: AbortSignal;
  /** Lets the call outlive the page, for the last word of a page that is being closed. */
  keepalive?: boolean;
  /** The call counts as unanswered after this time. */
  timeoutMs?: number;
}

async function send(path: string, call: Call): Promise<Response> {
  const headers = new Headers({ Accept: 'application/json' });
  let body: BodyInit | undefined;
  if (call.json !== undefined) {
    headers.set('Content-Type', 'application/json');
    body = JSON.stringify(call.json);
  } else if (call.blob) {
    headers.set('Content-Type', call.blob.type);
    body = call.blob;
  }
  const signals = [call.signal, call.timeoutMs === undefined ? undefined : AbortSignal.timeout(call.timeoutMs)];
  const init: RequestInit = {
    method: call.method ?? 'GET',
    headers,
    credentials: 'same-origin',
    signal: AbortSignal.any(signals.filter((signal) => signal !== undefined)),
  };
  if (body !== undefined) init.body = body;
  if (call.keepalive) init.keepalive = true;

  let response: Response;
  try {
    response = await fetch(path, init);
  } catch (error) {
    if (call.signal?.aborted) throw error;
    throw unreachable();
  }
  if (!response.ok) {
    const text = await response.text().catch(() => '');
    throw problemFrom(
      response.status,
      response.headers.get('Content-Type'),
      text,
      response.headers.get('Retry-After'),
    );
  }
  return response;
}

/** For calls whose answer is JSON. */
export async function callJson<T>(path: string, call: Call = {}): Promise<T> {
  const response = await send(path, call);
  try {
    return (await response.json()) as T;
  } catch (error) {
    if (call.signal?.aborted) throw error;
    throw unreachable();
  }
}

/** For calls that answer nothing, or whose body does not matter. */
export async function callEmpty(path: string, call: Call = {}): Promise<void> {
  await send(path, call);
}

/** True for the error of a call that we ourselves broke off. */
export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError';
}
