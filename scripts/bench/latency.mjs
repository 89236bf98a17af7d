#!/usr/bin/env node
// Measures how long lists, searches and histories take with few videos and with many.

import { spawn, spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import http from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { MIB, build, freePort, median } from './lib/flixtube.mjs';

const HELP = `Usage: scripts/bench/latency.mjs [OPTION...]

Fills a catalogue and a view log of each size with made-up videos and histories, starts the services
on each, and asks the gateways of all sizes the same questions in turns, one at a time. Prints the
50th and the 99th percentile and the worst latency of each question, and how many times the largest
takes what the smallest takes.

  --videos N,N...  the sizes (default 10000,1000000, which takes 5 GB on the disk)
  --entries N      entries of histories for each video (default 5)
  --requests N     of each question, size and round (default 500)
  --rounds N       how often; the medians of the rounds are printed (default 3)
  --mongodb URL    such as mongodb://127.0.0.1:27017: databases of this server in the place of files.
                   Their names begin with flixtube-bench-; they stay until you drop them
  --keep DIR       keeps what was filled in there, and does not fill again what is in there
  --folder DIR     where the data may be put meanwhile (default: the system's temporary folder)
  --help           this text`;

const { values: options } = parseArgs({
  options: {
    videos: { type: 'string', default: '10000,1000000' },
    entries: { type: 'string', default: '5' },
    requests: { type: 'string', default: '500' },
    rounds: { type: 'string', default: '3' },
    mongodb: { type: 'string' },
    keep: { type: 'string' },
    folder: { type: 'string', default: tmpdir() },
    help: { type: 'boolean', default: false },
  },
});
if (options.help) {
  console.log(HELP);
  process.exit(0);
}
const sizes = options.videos.split(',').map(Number);
const requests = Number(options.requests);
const rounds = Number(options.rounds);

/** How many people are asked for; others fill the history besides. */
const VIEWERS = 100;
const DEEP_PAGES = 200;
const WARM_UP = 20;
const TOKEN = 'the-token-of-the-services-in-a-measurement';
// Without video-storage, which would look for the bytes of the made-up videos.
const SERVICES = ['gateway', 'metadata', 'history', 'video-streaming'];

const spelled = (number) => number.toLocaleString('en-GB');

/** The services on the data of one size, with what to ask them. */
class System {
  #children = [];
  #agent = new http.Agent({ keepAlive: true });
  #ports = {};
  #admin = {};

  constructor(programs, videos, folder) {
    this.programs = programs;
    this.videos = videos;
    this.folder = folder;
    const engine = (name, file) => (options.mongodb
      ? `${options.mongodb.replace(/\/$/, '')}/flixtube-bench-${videos}-${name}`
      : `sqlite:${path.join(folder, file)}`);
    this.catalogue = engine('metadata', 'metadata.db');
    this.viewLog = engine('history', 'history.db');
  }

  async start() {
    for (const service of [...SERVICES, 'video-storage']) {
      this.#ports[service] = await freePort();
      this.#admin[service] = await freePort();
    }
    await this.#launch('gateway');
    await this.#fill();
    for (const service of SERVICES.slice(1)) await this.#launch(service);
    await this.#prepare();
  }

  async #launch(service) {
    const url = (of) => `http://127.0.0.1:${this.#ports[of]}`;
    const file = (name) => path.join(this.folder, name);
    const settings = {
      LISTEN: `127.0.0.1:${this.#ports[service]}`,
      ADMIN_LISTEN: `127.0.0.1:${this.#admin[service]}`,
      SERVICE_TOKEN: TOKEN,
      LOG_FILTER: 'warn',
      METADATA_URL: url('metadata'),
      HISTORY_URL: url('history'),
      VIDEO_STREAMING_URL: url('video-streaming'),
      VIDEO_STORAGE_URL: url('video-storage'),
      CATALOG_URL: this.catalogue,
      VIEW_LOG_URL: this.viewLog,
      EVENTS_URL: `embedded:${file('events.db')}`,
      VIEWER_KEY_FILE: file('viewer.key'),
      SESSION_KEY_FILE: file('session.key'),
      CLIENT_HASH_KEY_FILE: file('client-hash.key'),
    };
    const child = spawn(this.programs[service], [], {
      env: { ...process.env, ...settings }, stdio: ['ignore', 'inherit', 'inherit'],
    });
    const ended = new Promise((resolve) => child.once('exit', resolve));
    this.#children.push({ child, ended });
    const isReady = () => fetch(`http://127.0.0.1:${this.#admin[service]}/readyz`)
      .then((answer) => answer.ok, () => false);
    while (!(await isReady())) {
      if (child.exitCode !== null) throw new Error(`${service} ended with ${child.exitCode}`);
      await pause(50);
    }
  }

  async stop() {
    for (const { child } of this.#children) child.kill('SIGTERM');
    await Promise.all(this.#children.map(({ ended }) => ended));
    this.#agent.destroy();
  }

  /** Fills the stores, unless a former run has. Who watches are people whom the gateway knows. */
  async #fill() {
    const file = path.join(this.folder, 'filled.json');
    const filled = await readFile(file, 'utf8').catch(() => null);
    if (filled === null) {
      const cookies = [];
      for (let viewer = 0; viewer < VIEWERS; viewer += 1) {
        const page = await fetch(`http://127.0.0.1:${this.#ports.gateway}/`);
        cookies.push(page.headers.getSetCookie().find((cookie) => cookie.startsWith('viewer=')).split(';')[0]);
      }
      console.log(`Filling in ${spelled(this.videos)} videos ...`);
      const began = performance.now();
      const viewers = cookies.flatMap((cookie) => ['--viewer', cookie.slice('viewer='.length).split('.')[0]]);
      const result = spawnSync(this.programs.fill, [
        '--catalog-url', this.catalogue, '--view-log-url', this.viewLog,
        '--videos', String(this.videos), '--entries', String(this.videos * Number(options.entries)),
        ...viewers,
      ], { stdio: ['ignore', 'pipe', 'inherit'] });
      if (result.status !== 0) throw new Error('the stores could not be filled');
      const seconds = (performance.now() - began) / 1000;
      console.log(`filled in ${seconds.toFixed(0)} s${await this.#sizes()}`);
      await writeFile(file, JSON.stringify({ cookies, facts: JSON.parse(result.stdout) }));
    }
    Object.assign(this, JSON.parse(await readFile(file, 'utf8')));
  }

  async #sizes() {
    let text = '';
    for (const name of await readdir(this.folder)) {
      if (!/^(metadata|history)\.db$/.test(name)) continue;
      const { size } = await stat(path.join(this.folder, name));
      text += `, ${name}: ${spelled(Math.round(size / MIB))} MiB`;
    }
    return text;
  }

  /** Finds pages far behind the first one by going there, as a person would, and what was watched. */
  async #prepare() {
    this.ids = [];
    this.deep = [];
    const began = performance.now();
    let cursor = null;
    let seen = 0;
    do {
      const page = await this.ask({ path: `/api/videos?limit=100${cursor ? `&cursor=${cursor}` : ''}` });
      seen += page.body.videos.length;
      cursor = page.body.next_cursor;
      const last = page.body.videos.at(-1);
      if (seen % Math.max(100, this.videos / 1000) === 0) this.ids.push(last.id);
      if (cursor && seen >= this.videos * 0.9) this.deep.push(cursor);
    } while (cursor);
    if (seen !== this.videos) throw new Error(`${seen} videos are listed of ${this.videos}`);
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    console.log(`${spelled(this.videos)} videos were listed in pages of 100 in ${seconds} s`);
    const step = Math.ceil(this.deep.length / DEEP_PAGES);
    this.deep = this.deep.filter((_, index) => index % step === 0);

    this.watched = [];
    for (const cookie of this.cookies) {
      const { body } = await this.ask({ path: '/api/history', cookie });
      this.watched.push(body.entries[0].video_id);
    }
    this.deepHistory = [];
    let entries = 0;
    cursor = null;
    do {
      const query = `limit=100${cursor ? `&cursor=${cursor}` : ''}`;
      const { body } = await this.ask({ path: `/api/history?${query}`, cookie: this.cookies[0] });
      entries += body.entries.length;
      cursor = body.next_cursor;
      if (cursor && entries >= this.facts.longestHistory * 0.9) this.deepHistory.push(cursor);
    } while (cursor);
    if (entries !== this.facts.longestHistory) throw new Error(`${entries} entries are in the longest history`);
  }

  /** Asks and answers the body, with how long it took until the last byte of it. */
  ask({ path: target, method = 'GET', cookie }) {
    const began = performance.now();
    return new Promise((resolve, reject) => {
      const request = http.request({
        port: this.#ports.gateway, host: '127.0.0.1', path: target, method, agent: this.#agent,
        headers: cookie ? { cookie } : {},
      }, (response) => {
        const pieces = [];
        response.on('data', (piece) => pieces.push(piece));
        response.once('error', reject);
        response.once('end', () => {
          const took = performance.now() - began;
          const text = Buffer.concat(pieces).toString();
          if (response.statusCode >= 300) reject(new Error(`${target} got ${response.statusCode}: ${text}`));
          else resolve({ took, body: JSON.parse(text) });
        });
      });
      request.once('error', reject);
      request.end();
    });
  }
}

