/** The form of all times in facts, from seconds since 1970; undefined for what is outside the years 1970 to 9999. */
export const utcTime = (seconds: number | undefined): string | undefined => {
  if (seconds === undefined || !(seconds >= 0 && seconds <= 253_402_300_799)) return undefined;
  return `${new Date(seconds * 1_000).toISOString().slice(0, 19)}Z`;
};
