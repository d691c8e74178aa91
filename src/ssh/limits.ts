/** Limits of the channel. Milliseconds, unless the name says otherwise. */
export interface SshLimits {
  /** From the first packet to the end of authentication; through a jump host, for each of the two. */
  readonly connectMs: number;
  /** A keepalive each so often; after `keepaliveMisses` unanswered ones the peer is given up. */
  readonly keepaliveMs: number;
  readonly keepaliveMisses: number;
  /** Execs at once on one connection: below MaxSessions (10), because sshd frees slots late. */
  readonly execs: number;
  /** An unused connection is closed after this, and any connection gets no new exec after `maxAgeMs`: a revoked key stays in use no longer. */
  readonly idleMs: number;
  readonly maxAgeMs: number;
  /** First and longest pause after a failed connection; doubled each time, with jitter. */
  readonly backOffMs: number;
  readonly backOffMaxMs: number;
}

export const DEFAULT_LIMITS: SshLimits = {
  connectMs: 10_000,
  keepaliveMs: 5_000,
  keepaliveMisses: 2,
  execs: 8,
  idleMs: 60_000,
  maxAgeMs: 600_000,
  backOffMs: 1_000,
  backOffMaxMs: 30_000,
};

/** Where details go that must not be in an error: pino fits. */
export interface SshLog {
  debug(detail: Readonly<Record<string, unknown>>, message: string): void;
}
