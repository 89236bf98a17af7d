// Sends one file. `fetch` tells nothing about how much of a body has gone; `XMLHttpRequest` does.

import { problemFrom, unreachable } from '../api/problem';
import type { Video } from '../api/videos';

export interface Transfer {
  file: File;
  title: string;
  contentType: string;
  /** The same for every try of this file: a try whose answer was lost makes no second video. */
  idempotencyKey: string;
}

export interface TransferProgress {
  sent(bytes: number): void;
  /** Every byte has gone; the server is making it safe. */
  allSent(): void;
}

export function sendFile(transfer: Transfer, progress: TransferProgress, signal: AbortSignal): Promise<Video> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('POST', `/api/videos?${new URLSearchParams({ title: transfer.title })}`);
    request.setRequestHeader('Content-Type', transfer.contentType);
    request.setRequestHeader('Idempotency-Key', transfer.idempotencyKey);
    request.setRequestHeader('Accept', 'application/json');
    request.upload.onprogress = (event) => progress.sent(event.loaded);
    request.upload.onload = () => progress.allSent();
    request.onload = () => {
      if (request.status === 200 || request.status === 201) {
        try {
          resolve(JSON.parse(request.responseText) as Video);
        } catch {
          reject(unreachable());
        }
        return;
      }
      reject(
        problemFrom(
          request.status,
          request.getResponseHeader('Content-Type'),
          request.responseText,
          request.getResponseHeader('Retry-After'),
        ),
      );
    };
    request.onerror = () => reject(unreachable());
    request.onabort = () => reject(new DOMException('The upload was cancelled.', 'AbortError'));
    signal.addEventListener('abort', () => request.abort(), { once: true });
    request.send(transfer.file);
  });
}
