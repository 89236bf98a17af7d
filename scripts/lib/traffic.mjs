// People who use a FlixTube while something is done to it, and the count of what went wrong for them.
//
//   node traffic.mjs URL [--host NAME] [--without-history] [--viewers N] [--report FILE]
//
// Viewers play by ranges and send beats; two others read a whole film slowly, each in one answer that
// takes about a minute; one uploads, deletes some of what was uploaded, and looks whether it shows; one
// calls pages on a new connection each time. All go on until SIGTERM (or SIGINT). Then it waits for what
// still runs, compares everything that was acknowledged with what is there, and prints one line of JSON.
// The exit code is 0 only if no answer failed, none was cut, no byte was wrong and nothing was lost.
// OWNER_TOKEN in the environment is the right to write.
//
//   node traffic.mjs URL --load SECONDS
//
// asks for pages as fast as it can, to make an autoscaler do something, and judges nothing.

import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    host: { type: 'string' },
    'without-history': { type: 'boolean', default: false },
    viewers: { type: 'string', default: '4' },
    report: { type: 'string' },
    load: { type: 'string' },
  },
});
const base = new URL(positionals[0]);
const token = process.env.OWNER_TOKEN;

const FILM_BYTES = 48 * 1024 * 1024;
/** At this pace the film takes 55 s: longer than a pod is told to go, shorter than its drain may take. */
const SLOW_BYTES_PER_SECOND = FILM_BYTES / 55;
const RANGE_BYTES = 256 * 1024;
const UPLOAD_BYTES = 3 * 1024 * 1024;
const UPLOAD_SECONDS = 6;
/** What was acknowledged must show within this time after the end. */
const SETTLES_WITHIN_MS = 90_000;
/** Longer than anything takes that does not hang. */
const SILENCE_MS = 60_000;

const count = { requests: 0, failed: 0, cut: 0, wrong: 0, uploads: 0, deletions: 0, views: 0, films: 0, lost: 0 };
const problems = [];
let stopping = false;

function problem(kind, text) {
  count[kind] += 1;
  const line = `${new Date().toISOString()} ${kind}: ${text}`;
  if (problems.length < 50) problems.push(line);
  process.stderr.write(`${line}\n`);
}

/** The small film of scripts/smoke, followed by a box that players skip, with random bytes in it. */
function makeFilm(bytes) {
  const smoke = readFileSync(path.join(import.meta.dirname, '..', 'smoke'), 'utf8');
  const film = Buffer.from(/<<'VIDEO'\n([^]*?)\nVIDEO/.exec(smoke)[1], 'base64');
  const padding = bytes - film.length;
  const head = Buffer.alloc(8);
  head.writeUInt32BE(padding, 0);
  head.write('free', 4, 'latin1');
  return Buffer.concat([film, head, randomBytes(padding - 8)]);
}

const sha = (bytes) => createHash('sha256').update(bytes).digest('hex');

/** Someone with connections and a cookie of their own. */
class Person {
  constructor({ keepAlive = true, owner = false } = {}) {
    this.agent = new http.Agent({ keepAlive, maxSockets: 4 });
    this.owner = owner;
    this.cookies = new Map();
  }

