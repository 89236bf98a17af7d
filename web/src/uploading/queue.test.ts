import { describe, expect, it } from 'vitest';
import { problemFrom, unreachable } from '../api/problem';
import type { Video } from '../api/videos';
import { UploadQueue, type UploadTransport } from './queue.svelte';
import type { Transfer, TransferProgress } from './transfer';

interface Sending {
  transfer: Transfer;
  progress: TransferProgress;
  accept: (title?: string) => void;
  refuse: (error: Error) => void;
}

/** Nothing is answered until the test says so. */
class FakeServer implements UploadTransport {
  readonly sendings: Sending[] = [];
  readonly renamed: [string, string][] = [];
  readonly pictures: string[] = [];
  readonly waits: number[] = [];
  picture: Blob | null = null;
  clock = 0;

  send(transfer: Transfer, progress: TransferProgress, signal: AbortSignal): Promise<Video> {
    return new Promise((resolve, reject) => {
      const number = this.sendings.length + 1;
      signal.addEventListener('abort', () => reject(new DOMException('cancelled', 'AbortError')));
      this.sendings.push({
        transfer,
        progress,
        accept: (title = transfer.title) => resolve({ id: `video-${number}`, title } as Video),
        refuse: reject,
      });
    });
  }

  rename(id: string, title: string): Promise<Video> {
    this.renamed.push([id, title]);
    return Promise.resolve({ id, title } as Video);
  }

  takePicture(): Promise<Blob | null> {
    return Promise.resolve(this.picture);
  }

  sendPicture(id: string): Promise<void> {
    this.pictures.push(id);
    return Promise.reject(unreachable());
  }

  wait(ms: number): Promise<void> {
    this.waits.push(ms);
    return Promise.resolve();
  }

  now(): number {
    return this.clock;
  }

  at(index: number): Sending {
    const sending = this.sendings[index];
    if (!sending) throw new Error(`only ${this.sendings.length} uploads were begun`);
    return sending;
  }
}

function file(name: string, size = 1000): File {
  return new File([new Uint8Array(size)], name);
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await Promise.resolve();
}

function queueWith(...files: File[]): { server: FakeServer; queue: UploadQueue } {
  const server = new FakeServer();
  const queue = new UploadQueue(server);
  queue.add(files, 5000);
  return { server, queue };
}

describe('the upload queue', () => {
  it('sends two at a time, and the next when one is done', async () => {
    const { server, queue } = queueWith(file('a.mp4'), file('b.mp4'), file('c.mp4'));
    expect(server.sendings).toHaveLength(2);
    server.at(0).accept();
    await settle();
    expect(server.sendings).toHaveLength(3);
    expect(queue.uploads.map((upload) => upload.phase)).toEqual(['done', 'sending', 'sending']);
  });

  it('refuses what is too large or empty without asking the server', () => {
    const { server, queue } = queueWith(file('large.mp4', 5001), file('empty.mp4', 0));
    expect(server.sendings).toHaveLength(0);
    expect(queue.uploads[0]?.fault).toMatch(/at most 4.9 KB/);
    expect(queue.uploads[1]?.fault).toMatch(/empty/);
    expect(queue.busy).toBe(false);
  });

  it('tries again under the same key, so that a lost answer makes no second video', async () => {
    const { server, queue } = queueWith(file('a.mp4'));
    server.at(0).refuse(unreachable());
    await settle();
    const upload = queue.uploads[0]!;
    expect(upload.phase).toBe('failed');
    queue.retry(upload);
    expect(server.at(1).transfer.idempotencyKey).toBe(server.at(0).transfer.idempotencyKey);
    server.at(1).accept();
    await settle();
    expect(upload.phase).toBe('done');
  });

  it('gives two files two keys', () => {
    const { server } = queueWith(file('a.mp4'), file('a.mp4'));
    expect(server.at(0).transfer.idempotencyKey).not.toBe(server.at(1).transfer.idempotencyKey);
  });

  it('waits as long as a busy server asks, then goes on by itself', async () => {
    const { server, queue } = queueWith(file('a.mp4'));
    server.at(0).refuse(problemFrom(503, null, '', '9'));
    await settle();
    expect(server.waits).toEqual([9000]);
    server.at(1).accept();
    await settle();
    expect(queue.uploads[0]?.phase).toBe('done');
    expect(queue.uploads[0]?.fault).toBe('');
  });

  it('does not try again what the server refuses for good', async () => {
    const { server, queue } = queueWith(file('notes.txt'));
    server.at(0).refuse(problemFrom(415, 'application/problem+json', '{"detail":"This is text."}', null));
    await settle();
    expect(server.sendings).toHaveLength(1);
    expect(queue.uploads[0]?.fault).toBe('This is text.');
  });

  it('lets the next one go when one is cancelled', async () => {
    const { server, queue } = queueWith(file('a.mp4'), file('b.mp4'), file('c.mp4'));
    queue.cancel(queue.uploads[0]!);
    await settle();
    expect(queue.uploads.map((upload) => upload.phase)).toEqual(['cancelled', 'sending', 'sending']);
    expect(server.sendings).toHaveLength(3);
  });

  it('is not confused by a retry right after a cancel', async () => {
    const { server, queue } = queueWith(file('a.mp4'));
    const upload = queue.uploads[0]!;
    queue.cancel(upload);
    queue.retry(upload);
    await settle();
    expect(upload.phase).toBe('sending');
    server.at(1).accept();
    await settle();
    expect(upload.phase).toBe('done');
  });

  it('tells the server a title that was changed while the bytes went', async () => {
    const { server, queue } = queueWith(file('a.mp4'));
    queue.uploads[0]!.title = 'A better title';
    server.at(0).accept();
    await settle();
    expect(server.renamed).toEqual([['video-1', 'A better title']]);
  });

  it('keeps a video whose poster cannot be made or sent', async () => {
    const { server, queue } = queueWith(file('a.mp4'));
    server.picture = new Blob(['x'], { type: 'image/jpeg' });
    server.at(0).accept();
    await settle();
    expect(server.pictures).toEqual(['video-1']);
    expect(queue.uploads[0]?.phase).toBe('done');
  });

  it('shows how much has gone and how fast', () => {
    const { server, queue } = queueWith(file('a.mp4'));
    server.clock = 1000;
    server.at(0).progress.sent(250);
    const upload = queue.uploads[0]!;
    expect(upload.fraction).toBe(0.25);
    expect(upload.bytesPerSecond).toBe(250);
    expect(upload.remainingMs).toBe(3000);
    server.at(0).progress.allSent();
    expect(upload.phase).toBe('saving');
    expect(upload.cancellable).toBe(false);
  });
});
