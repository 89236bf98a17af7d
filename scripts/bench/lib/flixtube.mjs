// What the measurements share: building and running FlixTube, a large video, and what the system
// says of a process.

import { execFileSync, spawn } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { open, readFile, stat, writeFile } from 'node:fs/promises';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';

export const MIB = 1024 ** 2;
export const GIB = 1024 ** 3;

const repo = fileURLToPath(new URL('../../..', import.meta.url));

/**
 * Builds programs and examples of the workspace, or of one package of it; answers where each of them
 * is, by its name.
 */
export function build({ bins = [], examples = [], profile = 'release', from = ['--workspace'] }) {
  console.log(`Building (${profile}): ${[...bins, ...examples].join(', ')} ...`);
  const wanted = [
    ...bins.flatMap((name) => ['--bin', name]),
    ...examples.flatMap((name) => ['--example', name]),
  ];
  const messages = execFileSync(
    'cargo',
    ['build', ...from, '--profile', profile, '--locked', '--quiet', ...wanted,
      '--message-format=json-render-diagnostics'],
    { cwd: repo, stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 64 * MIB },
  );
  const built = messages.toString().split('\n').filter(Boolean).map((line) => JSON.parse(line))
    .filter((message) => message.executable);
  return Object.fromEntries(built.map((message) => [message.target.name, message.executable]));
}

/** The program to measure: FLIXTUBE_BIN, or the release build, which is made if it is not there. */
export function program() {
  // As scripts/start builds it, so that what that has built is not built again.
  const from = ['--package', 'flixtube'];
  return process.env.FLIXTUBE_BIN ?? build({ bins: ['flixtube'], from }).flixtube;
}

/** A port that nobody listens at. */
export function freePort() {
  return new Promise((resolve) => {
    const server = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** Runs FlixTube on a free port; answers its address and process id, and how to stop it. */
export async function startFlixTube(data) {
  const child = spawn(program(), ['--port', '0', '--data', data], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, RATE_LIMIT_PER_MINUTE: '0' },
  });
  const output = [];
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const address = await new Promise((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      createInterface(stream).on('line', (line) => {
        output.push(line);
        // The log may name other addresses: those of the services inside.
        const found = /ready: (http:\/\/\S+)/.exec(line);
        if (found) resolve(found[1]);
      });
    }
    child.once('error', reject);
    child.once('exit', () => reject(new Error(`flixtube ended at once:\n${output.join('\n')}`)));
  });
  return {
    address,
    pid: child.pid,
    async stop() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

/**
 * Makes a file of `size` bytes that is a video: a small one, and a `free` box of zeros behind it that
 * takes no room on the disk.
 */
export async function makeSparseVideo(file, size) {
  const video = await readFile(path.join(repo, 'test-support/fixtures/faststart.mp4'));
  const box = Buffer.alloc(16);
  box.writeUInt32BE(1, 0); // The size stands in the 64 bits behind the type.
  box.write('free', 4, 'latin1');
  box.writeBigUInt64BE(BigInt(size - video.length), 8);
  await writeFile(file, Buffer.concat([video, box]));
  const handle = await open(file, 'r+');
  await handle.truncate(size);
  await handle.close();
}

/** Uploads a file and answers the video. */
export async function upload(address, file, title) {
  const { size } = await stat(file);
  const request = http.request(`${address}/api/videos?title=${encodeURIComponent(title)}`, {
    method: 'POST',
    headers: { 'content-type': 'video/mp4', 'content-length': size },
  });
  const answered = new Promise((resolve, reject) => {
    request.once('response', resolve);
    request.once('error', reject);
  });
  await pipeline(createReadStream(file, { highWaterMark: MIB }), request);
  const response = await answered;
  let body = '';
  for await (const piece of response) body += piece;
  if (response.statusCode !== 201) throw new Error(`the upload got ${response.statusCode}: ${body}`);
  return JSON.parse(body);
}

/** Resident memory now and at its highest, in bytes (Linux). */
export async function memoryOf(pid) {
  const status = await readFile(`/proc/${pid}/status`, 'latin1');
  const read = (name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)[1]) * 1024;
  return { now: read('VmRSS'), highest: read('VmHWM') };
}

/** Lets the highest memory count from now on. */
export async function forgetHighestMemory(pid) {
  await writeFile(`/proc/${pid}/clear_refs`, '5');
}

/** The processor time that a process has used, in seconds (Linux). */
export async function cpuSecondsOf(pid) {
  const line = await readFile(`/proc/${pid}/stat`, 'latin1');
  // The program's name may hold spaces; what follows its closing bracket does not.
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

const TICKS_PER_SECOND = process.platform === 'linux'
  ? Number(execFileSync('getconf', ['CLK_TCK']).toString())
  : 100;

export function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Ends with a sentence where the system does not tell what is measured. */
export function needLinux() {
  if (process.platform === 'linux') return;
  console.error('This reads /proc, which only Linux has.');
  process.exit(1);
}
