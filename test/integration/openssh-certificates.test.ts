// Certificates as ssh-keygen makes them: what is asked for, what is accepted, and what is written down. What sshd says to them
// is tried in the lab (test/lab/certificates.test.ts).
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { faultOf, parseCertificate, type CertificateWish } from '../../src/ssh/certificate.ts';
import { CertificateLogins } from '../../src/ssh/certificate-logins.ts';
import type { CertificateIssuer, CertificateOptions } from '../../src/ssh/certificate-options.ts';
import { nextSerial } from '../../src/ssh/certificate-record.ts';
import { fingerprintOf } from '../../src/ssh/host-key.ts';
import { OpensshFolder } from '../../src/ssh/openssh-folder.ts';
import { OpensshKeys } from '../../src/ssh/openssh-keys.ts';
import { makeKey, temporaryDirectory, type SshKeyPair } from '../support/ssh-keys.ts';

let dir: ReturnType<typeof temporaryDirectory>;
let ca: SshKeyPair;
let folder: OpensshFolder;
let keys: OpensshKeys;
let now: number;

beforeEach(async () => {
  dir = temporaryDirectory('certificates');
  ca = makeKey(dir.path, 'ca');
  folder = await OpensshFolder.make();
  keys = new OpensshKeys(() => Promise.resolve(folder));
  now = Date.now();
});
afterEach(async () => {
  keys.close();
  await folder.remove();
  dir[Symbol.dispose]();
  vi.unstubAllEnvs();
});

const record = (): string => join(dir.path, 'state', 'certificates.jsonl');
const lines = (): Record<string, string>[] =>
  readFileSync(record(), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, string>);
const localCa = (): CertificateIssuer => ({ kind: 'ca', keyPath: ca.path, passphrase: undefined });
const logins = (issuer: CertificateIssuer, options: Partial<CertificateOptions> = {}): CertificateLogins =>
  new CertificateLogins(
    {
      issuer,
      lifetimeSeconds: 600,
      sourceAddress: [],
      requester: 'alice',
      record: record(),
      ...options,
    },
    { now: () => now },
    keys,
    () => Promise.resolve(folder),
  );
const web1 = { host: 'web1', user: 'mcp-reader' };
/** What ssh-keygen says about a certificate. */
const show = (line: string | undefined): string => {
  const path = join(dir.path, 'shown');
  writeFileSync(path, `${line ?? ''}\n`);
  return execFileSync('ssh-keygen', ['-L', '-f', path], { encoding: 'utf8' });
};

describe('a certificate of a CA key of this machine', () => {
  it('is for one account on one host, for ten minutes, and for nothing more', async () => {
    const login = await logins(localCa()).open(web1);
    const text = show(login.certificateLine);
    expect(text).toContain('ssh-ed25519-cert-v01@openssh.com user certificate');
    expect(text).toContain(fingerprintOf(ca.blob));
    expect(text).toContain('Key ID: "mcp-pra:alice:mcp-reader@web1"');
    expect(text).toMatch(
      /Principals: \n\s+mcp-reader@web1\n\s+Critical Options: \(none\)\n\s+Extensions: \(none\)/u,
    );
    const certificate = parseCertificate(login.certificateLine ?? '');
    expect(Number(certificate?.validBefore) - Number(certificate?.validAfter)).toBe(600);
    expect(login).toMatchObject({
      user: 'mcp-reader',
      validUntilMs: Number(certificate?.validBefore) * 1_000,
    });
    expect(text).toContain(`Serial: ${certificate?.serial}`);
  });

  it('is a new one each time, for the same key, and each is written down', async () => {
    const from = logins(localCa());
    const first = await from.open(web1);
    const second = await from.open({ host: 'web2', user: 'pra-runner' });
    expect(second.publicLine).toBe(first.publicLine);
    const serials = [first, second].map(
      (login) => parseCertificate(login.certificateLine ?? '')?.serial ?? 0n,
    );
    expect(serials[1]).toBeGreaterThan(serials[0] ?? 0n);
    expect(lines()).toMatchObject([
      {
        host: 'web1',
        account: 'mcp-reader',
        serial: String(serials[0]),
        key_id: 'mcp-pra:alice:mcp-reader@web1',
        authority: fingerprintOf(ca.blob),
      },
      { host: 'web2', account: 'pra-runner', serial: String(serials[1]) },
    ]);
    expect(statSync(record()).mode & 0o777).toBe(0o600);
  });

  it('leaves no private key and no used file behind', async () => {
    await logins(localCa()).open(web1);
    const files = execFileSync('find', [folder.path, '-type', 'f'], { encoding: 'utf8' }).trim().split('\n');
    expect(files.map((file) => file.slice(folder.path.length + 1))).toEqual(['ca1.pub']);
    expect(readFileSync(folder.file('ca1.pub'), 'utf8')).not.toContain('PRIVATE');
  });

  it('comes from the new authority as soon as its key file is replaced', async () => {
    const from = logins(localCa());
    expect(show((await from.open(web1)).certificateLine)).toContain(fingerprintOf(ca.blob));
    const next = makeKey(dir.path, 'next');
    renameSync(next.path, ca.path);
    renameSync(`${next.path}.pub`, `${ca.path}.pub`);
    expect(show((await from.open(web1)).certificateLine)).toContain(fingerprintOf(next.blob));
  });

  it('is limited to the configured addresses', async () => {
    const sourceAddress = ['192.0.2.0/24', '2001:db8::1'];
    const login = await logins(localCa(), { sourceAddress }).open(web1);
    expect(show(login.certificateLine)).toContain('source-address 192.0.2.0/24,2001:db8::1');
  });

  it('is made with an encrypted key, whose passphrase ssh-keygen never sees', async () => {
    ca = makeKey(dir.path, 'ca2', { passphrase: 'correct horse' });
    vi.stubEnv('CA_PASSPHRASE', 'correct horse');
    const issuer = { kind: 'ca', keyPath: ca.path, passphrase: { env: 'CA_PASSPHRASE' } } as const;
    expect(show((await logins(issuer).open(web1)).certificateLine)).toContain(fingerprintOf(ca.blob));
    vi.stubEnv('CA_PASSPHRASE', 'wrong');
    await expect(logins(issuer).open(web1)).rejects.toMatchObject({
      code: 'KEY_PASSPHRASE',
      values: { account: 'ca' },
    });
  });

  it('is not made with a key that others can read, nor without a record', async () => {
    const taken = join(dir.path, 'file');
    writeFileSync(taken, '');
    await expect(
      logins(localCa(), { record: join(taken, 'certificates.jsonl') }).open(web1),
    ).rejects.toMatchObject({
      code: 'CERTIFICATE_UNAVAILABLE',
      values: { cause: 'the record of certificates cannot be written' },
    });
    chmodSync(ca.path, 0o644);
    await expect(logins(localCa()).open(web1)).rejects.toMatchObject({ code: 'FILE_MODE' });
  });
});

