// Makes the videos that the tests play. What is to be seen tells the time: the left half is a grey that
// becomes lighter every ten seconds, so that a test can read from a pixel where in the film it is.

import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export const LONG_SECONDS = 120;
export const SHORT_SECONDS = 8;
const BAND_SECONDS = 10;
const DARKEST = 40;
const STEP = 14;

/** The luma of the left half at a time, in the limited range of 16 to 235. */
export function lumaAt(seconds: number): number {
  return DARKEST + STEP * Math.floor(seconds / BAND_SECONDS);
}

/** What a canvas makes of a luma without colour. */
export function greyOf(luma: number): number {
  return Math.round(((luma - 16) * 255) / 219);
}

export interface Media {
  /** Two minutes, tens of megabytes: the browser cannot have all of it at once. */
  long: string;
  /** Eight seconds. */
  short: string;
  /** HEVC, for which Chromium has no decoder of its own. */
  hevc: string;
  /** Matroska with a picture that no browser decodes. */
  matroska: string;
  /** No video at all, whatever its name says. */
  rubbish: string;
}

async function ffmpeg(...options: string[]): Promise<void> {
  await run('ffmpeg', ['-hide_banner', '-loglevel', 'error', '-y', ...options]);
}

const SOUND = ['-f', 'lavfi', '-i', 'sine=frequency=330:sample_rate=44100'];
const AAC = ['-c:a', 'aac', '-b:a', '64k'];

export async function makeMedia(folder: string): Promise<Media> {
  const file = (name: string): string => path.join(folder, name);
  const media: Media = {
    long: file('the long film.mp4'),
    short: file('a_short_film.mp4'),
    hevc: file('hevc.mp4'),
    matroska: file('matroska.mkv'),
    rubbish: file('not a video.mp4'),
  };
  const grey = `lum='${DARKEST}+${STEP}*floor(T/${BAND_SECONDS})':cb=128:cr=128`;
  await ffmpeg(
    ...['-f', 'lavfi', '-i', `color=gray:size=96x72:rate=5:duration=${LONG_SECONDS},format=yuv420p,geq=${grey}`],
    ...['-f', 'lavfi', '-i', `nullsrc=size=320x360:rate=5:duration=${LONG_SECONDS},format=yuv420p,geq=random(1)*255:128:128`],
    ...SOUND,
    // The right half is noise, which makes the file large.
    ...['-filter_complex', '[0]scale=320:360:flags=neighbor[a];[a][1]hstack,setsar=1[v]', '-map', '[v]', '-map', '2:a'],
    ...['-c:v', 'libx264', '-preset', 'ultrafast', '-b:v', '3M', '-g', '5', '-pix_fmt', 'yuv420p'],
    ...[...AAC, '-t', String(LONG_SECONDS), '-movflags', '+faststart', media.long],
  );
  await ffmpeg(
    ...['-f', 'lavfi', '-i', `testsrc2=size=320x180:rate=15:duration=${SHORT_SECONDS}`, ...SOUND],
    ...['-c:v', 'libx264', '-preset', 'ultrafast', '-g', '15', '-pix_fmt', 'yuv420p', ...AAC],
    ...['-t', String(SHORT_SECONDS), '-movflags', '+faststart', media.short],
  );
  await ffmpeg(
    ...['-f', 'lavfi', '-i', 'testsrc2=size=320x180:rate=10:duration=3'],
    ...['-c:v', 'libx265', '-x265-params', 'log-level=error', '-tag:v', 'hvc1', '-pix_fmt', 'yuv420p', media.hevc],
  );
  await ffmpeg(
    ...['-f', 'lavfi', '-i', 'testsrc2=size=320x180:rate=10:duration=3', '-c:v', 'mpeg4', media.matroska],
  );
  await writeFile(media.rubbish, 'This is a shopping list: bread, milk, a film for the evening.\n'.repeat(200));
  return media;
}

/** The film again and again, without encoding it anew. */
export async function repeated(film: string, times: number): Promise<string> {
  const made = film.replace(/\.mp4$/, ` ${times} times.mp4`);
  await ffmpeg('-stream_loop', String(times - 1), '-i', film, '-c', 'copy', '-movflags', '+faststart', made);
  return made;
}
