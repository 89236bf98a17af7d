// The uploads of this visit. They go on while the viewer looks at other pages.

import { isAbort } from '../api/client';
import { asProblem, type ApiProblem } from '../api/problem';
import { putPoster, updateVideo, type Video } from '../api/videos';
import { byteSize } from '../format';
import { contentTypeOf, randomUuid, titleFault, titleFrom } from './naming';
import { posterOfFile } from './poster';
import { Rate } from './rate';
import { sendFile, type Transfer, type TransferProgress } from './transfer';

export type Phase =
  | 'waiting'
  | 'sending'
  /** All bytes have gone; the answer is awaited. */
  | 'saving'
  /** The server asked for patience. */
  | 'pausing'
  /** Safe on the server; the poster picture is being made. */
  | 'picturing'
  | 'done'
  | 'failed'
  | 'cancelled'
  /** Not worth sending at all. */
  | 'refused';

const BUSY: Phase[] = ['sending', 'saving', 'pausing', 'picturing'];
const AT_ONCE = 2;
const MOST_PATIENT_TRIES = 5;
const USUAL_PATIENCE_MS = 3_000;

export class Upload {
  readonly file: File;
  readonly key = randomUuid();
  title = $state('');
  phase = $state<Phase>('waiting');
  sentBytes = $state(0);
  bytesPerSecond = $state<number | null>(null);
  remainingMs = $state<number | null>(null);
  fault = $state('');
  video = $state<Video | null>(null);
  /** An address of the picture in this page's memory. */
  pictureUrl = $state<string | null>(null);
  /** The title that the server has. */
  savedTitle = '';
  breakOff = new AbortController();

  constructor(file: File) {
    this.file = file;
    this.title = titleFrom(file.name);
  }

  get busy(): boolean {
    return BUSY.includes(this.phase);
  }

  get cancellable(): boolean {
    return this.phase === 'waiting' || this.phase === 'sending' || this.phase === 'pausing';
  }

  get retryable(): boolean {
    return this.phase === 'failed' || this.phase === 'cancelled';
  }

  get fraction(): number {
    return this.file.size === 0 ? 0 : Math.min(1, this.sentBytes / this.file.size);
  }
}

/** What the queue needs of the world; tests put their own here. */
export interface UploadTransport {
  send(transfer: Transfer, progress: TransferProgress, signal: AbortSignal): Promise<Video>;
  rename(id: string, title: string): Promise<Video>;
  takePicture(file: File): Promise<Blob | null>;
  sendPicture(id: string, picture: Blob): Promise<void>;
  wait(ms: number, signal: AbortSignal): Promise<void>;
  now(): number;
}

function waitOrAbort(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(new DOMException('The upload was cancelled.', 'AbortError'));
    });
  });
}

const realTransport: UploadTransport = {
  send: sendFile,
  rename: (id, title) => updateVideo(id, { title }),
  takePicture: posterOfFile,
  sendPicture: (id, picture) => putPoster(id, picture),
  wait: waitOrAbort,
  now: () => performance.now(),
};

export class UploadQueue {
  uploads = $state<Upload[]>([]);
  /** Something would be lost if the page were closed now. */
  busy = $derived(this.uploads.some((upload) => upload.busy || upload.phase === 'waiting'));
  /** Called after each video that is safe on the server. */
  onStored: (upload: Upload) => void = () => undefined;

  constructor(private readonly transport: UploadTransport = realTransport) {}

  add(files: Iterable<File>, maxBytes: number | null): void {
    for (const file of files) {
      this.uploads.push(new Upload(file));
      const upload = this.uploads.at(-1);
      if (!upload) continue;
      const fault = faultOf(file, maxBytes);
      if (fault) {
        upload.phase = 'refused';
        upload.fault = fault;
      }
    }
    this.#startNext();
  }

  cancel(upload: Upload): void {
    if (!upload.cancellable) return;
    upload.phase = 'cancelled';
    upload.fault = '';
    upload.breakOff.abort();
    this.#startNext();
  }

  retry(upload: Upload): void {
    if (!upload.retryable) return;
    upload.phase = 'waiting';
    upload.fault = '';
    upload.sentBytes = 0;
    upload.breakOff = new AbortController();
    this.#startNext();
  }

