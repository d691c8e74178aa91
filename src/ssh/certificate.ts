import { SshReader } from '../request/ssh-reader.ts';

// PROTOCOL.certkeys of OpenSSH: what a user certificate says, and which ones are used here.

/** The only kind that is asked for: our keys are ed25519 and made in this process. */
export const CERTIFICATE_TYPE = 'ssh-ed25519-cert-v01@openssh.com';

/** No certificate is valid for longer than this. */
export const MAX_LIFETIME_SECONDS = 900;
/** One with less time left is not worth a connection. */
const MIN_LEFT_SECONDS = 15;
const USER = 1;

/** A certificate, taken apart. Its signature is judged by the target, which knows the CA. */
export interface Certificate {
  /** The 32 bytes of the ed25519 key that it is for. */
  readonly key: Buffer;
  readonly serial: bigint;
  readonly isUser: boolean;
  readonly keyId: string;
  readonly principals: readonly string[];
  /** Seconds since the epoch: from the first moment to the first one after. */
  readonly validAfter: bigint;
  readonly validBefore: bigint;
  /** Name → value; a value that is no single string is kept as ''. */
  readonly criticalOptions: ReadonlyMap<string, string>;
  readonly extensions: readonly string[];
  /** Wire blob of the CA's key. */
  readonly authority: Buffer;
}

const uint64 = (reader: SshReader): bigint => (BigInt(reader.uint32()) << 32n) | BigInt(reader.uint32());

const pairs = (data: Buffer): [string, string][] => {
  const reader = new SshReader(data);
  const found: [string, string][] = [];
  while (reader.left > 0) {
    const name = reader.text();
    const value = new SshReader(reader.string());
    found.push([name, value.left === 0 ? '' : value.string().toString('latin1')]);
  }
  return found;
};

/** Parses the line of a certificate file (`type base64 comment`); undefined for anything else than a well-formed ed25519 certificate. */
export const parseCertificate = (line: string): Certificate | undefined => {
  const [type, base64 = ''] = line.trim().split(/[ \t]+/u);
  if (type !== CERTIFICATE_TYPE || !/^[A-Za-z0-9+/]+={0,2}$/u.test(base64)) return undefined;
  try {
    const reader = new SshReader(Buffer.from(base64, 'base64'));
    if (reader.text() !== CERTIFICATE_TYPE) return undefined;
    reader.string(); // nonce
    const key = reader.string();
    const serial = uint64(reader);
    const isUser = reader.uint32() === USER;
    const keyId = reader.string().toString('latin1');
    const names = new SshReader(reader.string());
    const principals: string[] = [];
    while (names.left > 0) principals.push(names.string().toString('latin1'));
    const validAfter = uint64(reader);
    const validBefore = uint64(reader);
    const criticalOptions = new Map(pairs(reader.string()));
    const extensions = pairs(reader.string()).map(([name]) => name);
    reader.string(); // reserved
    const authority = reader.string();
    reader.string(); // signature
    reader.end();
    return {
      key,
      serial,
      isUser,
      keyId,
      principals,
      validAfter,
      validBefore,
      criticalOptions,
      extensions,
      authority,
    };
  } catch {
    return undefined;
  }
};

export interface CertificateWish {
  /** The 32 bytes of our key. */
  readonly key: Buffer;
  /** Account and host: `mcp-reader`, `web1`. */
  readonly user: string;
  readonly host: string;
  /** Addresses that it must be limited to, as they are configured; empty: it may have a limit or none. */
  readonly sourceAddress: readonly string[];
  readonly nowMs: number;
}

/** Why this certificate is not used, in our words; undefined when it is just what was asked for. */
export const faultOf = (given: Certificate | undefined, wish: CertificateWish): string | undefined => {
  if (given === undefined) return 'it is not an ed25519 certificate';
  const { key, user, host, sourceAddress, nowMs } = wish;
  const now = BigInt(Math.floor(nowMs / 1_000));
  const sources = given.criticalOptions.get('source-address');
  const other = [...given.criticalOptions.keys()].some((name) => name !== 'source-address');
  const allowed = [user, `${user}@${host}`];
  const rules: readonly (readonly [broken: boolean, fault: string])[] = [
    [!given.key.equals(key), 'it is for another key'],
    [!given.isUser, 'it is a host certificate'],
    [given.principals.length === 0, 'it names no principal'],
    [!given.principals.every((name) => allowed.includes(name)), `it is not only for ${user}@${host}`],
    [given.validBefore - given.validAfter > BigInt(MAX_LIFETIME_SECONDS), 'it is valid for over 15 minutes'],
    [given.validAfter > now, 'it is not valid yet (compare the clocks)'],
    [given.validBefore < now + BigInt(MIN_LEFT_SECONDS), 'it has expired (compare the clocks)'],
    [other, 'it has a critical option other than source-address'],
    [
      sourceAddress.length > 0 && sources !== sourceAddress.join(','),
      'it is not limited to the configured source addresses',
    ],
    [given.extensions.length > 0, 'it has extensions, such as permit-pty'],
  ];
  return rules.find(([broken]) => broken)?.[1];
};
