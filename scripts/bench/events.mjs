#!/usr/bin/env node
// Measures how many beats a second get from the player to the history, over RabbitMQ and MongoDB.

import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import http from 'node:http';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from './lib/flixtube.mjs';

const HELP = `Usage: scripts/bench/events.mjs [OPTION...]

Starts the five services, each in a process of its own, on MongoDB and RabbitMQ; sends beats of many
watch sessions through the gateway for a while; and prints how many were accepted, how many were in
the history at that moment, the backlog, and how long the rest took.

  --seconds N    how long (default 60)
  --players N    how many send at once, each the next beat when the last was answered (default 32)
  --rate N       beats a second of all players together; 0 for as many as they can (default 0)
  --profile P    release or dev (default release)
  --help         this text

In the environment: MONGODB_URL, RABBITMQ_URL and RABBITMQ_MANAGEMENT_URL name servers to use; else
those of this machine are started.`;

const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    players: { type: 'string', default: '32' },
    rate: { type: 'string', default: '0' },
    profile: { type: 'string', default: 'release' },
    help: { type: 'boolean', default: false },
  },
});
if (options.help) {
  console.log(HELP);
  process.exit(0);
}
const seconds = Number(options.seconds);
const players = Number(options.players);
const rate = Number(options.rate);
const SERVICES = ['gateway', 'video-streaming', 'video-storage', 'metadata', 'history'];
const repo = fileURLToPath(new URL('../..', import.meta.url));

async function startSystem() {
  const programs = build({ bins: SERVICES, examples: ['serve-processes'], profile: options.profile });
  const child = spawn(programs['serve-processes'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const admin = {};
  const address = await new Promise((resolve, reject) => {
    createInterface(child.stdout).on('line', (line) => {
      const operator = /^admin of (\S+): (\S+)/.exec(line);
      if (operator) admin[operator[1]] = operator[2];
      const ready = /^ready: (\S+)/.exec(line);
      if (ready) resolve(ready[1]);
    });
    child.once('error', reject);
    child.once('exit', () => reject(new Error('the system did not start')));
  });
  return { address, admin, stop: () => (child.kill('SIGTERM'), ended) };
}

const agent = new http.Agent({ keepAlive: true, maxSockets: players });

function send(url, method, type, body, headers = {}) {
  return new Promise((resolve, reject) => {
    const request = http.request(url, {
      method, agent, headers: { 'content-type': type, 'content-length': body.length, ...headers },
    }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (piece) => { text += piece; });
      response.once('error', reject);
      response.once('end', () => resolve({ status: response.statusCode, text }));
    });
    request.once('error', reject);
    request.end(body);
  });
}

async function counter(admin, name) {
  const text = await (await fetch(`${admin}/metrics`)).text();
  const found = new RegExp(`^${name}\\{[^}]*\\} (\\d+)`, 'm').exec(text);
  return found ? Number(found[1]) : 0;
}

const system = await startSystem();
try {
  const file = await readFile(path.join(repo, 'test-support/fixtures/faststart.mp4'));
  const uploaded = await send(`${system.address}/api/videos?title=Watched`, 'POST', 'video/mp4', file);
  if (uploaded.status !== 201) throw new Error(`the upload got ${uploaded.status}: ${uploaded.text}`);
  const { id } = JSON.parse(uploaded.text);
  const stored = () => counter(system.admin.history, 'history_events_stored_total');

  const began = performance.now();
  const end = began + seconds * 1000;
  let accepted = 0;
  let refused = 0;
  const play = async () => {
    while (performance.now() < end) {
      const opened = await send(`${system.address}/api/videos/${id}/watch-sessions`, 'POST', 'application/json', '');
      if (opened.status !== 201) throw new Error(`a session got ${opened.status}: ${opened.text}`);
      const { session } = JSON.parse(opened.text);
      const opens = performance.now();
      // A session of sixty beats, as of ten minutes; the first one brings `video.viewed` with it.
      for (let seq = 1; seq <= 60 && performance.now() < end; seq += 1) {
        if (rate > 0) await pause(Math.max(0, opens + (seq * players * 1000) / rate - performance.now()));
        const beat = JSON.stringify({ session, seq, position_ms: seq * 10_000, state: 'playing' });
        const taken = await send(`${system.address}/api/watch-sessions/beats`, 'POST', 'application/json', beat);
        if (taken.status === 204) accepted += seq === 1 ? 2 : 1;
        else refused += 1;
      }
    }
  };
  await Promise.all(Array.from({ length: players }, play));
  const lasted = (performance.now() - began) / 1000;
  const atTheEnd = await stored();
  const backlog = accepted - atTheEnd;
  const drainBegan = performance.now();
  while ((await stored()) < accepted && performance.now() - drainBegan < 300_000) await pause(100);
  const drained = (performance.now() - drainBegan) / 1000;
  const missing = accepted - (await stored());
  console.log(`${players} players for ${lasted.toFixed(1)} s, ${options.profile} build`);
  console.log(`events: accepted=${accepted} refused=${refused} stored=${atTheEnd} backlog=${backlog}`);
  console.log(`accepted per second  ${(accepted / lasted).toFixed(0)}`);
  console.log(`stored per second    ${(atTheEnd / lasted).toFixed(0)}`);
  console.log(missing > 0
    ? `${missing} were still to be stored ${drained.toFixed(0)} s later`
    : `the backlog was gone after ${drained.toFixed(1)} s`);
  if (missing > 0) process.exitCode = 1;
} finally {
  await system.stop();
}
