import { describe, expect, it } from 'vitest';
import { asProblem, parseRetryAfter, problemFrom } from './problem';

describe('problems', () => {
  it('takes the detail of problem+json as the message', () => {
    const problem = problemFrom(415, 'application/problem+json', '{"title":"No video","detail":"The bytes are text."}', null);
    expect(problem.message).toBe('The bytes are text.');
    expect(problem.kind).toBe('refused');
    expect(problem.passing).toBe(false);
  });

  it('has words of its own for an answer that is no problem+json', () => {
    const problem = problemFrom(503, 'text/html', '<h1>Bad</h1>', '7');
    expect(problem.message).toMatch(/not available/);
    expect(problem.kind).toBe('unavailable');
    expect(problem.retryAfterMs).toBe(7000);
  });

  it('survives a body that was cut short', () => {
    expect(problemFrom(418, 'application/json', '{"tit', null).message).toMatch(/418/);
  });

  it('reads Retry-After as seconds and as a date', () => {
    const now = Date.parse('2026-01-01T00:00:00Z');
    expect(parseRetryAfter('2', now)).toBe(2000);
    expect(parseRetryAfter('Thu, 01 Jan 2026 00:00:05 GMT', now)).toBe(5000);
    expect(parseRetryAfter('Wed, 31 Dec 2025 00:00:05 GMT', now)).toBe(0);
    expect(parseRetryAfter('soon', now)).toBeNull();
    expect(parseRetryAfter(null, now)).toBeNull();
  });

  it('does not show a stranger what an unexpected error said', () => {
    expect(asProblem(new TypeError('x is undefined')).message).not.toContain('undefined');
  });
});
