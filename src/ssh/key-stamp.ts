import { statSync } from 'node:fs';
import type { AccountKey } from './identity.ts';

/** Which file, and which version of it: another value means that the key has to be read again. */
export type KeyStamp = string;

/**
 * The file that decides what an account logs in with. Of a key in an agent only the public half is read: that file then.
 */
const fileOf = ({ keyPath, passphrase }: Omit<AccountKey, 'user'>): string =>
  passphrase !== undefined && 'agent' in passphrase && !keyPath.endsWith('.pub') ? `${keyPath}.pub` : keyPath;

/**
 * One stat, about 4 µs beside the 2 ms of a warm exec. Device, inode, size and both times: a rename, a rewrite and a change of
 * mode are all seen. A file that is not there has a stamp too: whoever opens the key then says what is wrong.
 */
export const keyStamp = (key: Omit<AccountKey, 'user'>): KeyStamp => {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = statSync(fileOf(key), { bigint: true });
    return [dev, ino, size, mtimeNs, ctimeNs].join(' ');
  } catch {
    return 'unreadable';
  }
};
