// What this browser remembers by itself. Storage may be full or forbidden: then nothing is remembered.

const PREFIX = 'flixtube.';

export function remembered<T>(key: string, otherwise: T, valid: (value: unknown) => value is T): T {
  try {
    const text = localStorage.getItem(PREFIX + key);
    if (text === null) return otherwise;
    const value: unknown = JSON.parse(text);
    return valid(value) ? value : otherwise;
  } catch {
    return otherwise;
  }
}

export function remember(key: string, value: unknown): void {
  try {
    localStorage.setItem(PREFIX + key, JSON.stringify(value));
  } catch {
    // Not remembering is no reason to stop.
  }
}

export function isBoolean(value: unknown): value is boolean {
  return typeof value === 'boolean';
}

export interface Loudness {
  volume: number;
  muted: boolean;
}

export function isLoudness(value: unknown): value is Loudness {
  if (value === null || typeof value !== 'object') return false;
  const { volume, muted } = value as Partial<Loudness>;
  return typeof volume === 'number' && volume >= 0 && volume <= 1 && typeof muted === 'boolean';
}
