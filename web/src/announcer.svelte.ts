// One polite live region and one small notice for the whole page.

import { untrack } from 'svelte';

class Announcer {
  /** Read out by a screen reader, not shown. */
  spoken = $state('');
  /** Shown for a moment at the foot of the page, and read out. */
  notice = $state('');
  #timer: ReturnType<typeof setTimeout> | undefined;

  say(text: string): void {
    // The same sentence twice is a change only if it differs. Whoever speaks in an effect does not
    // depend on what was said before.
    const last = untrack(() => this.spoken);
    this.spoken = last === text ? `${text}\u00a0` : text;
  }

  show(text: string): void {
    this.notice = text;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => (this.notice = ''), 6_000);
  }
}

export const announcer = new Announcer();
