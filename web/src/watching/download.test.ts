import { describe, expect, it } from 'vitest';
import { downloadName, formatName } from './download';

describe('the name of a downloaded file', () => {
  it('is the title with the extension of its format', () => {
    expect(downloadName({ title: 'Trip: day 1/2', content_type: 'video/x-matroska' })).toBe('Trip day 1 2.mkv');
  });

  it('is never empty, nor a path', () => {
    expect(downloadName({ title: '../..', content_type: 'video/mp4' })).toBe('video.mp4');
    expect(downloadName({ title: '??', content_type: 'video/odd' })).toBe('video');
  });

  it('has a word for a format that it does not know', () => {
    expect(formatName('video/odd')).toBe('video');
    expect(formatName('video/quicktime')).toBe('QuickTime');
  });
});
