import { expect, test } from 'vitest';
import { checkTransports } from '../../../src/cli/doctor-transport.ts';
import type { DoctorPorts } from '../../../src/cli/doctor-ports.ts';
import type { Config, HostConfig } from '../../../src/config.ts';
import { PraError } from '../../../src/errors.ts';

type Answers = Partial<Pick<DoctorPorts, 'opensshClient' | 'certificate'>>;

/** Findings as `level text`, for hosts written as `web1 openssh certificate`. */
const findings = async (hosts: readonly string[], answers: Answers = {}): Promise<readonly string[]> => {
  const config = {
    hosts: hosts.map((words) => {
      const [name = '', transport, certificate] = words.split(' ');
      return { name, transport, certificate: certificate !== undefined } as HostConfig;
    }),
  } as unknown as Config;
  const notAsked = (): never => expect.fail('nobody needs this');
  const ports = { opensshClient: notAsked, certificate: notAsked, ...answers } as unknown as DoctorPorts;
  const found = await checkTransports(config, ports);
  return found.map(({ level, text, fix }) => `${level} ${text}${fix === undefined ? '' : ` → ${fix}`}`);
};
const client = (postQuantum: boolean): Answers => ({
  opensshClient: () => Promise.resolve({ version: 'OpenSSH_9.2p1', postQuantum }),
});

test('hosts on ssh2 need no ssh of this machine', async () => {
  expect(await findings(['web1 ssh2', 'db1 ssh2'])).toEqual(['ok transport ssh2: web1, db1']);
});

test('hosts on openssh need a new enough one, better with a post-quantum key exchange', async () => {
  const both = ['web1 ssh2', 'db1 openssh'];
  expect(await findings(both, client(true))).toEqual([
    'ok transport ssh2: web1',
    'ok transport openssh: db1',
    'ok the ssh of this machine is OpenSSH_9.2p1',
  ]);
  expect((await findings(both, client(false))).at(-1)).toMatch(
    /^warn this ssh has no post-quantum key exchange →/u,
  );
  const old = {
    opensshClient: () => Promise.reject(new PraError('SSH_TOO_OLD', { version: 'OpenSSH_8.0p1' })),
  };
  expect((await findings(both, old)).at(-1)).toMatch(/^fail .*OpenSSH_8\.0p1.*SSH_TOO_OLD/u);
});

test('one certificate is made to see whether it can be', async () => {
  const asked: string[] = [];
  const certificate = (host: string): ReturnType<DoctorPorts['certificate']> => {
    asked.push(host);
    return Promise.resolve({ principal: `mcp-reader@${host}`, seconds: 570, authority: 'SHA256:x' });
  };
  const hosts = ['web1 openssh', 'web2 openssh certificate', 'web3 openssh certificate'];
  expect((await findings(hosts, { ...client(true), certificate })).at(-1)).toBe(
    'ok a certificate can be issued: mcp-reader@web2, 570 s left, authority SHA256:x',
  );
  expect(asked).toEqual(['web2']);
  const cause = 'the issuer failed';
  const failing = (): Promise<never> =>
    Promise.reject(new PraError('CERTIFICATE_UNAVAILABLE', { account: 'mcp-reader', host: 'web2', cause }));
  expect((await findings(hosts, { ...client(true), certificate: failing })).at(-1)).toMatch(
    /^fail There is no certificate for mcp-reader on web2: the issuer failed\./u,
  );
});

test('many hosts are counted', async () => {
  const many = Array.from({ length: 15 }, (_, n) => `h${n} ssh2`);
  expect(await findings(many)).toEqual([
    `ok transport ssh2: ${Array.from({ length: 12 }, (_, n) => `h${n}`).join(', ')}, +3`,
  ]);
});