  /** Takes an upload that is over off the list. */
  remove(upload: Upload): void {
    if (upload.busy || upload.phase === 'waiting') return;
    if (upload.pictureUrl) URL.revokeObjectURL(upload.pictureUrl);
    this.uploads = this.uploads.filter((other) => other !== upload);
  }

  /** Tells the server of a title that was changed after the bytes had gone. */
  async saveTitle(upload: Upload): Promise<void> {
    const { video, title } = upload;
    if (!video || title === upload.savedTitle || titleFault(title)) return;
    try {
      upload.video = await this.transport.rename(video.id, title);
      upload.savedTitle = title;
      upload.fault = '';
    } catch (error) {
      upload.fault = `The new title was not saved. ${asProblem(error).message}`;
    }
  }

  #startNext(): void {
    const running = this.uploads.filter((upload) => upload.busy).length;
    const next = this.uploads.filter((upload) => upload.phase === 'waiting').slice(0, Math.max(0, AT_ONCE - running));
    for (const upload of next) {
      upload.phase = 'sending';
      void this.#run(upload).finally(() => this.#startNext());
    }
  }

  async #run(upload: Upload): Promise<void> {
    const { signal } = upload.breakOff;
    try {
      for (let tries = 1; ; tries += 1) {
        try {
          await this.#send(upload, signal);
          break;
        } catch (error) {
          if (isAbort(error)) throw error;
          await this.#bePatient(upload, asProblem(error), tries, signal);
        }
      }
    } catch (error) {
      // A cancelled upload may be on its way again already, by another run.
      if (signal.aborted) return;
      upload.phase = 'failed';
      upload.fault = asProblem(error).message;
      return;
    }
    this.onStored(upload);
    await this.saveTitle(upload);
    await this.#picture(upload);
    upload.phase = 'done';
  }

  async #send(upload: Upload, signal: AbortSignal): Promise<void> {
    const rate = new Rate();
    upload.phase = 'sending';
    upload.sentBytes = 0;
    upload.bytesPerSecond = upload.remainingMs = null;
    rate.add(0, this.transport.now());
    const title = titleFault(upload.title) ? titleFrom(upload.file.name) : upload.title;
    const progress: TransferProgress = {
      sent: (bytes) => {
        upload.sentBytes = bytes;
        rate.add(bytes, this.transport.now());
        upload.bytesPerSecond = rate.bytesPerSecond();
        upload.remainingMs = rate.remainingMs(upload.file.size);
      },
      allSent: () => {
        if (upload.phase === 'sending') upload.phase = 'saving';
      },
    };
    const transfer = {
      file: upload.file,
      title,
      contentType: contentTypeOf(upload.file),
      idempotencyKey: upload.key,
    };
    upload.video = await this.transport.send(transfer, progress, signal);
    upload.savedTitle = upload.video.title;
    upload.sentBytes = upload.file.size;
  }

  /** A part of the server that is down comes back: wait for it as long as was asked, a few times. */
  async #bePatient(upload: Upload, problem: ApiProblem, tries: number, signal: AbortSignal): Promise<void> {
    if (problem.kind !== 'unavailable' || tries >= MOST_PATIENT_TRIES) throw problem;
    upload.phase = 'pausing';
    upload.fault = problem.message;
    await this.transport.wait(problem.retryAfterMs ?? USUAL_PATIENCE_MS, signal);
    upload.fault = '';
  }

  /** A poster is nice to have: whatever goes wrong with it, the video is there. */
  async #picture(upload: Upload): Promise<void> {
    const { video } = upload;
    if (!video) return;
    upload.phase = 'picturing';
    try {
      const picture = await this.transport.takePicture(upload.file);
      if (!picture) return;
      await this.transport.sendPicture(video.id, picture);
      upload.pictureUrl = URL.createObjectURL(picture);
    } catch {
      // Cards without a picture have a look of their own.
    }
  }
}

function faultOf(file: File, maxBytes: number | null): string | null {
  if (file.size === 0) return 'This file is empty.';
  if (maxBytes !== null && file.size > maxBytes) {
    return `This file has ${byteSize(file.size)}; the server takes at most ${byteSize(maxBytes)}.`;
  }
  return null;
}

export const uploadQueue = new UploadQueue();