/** A program that does what an outside issuer does, with the test's CA. */
const issuer = (body: string): CertificateIssuer => {
  const path = join(dir.path, 'issue');
  writeFileSync(path, `#!/bin/sh\nset -eu\n${body}\n`, { mode: 0o755 });
  return {
    kind: 'command',
    argv: [path, ca.path, '{principal}', '{key_id}', '{serial}', 'seconds={seconds}', '{host}', '{unknown}'],
    environment: ['ISSUER_TOKEN'],
  };
};
const SIGN = `d=$(mktemp -d); cat > "$d/k.pub"
ssh-keygen -q -s "$1" -n "$2" -I "$3" -z "$4" -V "-5s:+\${5#seconds=}s" -O clear "$d/k.pub"; cat "$d/k-cert.pub"; rm -r "$d"`;

describe('an outside issuer', () => {
  it('gets the public key on standard input, the rest as arguments, and only the named variables', async () => {
    vi.stubEnv('ISSUER_TOKEN', 'token');
    vi.stubEnv('OTHER_SECRET', 'secret');
    const seen = join(dir.path, 'seen');
    const from = logins(issuer(`env > ${seen}; printf '%s\\n' "$@" >> ${seen}\n${SIGN}`), {
      lifetimeSeconds: 300,
    });
    const login = await from.open(web1);
    expect(show(login.certificateLine)).toContain('mcp-reader@web1');
    const text = readFileSync(seen, 'utf8');
    expect(text).toContain('ISSUER_TOKEN=token');
    expect(text).not.toContain('secret');
    expect(text).toMatch(
      /\nmcp-reader@web1\nmcp-pra:alice:mcp-reader@web1\n[0-9]+\nseconds=300\nweb1\n\{unknown\}\n$/u,
    );
  });

  it.each([
    ['fails', 'echo secret words >&2; exit 3', 'the issuer failed'],
    ['floods', 'head -c 100000 /dev/zero', 'the answer of the issuer is too large'],
  ])('that %s is no certificate, and its words are not shown', async (_, body, cause) => {
    const thrown = await logins(issuer(body))
      .open(web1)
      .catch((error: unknown) => error);
    expect(thrown).toMatchObject({ code: 'CERTIFICATE_UNAVAILABLE', exit: 5, values: { cause } });
    expect((thrown as Error).message).not.toContain('secret');
  });

  it('that is not there is no certificate', async () => {
    const missing: CertificateIssuer = { kind: 'command', argv: ['/nowhere/issue'], environment: [] };
    await expect(logins(missing).open(web1)).rejects.toMatchObject({
      values: { cause: 'the issuer cannot be started' },
    });
  });

  it.each([
    ['nothing', 'true', 'it is not an ed25519 certificate'],
    ['a plain key', 'cat', 'it is not an ed25519 certificate'],
    [
      'a certificate for all hosts of all accounts',
      SIGN.replace('"$2"', '"$2,root"'),
      'it is not only for mcp-reader@web1',
    ],
    ['one without a principal', SIGN.replace('-n "$2"', ''), 'it names no principal'],
    ['a host certificate', SIGN.replace('-q', '-q -h'), 'it is a host certificate'],
    ['one for an hour', SIGN.replace(/\+\$\{5#seconds=\}s/u, '+1h'), 'it is valid for over 15 minutes'],
    ['one for ever', SIGN.replace(/-V "[^"]+"/u, ''), 'it is valid for over 15 minutes'],
    ['one with a terminal', SIGN.replace('-O clear', ''), 'it has extensions, such as permit-pty'],
    [
      'one with another command',
      SIGN.replace('-O clear', '-O clear -O force-command=/bin/sh'),
      'it has a critical option other than source-address',
    ],
    ['one of yesterday', SIGN.replace(/-V "[^"]+"/u, '-V -1d10m:-1d'), 'it has expired (compare the clocks)'],
    [
      'one of tomorrow',
      SIGN.replace(/-V "[^"]+"/u, '-V +1d:+1d10m'),
      'it is not valid yet (compare the clocks)',
    ],
  ])('that gives %s is not believed', async (_, body, cause) => {
    await expect(logins(issuer(body)).open(web1)).rejects.toMatchObject({
      code: 'CERTIFICATE_REFUSED',
      exit: 3,
      values: { cause, host: 'web1' },
    });
    expect(existsSync(record())).toBe(false);
  });

  it('that gives somebody else one is not believed', async () => {
    const other = makeKey(dir.path, 'other');
    const body = SIGN.replace('cat > "$d/k.pub"', `cp ${other.pubPath} "$d/k.pub"; cat > /dev/null`);
    await expect(logins(issuer(body)).open(web1)).rejects.toMatchObject({
      values: { cause: 'it is for another key' },
    });
  });

  it('may give the plain account as principal, but must keep the addresses', async () => {
    expect((await logins(issuer(SIGN.replace('"$2"', 'mcp-reader'))).open(web1)).user).toBe('mcp-reader');
    await expect(logins(issuer(SIGN), { sourceAddress: ['192.0.2.9'] }).open(web1)).rejects.toMatchObject({
      values: { cause: 'it is not limited to the configured source addresses' },
    });
  });
});

describe('the rules', () => {
  /** A certificate of the test's CA, and the wish that it fits. */
  const made = (...options: string[]): CertificateWish & { readonly line: string } => {
    const key = makeKey(dir.path, `subject-${options.length}-${Math.random()}`);
    execFileSync(
      'ssh-keygen',
      ['-q', '-s', ca.path, '-I', 'x', '-n', 'mcp-reader@web1', '-O', 'clear', ...options, key.pubPath],
      { env: { ...process.env, TZ: 'UTC' } },
    );
    const line = readFileSync(key.path.concat('-cert.pub'), 'utf8');
    return { line, key: key.blob.subarray(-32), ...web1, sourceAddress: [], nowMs: now };
  };
  const fault = (
    { line, ...wish }: ReturnType<typeof made>,
    more: Partial<CertificateWish> = {},
  ): string | undefined => faultOf(parseCertificate(line), { ...wish, ...more });

  it('allow exactly 15 minutes, and ask for 15 seconds of them', () => {
    const at = (seconds: number): string =>
      new Date(Math.floor(now / 1_000) * 1_000 + seconds * 1_000).toISOString().replace(/[-:T]|\.\d+/gu, '');
    expect(fault(made('-V', `${at(0)}:${at(900)}`))).toBeUndefined();
    expect(fault(made('-V', `${at(0)}:${at(901)}`))).toBe('it is valid for over 15 minutes');
    const short = made('-V', `${at(-600)}:${at(15)}`);
    expect(fault(short)).toBeUndefined();
    expect(fault(short, { nowMs: now + 1_000 })).toBe('it has expired (compare the clocks)');
  });

  it('refuse each certificate that was cut short or has one byte too many', () => {
    const { line } = made('-V', '-5s:+5m');
    const [type = '', base64 = ''] = line.split(' ');
    const blob = Buffer.from(base64, 'base64');
    expect(parseCertificate(line)).toBeDefined();
    for (let length = 0; length < blob.length; length += 1) {
      expect(parseCertificate(`${type} ${blob.subarray(0, length).toString('base64')}`)).toBeUndefined();
    }
    expect(
      parseCertificate(`${type} ${Buffer.concat([blob, Buffer.alloc(1)]).toString('base64')}`),
    ).toBeUndefined();
  });
});

describe('serial numbers', () => {
  it('grow, stay below 2^63, and hold the moment in which they were given', () => {
    const first = nextSerial(now);
    expect(first >> 20n).toBe(BigInt(now));
    // A clock that was set back, and the same moment again.
    const next = [nextSerial(now - 3_600_000), nextSerial(now), nextSerial(now)];
    expect(next.every((serial, index) => serial > (index === 0 ? first : (next[index - 1] ?? 0n)))).toBe(
      true,
    );
    expect(nextSerial(Date.UTC(2200, 0, 1))).toBeLessThan(2n ** 63n);
  });
});
