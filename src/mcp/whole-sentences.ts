/** As many whole sentences of a text as fit into `limit` characters; the first always, cut with a mark when it has to be. */
export const wholeSentences = (text: string, limit: number): string => {
  const [first = '', ...rest] = text.split(/(?<=[.!?]) (?=\p{Lu})/u);
  if (first.length > limit) return `${first.slice(0, limit - 1).toWellFormed()}…`;
  let taken = first;
  for (const sentence of rest) {
    if (taken.length + 1 + sentence.length > limit) break;
    taken += ` ${sentence}`;
  }
  return taken;
};
