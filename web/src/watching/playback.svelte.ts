// One playback of one video: drives the media element, reports to the watch session, and gets over
// losses of the network. The components only show what is here and call its methods.

import { openWatchSession, sendBeat, type PlaybackState } from '../api/watching';
import type { Video } from '../api/videos';
import { isLoudness, remember, remembered } from '../preferences';
import { BeatQueue } from './beats';
import { diagnose, type Diagnosis } from './diagnosis';

export const SPEEDS = [0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2];

export type Trouble =
  /** Bytes do not arrive. It mends itself once they do. */
  | 'interrupted'
  /** This browser has no decoder for the file. */
  | 'undecodable'
  | 'gone';

/** The session is asked for first, so that the stream's address can carry it; playing does not wait longer. */
const SESSION_PATIENCE_MS = 3_000;
const USUAL_BEAT_INTERVAL_MS = 10_000;
/** A buffer that stays empty for this long is worth asking the server about. */
const STALL_CHECK_MS = 4_000;
/** Asked this often, with bytes to be had and still no picture: the element's own request is stuck. */
const CHECKS_BEFORE_RELOAD = 3;
const LONGEST_RETRY_MS = 8_000;
/** A decoder that fails twice within this distance has met what it cannot decode. */
const SAME_PLACE_S = 2;

export class Playback {
  ready = $state(false);
  paused = $state(true);
  waiting = $state(false);
  ended = $state(false);
  started = $state(false);
  time = $state(0);
  duration = $state(0);
  buffered = $state<{ start: number; end: number }[]>([]);
  volume = $state(1);
  muted = $state(false);
  speed = $state(1);
  trouble = $state<Trouble | null>(null);
  /** Where this playback was resumed; 0 when it began at the start. */
  resumedAt = $state(0);

  readonly #video: Video;
  readonly #beats: BeatQueue;
  #element: HTMLVideoElement | null = null;
  readonly #listening = new AbortController();
  #beatTimer: ReturnType<typeof setInterval> | undefined;
  #stallTimer: ReturnType<typeof setTimeout> | undefined;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #beatIntervalMs = USUAL_BEAT_INTERVAL_MS;
  /** The last position that was really shown, in seconds. */
  #shownAt = 0;
  #wantsToPlay = false;
  #seeking = false;
  /** Where a seek that has not ended goes to: after a loss, that is the place to go on from. */
  #seekTarget: number | null = null;
  /** While a source is being loaded (again), the element's own position means nothing. */
  #loading = false;
  #startAt = 0;
  #failures = 0;
  #brokenAt: number | null = null;

