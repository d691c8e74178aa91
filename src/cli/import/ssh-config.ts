import { PraError } from '../../errors.ts';
import { say } from '../say.ts';
import type { Found, FoundHost, RefusedHost } from './found-host.ts';
import { runProgram } from './run-program.ts';

/** What the system's ssh would do for a name, by its own reading of its own files. */
export interface SshSettings {
  readonly address: string;
  readonly port: number;
  readonly user: string;
  /** `[user@]host[:port]`, as written; undefined when there is none. */
  readonly jump: string | undefined;
  readonly hasProxyCommand: boolean;
  /** Paths as written; most of them usually do not exist. */
  readonly identityFiles: readonly string[];
}

/** Nothing that ssh could take for an option. */
const SSH_NAME = /^[A-Za-z0-9:][A-Za-z0-9._:-]{0,252}$/u;

/** `ssh -G`: ssh_config(5) is ssh's to read, its Match and Include too. Throws USAGE. */
export const sshSettings = (name: string): SshSettings => {
  if (!SSH_NAME.test(name)) throw new PraError('USAGE', { what: say('import.ssh_name') });
  const lines = runProgram('ssh', ['-T', '-G', '--', name]).split('\n');
  const values = (key: string): readonly string[] =>
    lines.filter((line) => line.startsWith(`${key} `)).map((line) => line.slice(key.length + 1));
  const set = (key: string): string | undefined => values(key).find((value) => value !== 'none');
  return {
    address: set('hostname') ?? name,
    port: Number(set('port') ?? 22),
    user: set('user') ?? '',
    jump: set('proxyjump'),
    hasProxyCommand: set('proxycommand') !== undefined,
    identityFiles: values('identityfile'),
  };
};

/** The hosts of these names as `ssh name` would reach them. Throws USAGE. */
export const fromSsh = (names: readonly string[]): Found => {
  const hosts: FoundHost[] = [];
  const refused: RefusedHost[] = [];
  for (const name of new Set(names)) {
    const { address, port, jump, hasProxyCommand } = sshSettings(name);
    if (hasProxyCommand) refused.push({ source: name, why: say('import.proxy_command') });
    else hosts.push({ source: name, name, address, port, jump, groups: [] });
  }
  return { hosts, refused };
};
