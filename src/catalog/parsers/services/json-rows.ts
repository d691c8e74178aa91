import { asObjects, jsonOf, type JsonObject } from '../json-output.ts';

/** The objects of a JSON array, as systemd prints its tables with --output=json; none for any other text. */
export const jsonRows = (text: string | undefined): readonly JsonObject[] => asObjects(jsonOf(text));

/** A member that is text and not empty. */
export const textIn = (row: JsonObject, name: string): string | undefined => {
  const value = row[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
};

/** A member that is a whole number. */
export const integerIn = (row: JsonObject, name: string): number | undefined => {
  const value = row[name];
  return typeof value === 'number' && Number.isSafeInteger(value) ? value : undefined;
};

/** Microseconds since 1970, as systemd counts, as a time in UTC; undefined for 0, which stands for never, and for what is no time. */
export const utcOfMicroseconds = (value: number | undefined): string | undefined => {
  if (value === undefined || value <= 0) return undefined;
  const date = new Date(value / 1_000);
  return Number.isNaN(date.getTime()) ? undefined : `${date.toISOString().slice(0, 19)}Z`;
};