  constructor(video: Video) {
    this.#video = video;
    this.duration = (video.duration_ms ?? 0) / 1000;
    this.#beats = new BeatQueue({
      open: () => openWatchSession(video.id),
      send: sendBeat,
      wait: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    });
    const loudness = remembered('loudness', { volume: 1, muted: false }, isLoudness);
    this.volume = loudness.volume;
    this.muted = loudness.muted;
  }

  /** Takes the element and begins; the returned function ends it all. */
  attach(element: HTMLVideoElement, autoplay: boolean): () => void {
    this.#element = element;
    element.volume = this.volume;
    element.muted = this.muted;
    this.#listen(element);
    void this.#begin(autoplay);
    return () => this.#end();
  }

  async #begin(autoplay: boolean): Promise<void> {
    const opening = this.#beats.open().then((session) => {
      this.#beatIntervalMs = Math.max(1_000, session.beat_interval_ms);
      return session;
    });
    const patience = new Promise<null>((resolve) => setTimeout(() => resolve(null), SESSION_PATIENCE_MS));
    // Without a session the video still plays; the queue opens one with the first beat.
    const session = await Promise.race([opening.catch(() => null), patience]);
    if (this.#listening.signal.aborted) return;
    this.resumedAt = (session?.resume_position_ms ?? 0) / 1000;
    // A press of "play" may have come first.
    this.#wantsToPlay ||= autoplay;
    this.#load(this.resumedAt);
  }

  #address(): string {
    const token = this.#beats.token;
    const url = this.#video.stream_url;
    return token === null ? url : `${url}?session=${encodeURIComponent(token)}`;
  }

  #load(at: number): void {
    const element = this.#element;
    if (!element) return;
    this.#loading = true;
    this.#seeking = false;
    this.#seekTarget = null;
    this.#startAt = this.#shownAt = this.time = at;
    element.src = this.#address();
    element.load();
    if (this.#wantsToPlay) this.#startPlaying(element);
  }

  #startPlaying(element: HTMLVideoElement): void {
    element.play().catch((error: unknown) => {
      // Browsers refuse to start by themselves until a person has touched the page.
      if (error instanceof DOMException && error.name === 'NotAllowedError') {
        this.#wantsToPlay = false;
        this.paused = true;
      }
    });
  }

  #listen(element: HTMLVideoElement): void {
    const { signal } = this.#listening;
    const on = (type: keyof HTMLMediaElementEventMap, act: () => void): void =>
      element.addEventListener(type, act, { signal });

    on('loadedmetadata', () => this.#onMetadata(element));
    on('durationchange', () => {
      if (Number.isFinite(element.duration)) this.duration = element.duration;
    });
    on('timeupdate', () => this.#onTime(element));
    on('progress', () => this.#onProgress(element));
    on('play', () => {
      this.paused = false;
      this.ended = false;
    });
    on('playing', () => this.#onPlaying(element));
    on('waiting', () => this.#onWaiting());
    on('pause', () => this.#onPause(element));
    on('ended', () => this.#onEnded(element));
    on('seeking', () => this.#onSeeking(element));
    on('seeked', () => this.#onSeeked(element));
    on('ratechange', () => (this.speed = element.playbackRate));
    on('volumechange', () => {
      this.volume = element.volume;
      this.muted = element.muted;
      remember('loudness', { volume: this.volume, muted: this.muted });
    });
    on('error', () => void this.#onError(element));

    window.addEventListener('pagehide', () => this.#leave(), { signal });
    window.addEventListener('online', () => this.#retryNow(), { signal });
  }

  #onMetadata(element: HTMLVideoElement): void {
    this.ready = true;
    this.#failures = 0;
    if (this.trouble === 'interrupted') this.trouble = null;
    element.playbackRate = this.speed;
    if (element.videoWidth === 0 && (this.#video.width ?? 0) > 0) {
      // Some browsers leave an unknown picture out and play the sound alone.
      this.#giveUp('undecodable');
      return;
    }
    if (this.#startAt > 0) element.currentTime = this.#startAt;
    else this.#loading = false;
  }

  #onTime(element: HTMLVideoElement): void {
    if (this.#loading || element.seeking) return;
    this.#shownAt = element.currentTime;
    this.time = element.currentTime;
    this.#onProgress(element);
  }

  #onProgress(element: HTMLVideoElement): void {
    // Asked once: each asking gives another answer, and the browser drops what it holds meanwhile.
    const { buffered } = element;
    this.buffered = Array.from({ length: buffered.length }, (_, index) => ({
      start: buffered.start(index),
      end: buffered.end(index),
    }));
  }

  #onPlaying(element: HTMLVideoElement): void {
    clearTimeout(this.#stallTimer);
    this.waiting = false;
    this.started = true;
    this.#wantsToPlay = true;
    if (this.trouble === 'interrupted') this.trouble = null;
    if (this.#loading) return;
    this.#report('playing', element.currentTime);
    this.#keepReporting(element);
  }

  #keepReporting(element: HTMLVideoElement): void {
    clearInterval(this.#beatTimer);
    this.#beatTimer = setInterval(() => {
      if (!element.paused && !this.waiting) this.#report('playing', this.#shownAt);
    }, this.#beatIntervalMs);
  }

  #onWaiting(): void {
    this.waiting = true;
    this.#watchForStall(1);
  }

  /** The element tries again by itself for a while; a person should hear why nothing moves. */
  #watchForStall(check: number): void {
    clearTimeout(this.#stallTimer);
    this.#stallTimer = setTimeout(() => {
      void (async () => {
        const diagnosis = await diagnose(this.#address());
        if (!this.waiting || this.trouble === 'undecodable' || this.#listening.signal.aborted) return;
        if (diagnosis === 'served' && check < CHECKS_BEFORE_RELOAD) this.#watchForStall(check + 1);
        else await this.#mend(diagnosis);
      })();
    }, STALL_CHECK_MS);
  }

  #onPause(element: HTMLVideoElement): void {
    this.paused = true;
    if (this.#loading || element.ended) return;
    this.#wantsToPlay = false;
    clearInterval(this.#beatTimer);
    this.#report('paused', element.currentTime);
  }

  #onEnded(element: HTMLVideoElement): void {
    this.ended = true;
    this.paused = true;
    this.#wantsToPlay = false;
    clearInterval(this.#beatTimer);
    this.#report('ended', element.duration || element.currentTime);
  }

  #onSeeking(element: HTMLVideoElement): void {
    if (this.#loading) return;
    this.time = this.#seekTarget = element.currentTime;
    if (this.#seeking) return;
    this.#seeking = true;
    this.#report(this.#stateOf(element), this.#shownAt);
  }

  #onSeeked(element: HTMLVideoElement): void {
    this.ended = element.ended;
    if (this.#loading) {
      this.#loading = false;
      this.#shownAt = this.time = element.currentTime;
      // "playing" may have come while the position was not yet the one to report.
      if (this.#wantsToPlay && !element.paused && this.started) this.#onPlaying(element);
      return;
    }
    this.#seeking = false;
    this.#seekTarget = null;
    this.#shownAt = this.time = element.currentTime;
    this.#report(this.#stateOf(element), element.currentTime);
  }

  #stateOf(element: HTMLVideoElement): PlaybackState {
    return element.paused ? 'paused' : 'playing';
  }

  /** Nothing is reported before the first picture moved: a page that is only opened is no view. */
  #report(state: PlaybackState, seconds: number): void {
    if (this.started) this.#beats.push(state, seconds * 1000);
  }

  async #onError(element: HTMLVideoElement): Promise<void> {
    const code = element.error?.code;
    if (code === undefined || !element.src || this.#listening.signal.aborted) return;
    this.#loading = true;
    this.waiting = this.#wantsToPlay;
    const diagnosis = await diagnose(this.#address());
    if (this.#listening.signal.aborted) return;
    const decoder = code === MediaError.MEDIA_ERR_DECODE || code === MediaError.MEDIA_ERR_SRC_NOT_SUPPORTED;
    if (diagnosis === 'served' && decoder) {
      const again = this.#brokenAt !== null && Math.abs(this.#brokenAt - this.#shownAt) < SAME_PLACE_S;
      if (!this.ready || again) {
        this.#giveUp('undecodable');
        return;
      }
      // A file that played until now: the connection may have garbled it. Once more from the same place.
      this.#brokenAt = this.#shownAt;
    }
    await this.#mend(diagnosis);
  }

  async #mend(diagnosis: Diagnosis): Promise<void> {
    if (diagnosis === 'gone') {
      this.#giveUp('gone');
      return;
    }
    if (diagnosis === 'session-over') {
      await this.#beats.open().catch(() => undefined);
    }
    this.#loading = true;
    const mayBeThere = diagnosis === 'served' || diagnosis === 'session-over';
    if (!mayBeThere || this.#failures > 0) this.trouble = 'interrupted';
    const delay = mayBeThere && this.#failures === 0 ? 0 : Math.min(LONGEST_RETRY_MS, 500 * 2 ** this.#failures);
    this.#failures += 1;
    clearTimeout(this.#stallTimer);
    clearTimeout(this.#retryTimer);
    this.#retryTimer = setTimeout(() => this.#load(this.#resumeFrom()), delay);
  }

  /** After a loss: where the viewer was going to, or else where the picture stopped. */
  #resumeFrom(): number {
    return this.#seekTarget ?? this.#shownAt;
  }

  #retryNow(): void {
    if (this.trouble !== 'interrupted') return;
    clearTimeout(this.#retryTimer);
    this.#load(this.#resumeFrom());
  }

  #giveUp(trouble: Trouble): void {
    this.trouble = trouble;
    this.waiting = false;
    this.#wantsToPlay = false;
    clearInterval(this.#beatTimer);
    clearTimeout(this.#stallTimer);
    this.#element?.pause();
    this.#element?.removeAttribute('src');
    this.#element?.load();
  }

  /** The page is being closed or left: the last word about where the viewer stopped. */
  #leave(): void {
    if (!this.started || this.ended || this.trouble === 'gone') return;
    this.#beats.leave('paused', this.#shownAt * 1000);
  }

  #end(): void {
    this.#leave();
    this.#beats.close();
    this.#listening.abort();
    clearInterval(this.#beatTimer);
    clearTimeout(this.#stallTimer);
    clearTimeout(this.#retryTimer);
    const element = this.#element;
    this.#element = null;
    // Gives the connection back at once.
    element?.pause();
    element?.removeAttribute('src');
    element?.load();
  }

  // What a person can do.

  toggle(): void {
    if (this.#element?.paused ?? true) this.play();
    else this.pause();
  }

  play(): void {
    this.#wantsToPlay = true;
    if (this.trouble === 'interrupted') this.#retryNow();
    else if (this.#element?.src) this.#startPlaying(this.#element);
    else this.waiting = this.trouble === null;
  }

  pause(): void {
    this.#wantsToPlay = false;
    this.#element?.pause();
  }

  seek(seconds: number): void {
    const element = this.#element;
    if (!element) return;
    const at = Math.min(Math.max(0, seconds), this.duration || seconds);
    this.time = at;
    if (this.#loading || !this.ready) {
      // Not there yet: this becomes the place to begin.
      this.#seekTarget = null;
      this.#shownAt = this.#startAt = at;
      if (element.readyState >= HTMLMediaElement.HAVE_METADATA) element.currentTime = at;
      return;
    }
    this.#shownAt = element.seeking ? this.#shownAt : element.currentTime;
    element.currentTime = at;
  }

  skip(seconds: number): void {
    this.seek(this.time + seconds);
  }

  startOver(): void {
    this.resumedAt = 0;
    this.seek(0);
    this.play();
  }

  setVolume(volume: number): void {
    if (!this.#element) return;
    this.#element.volume = Math.min(1, Math.max(0, Math.round(volume * 100) / 100));
    this.#element.muted = this.#element.volume === 0;
  }

  toggleMute(): void {
    if (!this.#element) return;
    const unmuting = this.#element.muted;
    this.#element.muted = !unmuting;
    if (unmuting && this.#element.volume === 0) this.#element.volume = 0.5;
  }

  setSpeed(speed: number): void {
    this.speed = speed;
    if (this.#element) this.#element.playbackRate = speed;
  }

  stepSpeed(step: 1 | -1): void {
    const next = SPEEDS[SPEEDS.indexOf(this.speed) + step];
    if (next !== undefined) this.setSpeed(next);
  }
}
