import { describe, expect, it } from 'vitest';
import type { Beat, WatchSession } from '../api/watching';
import { problemFrom, unreachable } from '../api/problem';
import { BeatQueue, type BeatTransport } from './beats';

/** A server that answers what the test says, and waits that end at once but are counted. */
class FakeServer implements BeatTransport {
  readonly taken: Beat[] = [];
  readonly onLeaving: Beat[] = [];
  readonly waits: number[] = [];
  readonly tries: number[] = [];
  opened = 0;
  /** One for each coming send; `undefined` accepts. */
  answers: (Error | undefined)[] = [];
  openAnswers: (Error | undefined)[] = [];
  /** Waiting stops here until the test lets it go on. */
  hold: Promise<void> = Promise.resolve();

  async open(): Promise<WatchSession> {
    await this.hold;
    const failure = this.openAnswers.shift();
    if (failure) throw failure;
    this.opened += 1;
    return { session: `session-${this.opened}`, resume_position_ms: 0, beat_interval_ms: 10_000 };
  }

  async send(beat: Beat, keepalive: boolean): Promise<void> {
    if (keepalive) {
      this.onLeaving.push(beat);
      return;
    }
    await this.hold;
    this.tries.push(beat.seq);
    const failure = this.answers.shift();
    if (failure) throw failure;
    this.taken.push(beat);
  }

  wait(ms: number): Promise<void> {
    this.waits.push(ms);
    return Promise.resolve();
  }
}

const unauthorized = (): Error => problemFrom(401, null, '', null);
const down = (retryAfter: string | null = null): Error => problemFrom(503, null, '', retryAfter);

async function settle(): Promise<void> {
  for (let turn = 0; turn < 200; turn += 1) await Promise.resolve();
}

async function openQueue(): Promise<{ server: FakeServer; queue: BeatQueue }> {
  const server = new FakeServer();
  const queue = new BeatQueue(server);
  await queue.open();
  return { server, queue };
}

describe('the queue of beats', () => {
  it('numbers beats from 1 and sends them in order', async () => {
    const { server, queue } = await openQueue();
    queue.push('playing', 0.4);
    queue.push('playing', 10_000.6);
    queue.push('paused', 12_000);
    await settle();
    expect(server.taken.map((beat) => beat.seq)).toEqual([1, 2, 3]);
    expect(server.taken.map((beat) => beat.position_ms)).toEqual([0, 10_001, 12_000]);
  });

  it('tries a failed beat again before any later one', async () => {
    const { server, queue } = await openQueue();
    server.answers = [unreachable(), down('4'), undefined];
    queue.push('playing', 0);
    queue.push('playing', 10_000);
    await settle();
    expect(server.tries).toEqual([1, 1, 1, 2]);
    expect(server.waits).toEqual([1_000, 4_000]);
  });

  it('drops a beat that the server refuses, and goes on', async () => {
    const { server, queue } = await openQueue();
    server.answers = [problemFrom(400, null, '', null)];
    queue.push('playing', 0);
    queue.push('playing', 10_000);
    await settle();
    expect(server.taken.map((beat) => beat.seq)).toEqual([2]);
  });

  it('opens a new session after 401 and starts again from 1 with where the viewer is', async () => {
    const { server, queue } = await openQueue();
    server.answers = [unauthorized()];
    queue.push('playing', 0);
    queue.push('playing', 10_000);
    await settle();
    expect(server.opened).toBe(2);
    expect(server.taken).toEqual([{ session: 'session-2', seq: 1, position_ms: 10_000, state: 'playing' }]);
    queue.push('paused', 11_000);
    await settle();
    expect(server.taken.at(-1)).toMatchObject({ session: 'session-2', seq: 2 });
  });

  it('opens the session later when that failed at first', async () => {
    const server = new FakeServer();
    const queue = new BeatQueue(server);
    server.openAnswers = [unreachable(), unreachable(), undefined];
    await expect(queue.open()).rejects.toThrow();
    queue.push('playing', 500);
    await settle();
    expect(server.taken).toEqual([{ session: 'session-1', seq: 1, position_ms: 500, state: 'playing' }]);
  });

  it('gives up for good when the video is gone', async () => {
    const server = new FakeServer();
    const queue = new BeatQueue(server);
    server.openAnswers = [problemFrom(404, null, '', null)];
    queue.push('playing', 0);
    await settle();
    queue.push('playing', 10_000);
    await settle();
    expect(server.opened).toBe(0);
    expect(server.taken).toEqual([]);
  });

  it('keeps a bounded number while nothing gets through, and the newest of them', async () => {
    const { server, queue } = await openQueue();
    let letGo = (): void => undefined;
    server.hold = new Promise((resolve) => {
      letGo = resolve;
    });
    for (let beat = 0; beat < 500; beat += 1) queue.push('playing', beat * 10_000);
    letGo();
    await settle();
    await settle();
    expect(server.taken.length).toBeLessThanOrEqual(60);
    expect(server.taken.at(-1)?.seq).toBe(500);
    const order = server.taken.map((beat) => beat.seq);
    expect([...order].sort((a, b) => a - b)).toEqual(order);
  });

  it('hands what waits to the browser when the page closes', async () => {
    const { server, queue } = await openQueue();
    server.hold = new Promise(() => undefined);
    queue.push('playing', 0);
    queue.leave('paused', 3_000);
    expect(server.onLeaving.map((beat) => [beat.seq, beat.state])).toEqual([
      [1, 'playing'],
      [2, 'paused'],
    ]);
  });

  it('sends nothing once it is closed', async () => {
    const { server, queue } = await openQueue();
    queue.close();
    queue.push('playing', 0);
    queue.leave('paused', 0);
    await settle();
    expect(server.taken).toEqual([]);
    expect(server.onLeaving).toEqual([]);
  });
});
