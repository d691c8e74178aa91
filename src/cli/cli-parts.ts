import type { Config } from '../config.ts';
import type { Catalog } from '../catalog/types.ts';
import type { PraError } from '../errors.ts';
import type { PersonDesk } from '../request/desk.ts';
import type { LedgerEntry } from '../request/ledger-entry.ts';
import type { OtpNotice } from '../request/otp-store.ts';
import type { Store } from '../request/ports.ts';
import type { CliApprover, OtpStatus } from './approver-ports.ts';
import type { DoctorPorts } from './doctor-ports.ts';
import type { RevocationPorts } from './revocation/ports.ts';

/** What the commands need of the composition root. Nothing here is made before a command asks for it. */
export interface CliParts {
  /** Of package.json. */
  readonly version: string;
  /** The folder with package.json, catalog/, ansible/. Absolute. */
  readonly packageRoot: string;
  /** How this program was started: for the Claude Desktop entry. Absolute paths. */
  readonly program: { readonly node: string; readonly script: string };
  /** Database, catalog and channel; nothing is connected before it is used. Throws what their opening throws. */
  openApp(config: Config): Promise<CliApp>;
  /** For `doctor`, which must work when the app does not open. */
  openDoctor(config: Config): Promise<DoctorPorts>;
  /** For `keys`: asks hosts about keys. */
  openRevocation(config: Config): Promise<RevocationPorts>;
  /** Writes one row of the ledger, with nothing else opened. */
  appendLedger(config: Config, entry: LedgerEntry): Promise<void>;
  /** Serves MCP until standard input ends. A broken configuration is served too: every call then says what is wrong. */
  serve(from: ServeFrom): Promise<void>;
  /** The shipped catalog, the site's folders, or both. Throws CATALOG_INVALID. */
  loadCatalog(choice: Config['catalog']): Promise<Catalog>;
  /**
   * Makes an approver's key with ssh-keygen, which asks for the passphrase on the terminal itself. Throws
   * TERMINAL_REQUIRED, KEY_UNENCRYPTED, USAGE.
   */
  makeApproverKey(want: {
    readonly path: string;
    readonly principal: string;
  }): Promise<{ readonly path: string }>;
  /**
   * Under which name known_hosts has the key of each host and jump host (src/ssh/host-key.ts); those it does not know are left
   * out. Throws KNOWN_HOSTS_BAD.
   */
  hostKeyNames(config: Config): Promise<ReadonlyMap<string, string>>;
  /** Makes KEY.next for a rotation, encrypted like KEY (src/ssh/make-key.ts). Throws KEY_*, FILE_MODE, ROTATION_REFUSED. */
  makeNextKey(account: string, key: Config['keys']['reader'], comment: string): Promise<void>;
  /** Logs in to hosts with a key file of a transport account, as the server would (src/app/prove-login.ts). */
  proveLogin(config: Config, want: ProveLogin): Promise<readonly LoginProof[]>;
  /** What known_hosts says during the rotation of a host's own key (src/ssh/host-key-rotation.ts). */
  readonly hostKeyRotation: HostKeyRotation;
  /**
   * Signs the statement of an approver's rotation with the key at `path`, opened with what was typed (those bytes are wiped). Throws
   * what opening an approver's key throws.
   */
  signApproverRotation(
    path: string,
    passphrase: Buffer,
    statement: { readonly principal: string; readonly old: string; readonly next: string },
  ): Promise<{ readonly text: string; readonly signature: string }>;
  /** Trusts exactly this key of a host (src/ssh/trust-host-key.ts). */
  trustHostKey(
    config: Config,
    want: { readonly host: string; readonly fingerprint: string },
  ): Promise<TrustedKey>;
}

/** `files` are more known_hosts files than the configured one; what comes back are those that changed. */
export interface HostKeyRotation {
  state(config: Config, host: string): Promise<HostKeyState>;
  trust(
    config: Config,
    host: string,
    next: { readonly line: string; readonly signature: string },
    files: readonly string[],
  ): Promise<readonly string[]>;
  finish(config: Config, host: string, files: readonly string[]): Promise<readonly string[]>;
  abandon(config: Config, host: string, files: readonly string[]): Promise<readonly string[]>;
}

/** Fingerprints that are trusted for a host; `pending` when a rotation has begun here and not ended. */
export interface HostKeyState {
  readonly host: string;
  readonly trusted: readonly string[];
  readonly pending: { readonly old: string; readonly new: string } | null;
}

export interface ProveLogin {
  readonly account: 'reader' | 'runner';
  readonly keyPath: string;
  readonly hosts: readonly string[];
  readonly signal: AbortSignal;
}

/** What a host said to a key. `accepted` false with code AUTH_REFUSED is a refusal; with another code nobody knows. */
export interface LoginProof {
  readonly host: string;
  readonly accepted: boolean;
  readonly code: string | null;
  readonly ms: number;
}

export type ServeFrom =
  | { readonly kind: 'config'; readonly config: Config }
  | { readonly kind: 'broken'; readonly error: PraError; readonly details: readonly string[] };

export interface TrustedKey {
  readonly type: string;
  readonly fingerprint: string;
  readonly path: string;
  readonly replaced: number;
}

export interface CliApp {
  readonly desk: PersonDesk;
  readonly store: Pick<Store, 'tail' | 'verifyLedger'>;
  /** The approver whom the configuration names. Throws APPROVER_MISSING, KEY_MISSING, FILE_MODE, KEY_INVALID, KEY_UNENCRYPTED. */
  approver(): Promise<CliApprover>;
  /** Who has a one-time password here. */
  otpStatuses(): readonly OtpStatus[];
  /** What somebody has to acknowledge about one-time passwords. */
  otpNotices(): readonly OtpNotice[];
  /** Forgets a one-time password and its recovery codes without any proof, which leaves a notice. False when there were none. */
  forgetOtpByForce(principal: string, entry: LedgerEntry): boolean;
  /** Ends connections and closes the database. */
  close(): Promise<void>;
}
