import { describe, expect, it } from 'vitest';
import { descriptionFault, tagsFault, tagsFrom } from './editing';

describe('what an owner writes about a video', () => {
  it('splits tags at commas and drops empty and repeated ones', () => {
    expect(tagsFrom(' sea,  long  walk ,, sea,')).toEqual(['sea', 'long walk']);
    expect(tagsFrom('   ')).toEqual([]);
  });

  it('refuses too many tags and too long ones', () => {
    expect(tagsFault(Array.from({ length: 20 }, (_, i) => `t${i}`))).toBeNull();
    expect(tagsFault(Array.from({ length: 21 }, (_, i) => `t${i}`))).toMatch(/21/);
    expect(tagsFault(['é'.repeat(51)])).toMatch(/at most 50/);
  });

  it('counts characters, not code units', () => {
    expect(descriptionFault('🎬'.repeat(5000))).toBeNull();
    expect(descriptionFault('x'.repeat(5001))).toMatch(/5001/);
  });
});
