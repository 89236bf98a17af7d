import { describe, expect, it } from 'vitest';
import { contentTypeOf, randomUuid, titleFault, titleFrom } from './naming';

describe('what is taken from the name of a file', () => {
  it('makes a title out of a file name', () => {
    expect(titleFrom('my_holiday.2024.mp4')).toBe('my holiday 2024');
    expect(titleFrom('Am Strand – Teil 1.MOV')).toBe('Am Strand – Teil 1');
    expect(titleFrom('.mp4')).toBe('.mp4');
    expect(titleFrom('___.mp4')).toBe('Untitled video');
    expect(titleFrom('no extension')).toBe('no extension');
  });

  it('cuts a long name between characters, not within one', () => {
    const title = titleFrom(`${'🎬'.repeat(300)}.mp4`);
    expect([...title]).toHaveLength(200);
    expect(titleFault(title)).toBeNull();
  });

  it('says what is wrong with a title', () => {
    expect(titleFault('  ')).toMatch(/needs a title/);
    expect(titleFault('x'.repeat(201))).toMatch(/201/);
    expect(titleFault('a\nb')).toMatch(/line breaks/);
    expect(titleFault('Fine')).toBeNull();
  });

  it('knows the type of a video by its extension before anything else', () => {
    expect(contentTypeOf({ name: 'a.mkv', type: '' })).toBe('video/x-matroska');
    expect(contentTypeOf({ name: 'a.M4V', type: 'video/x-m4v' })).toBe('video/mp4');
    expect(contentTypeOf({ name: 'a.mov', type: 'video/quicktime' })).toBe('video/quicktime');
    expect(contentTypeOf({ name: 'notes.txt', type: 'text/plain' })).toBe('text/plain');
    expect(contentTypeOf({ name: 'thing', type: '' })).toBe('application/octet-stream');
  });

  it('makes a UUID where crypto.randomUUID is missing', () => {
    const original = crypto.randomUUID;
    Object.defineProperty(crypto, 'randomUUID', { value: undefined, configurable: true });
    try {
      expect(randomUuid()).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    } finally {
      Object.defineProperty(crypto, 'randomUUID', { value: original, configurable: true });
    }
  });
});
