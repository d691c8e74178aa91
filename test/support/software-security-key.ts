import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { sshString, sshUint32 } from '../../src/request/ssh-reader.ts';
import { serveAgent } from '../../src/ssh/agent-protocol.ts';

const TYPE = 'sk-ssh-ed25519@openssh.com';
const APPLICATION = 'ssh:';
const USER_PRESENT = 0x01;

/** A FIDO key in software, behind an SSH agent: it signs as PROTOCOL.u2f says and claims that it was touched. */
export interface SoftwareSecurityKey {
  /** `type base64`, as in authorized_keys. */
  readonly line: string;
  /** Signatures that it made. */
  readonly touches: () => number;
  close(): void;
}

export const startSecurityKey = async (socket: string): Promise<SoftwareSecurityKey> => {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const raw = Buffer.from(String(publicKey.export({ format: 'jwk' }).x), 'base64url');
  const blob = Buffer.concat([sshString(TYPE), sshString(raw), sshString(APPLICATION)]);
  const sha256 = (data: Buffer | string): Buffer => createHash('sha256').update(data).digest();
  let touches = 0;
  const agent = await serveAgent(socket, {
    blob,
    sign: (data) => {
      touches += 1;
      const flagsAndCounter = Buffer.concat([Buffer.from([USER_PRESENT]), sshUint32(touches)]);
      const signed = Buffer.concat([sha256(APPLICATION), flagsAndCounter, sha256(data)]);
      return Buffer.concat([sshString(TYPE), sshString(sign(null, signed, privateKey)), flagsAndCounter]);
    },
  });
  return { line: `${TYPE} ${blob.toString('base64')}`, touches: () => touches, close: () => agent.close() };
};
