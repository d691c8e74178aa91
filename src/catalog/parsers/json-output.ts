/** A value that a program wrote as JSON; undefined for anything that is none. Never throws. */
export const jsonOf = (text: string | undefined): unknown => {
  try {
    return text === undefined ? undefined : (JSON.parse(text) as unknown);
  } catch {
    return undefined;
  }
};

/** An object as JSON has it: its members by name. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** Whether a value is an object: `null` and lists are none. */
export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** An object that a program wrote as JSON; undefined for anything else. Never throws. */
export const jsonObject = (text: string | undefined): JsonObject | undefined => {
  const value = jsonOf(text);
  return isObject(value) ? value : undefined;
};

/** The object that a value is; one without members when it is none, so that a parser finds nothing in it. */
export const asObject = (value: unknown): JsonObject => (isObject(value) ? value : {});

/** The list that a value is; empty when it is none. */
export const asList = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

/** The objects of the list that a value is, without whatever else is in it. */
export const asObjects = (value: unknown): readonly JsonObject[] => asList(value).filter(isObject);

/** The member of an object; undefined when it has none of its own or is no object. */
export const memberOf = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? (value as JsonObject)[name]
    : undefined;

/** The list that a member is; empty when it is none. */
export const listOf = (value: unknown, name: string): readonly unknown[] => asList(memberOf(value, name));

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
