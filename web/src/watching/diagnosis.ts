// Why a media element stopped: the element itself says "error 4" for a missing file, a server that is
// down and a picture that it cannot decode alike. Asking for the headers of the stream tells them apart.

import { callEmpty } from '../api/client';
import { asProblem } from '../api/problem';

export type Diagnosis =
  /** The bytes are there: whatever is wrong is between them and the decoder. */
  | 'served'
  | 'gone'
  /** The watch session on the address is over. */
  | 'session-over'
  | 'unavailable';

export async function diagnose(streamUrl: string): Promise<Diagnosis> {
  try {
    await callEmpty(streamUrl, { method: 'HEAD', timeoutMs: 8_000 });
    return 'served';
  } catch (error) {
    const { status, passing } = asProblem(error);
    if (status === 401) return 'session-over';
    if (status === 404 || status === 410) return 'gone';
    return passing || status >= 500 ? 'unavailable' : 'served';
  }
}
