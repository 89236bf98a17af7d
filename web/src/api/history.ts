// This viewer's history: what was watched, and where it stopped.

import { callEmpty, callJson } from './client';

export interface HistoryEntry {
  video_id: string;
  /** Missing when the video is gone, or while the catalogue does not answer. */
  title?: string | null;
  position_ms: number;
  watched_ms: number;
  finished: boolean;
  last_watched_at: string;
}

export interface HistoryPage {
  entries: HistoryEntry[];
  next_cursor: string | null;
}

export function listHistory(cursor: string | null, limit = 24, signal?: AbortSignal): Promise<HistoryPage> {
  const parameters = new URLSearchParams({ limit: String(limit) });
  if (cursor) parameters.set('cursor', cursor);
  return callJson(`/api/history?${parameters}`, signal ? { signal } : {});
}

export function forgetVideo(id: string): Promise<void> {
  return callEmpty(`/api/history/${encodeURIComponent(id)}`, { method: 'DELETE' });
}

export function forgetAll(): Promise<void> {
  return callEmpty('/api/history', { method: 'DELETE' });
}
