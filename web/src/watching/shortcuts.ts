// Which key does what in the player. Pure: the page asks, the player obeys.

export type Command =
  | { do: 'toggle' }
  | { do: 'skip'; seconds: number }
  | { do: 'fraction'; of: number }
  | { do: 'volume'; by: number }
  | { do: 'mute' }
  | { do: 'speed'; step: 1 | -1 }
  | { do: 'full-screen' }
  | { do: 'picture-in-picture' }
  | { do: 'help' };

export interface KeyPress {
  key: string;
  modified: boolean;
  /** The focus is on something that takes text, or is a list of choices. */
  inField: boolean;
  /** The focus is on something that Space and Enter press. */
  onControl: boolean;
  /** The focus is on a slider, which the arrow keys move. */
  onSlider: boolean;
  inPlayer: boolean;
}

export const SHORTCUTS: [string[], string][] = [
  [['Space', 'K'], 'Play or pause'],
  [['J', 'L'], 'Back or ahead by 10 seconds'],
  [['←', '→'], 'Back or ahead by 5 seconds'],
  [['↑', '↓'], 'Louder or quieter (in the player)'],
  [['0', '…', '9'], 'Go to that tenth of the video'],
  [['<', '>'], 'Slower or faster'],
  [['M'], 'Sound off or on'],
  [['F'], 'Full screen'],
  [['I'], 'Picture in picture'],
  [['?'], 'This list'],
];

export function commandFor(press: KeyPress): Command | null {
  if (press.modified || press.inField) return null;
  const { key } = press;
  if (/^[0-9]$/.test(key)) return { do: 'fraction', of: Number(key) / 10 };
  switch (key) {
    case ' ':
      return press.onControl ? null : { do: 'toggle' };
    case 'k':
    case 'K':
      return { do: 'toggle' };
    case 'j':
    case 'J':
      return { do: 'skip', seconds: -10 };
    case 'l':
    case 'L':
      return { do: 'skip', seconds: 10 };
    case 'ArrowLeft':
      return press.onSlider ? null : { do: 'skip', seconds: -5 };
    case 'ArrowRight':
      return press.onSlider ? null : { do: 'skip', seconds: 5 };
    // Elsewhere these scroll the page, as everybody expects.
    case 'ArrowUp':
      return press.inPlayer && !press.onSlider ? { do: 'volume', by: 0.05 } : null;
    case 'ArrowDown':
      return press.inPlayer && !press.onSlider ? { do: 'volume', by: -0.05 } : null;
    case '<':
      return { do: 'speed', step: -1 };
    case '>':
      return { do: 'speed', step: 1 };
    case 'm':
    case 'M':
      return { do: 'mute' };
    case 'f':
    case 'F':
      return { do: 'full-screen' };
    case 'i':
    case 'I':
      return { do: 'picture-in-picture' };
    case '?':
      return { do: 'help' };
    default:
      return null;
  }
}

/** Reads a real key press. */
export function keyPress(event: KeyboardEvent, player: HTMLElement | null): KeyPress {
  const target = event.target instanceof Element ? event.target : null;
  const slider = target?.matches('input[type="range"]') ?? false;
  return {
    key: event.key,
    modified: event.ctrlKey || event.altKey || event.metaKey,
    inField: !slider && (target?.matches('input, textarea, select, [contenteditable="true"]') ?? false),
    onControl: target?.matches('button, a[href], summary') ?? false,
    onSlider: slider,
    inPlayer: target !== null && (player?.contains(target) ?? false),
  };
}
