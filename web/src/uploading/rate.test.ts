import { describe, expect, it } from 'vitest';
import { Rate } from './rate';

describe('the rate of an upload', () => {
  it('tells nothing before there is something to tell', () => {
    const rate = new Rate();
    rate.add(0, 0);
    rate.add(1000, 100);
    expect(rate.bytesPerSecond()).toBeNull();
    expect(rate.remainingMs(2000)).toBeNull();
  });

  it('divides what was sent by the time it took', () => {
    const rate = new Rate();
    rate.add(0, 0);
    rate.add(1000, 1000);
    expect(rate.bytesPerSecond()).toBe(1000);
    expect(rate.remainingMs(4000)).toBe(3000);
  });

  it('forgets how fast it was a while ago', () => {
    const rate = new Rate();
    for (let second = 0; second <= 20; second += 1) rate.add(second * 1_000_000, second * 1000);
    for (let second = 21; second <= 40; second += 1) rate.add(20_000_000 + (second - 20) * 1000, second * 1000);
    expect(rate.bytesPerSecond()).toBeCloseTo(1000);
  });

  it('has no remaining time while nothing moves', () => {
    const rate = new Rate();
    rate.add(500, 0);
    rate.add(500, 2000);
    expect(rate.remainingMs(1000)).toBeNull();
  });
});
