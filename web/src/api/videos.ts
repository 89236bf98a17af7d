// The catalogue as the public API tells it.

import { callEmpty, callJson } from './client';

export interface Video {
  id: string;
  title: string;
  description: string;
  tags: string[];
  content_type: string;
  size_bytes: number;
  duration_ms: number | null;
  width: number | null;
  height: number | null;
  views: number;
  uploaded_at: string;
  stream_url: string;
  poster_url: string | null;
}

export interface VideoPage {
  videos: Video[];
  next_cursor: string | null;
  /** The search stopped at a limit: there are more matches than can be paged through. */
  incomplete: boolean;
}

export const SORTS = ['newest', 'title', 'views'] as const;
export type Sort = (typeof SORTS)[number];

export interface CatalogueQuery {
  q: string;
  sort: Sort;
}

export function videoPath(id: string): string {
  return `/api/videos/${encodeURIComponent(id)}`;
}

export function listVideos(
  query: CatalogueQuery,
  cursor: string | null,
  signal?: AbortSignal,
  limit = 24,
): Promise<VideoPage> {
  const parameters = new URLSearchParams({ sort: query.sort, limit: String(limit) });
  if (query.q) parameters.set('q', query.q);
  if (cursor) parameters.set('cursor', cursor);
  return callJson(`/api/videos?${parameters}`, signal ? { signal } : {});
}

export function getVideo(id: string, signal?: AbortSignal): Promise<Video> {
  return callJson(videoPath(id), signal ? { signal } : {});
}

export interface VideoChanges {
  title?: string;
  description?: string;
  tags?: string[];
}

export function updateVideo(id: string, changes: VideoChanges): Promise<Video> {
  return callJson(videoPath(id), { method: 'PATCH', json: changes });
}

export function deleteVideo(id: string): Promise<void> {
  return callEmpty(videoPath(id), { method: 'DELETE' });
}

export function putPoster(id: string, picture: Blob, signal?: AbortSignal): Promise<void> {
  return callEmpty(`${videoPath(id)}/poster`, { method: 'PUT', blob: picture, ...(signal ? { signal } : {}) });
}

const LOOKUPS_AT_ONCE = 4;

/**
 * The videos of some ids; those that are gone or cannot be had are absent.
 * History entries carry no picture and no length, so pages that show history look them up.
 */
export async function lookUpVideos(ids: string[], signal?: AbortSignal): Promise<Map<string, Video>> {
  const found = new Map<string, Video>();
  const waiting = [...new Set(ids)];
  const worker = async (): Promise<void> => {
    for (let id = waiting.shift(); id !== undefined; id = waiting.shift()) {
      try {
        found.set(id, await getVideo(id, signal));
      } catch {
        if (signal?.aborted) return;
        // Without its picture and length an entry can still be shown.
      }
    }
  };
  await Promise.all(Array.from({ length: LOOKUPS_AT_ONCE }, worker));
  return found;
}
