import { readApproverKey, unlockApproverKey, type OpenedKey } from '../approver/approver-keys.ts';
import type { Config, PassphraseFrom } from '../config.ts';
import { PraError } from '../errors.ts';
import type { Log } from '../log.ts';
import { readPrivateKeyFile } from '../request/private-file.ts';
import type { OpenChannelOptions } from '../ssh/open-channel.ts';
import { keyStamp } from '../ssh/key-stamp.ts';
import { readPassphrase } from '../ssh/passphrase.ts';
import type { PrivateKey } from '../ssh/private-key.ts';

/** The channel's options from the configuration. */
export const channelOptions = (config: Config, log: Log): OpenChannelOptions => {
  const account = ({ user, path, passphrase }: Config['keys']['reader']) => ({
    user,
    keyPath: path,
    passphrase,
  });
  return {
    hosts: Object.fromEntries(
      config.hosts.map(({ name, address, port, jump, transport, certificate }) => [
        name,
        { name, address, port, jump, transport, certificate, hostKeyAlias: name },
      ]),
    ),
    jumps: Object.fromEntries(
      config.jumps.map(({ name, address, port, user, path, passphrase }) => [
        name,
        { name, address, port, hostKeyAlias: name, key: { user, keyPath: path, passphrase } },
      ]),
    ),
    accounts: { reader: account(config.keys.reader), runner: account(config.keys.runner) },
    certificates:
      config.certificates === undefined ? undefined : { ...config.certificates, requester: config.principal },
    knownHosts: [{ path: config.knownHosts }],
    log: { debug: (detail, message) => log.debug(message, detail as Parameters<Log['debug']>[1]) },
  };
};

/**
 * Opens the approver's key with what was typed; those bytes are wiped. Throws KEY_MISSING, FILE_MODE, KEY_INVALID,
 * KEY_PASSPHRASE, and KEY_UNENCRYPTED for a key that anybody with the file could use.
 */
export const openApproverKey = async (path: string, typed: Buffer): Promise<OpenedKey> => {
  const locked = await readApproverKey(path);
  const { openPrivateKey } = await import('../ssh/private-key.ts');
  return unlockApproverKey(locked, typed, (pem, passphrase) =>
    openPrivateKey(pem, passphrase, { account: 'approver', path }),
  );
};

/**
 * Opens a transport key or the auto key with what the configuration names (an agent cannot sign for us in process).
 * Throws KEY_MISSING, FILE_MODE, KEY_INVALID, KEY_PASSPHRASE.
 */
export const openConfiguredKey = async (
  account: string,
  path: string,
  passphrase: PassphraseFrom | undefined,
): Promise<PrivateKey> => {
  const pem = await readPrivateKeyFile(path, account);
  if (passphrase !== undefined && 'agent' in passphrase) throw new PraError('KEY_PASSPHRASE', { account });
  const secret = passphrase === undefined ? undefined : await readPassphrase(passphrase);
  const { openPrivateKey } = await import('../ssh/private-key.ts');
  return openPrivateKey(pem, secret, { account, path });
};

/**
 * A key that is opened at the first call, kept, and opened again when its file is another one: after a rotation the next signature
 * is the new key's. A failure is tried again. Throws what `openConfiguredKey` throws.
 */
export const followedKey = (
  account: string,
  path: string,
  passphrase: PassphraseFrom | undefined,
): (() => Promise<PrivateKey>) => {
  let kept: { readonly stamp: string; readonly opening: Promise<PrivateKey> } | undefined;
  return () => {
    const stamp = keyStamp({ keyPath: path, passphrase });
    if (kept?.stamp === stamp) return kept.opening;
    const mine = { stamp, opening: openConfiguredKey(account, path, passphrase) };
    kept = mine;
    mine.opening.catch(() => {
      if (kept === mine) kept = undefined;
    });
    return mine.opening;
  };
};
