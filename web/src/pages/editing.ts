// The rules for what an owner writes about a video, the same as the server's.

const LONGEST_DESCRIPTION = 5000;
const MOST_TAGS = 20;
const LONGEST_TAG = 50;

/** Tags as they are typed, separated by commas; repeated ones count once. */
export function tagsFrom(text: string): string[] {
  const tags = text
    .split(',')
    .map((tag) => tag.trim().replace(/\s+/g, ' '))
    .filter((tag) => tag !== '');
  return [...new Set(tags)];
}

export function tagsFault(tags: string[]): string | null {
  if (tags.length > MOST_TAGS) return `There are ${tags.length} tags; at most ${MOST_TAGS} are kept.`;
  const long = tags.find((tag) => [...tag].length > LONGEST_TAG);
  return long ? `A tag has at most ${LONGEST_TAG} characters: “${[...long].slice(0, 20).join('')}…” is longer.` : null;
}

export function descriptionFault(description: string): string | null {
  const length = [...description].length;
  return length > LONGEST_DESCRIPTION
    ? `A description has at most ${LONGEST_DESCRIPTION} characters; this one has ${length}.`
    : null;
}
