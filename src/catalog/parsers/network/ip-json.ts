export type IpObject = Readonly<Record<string, unknown>>;

/** What `ip -j` prints (ip(8)): a list of objects. Anything else is none; JSON that nests deeper than any of ip's is not read. */
export const ipObjects = (text: string | undefined): readonly IpObject[] => {
  try {
    const value: unknown = JSON.parse(text ?? '');
    return objectsIn(value);
  } catch {
    return [];
  }
};

/** The objects of a member that is a list. */
export const objectsIn = (value: unknown): readonly IpObject[] =>
  (Array.isArray(value) ? value : []).filter(isObject);

/** A member that is an object; one without members otherwise. */
export const objectIn = (value: unknown): IpObject => (isObject(value) ? value : {});

export const textIn = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

/** A whole number that is not negative; undefined for anything else. */
export const countIn = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined;

/** Words in a member that is a list: `flags`, `state`. */
export const wordsIn = (value: unknown): readonly string[] =>
  (Array.isArray(value) ? value : []).filter((word): word is string => typeof word === 'string');

const isObject = (value: unknown): value is IpObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
