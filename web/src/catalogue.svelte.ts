// The list of the catalogue page. It outlives the page, so that coming back finds it as it was left.

import { announcer } from './announcer.svelte';
import { isAbort } from './api/client';
import { asProblem, type ApiProblem } from './api/problem';
import { listVideos, SORTS, type CatalogueQuery, type Sort, type Video } from './api/videos';

export function queryOf(search: string): CatalogueQuery {
  const parameters = new URLSearchParams(search);
  const sort = parameters.get('sort');
  return {
    q: (parameters.get('q') ?? '').trim(),
    sort: SORTS.includes(sort as Sort) ? (sort as Sort) : 'newest',
  };
}

/** The page's address for a query; what is usual is left out. */
export function cataloguePath({ q, sort }: CatalogueQuery): string {
  const parameters = new URLSearchParams();
  if (q) parameters.set('q', q);
  if (sort !== 'newest') parameters.set('sort', sort);
  return parameters.size > 0 ? `/?${parameters}` : '/';
}

class Catalogue {
  videos = $state.raw<Video[]>([]);
  incomplete = $state(false);
  nextCursor = $state<string | null>(null);
  loading = $state(false);
  loadingMore = $state(false);
  problem = $state.raw<ApiProblem | null>(null);
  moreProblem = $state.raw<ApiProblem | null>(null);
  /** The query that `videos` answers; null while nothing has been answered. */
  shown = $state.raw<CatalogueQuery | null>(null);
  #running = new AbortController();

  holds(query: CatalogueQuery): boolean {
    return this.shown?.q === query.q && this.shown.sort === query.sort;
  }

  /** Takes the first page. What is shown stays until its successor is there. */
  async load(query: CatalogueQuery): Promise<void> {
    this.#running.abort();
    const running = (this.#running = new AbortController());
    this.loading = true;
    this.moreProblem = null;
    this.loadingMore = false;
    try {
      const page = await listVideos(query, null, running.signal);
      this.videos = page.videos;
      this.nextCursor = page.next_cursor;
      this.incomplete = page.incomplete;
      this.shown = query;
      this.problem = null;
      if (query.q) announcer.say(foundWords(page.videos.length, page.next_cursor !== null));
    } catch (error) {
      if (isAbort(error)) return;
      this.problem = asProblem(error);
      if (!this.holds(query)) this.forget();
    } finally {
      if (this.#running === running) this.loading = false;
    }
  }

  async more(): Promise<void> {
    const { shown, nextCursor } = this;
    if (!shown || nextCursor === null || this.loadingMore) return;
    const { signal } = this.#running;
    this.loadingMore = true;
    this.moreProblem = null;
    try {
      const page = await listVideos(shown, nextCursor, signal);
      const known = new Set(this.videos.map((video) => video.id));
      const added = page.videos.filter((video) => !known.has(video.id));
      this.videos = [...this.videos, ...added];
      this.nextCursor = page.next_cursor;
      this.incomplete = page.incomplete;
      announcer.say(`${added.length} more videos`);
    } catch (error) {
      if (isAbort(error)) return;
      const problem = asProblem(error);
      // A cursor that the server does not know any more: begin again.
      if (problem.status === 400) await this.load(shown);
      else this.moreProblem = problem;
    } finally {
      this.loadingMore = false;
    }
  }

  /** After a change: the next visit asks again. */
  forget(): void {
    this.videos = [];
    this.nextCursor = null;
    this.incomplete = false;
    this.shown = null;
  }
}

function foundWords(count: number, more: boolean): string {
  if (count === 0) return 'No video found';
  return `${more ? 'More than ' : ''}${count} video${count === 1 ? '' : 's'} found`;
}

export const catalogue = new Catalogue();
