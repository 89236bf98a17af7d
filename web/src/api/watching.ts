// Watch sessions and their beats, as the public API takes them.

import { callEmpty, callJson } from './client';
import { videoPath } from './videos';

export type PlaybackState = 'playing' | 'paused' | 'ended';

export interface WatchSession {
  /** The signed token. Nothing here looks into it. */
  session: string;
  resume_position_ms: number;
  beat_interval_ms: number;
}

export interface Beat {
  session: string;
  seq: number;
  position_ms: number;
  state: PlaybackState;
}

export function openWatchSession(videoId: string): Promise<WatchSession> {
  return callJson(`${videoPath(videoId)}/watch-sessions`, { method: 'POST', timeoutMs: 8_000 });
}

export function sendBeat(beat: Beat, keepalive: boolean): Promise<void> {
  return callEmpty('/api/watch-sessions/beats', { method: 'POST', json: beat, keepalive, timeoutMs: 15_000 });
}
