import { PraError } from '../errors.ts';
import { parseCertificate } from './certificate.ts';
import { CertificateLogins } from './certificate-logins.ts';
import { fingerprintOf } from './host-key.ts';
import { settle, type OpenChannelOptions } from './open-channel.ts';
import { OpensshFolder } from './openssh-folder.ts';
import { OpensshKeys } from './openssh-keys.ts';

/** A certificate that was made only to see whether that works. */
export interface TriedCertificate {
  readonly principal: string;
  /** How long it could have been used, in seconds. */
  readonly seconds: number;
  /** `SHA256:…` of the authority that signed it. */
  readonly authority: string;
}

/** Has a certificate made for the reader of this host, as a connection would, and uses it for nothing. Throws what a connection would. */
export const tryCertificate = async (
  options: OpenChannelOptions,
  host: string,
): Promise<TriedCertificate> => {
  const { certificates, accounts, clock } = settle(options);
  if (certificates === undefined) throw new PraError('INTERNAL', {}, new Error('no certificates'));
  const folder = await OpensshFolder.make();
  const inFolder = (): Promise<OpensshFolder> => Promise.resolve(folder);
  const keys = new OpensshKeys(inFolder);
  try {
    const { user } = accounts.reader;
    const logins = new CertificateLogins(certificates, clock, keys, inFolder);
    const { certificateLine = '', validUntilMs = 0 } = await logins.open({ host, user });
    const authority = parseCertificate(certificateLine)?.authority ?? Buffer.alloc(0);
    return {
      principal: `${user}@${host}`,
      seconds: Math.round((validUntilMs - clock.now()) / 1_000),
      authority: fingerprintOf(authority),
    };
  } finally {
    keys.close();
    await folder.remove();
  }
};
