/** A value that a program wrote as JSON; undefined for anything that is none. Never throws. */
export const jsonOf = (text: string | undefined): unknown => {
  try {
    return text === undefined ? undefined : (JSON.parse(text) as unknown);
  } catch {
    return undefined;
  }
};

/** The member of an object; undefined when it has none of its own or is no object. */
export const memberOf = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? (value as Readonly<Record<string, unknown>>)[name]
    : undefined;

/** The list that a member is; empty when it is none. */
export const listOf = (value: unknown, name: string): readonly unknown[] => {
  const member = memberOf(value, name);
  return Array.isArray(member) ? member : [];
};

/** The text that a member is; undefined when it is none. */
export const textOf = (value: unknown, name: string): string | undefined => {
  const member = memberOf(value, name);
  return typeof member === 'string' ? member : undefined;
};

/** The number that a member is, also one written as text; undefined when it is none. */
export const numberOf = (value: unknown, name: string): number | undefined => {
  const member = memberOf(value, name);
  const text = typeof member === 'string' && /^-?[0-9]{1,15}(?:\.[0-9]{1,9})?$/u.test(member);
  const found = text ? Number(member) : member;
  return typeof found === 'number' && Number.isFinite(found) ? found : undefined;
};
