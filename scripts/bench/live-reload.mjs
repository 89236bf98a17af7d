#!/usr/bin/env node
// Measures live reload under load: seconds from a save to the first answer of the new code, and the
// requests that failed meanwhile, of which there must be none.

import { execFileSync, spawn } from 'node:child_process';
import { cp, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { MIB, makeSparseVideo, upload } from './lib/flixtube.mjs';

const HELP = `Usage: scripts/bench/live-reload.mjs [OPTION...]

Copies the tree, runs scripts/dev in the copy, and sends a request every 5 ms while one long download
runs. Meanwhile it changes a line in metadata, in service-kit and in the front end, and makes and
mends an error. Prints the seconds and the failures; the exit code is 0 only without failures.

  --port N     the first of the ports that scripts/dev takes (default 4600)
  --url URL    measure a system that runs already, from the tree given by --tree, instead
  --tree DIR   the tree that --url is run from; its sources are changed, and put back
  --help       this text`;

const { values: options } = parseArgs({
  options: {
    port: { type: 'string', default: '4600' },
    url: { type: 'string' },
    tree: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
if (options.help) {
  console.log(HELP);
  process.exit(0);
}
if ((options.url === undefined) !== (options.tree === undefined)) {
  console.error('--url and --tree go together. Try: scripts/bench/live-reload.mjs --help');
  process.exit(2);
}

/** A build on a busy machine may take this long, in milliseconds. */
const PATIENCE = 900_000;
const here = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');

/** Copies what git would commit, and the installed packages, so that nothing of the user's changes. */
async function copyTree() {
  const folder = await mkdtemp(path.join(tmpdir(), 'flixtube-live-reload-'));
  const tree = path.join(folder, 'tree');
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: here, encoding: 'utf8', maxBuffer: 64 * MIB,
  });
  for (const name of listed.split('\0').filter(Boolean)) {
    await cp(path.join(here, name), path.join(tree, name)).catch((error) => {
      if (error.code !== 'ENOENT') throw error;
    });
  }
  await cp(path.join(here, 'web/node_modules'), path.join(tree, 'web/node_modules'), {
    recursive: true, verbatimSymlinks: true,
  }).catch(() => {});
  return { folder, tree };
}

const agent = new http.Agent({ keepAlive: true, maxSockets: 64, timeout: 5000 });

/** The whole answer; fails when it is refused, cut, or an error of the server. */
function get(url) {
  return new Promise((resolve, reject) => {
    const request = http.get(url, { agent }, (response) => {
      const pieces = [];
      response.on('data', (piece) => pieces.push(piece));
      response.on('end', () => {
        const body = Buffer.concat(pieces);
        if (!response.complete) reject(new Error('the answer was cut'));
        else if (response.statusCode >= 400) reject(new Error(`${response.statusCode} ${body}`));
        else resolve({ headers: response.headers, body });
      });
      response.on('error', reject);
    });
    request.on('error', reject);
  });
}

async function until(question, what) {
  const began = performance.now();
  while (performance.now() - began < PATIENCE) {
    const answer = await question().catch(() => undefined);
    if (answer) return (performance.now() - began) / 1000;
    await pause(10);
  }
  throw new Error(`${what} did not happen within ${PATIENCE / 1000} s`);
}

/** Saves as editors do, by renaming. */
async function save(file, text) {
  await writeFile(`${file}.new~`, text);
  await rename(`${file}.new~`, file);
}

async function edit(tree, name, from, to) {
  const file = path.join(tree, name);
  const before = await readFile(file, 'utf8');
  if (!before.includes(from)) throw new Error(`${name} has no ${from} any more`);
  await save(file, before.replace(from, to));
  return () => save(file, before);
}

/** Reads a video slowly and for ever; tells how often it was cut. */
function download(url, load) {
  const one = () => {
    const request = http.get(url, { agent: false }, (response) => {
      let seen = 0;
      response.on('data', (piece) => {
        seen += piece.length;
        load.downloaded += piece.length;
        response.pause();
        setTimeout(() => response.resume(), 20);
      });
      response.on('close', () => {
        if (load.done) return;
        if (seen !== Number(response.headers['content-length'])) load.failed.push('a download was cut');
        load.downloads += 1;
        one();
      });
      response.on('error', () => {});
    });
    request.on('error', (error) => {
      if (!load.done) load.failed.push(`download: ${error.message}`);
    });
    load.stopDownload = () => request.destroy();
  };
  one();
}

async function measure(base, tree) {
  await until(() => get(`${base}/api/videos`), 'the first answer');
  const folder = await mkdtemp(path.join(tmpdir(), 'flixtube-video-'));
  const file = path.join(folder, 'long.mp4');
  await makeSparseVideo(file, 256 * MIB);
  const video = await upload(base, file, 'A long download');
  const { id } = video;
  await rm(folder, { recursive: true });

  const load = { sent: 0, failed: [], downloads: 0, downloaded: 0, done: false, slowest: 0 };
  download(`${base}/api/videos/${id}/stream`, load);
  const paths = ['/api/videos', `/api/videos/${id}`, '/api/history', '/'];
  const waiting = new Set();
  const timer = setInterval(() => {
    const began = performance.now();
    const one = get(base + paths[load.sent % paths.length])
      .catch((error) => load.failed.push(`${paths[load.sent % paths.length]}: ${error.message}`))
      .finally(() => {
        load.slowest = Math.max(load.slowest, performance.now() - began);
        waiting.delete(one);
      });
    load.sent += 1;
    waiting.add(one);
  }, 5);

  const rows = [];
  const step = async (name, act) => {
    // What an earlier run has put back may still be served.
    await until(async () => !(await act.seen()), `the answer before ${name}`);
    const [sent, failed] = [load.sent, load.failed.length];
    const undo = await act.change();
    const seconds = await until(act.seen, name);
    rows.push({ name, seconds, sent: load.sent - sent, failed: load.failed.length - failed });
    return undo;
  };
  const state = async () => JSON.parse((await get(`${base}/development/state`)).body);
  /** What is said to a request that is refused. */
  const refusal = (method, query) => new Promise((resolve, reject) => {
    const request = http.request(base + query, { agent, method }, (response) => {
      let text = '';
      response.on('data', (piece) => { text += piece; });
      response.on('end', () => resolve(text));
    });
    request.on('error', reject).end();
  });
  const undo = [];
  try {
    undo.push(await step('a line in metadata', {
      change: () => edit(tree, 'metadata/src/routes/lists.rs', 'an integer from 1 to 100', 'an integer from 1 to 100, measured'),
      seen: async () => (await refusal('GET', '/api/videos?limit=0')).includes('measured'),
    }));
    undo.push(await step('a line in service-kit', {
      change: () => edit(tree, 'service-kit/src/server.rs', 'This path does not take this method', 'No such method here'),
      seen: async () => (await refusal('DELETE', '/api/videos')).includes('No such method here'),
    }));
    undo.push(await step('a line in the front end', {
      change: () => edit(tree, 'web/index.html', '</title>', ' measured</title>'),
      seen: async () => String((await get(`${base}/`)).body).includes('measured</title>'),
    }));
    const mend = await step('an error, until it is shown', {
      change: () => edit(tree, 'metadata/src/lib.rs', 'mod backoff;', 'mod backoff;\nconst BROKEN: u8 = "x";'),
      seen: async () => (await state()).problems.length > 0,
    });
    await step('the error mended', {
      change: mend,
      seen: async () => (await state()).problems.length === 0,
    });
  } finally {
    if (options.url !== undefined) for (const back of undo.reverse()) await back();
    clearInterval(timer);
    await Promise.all(waiting);
    load.done = true;
    load.stopDownload?.();
  }
  for (const { name, seconds, sent, failed } of rows) {
    console.log(`${name.padEnd(30)} ${seconds.toFixed(2).padStart(7)} s  ${String(sent).padStart(6)} requests  ${failed} failed`);
  }
  console.log(
    `in all: ${load.sent} requests, the slowest ${(load.slowest / 1000).toFixed(2)} s, ` +
    `${(load.downloaded / MIB).toFixed(0)} MiB downloaded, ${load.failed.length} failed or cut`,
  );
  for (const failure of load.failed.slice(0, 10)) console.log(`  ${failure}`);
  return load.failed.length === 0;
}

let whole;
if (options.url !== undefined) {
  whole = await measure(options.url.replace(/\/$/, ''), path.resolve(options.tree));
} else {
  const { folder, tree } = await copyTree();
  const dev = spawn(path.join(tree, 'scripts/dev'), ['--port', options.port, '--data', path.join(folder, 'data'), '--no-samples'], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const ended = new Promise((resolve) => { dev.on('exit', resolve); });
  try {
    whole = await Promise.race([
      measure(`http://127.0.0.1:${options.port}`, tree),
      ended.then(() => { throw new Error('scripts/dev ended'); }),
    ]);
  } finally {
    dev.kill('SIGTERM');
    await ended;
    await rm(folder, { recursive: true, force: true });
  }
}
process.exit(whole ? 0 : 1);