  /** One request. `pace` limits the bytes a second, read or written. An answer that is no success, or
   *  none, is counted; then it resolves to null. */
  async call(method, target, { headers = {}, body, expected = [200], pace, judged = true } = {}) {
    const sent = { ...headers };
    if (options.host) sent.Host = options.host;
    if (this.owner && token) sent.Authorization = `Bearer ${token}`;
    if (this.cookies.size > 0) sent.Cookie = [...this.cookies].map(([k, v]) => `${k}=${v}`).join('; ');
    if (body) sent['Content-Length'] = String(body.length);
    const began = Date.now();
    const what = () => `${method} ${target.replace(/[?]session=.*/, "")} after ${Date.now() - began} ms`;
    if (judged) count.requests += 1;
    let response;
    try {
      response = await this.#head(method, target, sent, body, pace);
    } catch (error) {
      if (judged) problem('failed', `${what()}: ${error.code ?? error.message}`);
      return null;
    }
    for (const cookie of response.headers['set-cookie'] ?? []) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie);
      this.cookies.set(name, value);
    }
    const pieces = [];
    let length = 0;
    try {
      for await (const piece of response) {
        pieces.push(piece);
        length += piece.length;
        if (pace) {
          const ahead = (length / pace) * 1000 - (Date.now() - began);
          if (ahead > 0) await sleep(ahead);
        }
      }
    } catch (error) {
      if (judged) problem('cut', `${what()}, ${length} bytes: ${error.code ?? error.message}`);
      return null;
    }
    const bytes = Buffer.concat(pieces);
    if (!expected.includes(response.statusCode)) {
      if (judged) problem('failed', `${what()}: ${response.statusCode} ${bytes.toString('utf8', 0, 200)}`);
      return null;
    }
    return { status: response.statusCode, headers: response.headers, bytes };
  }

  #head(method, target, headers, body, pace) {
    return new Promise((resolve, reject) => {
      const request = http.request(new URL(target, base), { method, headers, agent: this.agent });
      request.setTimeout(SILENCE_MS, () => request.destroy(new Error('silence')));
      request.on('response', resolve);
      request.on('error', (error) => {
        // A connection that was kept may be closed just when it is used again. Every browser then asks
        // once more on a new one, if asking twice does no harm (RFC 9110, section 9.2.2).
        const again = request.reusedSocket && error.code === 'ECONNRESET' && method !== 'POST';
        if (again) this.#head(method, target, headers, body, pace).then(resolve, reject);
        else reject(error);
      });
      void (async () => {
        const step = pace && body ? Math.ceil(pace / 4) : body?.length;
        for (let at = 0; body && at < body.length && !request.destroyed; at += step) {
          request.write(body.subarray(at, at + step));
          if (pace) await sleep(250);
        }
        request.end();
      })();
    });
  }

  async json(method, target, more) {
    const answer = await this.call(method, target, more);
    if (!answer) return null;
    return answer.bytes.length > 0 ? JSON.parse(answer.bytes.toString('utf8')) : {};
  }
}

/** Uploads, and answers with the video. */
async function upload(person, bytes, title, more = {}) {
  return person.json('POST', `/api/videos?title=${encodeURIComponent(title)}`, {
    headers: { 'Content-Type': 'video/mp4' },
    body: bytes,
    expected: [201],
    ...more,
  });
}

/** Watches the film again and again. A session is a view once a second of it was played. */
async function view(film, id, views) {
  while (!stopping) {
    const viewer = new Person();
    const opened = await viewer.json('POST', `/api/videos/${id}/watch-sessions`, { expected: [201] });
    if (!opened) {
      await sleep(250);
      continue;
    }
    const beats = [];
    const beat = async (seq, position_ms, state) => {
      const body = Buffer.from(JSON.stringify({ session: opened.session, seq, position_ms, state }));
      const headers = { 'Content-Type': 'application/json' };
      beats.push(await viewer.call('POST', '/api/watch-sessions/beats', { headers, body, expected: [204] }));
    };
    await beat(1, 0, 'playing');
    const began = Date.now();
    let at = Math.floor(Math.random() * (film.length - 8 * RANGE_BYTES));
    for (let i = 0; i < 6; i += 1) {
      const last = at + RANGE_BYTES - 1;
      const part = await viewer.call('GET', `/api/videos/${id}/stream?session=${opened.session}`, {
        headers: { Range: `bytes=${at}-${last}` },
        expected: [206],
      });
      if (part && !part.bytes.equals(film.subarray(at, last + 1))) problem('wrong', `bytes ${at}-${last}`);
      at = last + 1;
      await sleep(250);
    }
    await sleep(Math.max(0, 1_300 - (Date.now() - began)));
    await beat(2, 1_250, 'playing');
    await beat(3, 1_250, 'paused');
    // Without an answer nobody knows whether it was taken.
    if (beats.every(Boolean)) views.counted += 1;
    else views.unknown += 1;
    viewer.agent.destroy();
  }
}

/** Reads the whole film slowly, in one answer. */
async function watchInOneGo(film, id) {
  const viewer = new Person();
  await viewer.call('POST', `/api/videos/${id}/watch-sessions`, { expected: [201] });
  while (!stopping) {
    const answer = await viewer.call('GET', `/api/videos/${id}/stream`, { pace: SLOW_BYTES_PER_SECOND });
    if (answer) count.films += 1;
    if (answer && !answer.bytes.equals(film)) problem('wrong', 'the whole film');
    if (!answer) await sleep(250);
  }
}

