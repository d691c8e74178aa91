/** journalctl --output=short-iso under TZ=UTC: `2026-11-21T03:51:00+0000 …`; systemd 254 and later write `+00:00`. */
const TIME = /^([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})\+00:?00 /u;

/** When a line of the journal was logged (UTC, `…Z`); undefined for what is no first line of a message. */
export const journalTime = (line: string): string | undefined => {
  const time = TIME.exec(line)?.[1];
  return time === undefined ? undefined : `${time}Z`;
};
