import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A key pair that ssh-keygen made for one test. */
export interface SshKeyPair {
  readonly path: string;
  readonly pubPath: string;
  readonly type: string;
  /** `type base64`, as in authorized_keys and known_hosts. */
  readonly line: string;
  /** SSH wire blob. */
  readonly blob: Buffer;
}

/** A directory that is gone when the `using` scope ends. */
export const temporaryDirectory = (name: string): { readonly path: string } & Disposable => {
  const path = mkdtempSync(join(tmpdir(), `mcp-pra-${name}-`));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
};

/** Arguments of ssh-keygen for each sort of key. */
const SORTS = {
  ed25519: ['-t', 'ed25519'],
  rsa: ['-t', 'rsa', '-b', '2048'],
  ecdsa: ['-t', 'ecdsa', '-b', '256'],
  ecdsa384: ['-t', 'ecdsa', '-b', '384'],
  ecdsa521: ['-t', 'ecdsa', '-b', '521'],
} as const;

/** Makes a key with ssh-keygen; `rounds` keeps an encrypted one cheap. */
export const makeKey = (
  directory: string,
  name: string,
  { sort = 'ed25519', passphrase = '' }: { sort?: keyof typeof SORTS; passphrase?: string } = {},
): SshKeyPair => {
  const path = join(directory, name);
  execFileSync('ssh-keygen', ['-q', ...SORTS[sort], '-a', '4', '-N', passphrase, '-C', name, '-f', path]);
  const [type = '', base64 = ''] = readFileSync(`${path}.pub`, 'utf8').split(' ');
  return {
    path,
    pubPath: `${path}.pub`,
    type,
    line: `${type} ${base64}`,
    blob: Buffer.from(base64, 'base64'),
  };
};
