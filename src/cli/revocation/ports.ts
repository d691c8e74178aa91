import type { TransportKeys } from '../../request/transport-keys.ts';

export type ChannelAccount = 'reader' | 'runner';

/** A connection that was opened before the revocation. */
export interface OldConnection {
  readonly isOpen: boolean;
  /** The connection to its jump host is gone: being closed then says nothing about the host. */
  readonly isCut: boolean;
  readonly closed: Promise<void>;
  end(): void;
}

/** What `mcp-pra keys` needs of the hosts and of this machine. Everything throws PraError. */
export interface RevocationPorts {
  /** Logs in with the configured key of an account and stays. */
  witness(host: string, account: ChannelAccount, signal: AbortSignal): Promise<OldConnection>;
  /** Whether sshd of a host would accept a public key for an account; the private half is not needed. */
  accepts(host: string, account: ChannelAccount, key: Buffer, signal: AbortSignal): Promise<boolean>;
  /** A whole call with the configured key: the account's program answers. */
  works(host: string, account: ChannelAccount, signal: AbortSignal): Promise<void>;
  /** What a host says of the keys that open it; undefined when it keeps no list. */
  transportKeys(host: string, signal?: AbortSignal): Promise<TransportKeys | undefined>;
  /** The blob of the public half beside a private key file; undefined when it cannot be read. */
  publicKey(path: string): Promise<Buffer | undefined>;
  close(): Promise<void>;
}
