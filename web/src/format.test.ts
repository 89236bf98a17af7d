import { describe, expect, it } from 'vitest';
import { byteSize, clock, fraction, relativeDate, roughDuration, spokenClock, viewCount } from './format';

describe('words for numbers', () => {
  it('shows hours only when there are some', () => {
    expect(clock(0)).toBe('0:00');
    expect(clock(754_000)).toBe('12:34');
    expect(clock(3_723_999)).toBe('1:02:03');
    expect(clock(-5)).toBe('0:00');
  });

  it('speaks a position in whole words', () => {
    expect(spokenClock(0)).toBe('0 seconds');
    expect(spokenClock(61_000)).toBe('1 minute 1 second');
    expect(spokenClock(3_600_000)).toBe('1 hour');
  });

  it('rounds a length of time to what a person cares about', () => {
    expect(roughDuration(12_400)).toBe('12 s');
    expect(roughDuration(3 * 60_000)).toBe('3 min');
    expect(roughDuration(80 * 60_000)).toBe('1 h 20 min');
    expect(roughDuration(120 * 60_000)).toBe('2 h');
  });

  it('counts one view in the singular', () => {
    expect(viewCount(0)).toBe('No views yet');
    expect(viewCount(1)).toBe('1 view');
    expect(viewCount(1_234)).toBe('1.2K views');
  });

  it('gives sizes with one digit only where it matters', () => {
    expect(byteSize(17)).toBe('17 bytes');
    expect(byteSize(1536)).toBe('1.5 KB');
    expect(byteSize(17_179_869_184)).toBe('16 GB');
  });

  it('tells a date by its distance from now', () => {
    const now = Date.parse('2026-05-10T12:00:00Z');
    expect(relativeDate('2026-05-10T11:59:30Z', now)).toBe('just now');
    expect(relativeDate('2026-05-10T12:00:30Z', now)).toBe('just now');
    expect(relativeDate('2026-05-10T11:15:00Z', now)).toBe('45 minutes ago');
    expect(relativeDate('2026-05-09T11:00:00Z', now)).toBe('yesterday');
    expect(relativeDate('2024-05-01T11:00:00Z', now)).toBe('2 years ago');
    expect(relativeDate('never', now)).toBe('');
  });

  it('keeps a fraction between nothing and all', () => {
    expect(fraction(30, 120)).toBe(0.25);
    expect(fraction(500, 120)).toBe(1);
    expect(fraction(500, null)).toBe(0);
  });
});
