/** Regular expression source of a time, `YYYY-MM-DDThh:mm:ssZ` (docs/wire-protocol.md §1). */
export const TIME = '[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z';

/** A moment (milliseconds since the epoch) as written on the wire; fractions of a second are dropped. */
export const wireTime = (milliseconds: number): string =>
  `${new Date(Math.floor(milliseconds / 1_000) * 1_000).toISOString().slice(0, 19)}Z`;

/** Seconds since the epoch, or undefined for a moment before it or a date that no calendar has (30 February, 24:00:00). */
export const wireSeconds = (time: string): number | undefined => {
  const milliseconds = Date.parse(time);
  if (!(milliseconds >= 0) || wireTime(milliseconds) !== time) return undefined;
  return milliseconds / 1_000;
};
