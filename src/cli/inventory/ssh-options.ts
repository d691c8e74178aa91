import type { Config, HostConfig, JumpConfig } from '../../config.ts';
import { PraError } from '../../errors.ts';
import { say } from '../say.ts';
import { shellLine } from '../shell-word.ts';

/** Under which name known_hosts has the key of each host and jump host; an entry that is missing is its own name. */
export type HostKeyNames = ReadonlyMap<string, string>;

/**
 * Options for the system's ssh, so that it goes the way of mcp-pra and believes the same host keys, whatever ssh_config(5) of the
 * person or of the system says: one line of words, quoted for shlex (`ansible_ssh_common_args`) as for a shell. Throws USAGE for
 * a path that ssh or Ansible would read as something else.
 */
export const sshOptions = (config: Config, host: HostConfig, names: HostKeyNames): string => {
  const jump = config.jumps.find(({ name }) => name === host.jump);
  return shellLine([
    ...hostKeyOptions(config, host, names),
    '-o',
    `ProxyCommand=${jump === undefined ? 'none' : proxyCommand(config, jump, names)}`,
  ]);
};

/**
 * ProxyJump would take the jump host's key and known_hosts from the user's own files; this says them. ssh runs it with the
 * user's shell after it has replaced %h and %p, so every other % is doubled.
 */
const proxyCommand = (config: Config, jump: JumpConfig, names: HostKeyNames): string => {
  const before = ['ssh', '-F', 'none', '-o', 'BatchMode=yes', '-o', 'IdentitiesOnly=yes'];
  const key = ['-i', percent(safePath(jump.path)), '-l', jump.user, '-p', String(jump.port)];
  const options = [...before, ...key, ...hostKeyOptions(config, jump, names)].map(percent);
  return shellLine([...options, '-W', '[%h]:%p', '--', jump.address]);
};

const hostKeyOptions = (
  config: Config,
  host: HostConfig | JumpConfig,
  names: HostKeyNames,
): readonly string[] => {
  const name = names.get(host.name) ?? host.name;
  return [
    // Also when it is what ssh would look up by itself: an alias of ssh_config would be looked up instead.
    `HostKeyAlias=${name}`,
    `UserKnownHostsFile=${quotedPath(config.knownHosts)}`,
    'GlobalKnownHostsFile=/dev/null',
    'IgnoreUnknown=KnownHostsCommand', // ssh before 8.5
    'KnownHostsCommand=none',
    'VerifyHostKeyDNS=no',
    'StrictHostKeyChecking=yes',
    'UpdateHostKeys=no',
    'CanonicalizeHostname=no',
    'PermitLocalCommand=no',
  ].flatMap((option) => ['-o', option]);
};

/** For ssh_config(5): a list of files, so that spaces need quotes. */
const quotedPath = (path: string): string => {
  const written = percent(safePath(path));
  return /^[\w@%+=:,./-]+$/u.test(written) ? written : `"${written}"`;
};

const percent = (text: string): string => text.replaceAll('%', '%%');

/** Quotes, backslashes, `$` and `{` mean something to ssh_config(5) or to Ansible's templates, and cannot be escaped for both. */
const safePath = (path: string): string => {
  if (/["'\\${}\p{Cc}]/u.test(path)) throw new PraError('USAGE', { what: say('inventory.path') });
  return path;
};
