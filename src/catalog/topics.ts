import type { Catalog, Diagnostic } from './types.ts';

/** A topic is the first tag of its diagnostics; what has no tag is `other`. */
export const topicOf = ({ tags }: Pick<Diagnostic, 'tags'>): string => tags[0] ?? 'other';

/** Diagnostics by topic, both in the order of the alphabet. */
export const byTopic = ({
  diagnostics,
}: Pick<Catalog, 'diagnostics'>): ReadonlyMap<string, readonly Diagnostic[]> => {
  const sorted = [...diagnostics.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  return new Map(
    [...new Set(sorted.map(topicOf))]
      .sort()
      .map((topic) => [topic, sorted.filter((diagnostic) => topicOf(diagnostic) === topic)]),
  );
};

/** Every topic and tag that list_diagnostics takes. */
export const topicsOf = ({ diagnostics }: Pick<Catalog, 'diagnostics'>): readonly string[] =>
  [...new Set([...diagnostics.values()].flatMap((one) => [topicOf(one), ...one.tags]))].sort();

/** The diagnostics of a topic: all that have it as a tag. */
export const inTopic = (
  { diagnostics }: Pick<Catalog, 'diagnostics'>,
  topic: string,
): readonly Diagnostic[] =>
  [...diagnostics.values()].filter((one) => one.tags.includes(topic) || topicOf(one) === topic);
