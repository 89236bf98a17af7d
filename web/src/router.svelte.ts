// Client-side routes over the history API. The gateway answers the single page for each of them.

export type Route =
  | { page: 'catalogue' }
  | { page: 'watch'; id: string }
  | { page: 'upload' }
  | { page: 'history' }
  | { page: 'sign-in' }
  | { page: 'not-found' };

export function routeOf(pathname: string): Route {
  const path = pathname.length > 1 ? pathname.replace(/\/$/, '') : pathname;
  if (path === '/') return { page: 'catalogue' };
  if (path === '/upload') return { page: 'upload' };
  if (path === '/history') return { page: 'history' };
  if (path === '/sign-in') return { page: 'sign-in' };
  const watch = /^\/watch\/([^/]+)$/.exec(path);
  if (watch?.[1]) {
    try {
      return { page: 'watch', id: decodeURIComponent(watch[1]) };
    } catch {
      return { page: 'not-found' };
    }
  }
  return { page: 'not-found' };
}

interface HistoryState {
  scroll?: number;
}

class Router {
  path = $state(location.pathname);
  search = $state(location.search);
  route = $derived(routeOf(this.path));
  /** How the current page was come to: pages keep their place on the way back, and play on the way there. */
  arrival = $state<'load' | 'link' | 'back'>('load');
  /** Where the page was scrolled to when it was left, for a page that is come back to. */
  scrollTarget = 0;

  constructor() {
    history.scrollRestoration = 'manual';
    window.addEventListener('popstate', (event) => {
      this.scrollTarget = (event.state as HistoryState | null)?.scroll ?? 0;
      this.#show('back');
    });
    document.addEventListener('click', (event) => this.#onClick(event));
    let settled: ReturnType<typeof setTimeout> | undefined;
    window.addEventListener('scroll', () => {
      clearTimeout(settled);
      settled = setTimeout(() => this.#saveScroll(), 150);
    });
  }

  #saveScroll(): void {
    history.replaceState({ scroll: window.scrollY } satisfies HistoryState, '');
  }

  #show(arrival: 'link' | 'back'): void {
    this.arrival = arrival;
    this.path = location.pathname;
    this.search = location.search;
  }

  go(url: string, how: { replace?: boolean } = {}): void {
    const target = new URL(url, location.href);
    const samePage = target.pathname === location.pathname;
    if (how.replace) {
      history.replaceState({ scroll: window.scrollY } satisfies HistoryState, '', target);
    } else {
      this.#saveScroll();
      history.pushState({} satisfies HistoryState, '', target);
    }
    this.scrollTarget = 0;
    this.#show('link');
    if (!samePage) window.scrollTo(0, 0);
  }

  /** Plain clicks on our own links stay in this page; everything else is the browser's. */
  #onClick(event: MouseEvent): void {
    if (event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = event.target instanceof Element ? event.target.closest('a') : null;
    if (!link || link.target || link.hasAttribute('download')) return;
    const url = new URL(link.href, location.href);
    if (url.origin !== location.origin || url.pathname.startsWith('/api/')) return;
    if (url.hash && url.pathname === location.pathname && url.search === location.search) return;
    if (routeOf(url.pathname).page === 'not-found') return;
    event.preventDefault();
    this.go(url.pathname + url.search);
  }
}

export const router = new Router();

export function watchPath(id: string): string {
  return `/watch/${encodeURIComponent(id)}`;
}
