import { isIP } from 'node:net';

/** Where the session of this process comes from, as far as the process can tell. */
export type SessionSource =
  | { readonly kind: 'local' }
  | { readonly kind: 'address'; readonly address: string; readonly family: 'ipv4' | 'ipv6' }
  | { readonly kind: 'unknown' };

/**
 * From SSH_CONNECTION (sshd(8), ENVIRONMENT): no variable is a session at this machine, one that cannot be read is of an unknown source.
 * Whoever starts the process can set it, so that it guards against habit and not against an attacker.
 */
export const sessionSource = (env: Readonly<Record<string, string | undefined>>): SessionSource => {
  const connection = env['SSH_CONNECTION'];
  if (connection === undefined) return { kind: 'local' };
  // `fe80::1%eth0`: which interface it is says nothing about the network.
  const address = (connection.split(' ')[0] ?? '').replace(/%.*$/u, '');
  const family = isIP(address);
  if (family === 0) return { kind: 'unknown' };
  return { kind: 'address', address, family: family === 4 ? 'ipv4' : 'ipv6' };
};
