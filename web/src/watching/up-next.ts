import type { Video } from '../api/videos';

type Candidate = Pick<Video, 'id' | 'tags'>;

/**
 * What to offer after a video. The more tags another has in common with it the better; otherwise the
 * order of the catalogue stays, beginning with what follows this video there, so that going on and on
 * leads through all of them.
 */
export function upNext<T extends Candidate>(current: Candidate, catalogue: T[]): T[] {
  const place = catalogue.findIndex((video) => video.id === current.id);
  const turned = [...catalogue.slice(place + 1), ...catalogue.slice(0, Math.max(0, place))];
  const tags = new Set(current.tags.map((tag) => tag.toLocaleLowerCase()));
  const shared = (video: T): number => video.tags.filter((tag) => tags.has(tag.toLocaleLowerCase())).length;
  return turned
    .map((video, order) => ({ video, order, shared: shared(video) }))
    .sort((a, b) => b.shared - a.shared || a.order - b.order)
    .map(({ video }) => video);
}
