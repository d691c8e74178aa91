import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { PraError } from '../errors.ts';
import type { Clock } from '../request/ports.ts';
import { sshString } from '../request/ssh-reader.ts';
import type { AgentKey } from './agent-protocol.ts';
import { faultOf, parseCertificate } from './certificate.ts';
import { caIssuer, commandIssuer, type Issue } from './certificate-issuer.ts';
import type { CertificateOptions } from './certificate-options.ts';
import { nextSerial, recordCertificate } from './certificate-record.ts';
import { fingerprintOf } from './host-key.ts';
import type { OpensshFolder } from './openssh-folder.ts';
import { publicLineOf, signatureBlob } from './openssh-identity.ts';
import type { LoginKey, OpensshKeys } from './openssh-keys.ts';

const TYPE = 'ssh-ed25519';

/** A key that never leaves this process and ends with it. */
interface OwnKey extends AgentKey {
  /** The 32 bytes of its public half. */
  readonly raw: Buffer;
}

const makeKey = (): OwnKey => {
  const pair: { readonly publicKey: KeyObject; readonly privateKey: KeyObject } =
    generateKeyPairSync('ed25519');
  const raw = Buffer.from(String(pair.publicKey.export({ format: 'jwk' }).x), 'base64url');
  return {
    raw,
    blob: Buffer.concat([sshString(TYPE), sshString(raw)]),
    sign: (data) => signatureBlob(TYPE, sign(null, data, pair.privateKey)),
  };
};

/** What a login is for. */
export interface CertificateLogin {
  readonly host: string;
  /** Account on the host. */
  readonly user: string;
}

/**
 * Certificates just in time: one key pair for this process, and for each new connection a certificate for that account on that
 * host alone. Each is checked and written down before it is used.
 */
export class CertificateLogins {
  readonly #options: CertificateOptions;
  readonly #clock: Clock;
  readonly #keys: OpensshKeys;
  readonly #issue: Issue;
  #own: Promise<OwnKey & { readonly agent: string }> | undefined;

  constructor(
    options: CertificateOptions,
    clock: Clock,
    keys: OpensshKeys,
    inFolder: () => Promise<OpensshFolder>,
  ) {
    this.#options = options;
    this.#clock = clock;
    this.#keys = keys;
    const { issuer } = options;
    this.#issue = issuer.kind === 'ca' ? caIssuer(issuer, keys, inFolder) : commandIssuer(issuer);
  }

  /** Throws CERTIFICATE_UNAVAILABLE, CERTIFICATE_REFUSED, OPENSSH_FOLDER; for a CA key of this machine KEY_*, FILE_MODE. */
  async open({ host, user }: CertificateLogin): Promise<LoginKey> {
    this.#own ??= this.#make().catch((thrown: unknown) => {
      this.#own = undefined;
      throw thrown;
    });
    const own = await this.#own;
    const publicLine = publicLineOf(own.blob);
    const { lifetimeSeconds, sourceAddress, requester } = this.#options;
    const answer = await this.#issue({
      publicLine,
      host,
      user,
      principal: `${user}@${host}`,
      keyId: `mcp-pra:${requester}:${user}@${host}`,
      serial: nextSerial(this.#clock.now()),
      seconds: lifetimeSeconds,
      sourceAddress,
    });
    const line = answer.trim().split('\n')[0] ?? '';
    const certificate = parseCertificate(line);
    const nowMs = this.#clock.now();
    const fault = faultOf(certificate, { key: own.raw, user, host, sourceAddress, nowMs });
    if (certificate === undefined || fault !== undefined)
      throw new PraError('CERTIFICATE_REFUSED', { account: user, host, cause: fault ?? '' });
    const validUntilMs = Number(certificate.validBefore) * 1_000;
    await recordCertificate(this.#options.record, {
      time: new Date(nowMs).toISOString(),
      host,
      account: user,
      serial: String(certificate.serial),
      key_id: certificate.keyId,
      valid_until: new Date(validUntilMs).toISOString(),
      authority: fingerprintOf(certificate.authority),
    }).catch((thrown: unknown) => {
      const cause = 'the record of certificates cannot be written';
      throw new PraError('CERTIFICATE_UNAVAILABLE', { account: user, host, cause }, thrown);
    });
    const [type, base64] = line.split(/[ \t]+/u);
    return { user, publicLine, agent: own.agent, certificateLine: `${type} ${base64}`, validUntilMs };
  }

  async #make(): Promise<OwnKey & { readonly agent: string }> {
    const key = makeKey();
    return { ...key, agent: await this.#keys.serve(key) };
  }
}
