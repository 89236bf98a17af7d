// Starts the real program on a free port with a data folder of its own.

import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

// What stands behind it may have to start first.
const READY_WITHIN_MS = 240_000;
const STOPS_WITHIN_MS = 20_000;
const binary = process.env.FLIXTUBE_BIN ?? path.resolve(import.meta.dirname, '../../../target/debug/flixtube');

export interface RunningServer {
  /** Where it answers, without a slash at the end. */
  address: string;
  stop(): Promise<void>;
}

function stopped(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => child.once('exit', () => resolve()));
}

export async function startServer(settings: Record<string, string> = {}): Promise<RunningServer> {
  const data = await mkdtemp(path.join(tmpdir(), 'flixtube-e2e-'));
  const child = spawn(binary, ['--port', '0', '--data', data], {
    env: { ...process.env, ADMIN_LISTEN: '127.0.0.1:0', ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const address = await new Promise<string>((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`${binary} was not ready in time:\n${output}`)),
      READY_WITHIN_MS,
    );
    // Logs may name addresses too; the one to open is on standard output, on a line that says so.
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      const ready = /ready.*?(http:\/\/127\.0\.0\.1:\d+)/.exec(output);
      if (ready?.[1]) {
        clearTimeout(timer);
        resolve(ready[1]);
      }
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    child.once('error', (error) => reject(new Error(`${binary} cannot be started`, { cause: error })));
    child.once('exit', (code) => reject(new Error(`${binary} ended with ${code}:\n${output}`)));
  });
  return {
    address,
    async stop() {
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), STOPS_WITHIN_MS);
      await stopped(child);
      clearTimeout(timer);
      await rm(data, { recursive: true, force: true });
    },
  };
}