const nth = (list, number) => list[number % list.length];
const holds = (count) => ({ videos }) => videos.length === count;

// Each with what the answer must be, lest the quick answer to another question is measured.
const QUESTIONS = [
  { name: 'list, first page', ask: () => ({ path: '/api/videos' }), is: holds(24) },
  { name: 'list by title, first page', ask: () => ({ path: '/api/videos?sort=title' }), is: holds(24) },
  { name: 'list by views, first page', ask: () => ({ path: '/api/videos?sort=views' }), is: holds(24) },
  {
    name: 'list, a page of the last tenth',
    ask: (system, number) => ({ path: `/api/videos?cursor=${nth(system.deep, number)}` }),
    is: holds(24),
  },
  {
    name: 'one video',
    ask: (system, number) => ({ path: `/api/videos/${nth(system.ids, number)}` }),
    is: (video, system, number) => video.id === nth(system.ids, number),
  },
  {
    name: 'search, a rare word',
    ask: ({ facts }) => ({ path: `/api/videos?q=${facts.rare}` }),
    is: (page, { facts }) => page.videos.length === facts.videosWithRare && !page.incomplete,
  },
  {
    name: 'search, a common word',
    ask: ({ facts }) => ({ path: `/api/videos?q=${facts.common}` }),
    is: (page) => page.videos.length === 24 && page.incomplete,
  },
  {
    name: 'search, a common word, by views',
    ask: ({ facts }) => ({ path: `/api/videos?q=${facts.common}&sort=views` }),
    is: (page) => page.videos.length === 24 && page.incomplete,
  },
  {
    name: 'search, a rare and a common word',
    ask: ({ facts }) => ({ path: `/api/videos?q=${facts.rare}+${facts.common}` }),
    is: (page) => page.videos.length > 0 && !page.incomplete,
  },
  {
    name: 'search, two common words never together',
    ask: ({ facts }) => ({ path: `/api/videos?q=${encodeURIComponent(facts.apart)}` }),
    is: holds(0),
  },
  {
    name: 'resume (a watch session is opened)',
    ask: (system, number) => ({
      method: 'POST',
      path: `/api/videos/${nth(system.watched, number)}/watch-sessions`,
      cookie: nth(system.cookies, number),
    }),
    is: (session) => session.resume_position_ms > 0,
  },
  {
    name: 'history, first page',
    ask: (system, number) => ({ path: '/api/history', cookie: nth(system.cookies, number) }),
    is: ({ entries }) => entries.length === 24,
  },
  {
    name: 'history, a page of the last tenth',
    ask: (system, number) => ({
      path: `/api/history?cursor=${nth(system.deepHistory, number)}`, cookie: system.cookies[0],
    }),
    is: ({ entries }) => entries.length === 24,
  },
];

