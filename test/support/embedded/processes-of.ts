import { readdirSync, readFileSync } from 'node:fs';

const read = (path: string): string => {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return ''; // it ended
  }
};

/** Living processes with a word of their command line below this directory; zombies have none. Linux only. */
export const processesOf = (directory: string): number[] =>
  readdirSync('/proc')
    .filter((entry) => /^\d+$/u.test(entry) && Number(entry) !== process.pid)
    .filter((pid) =>
      read(`/proc/${pid}/cmdline`)
        .split('\0')
        .some((word) => word.startsWith(`${directory}/`)),
    )
    .map(Number);
