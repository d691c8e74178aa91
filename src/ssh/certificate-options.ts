import type { PassphraseSource } from './passphrase.ts';

/** Who issues: a CA key of this machine, or a program that is asked. */
export type CertificateIssuer =
  | {
      readonly kind: 'ca';
      readonly keyPath: string;
      readonly passphrase: PassphraseSource | undefined;
    }
  | {
      readonly kind: 'command';
      /** A program and its arguments; `{principal}` and the like are filled in, no shell is involved. */
      readonly argv: readonly string[];
      /** Names of variables that it gets besides PATH and HOME. */
      readonly environment: readonly string[];
    };

/** How certificates are made for the hosts that want them. */
export interface CertificateOptions {
  readonly issuer: CertificateIssuer;
  /** 60 to 900. */
  readonly lifetimeSeconds: number;
  /** CIDR addresses from which a certificate may be used; none: anywhere the host allows. */
  readonly sourceAddress: readonly string[];
  /** Who asks from this machine, for the key id. */
  readonly requester: string;
  /** File that gets a line for each certificate before it is used. */
  readonly record: string;
}
