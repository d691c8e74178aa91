import type { OtpStatus } from './approver-ports.ts';
import type { MissingReview } from '../request/break-glass.ts';
import type { OtpNotice } from '../request/otp-store.ts';
import type { TransportKeys } from '../request/transport-keys.ts';

/** What a target says about itself on one of its channels. */
export interface TargetVersion {
  /** `diagnostic <name>` or `action <name>` → SHA-256 hex of the definition it has. */
  readonly digests: ReadonlyMap<string, string>;
  /** The target's wall clock minus ours. */
  readonly clockOffsetMs: number | null;
  /** What the target calls itself; the runner side only. */
  readonly host: string | null;
  /** The freeze in force, `null` when there is none; the runner side only. */
  readonly frozen?: { readonly since: string | null; readonly by: string | null } | null;
  /** A break-glass session that nobody has reviewed, `unreadable` when the target cannot say; the runner side only. */
  readonly unreviewed?:
    | { readonly incident: string; readonly principal: string; readonly opened: string }
    | 'unreadable';
}

/**
 * The checks of `mcp-pra doctor` that need more than files. Each is independent, throws PraError when it fails, and makes
 * nothing that outlives `close`.
 */
export interface DoctorPorts {
  /** Definitions as this machine has them: keys as in `TargetVersion.digests`. */
  catalog(): Promise<ReadonlyMap<string, string>>;
  /** Opens the database and walks the whole ledger and its mirror. */
  database(): Promise<{
    readonly path: string;
    readonly entries: number;
    /** Freezes of this machine; `host` null is every host. */
    readonly freezes: readonly {
      readonly host: string | null;
      readonly since: string;
      readonly by: string;
    }[];
    /** Hosts that a signed freeze has not reached. */
    readonly unreached: readonly string[];
  }>;
  /** Opens a transport key or the auto key: exists, mode, passphrase, kind. */
  openKey(account: 'reader' | 'runner' | 'auto'): Promise<void>;
  /**
   * The approver's key: exists, mode, and is encrypted or a security key. The passphrase is not asked for. `inAgent`: an agent that can be
   * reached from here would sign with it.
   */
  approverKey(): Promise<{ readonly kind: 'passphrase' | 'security-key'; readonly inAgent: boolean }>;
  /** Who has a one-time password here, and what somebody has to acknowledge about them. */
  oneTimePasswords(): Promise<{
    readonly statuses: readonly OtpStatus[];
    readonly notices: readonly OtpNotice[];
  }>;
  /** The system's ssh. Throws SSH_TOO_OLD. */
  opensshClient(): Promise<{ readonly version: string; readonly postQuantum: boolean }>;
  /** Has a certificate made for the reader of this host, and uses it for nothing. */
  certificate(
    host: string,
  ): Promise<{ readonly principal: string; readonly seconds: number; readonly authority: string }>;
  /** Fingerprints that known_hosts has for a host, revoked ones left out. */
  hostKeys(host: string): Promise<readonly string[]>;
  /** The verb `version` of the reader channel. */
  readerVersion(host: string, signal?: AbortSignal): Promise<TargetVersion>;
  /** The word `version` of the runner channel. */
  runnerVersion(host: string, signal?: AbortSignal): Promise<TargetVersion>;
  /** Break-glass sessions that nobody has reviewed, by what was sent from this machine. */
  reviewsMissing(): Promise<readonly Pick<MissingReview, 'host' | 'incident' | 'principal'>[]>;
  /** The diagnostic `transport_keys`; undefined when the host has no such list. */
  transportKeys(host: string, signal?: AbortSignal): Promise<TransportKeys | undefined>;
  close(): Promise<void>;
}
