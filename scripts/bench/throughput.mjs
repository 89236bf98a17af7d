#!/usr/bin/env node
// Measures how many bytes of a stream one second of processor time sends, beside nginx with the same
// file in the same run.

import { execFileSync, spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import {
  MIB, cpuSecondsOf, freePort, makeSparseVideo, median, needLinux, startFlixTube, upload,
} from './lib/flixtube.mjs';

const HELP = `Usage: scripts/bench/throughput.mjs [OPTION...]

Fetches a video from FlixTube and from nginx (apt-get install nginx-light; without it FlixTube alone),
in turns, and prints the medians of what one second of processor time sent.

  --mib N       the size of the video (default 256)
  --readers N   how many fetch it at once (default 4)
  --rounds N    how often (default 5)
  --help        this text

In the environment: FLIXTUBE_BIN, the program to measure instead of the release build.`;

const { values: options } = parseArgs({
  options: {
    mib: { type: 'string', default: '256' },
    readers: { type: 'string', default: '4' },
    rounds: { type: 'string', default: '5' },
    help: { type: 'boolean', default: false },
  },
});
if (options.help) {
  console.log(HELP);
  process.exit(0);
}
needLinux();
const size = Number(options.mib) * MIB;
const readers = Number(options.readers);
const rounds = Number(options.rounds);

/** One nginx process that serves a folder, or null where there is no nginx. */
async function startNginx(folder) {
  try {
    execFileSync('nginx', ['-v'], { stdio: 'ignore' });
  } catch {
    return null;
  }
  const port = await freePort();
  const own = path.join(folder, 'nginx');
  await mkdir(own);
  // One process without a master, so that its processor time is all of nginx's.
  await writeFile(path.join(own, 'nginx.conf'), `
    daemon off; master_process off; pid ${own}/pid; error_log ${own}/error.log;
    events {}
    http {
      access_log off; sendfile on; tcp_nopush on; types { video/mp4 mp4; }
      client_body_temp_path ${own}/a; proxy_temp_path ${own}/b; fastcgi_temp_path ${own}/c;
      uwsgi_temp_path ${own}/d; scgi_temp_path ${own}/e;
      server { listen 127.0.0.1:${port}; root ${folder}; }
    }`);
  const child = spawn('nginx', ['-c', `${own}/nginx.conf`, '-e', `${own}/error.log`], { stdio: 'inherit' });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const address = `http://127.0.0.1:${port}`;
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const up = await fetch(address).then(() => true, () => false);
    if (up) return { address, pid: child.pid, stop: () => (child.kill('SIGTERM'), ended) };
    await pause(50);
  }
  child.kill('SIGKILL');
  throw new Error('nginx did not start');
}

function fetchWhole(url) {
  return new Promise((resolve, reject) => {
    http.get(url, { agent: false }, (response) => {
      let bytes = 0;
      response.on('data', (piece) => { bytes += piece.length; });
      response.once('error', reject);
      response.once('end', () => (response.statusCode === 200 && bytes === size
        ? resolve()
        : reject(new Error(`${url} answered ${response.statusCode} with ${bytes} bytes`))));
    }).once('error', reject);
  });
}

async function measure(target) {
  const cpu = await cpuSecondsOf(target.pid);
  const began = performance.now();
  await Promise.all(Array.from({ length: readers }, () => fetchWhole(target.url)));
  const wall = (performance.now() - began) / 1000;
  const used = (await cpuSecondsOf(target.pid)) - cpu;
  const sent = (size * readers) / MIB;
  return { perCpuSecond: sent / used, perSecond: sent / wall };
}

const folder = await mkdtemp(path.join(tmpdir(), 'flixtube-throughput-'));
let flixtube;
let nginx;
try {
  await makeSparseVideo(path.join(folder, 'video.mp4'), size);
  flixtube = await startFlixTube(path.join(folder, 'data'));
  const video = await upload(flixtube.address, path.join(folder, 'video.mp4'), 'A video');
  nginx = await startNginx(folder);
  const targets = [{ name: 'flixtube', pid: flixtube.pid, url: flixtube.address + video.stream_url }];
  if (nginx) targets.push({ name: 'nginx', pid: nginx.pid, url: `${nginx.address}/video.mp4` });
  else console.log('nginx is not here (apt-get install nginx-light): FlixTube is measured alone.');

  const results = new Map(targets.map((target) => [target.name, []]));
  // The first round warms the page cache and is not counted.
  for (let round = 0; round <= rounds; round += 1) {
    for (const target of targets) {
      const result = await measure(target);
      if (round > 0) results.get(target.name).push(result);
    }
  }
  console.log(`${readers} readers, ${options.mib} MiB each, medians of ${rounds} rounds`);
  console.log('            MiB per CPU-second   MiB/s');
  const medians = new Map();
  for (const [name, all] of results) {
    medians.set(name, median(all.map((result) => result.perCpuSecond)));
    const perSecond = median(all.map((result) => result.perSecond));
    console.log(`${name.padEnd(12)}${medians.get(name).toFixed(0).padStart(18)}${perSecond.toFixed(0).padStart(8)}`);
  }
  if (nginx) {
    const ratio = medians.get('nginx') / medians.get('flixtube');
    console.log(`\nnginx sends ${ratio.toFixed(1)} times as much per second of processor time`);
  }
} finally {
  await nginx?.stop();
  await flixtube?.stop();
  await rm(folder, { recursive: true, force: true });
}
