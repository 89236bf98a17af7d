// What is sent about a file, taken from its name.

export const LONGEST_TITLE = 200;

const TYPES: Record<string, string> = {
  mp4: 'video/mp4',
  m4v: 'video/mp4',
  mov: 'video/quicktime',
  qt: 'video/quicktime',
  mkv: 'video/x-matroska',
  webm: 'video/webm',
};

function extensionOf(name: string): string {
  const dot = name.lastIndexOf('.');
  return dot > 0 ? name.slice(dot + 1).toLowerCase() : '';
}

/** The extension decides where it is a video's: systems disagree about Matroska and M4V, and often know neither. */
export function contentTypeOf(file: { name: string; type: string }): string {
  return TYPES[extensionOf(file.name)] ?? (file.type || 'application/octet-stream');
}

/** `my_holiday.2024.mp4` → `my holiday 2024`. */
export function titleFrom(fileName: string): string {
  const dot = fileName.lastIndexOf('.');
  const stem = dot > 0 ? fileName.slice(0, dot) : fileName;
  const words = stem
    .normalize('NFC')
    .replace(/[\p{Cc}_]+/gu, ' ')
    .replace(/(?<=\S)\.(?=\S)/g, ' ')
    .replace(/\s+/g, ' ')
    .trim();
  return [...words].slice(0, LONGEST_TITLE).join('').trim() || 'Untitled video';
}

/** What is wrong with a title, in a sentence; null when it will be taken. */
export function titleFault(title: string): string | null {
  if (title.trim() === '') return 'A video needs a title.';
  const length = [...title].length;
  if (length > LONGEST_TITLE) return `A title has at most ${LONGEST_TITLE} characters; this one has ${length}.`;
  if (/\p{Cc}/u.test(title)) return 'A title has no line breaks or other control characters.';
  return null;
}

/** A random UUID, also where the page is not served over TLS and `crypto.randomUUID` is missing. */
export function randomUuid(): string {
  if (typeof crypto.randomUUID === 'function') return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