/** Uploads slowly, deletes every third, and looks whether what was answered is so at once. */
async function contribute(kept, deleted) {
  const owner = new Person({ owner: true });
  for (let n = 0; !stopping; n += 1) {
    const bytes = makeFilm(UPLOAD_BYTES);
    const title = `Traffic ${process.pid} ${n}`;
    const video = await upload(owner, bytes, title, { pace: UPLOAD_BYTES / UPLOAD_SECONDS });
    if (!video) {
      await sleep(250);
      continue;
    }
    count.uploads += 1;
    kept.set(video.id, sha(bytes));
    const found = await owner.json('GET', `/api/videos?q=${encodeURIComponent(title)}`);
    if (found && !found.videos.some(({ id }) => id === video.id)) problem('lost', `${video.id} is not found at once`);
    if (n % 3 === 2 && (await owner.call('DELETE', `/api/videos/${video.id}`, { expected: [204] }))) {
      count.deletions += 1;
      kept.delete(video.id);
      deleted.add(video.id);
    }
  }
}

/** Looks at pages, each time on a new connection. */
async function browse(id) {
  const visitor = new Person({ keepAlive: false });
  const pages = ['/', '/api/videos?limit=20', `/api/videos/${id}`, '/api/videos?sort=title'];
  if (!options['without-history']) pages.push('/api/history');
  for (let n = 0; !stopping; n += 1) {
    await visitor.call('GET', pages[n % pages.length]);
    await sleep(100);
  }
}

async function eventually(what, check) {
  const until = Date.now() + SETTLES_WITHIN_MS;
  for (;;) {
    const missing = await check();
    if (!missing) return;
    if (Date.now() > until) {
      problem('lost', `${what}: ${missing}`);
      return;
    }
    await sleep(500);
  }
}

/** Whether all that was acknowledged is there. */
async function compare(kept, deleted, id, views) {
  const owner = new Person({ owner: true });
  const quietly = { judged: false };
  for (const [video, digest] of kept) {
    await eventually(`the upload ${video}`, async () => {
      const listed = await owner.call('GET', `/api/videos/${video}`, quietly);
      if (!listed) return 'is not in the catalogue';
      const stream = await owner.call('GET', `/api/videos/${video}/stream`, quietly);
      if (!stream) return 'cannot be played';
      return sha(stream.bytes) === digest ? null : 'has other bytes';
    });
  }
  for (const video of deleted) {
    await eventually(`the deletion of ${video}`, async () => {
      const gone = await owner.call('GET', `/api/videos/${video}`, { ...quietly, expected: [404] });
      const silent = await owner.call('GET', `/api/videos/${video}/stream`, { ...quietly, expected: [404] });
      return gone && silent ? null : 'is not done';
    });
  }
  await eventually('the views', async () => {
    const video = await owner.json('GET', `/api/videos/${id}`, quietly);
    count.views = video?.views ?? -1;
    if (count.views >= views.counted && count.views <= views.counted + views.unknown) return null;
    return `${count.views} were counted of ${views.counted} (and ${views.unknown} that were not acknowledged)`;
  });
  for (const video of [...kept.keys(), id]) {
    await owner.call('DELETE', `/api/videos/${video}`, { ...quietly, expected: [204] });
  }
}

async function load(seconds) {
  const until = Date.now() + seconds * 1000;
  const people = Array.from({ length: 24 }, async () => {
    const person = new Person();
    while (Date.now() < until && !stopping) {
      const answer = await person.call('GET', '/api/videos?limit=100', { judged: false });
      if (answer) count.requests += 1;
      else await sleep(100);
    }
    person.agent.destroy();
  });
  await Promise.all(people);
  process.stdout.write(`${JSON.stringify({ answered: count.requests, seconds })}\n`);
}

for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => (stopping = true));

if (options.load) {
  await load(Number(options.load));
  process.exit(0);
}

const film = makeFilm(FILM_BYTES);
const stored = await upload(new Person({ owner: true }), film, `Traffic ${process.pid} film`);
if (!stored) throw new Error('the film could not be uploaded');
process.stdout.write('traffic: people are there\n');
const kept = new Map();
const deleted = new Set();
const views = { counted: 0, unknown: 0 };
const people = [
  ...Array.from({ length: Number(options.viewers) }, () => view(film, stored.id, views)),
  watchInOneGo(film, stored.id),
  sleep(20_000).then(() => (stopping ? undefined : watchInOneGo(film, stored.id))),
  contribute(kept, deleted),
  browse(stored.id),
];
await Promise.all(people);
await compare(kept, deleted, stored.id, views);
const report = { ...count, unknown_views: views.unknown };
process.stdout.write(`traffic: ${JSON.stringify(report)}\n`);
if (options.report) writeFileSync(options.report, `${JSON.stringify({ ...report, problems }, null, 2)}\n`);
process.exit(count.failed + count.cut + count.wrong + count.lost === 0 ? 0 : 1);
