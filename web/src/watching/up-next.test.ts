import { describe, expect, it } from 'vitest';
import { upNext } from './up-next';

const video = (id: string, ...tags: string[]): { id: string; tags: string[] } => ({ id, tags });
const ids = (videos: { id: string }[]): string => videos.map(({ id }) => id).join('');

describe('what to watch next', () => {
  it('goes on through the catalogue and begins again at its start', () => {
    const all = [video('a'), video('b'), video('c'), video('d')];
    expect(ids(upNext(video('b'), all))).toBe('cda');
  });

  it('offers what shares a tag first', () => {
    const all = [video('a'), video('b', 'Sea'), video('c'), video('d', 'sea', 'sun')];
    expect(ids(upNext(video('a', 'SEA', 'Sun'), all))).toBe('dbc');
  });

  it('offers everything when the video itself is not in the list', () => {
    expect(ids(upNext(video('x'), [video('a'), video('b')]))).toBe('ab');
  });
});
