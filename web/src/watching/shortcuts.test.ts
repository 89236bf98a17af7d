import { describe, expect, it } from 'vitest';
import { commandFor, type KeyPress } from './shortcuts';

function press(key: string, where: Partial<KeyPress> = {}): KeyPress {
  return { key, modified: false, inField: false, onControl: false, onSlider: false, inPlayer: false, ...where };
}

describe('shortcuts of the player', () => {
  it('leaves typing alone', () => {
    expect(commandFor(press('k', { inField: true }))).toBeNull();
  });

  it("leaves the browser's own shortcuts alone", () => {
    expect(commandFor(press('f', { modified: true }))).toBeNull();
  });

  it('lets Space press the button that has the focus', () => {
    expect(commandFor(press(' ', { onControl: true }))).toBeNull();
    expect(commandFor(press(' '))).toEqual({ do: 'toggle' });
  });

  it('lets a slider keep its arrow keys', () => {
    expect(commandFor(press('ArrowRight', { onSlider: true, inPlayer: true }))).toBeNull();
    expect(commandFor(press('ArrowRight'))).toEqual({ do: 'skip', seconds: 5 });
  });

  it('changes the volume by arrow keys inside the player only', () => {
    expect(commandFor(press('ArrowUp'))).toBeNull();
    expect(commandFor(press('ArrowUp', { inPlayer: true }))).toEqual({ do: 'volume', by: 0.05 });
  });

  it('goes to a tenth of the video by its number', () => {
    expect(commandFor(press('9'))).toEqual({ do: 'fraction', of: 0.9 });
  });
});
