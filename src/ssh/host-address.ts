/** Where a configured host is and under which name known_hosts has it. */
export interface HostAddress {
  /** The configured name; the one that appears in errors. */
  readonly name: string;
  /** An IP address or a DNS name. */
  readonly address: string;
  readonly port: number;
  /** Which program connects: ssh2 in this process, or the system's ssh. `ssh2` unless told. */
  readonly transport?: 'ssh2' | 'openssh' | undefined;
  /** True: log in with a certificate for each connection instead of the account's key (openssh only). */
  readonly certificate?: boolean | undefined;
  /** Name of an entry of `jumps` to go through. */
  readonly jump?: string | undefined;
  /** As `HostKeyAlias` of ssh_config(5): looked up before the address. Usually the configured name. */
  readonly hostKeyAlias?: string | undefined;
}

const withPort = (name: string, port: number): string => (port === 22 ? name : `[${name}]:${port}`);

/**
 * Names to look up in known_hosts, in groups: the alias first, plain as OpenSSH writes it or with the port; the address
 * only when no key is known under the alias, so that a line left over for a reused address cannot speak for a host
 * that has a name of its own. Unlike OpenSSH there is no fallback from `[address]:port` to the bare address.
 */
export const lookupNames = (host: HostAddress): readonly (readonly string[])[] => {
  const address = [withPort(host.address, host.port)];
  if (host.hostKeyAlias === undefined) return [address];
  return [[...new Set([host.hostKeyAlias, withPort(host.hostKeyAlias, host.port)])], address];
};
