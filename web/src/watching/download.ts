// How a video is called once it is a file again.

import type { Video } from '../api/videos';

const FORMATS: Record<string, { name: string; extension: string }> = {
  'video/mp4': { name: 'MP4', extension: 'mp4' },
  'video/quicktime': { name: 'QuickTime', extension: 'mov' },
  'video/x-matroska': { name: 'Matroska', extension: 'mkv' },
  'video/matroska': { name: 'Matroska', extension: 'mkv' },
  'video/webm': { name: 'WebM', extension: 'webm' },
};

export function formatName(contentType: string): string {
  return FORMATS[contentType]?.name ?? 'video';
}

/** The title without what some system forbids in names of files. */
export function downloadName(video: Pick<Video, 'title' | 'content_type'>): string {
  const stem = video.title
    .replace(/[\p{Cc}/\\:*?"<>|]+/gu, ' ')
    .replace(/\s+/g, ' ')
    .replace(/^[. ]+|[. ]+$/g, '');
  const extension = FORMATS[video.content_type]?.extension;
  return extension ? `${stem || 'video'}.${extension}` : stem || 'video';
}
