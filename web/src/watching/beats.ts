// Sends the beats of one playback: in order, one at a time, again after a failure, and never in the
// way of the picture. What is lost here costs a resume position, nothing else.

import type { Beat, PlaybackState, WatchSession } from '../api/watching';
import { asProblem } from '../api/problem';

/** The part of the API that a queue needs; tests put their own here. */
export interface BeatTransport {
  open(): Promise<WatchSession>;
  send(beat: Beat, keepalive: boolean): Promise<void>;
  wait(ms: number): Promise<void>;
}

interface PendingBeat {
  seq: number;
  position_ms: number;
  state: PlaybackState;
}

/** Ten minutes of beats at the usual interval; after that the oldest go. */
const MOST_PENDING = 60;
/** A page that closes hands over no more than this, well under the 64 KiB that browsers allow. */
const MOST_ON_LEAVING = 8;
const FIRST_DELAY_MS = 1_000;
const LONGEST_DELAY_MS = 30_000;

export class BeatQueue {
  #pending: PendingBeat[] = [];
  #session: string | null = null;
  #lastSeq = 0;
  #failures = 0;
  #draining = false;
  #closed = false;

  constructor(private readonly transport: BeatTransport) {}

  /** The token to put on the stream's address; null while no session is open. */
  get token(): string | null {
    return this.#session;
  }

  /** Opens a session, in place of the one there was. Opening counts as no view. */
  async open(): Promise<WatchSession> {
    const opened = await this.transport.open();
    this.#begin(opened.session);
    return opened;
  }

  #begin(session: string): void {
    this.#session = session;
    // What waits was numbered for another session. Only where the viewer is now still matters.
    const latest = this.#pending.at(-1);
    this.#pending = latest ? [{ ...latest, seq: 1 }] : [];
    this.#lastSeq = this.#pending.length;
  }

  /** Takes a beat and returns at once. */
  push(state: PlaybackState, positionMs: number): void {
    if (this.#closed) return;
    this.#add(state, positionMs);
    void this.#drain();
  }

  /** The page goes away: everything that waits is handed to the browser, which sends it without us. */
  leave(state: PlaybackState, positionMs: number): void {
    if (this.#closed) return;
    this.#add(state, positionMs);
    const session = this.#session;
    const last = this.#pending.slice(-MOST_ON_LEAVING);
    this.#pending = [];
    if (session === null) return;
    for (const beat of last) {
      this.transport.send({ session, ...beat }, true).catch(() => undefined);
    }
  }

  /** No further beats are taken or tried again. */
  close(): void {
    this.#closed = true;
    this.#pending = [];
  }

  #add(state: PlaybackState, positionMs: number): void {
    this.#lastSeq += 1;
    this.#pending.push({ seq: this.#lastSeq, position_ms: Math.max(0, Math.round(positionMs)), state });
    // The first may be on its way; the one after it is the oldest that nobody has seen.
    if (this.#pending.length > MOST_PENDING) this.#pending.splice(1, 1);
  }

  async #drain(): Promise<void> {
    if (this.#draining) return;
    this.#draining = true;
    try {
      while (!this.#closed && this.#pending.length > 0) await this.#step();
    } finally {
      this.#draining = false;
    }
  }

  async #step(): Promise<void> {
    const beat = this.#pending[0];
    if (!beat) return;
    try {
      if (this.#session === null) {
        await this.open();
        return;
      }
      await this.transport.send({ session: this.#session, ...beat }, false);
      this.#failures = 0;
      this.#forget(beat);
    } catch (error) {
      const problem = asProblem(error);
      if (problem.status === 401) {
        // The session is over (24 h), or the server's key is a new one.
        this.#session = null;
        if (this.#failures > 0) await this.#pause(problem.retryAfterMs);
        this.#failures += 1;
      } else if (problem.passing) {
        await this.#pause(problem.retryAfterMs);
        this.#failures += 1;
      } else if (this.#session === null) {
        // The video is gone: nobody wants to know any more.
        this.close();
      } else {
        this.#forget(beat);
      }
    }
  }

  #forget(beat: PendingBeat): void {
    if (this.#pending[0] === beat) this.#pending.shift();
  }

  #pause(retryAfterMs: number | null): Promise<void> {
    const backoff = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** this.#failures);
    return this.transport.wait(Math.max(backoff, retryAfterMs ?? 0));
  }
}
