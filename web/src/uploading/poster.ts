// Takes a poster picture from a video, in the browser: the server needs no decoder for it.

const WIDEST = 1280;
/** Leaves room below the server's limit of 1 MiB. */
const MOST_BYTES = 1_000_000;
const QUALITIES = [0.85, 0.7, 0.5, 0.3];
/** Where to look, as fractions of the length: films begin in black. */
const PLACES = [0.1, 0.3, 0.5];
const DARK = 22;
const PATIENCE_MS = 15_000;

function once(target: EventTarget, type: string, failure: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(new Error('Taking the picture took too long.')), { once: true });
    target.addEventListener(type, () => resolve(), { once: true, signal });
    target.addEventListener(failure, () => reject(new Error('This browser cannot decode the file.')), {
      once: true,
      signal,
    });
  });
}

function draw(video: HTMLVideoElement): HTMLCanvasElement {
  const scale = Math.min(1, WIDEST / video.videoWidth);
  const canvas = document.createElement('canvas');
  canvas.width = Math.max(1, Math.round(video.videoWidth * scale));
  canvas.height = Math.max(1, Math.round(video.videoHeight * scale));
  canvas.getContext('2d')?.drawImage(video, 0, 0, canvas.width, canvas.height);
  return canvas;
}

/** The mean brightness of a picture, 0 to 255, over a coarse grid. */
function brightness(canvas: HTMLCanvasElement): number {
  const small = document.createElement('canvas');
  small.width = 16;
  small.height = 9;
  const context = small.getContext('2d');
  if (!context) return 255;
  context.drawImage(canvas, 0, 0, small.width, small.height);
  const { data } = context.getImageData(0, 0, small.width, small.height);
  let sum = 0;
  for (let i = 0; i < data.length; i += 4) sum += ((data[i] ?? 0) + (data[i + 1] ?? 0) + (data[i + 2] ?? 0)) / 3;
  return sum / (data.length / 4);
}

async function encode(canvas: HTMLCanvasElement): Promise<Blob | null> {
  for (const quality of QUALITIES) {
    const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, 'image/jpeg', quality));
    if (blob && blob.size <= MOST_BYTES) return blob;
  }
  return null;
}

/** The picture that an element shows now; null when there is none. */
export async function posterOfElement(video: HTMLVideoElement): Promise<Blob | null> {
  if (video.videoWidth === 0 || video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) return null;
  return encode(draw(video));
}

/** A picture from a local file; null when this browser cannot decode it. */
export async function posterOfFile(file: Blob): Promise<Blob | null> {
  const video = document.createElement('video');
  video.muted = true;
  video.playsInline = true;
  video.preload = 'auto';
  const url = URL.createObjectURL(file);
  const patience = new AbortController();
  const timer = setTimeout(() => patience.abort(), PATIENCE_MS);
  try {
    const loaded = once(video, 'loadeddata', 'error', patience.signal);
    video.src = url;
    await loaded;
    if (video.videoWidth === 0) return null;
    let best: HTMLCanvasElement | null = null;
    for (const place of PLACES) {
      const duration = Number.isFinite(video.duration) ? video.duration : 10;
      const sought = once(video, 'seeked', 'error', patience.signal);
      video.currentTime = duration * place;
      await sought;
      best = draw(video);
      if (brightness(best) > DARK) break;
    }
    return best ? await encode(best) : null;
  } catch {
    return null;
  } finally {
    clearTimeout(timer);
    video.removeAttribute('src');
    video.load();
    URL.revokeObjectURL(url);
  }
}
