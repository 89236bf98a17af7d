#!/usr/bin/env node
// Measures the memory of the whole system in one process while it takes in a large video and while
// many slow readers watch it, and fails when it is more than the limit.

import { setMaxListeners } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import http from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import {
  GIB, MIB, forgetHighestMemory, makeSparseVideo, memoryOf, needLinux, startFlixTube, upload,
} from './lib/flixtube.mjs';

const HELP = `Usage: scripts/bench/memory.mjs [OPTION...]

Uploads a large sparse video, lets slow readers watch it, and prints the resident memory meanwhile.
The exit code is 1 when it was ever above the limit.

  --gib N       the size of the video (default 4; needs as much room on the disk)
  --readers N   how many watch at once (default 50)
  --rate N      what each of them takes, in KiB per second (default 1024)
  --seconds N   how long they watch (default 60)
  --limit N     the limit in MiB (default 200)
  --folder DIR  where the data may be put meanwhile (default: the system's temporary folder)
  --help        this text

In the environment: FLIXTUBE_BIN, the program to measure instead of the release build.`;

const { values: options } = parseArgs({
  options: {
    gib: { type: 'string', default: '4' },
    readers: { type: 'string', default: '50' },
    rate: { type: 'string', default: '1024' },
    seconds: { type: 'string', default: '60' },
    limit: { type: 'string', default: '200' },
    folder: { type: 'string', default: tmpdir() },
    help: { type: 'boolean', default: false },
  },
});
if (options.help) {
  console.log(HELP);
  process.exit(0);
}
needLinux();
const size = Number(options.gib) * GIB;
const readers = Number(options.readers);
const bytesPerSecond = Number(options.rate) * 1024;
const seconds = Number(options.seconds);
const limit = Number(options.limit) * MIB;

const mib = (bytes) => (bytes / MIB).toFixed(1).padStart(8);

/** Prints the memory every few seconds while `work` goes on, and answers its highest. */
async function watch(pid, phase, progress, work) {
  await forgetHighestMemory(pid);
  const began = performance.now();
  const print = async () => {
    const memory = await memoryOf(pid);
    const time = ((performance.now() - began) / 1000).toFixed(0).padStart(5);
    console.log(`${phase.padEnd(10)} ${time} s ${mib(memory.now)} ${mib(memory.highest)}  ${progress()}`);
    return memory.highest;
  };
  const timer = setInterval(() => void print().catch(() => {}), 5000);
  try {
    await work();
    return await print();
  } finally {
    clearInterval(timer);
  }
}

/** Reads the stream from `offset` at the rate; answers how much came when `signal` ends it. */
function readSlowly(url, offset, signal, counter) {
  return new Promise((resolve, reject) => {
    const request = http.get(url, { agent: false, headers: { range: `bytes=${offset}-` } });
    let taken = 0;
    const done = () => {
      request.destroy();
      resolve(taken);
    };
    signal.addEventListener('abort', done, { once: true });
    request.once('error', (error) => (signal.aborted ? done() : reject(error)));
    request.once('response', (response) => {
      if (response.statusCode !== 206) reject(new Error(`the stream got ${response.statusCode}`));
      const began = performance.now();
      response.on('data', (piece) => {
        taken += piece.length;
        counter.bytes += piece.length;
        const ahead = (taken / bytesPerSecond) * 1000 - (performance.now() - began);
        if (ahead > 0) {
          response.pause();
          setTimeout(() => response.resume(), ahead);
        }
      });
      response.once('error', (error) => (signal.aborted ? done() : reject(error)));
      response.once('end', () => resolve(taken));
    });
  });
}

const folder = await mkdtemp(path.join(options.folder, 'flixtube-memory-'));
let server;
try {
  const file = path.join(folder, 'large.mp4');
  await makeSparseVideo(file, size);
  server = await startFlixTube(path.join(folder, 'data'));
  console.log('phase       time  resident  highest  (MiB)');
  const peaks = [];
  peaks.push(await watch(server.pid, 'idle', () => '', () => pause(1000)));

  let video;
  peaks.push(await watch(server.pid, 'upload', () => `${options.gib} GiB`, async () => {
    video = await upload(server.address, file, 'A large video');
  }));

  const url = server.address + video.stream_url;
  const counter = { bytes: 0 };
  const progress = () => `${readers} readers, ${mib(counter.bytes).trim()} MiB sent`;
  peaks.push(await watch(server.pid, 'streaming', progress, async () => {
    const end = new AbortController();
    setMaxListeners(readers, end.signal);
    const all = Promise.all(Array.from({ length: readers }, (_, reader) => {
      // Spread over the video, and the first of them from its start.
      const offset = Math.floor((size / 2 / readers) * reader);
      return readSlowly(url, offset, end.signal, counter);
    }));
    await Promise.race([all, pause(seconds * 1000)]);
    end.abort();
    const taken = await all;
    const least = Math.min(...taken);
    console.log(`each reader took ${mib(least).trim()} to ${mib(Math.max(...taken)).trim()} MiB`);
    if (least === 0) throw new Error('a reader got nothing');
  }));

  const highest = Math.max(...peaks);
  const verdict = highest <= limit ? 'within' : 'ABOVE';
  console.log(`\nhighest resident memory: ${mib(highest).trim()} MiB, ${verdict} the limit of ${options.limit} MiB`);
  process.exitCode = highest <= limit ? 0 : 1;
} finally {
  await server?.stop();
  await rm(folder, { recursive: true, force: true });
}
