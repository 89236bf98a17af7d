// How fast an upload goes, over its last few seconds.

interface Sample {
  at: number;
  bytes: number;
}

const WINDOW_MS = 6_000;
/** Before this much time has passed, a rate is a guess. */
const LEAST_MS = 400;

export class Rate {
  #samples: Sample[] = [];

  add(bytes: number, at: number): void {
    this.#samples.push({ at, bytes });
    // One sample from before the window stays, so that the window is always full.
    while (this.#samples.length > 2 && at - (this.#samples[1]?.at ?? at) > WINDOW_MS) this.#samples.shift();
  }

  /** Null while there is too little to tell. */
  bytesPerSecond(): number | null {
    const first = this.#samples[0];
    const last = this.#samples.at(-1);
    if (!first || !last || last.at - first.at < LEAST_MS) return null;
    return ((last.bytes - first.bytes) * 1000) / (last.at - first.at);
  }

  remainingMs(total: number): number | null {
    const speed = this.bytesPerSecond();
    const last = this.#samples.at(-1);
    if (!speed || speed <= 0 || !last) return null;
    return ((total - last.bytes) * 1000) / speed;
  }
}