async function answer(question, system, number) {
  const { took, body } = await system.ask(question.ask(system, number));
  if (!question.is(body, system, number)) {
    throw new Error(`${question.name}, ${system.videos} videos: ${JSON.stringify(body).slice(0, 400)}`);
  }
  return took;
}

/** The 50th and the 99th percentile and the worst. */
function percentiles(latencies) {
  const sorted = latencies.toSorted((one, other) => one - other);
  const at = (share) => sorted[Math.ceil(share * sorted.length) - 1];
  return [at(0.5), at(0.99), at(1)];
}

async function measure(systems) {
  const measured = new Map(QUESTIONS.map(({ name }) => [name, systems.map(() => [])]));
  for (let round = 0; round < rounds; round += 1) {
    for (const question of QUESTIONS) {
      const latencies = systems.map(() => []);
      for (let number = 0; number < WARM_UP + requests; number += 1) {
        // In turns, and each first as often, so that what else the machine does is done to all.
        for (let turn = 0; turn < systems.length; turn += 1) {
          const which = (turn + number) % systems.length;
          const took = await answer(question, systems[which], number);
          if (number >= WARM_UP) latencies[which].push(took);
        }
      }
      latencies.forEach((all, which) => measured.get(question.name)[which].push(percentiles(all)));
    }
    console.log(`round ${round + 1} of ${rounds} is done`);
  }
  return measured;
}

/** The medians of the rounds, as a table of Markdown. */
function print(measured) {
  const shown = sizes.flatMap((videos) => ['50th', '99th', 'worst'].map((what) => `${spelled(videos)}: ${what}`));
  console.log(`\n${requests} requests of each kind, one at a time; milliseconds, medians of ${rounds} rounds\n`);
  console.log(`| question | ${shown.join(' | ')} | 50th, ratio | 99th, ratio |`);
  console.log(`|---|${'---:|'.repeat(shown.length + 2)}`);
  for (const [name, all] of measured) {
    const medians = all.map((ofRounds) => [0, 1, 2].map((which) => median(ofRounds.map((one) => one[which]))));
    const ratio = (which) => (medians.at(-1)[which] / medians[0][which]).toFixed(2);
    const cells = medians.flat().map((number) => number.toFixed(2));
    console.log(`| ${name} | ${cells.join(' | ')} | ${ratio(0)} | ${ratio(1)} |`);
  }
}

const programs = build({ bins: SERVICES, examples: ['fill'] });
const temporary = options.keep ? null : await mkdtemp(path.join(options.folder, 'flixtube-latency-'));
const systems = [];
try {
  for (const videos of sizes) {
    const folder = path.resolve(options.keep ?? temporary, String(videos));
    await mkdir(folder, { recursive: true });
    const system = new System(programs, videos, folder);
    systems.push(system);
    await system.start();
  }
  print(await measure(systems));
} finally {
  for (const system of systems) await system.stop();
  if (temporary) await rm(temporary, { recursive: true, force: true });
}
