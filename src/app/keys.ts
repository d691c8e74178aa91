import type { Config, PassphraseFrom } from '../config.ts';
import { PraError } from '../errors.ts';
import type { Log } from '../log.ts';
import { isEncryptedKey, readKeyFile } from '../ssh/key-file.ts';
import type { OpenChannelOptions } from '../ssh/open-channel.ts';
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
      config.hosts.map(({ name, address, port, jump }) => [
        name,
        { name, address, port, jump, hostKeyAlias: name },
      ]),
    ),
    jumps: Object.fromEntries(
      config.jumps.map(({ name, address, port, user, path, passphrase }) => [
        name,
        { name, address, port, hostKeyAlias: name, key: { user, keyPath: path, passphrase } },
      ]),
    ),
    accounts: { reader: account(config.keys.reader), runner: account(config.keys.runner) },
    knownHosts: [{ path: config.knownHosts }],
    log: { debug: (detail, message) => log.debug(message, detail as Parameters<Log['debug']>[1]) },
  };
};

/**
 * Opens a signing key: the approver's with what was typed, the auto key with what the configuration names (an agent cannot
 * sign for us in process). Throws KEY_MISSING, FILE_MODE, KEY_INVALID, KEY_PASSPHRASE; KEY_UNENCRYPTED for an approver's
 * key that anybody with the file could use.
 */
export const openSigner = async (
  account: string,
  path: string,
  passphrase: Buffer | PassphraseFrom | undefined,
  required: { readonly encrypted?: boolean } = {},
): Promise<PrivateKey> => {
  const pem = await readKeyFile(path, account);
  if (required.encrypted === true && !isEncryptedKey(pem)) throw new PraError('KEY_UNENCRYPTED', { path });
  if (passphrase !== undefined && !Buffer.isBuffer(passphrase) && 'agent' in passphrase) {
    throw new PraError('KEY_PASSPHRASE', { account });
  }
  const secret =
    passphrase === undefined || Buffer.isBuffer(passphrase) ? passphrase : await readPassphrase(passphrase);
  const { openPrivateKey } = await import('../ssh/private-key.ts');
  return openPrivateKey(pem, secret, { account, path });
};
