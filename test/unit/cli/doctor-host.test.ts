import { expect, test } from 'vitest';
import { checkHost } from '../../../src/cli/doctor-host.ts';
import type { DoctorPorts, TargetVersion } from '../../../src/cli/doctor-ports.ts';
import { PraError } from '../../../src/errors.ts';
import type { MissingReview } from '../../../src/request/break-glass.ts';
import type { TransportKeys } from '../../../src/request/transport-keys.ts';

const CATALOG = new Map([
  ['diagnostic uptime', 'aa'],
  ['action restart_service', 'bb'],
]);
/** Our clock in these tests. */
const NOW = Date.parse('2026-11-21T03:50:00Z');
const GOOD: TargetVersion = { digests: CATALOG, clockOffsetMs: 100, host: null };

const notAsked = (): never => expect.fail('the check of a host asks only for the host');
const NOT_ASKED = {
  catalog: notAsked,
  database: notAsked,
  openKey: notAsked,
  approverKey: notAsked,
  oneTimePasswords: notAsked,
  opensshClient: notAsked,
  certificate: notAsked,
  transportKeys: notAsked,
  close: notAsked,
};

/** Findings about one host, as `level text`, with what its ports answer. */
const findings = async (answers: {
  readonly catalog?: ReadonlyMap<string, string>;
  readonly listed?: () => TransportKeys | undefined;
  readonly reader?: () => TargetVersion;
  readonly runner?: () => TargetVersion;
  readonly keys?: readonly string[];
  readonly unreviewed?: readonly MissingReview[];
}): Promise<readonly string[]> => {
  const {
    catalog = CATALOG,
    listed = notAsked,
    reader = () => GOOD,
    runner = () => ({ ...GOOD, host: 'web1' }),
    keys = ['SHA256:x'],
    unreviewed = [],
  } = answers;
  const ports: DoctorPorts = {
    ...NOT_ASKED,
    hostKeys: () => Promise.resolve(keys),
    readerVersion: () => Promise.resolve().then(reader),
    runnerVersion: () => Promise.resolve().then(runner),
    transportKeys: () => Promise.resolve().then(listed),
    reviewsMissing: () => Promise.resolve(unreviewed),
  };
  const { signal } = new AbortController();
  const found = await checkHost({
    host: 'web1',
    ports,
    catalog,
    knownHosts: '/kh',
    playbook: 'p.yml',
    rotate: 'r.yml',
    now: NOW,
    signal,
  });
  return found.map(({ level, text, fix }) => `${level} ${text}${fix === undefined ? '' : ` → ${fix}`}`);
};

test('a host that is as it should be', async () => {
  expect(await findings({})).toEqual([
    'ok web1: host key known (SHA256:x)',
    'ok web1: reader channel answers',
    'ok web1: runner channel answers',
    'ok web1: 2 definitions are the same on both sides',
    'ok web1: clock differs by 0.1 s',
  ]);
});

test('without a host key nothing is tried', async () => {
  const [only, ...rest] = await findings({ keys: [] });
  expect(only).toMatch(/^fail web1: no host key in \/kh → .*mcp-pra hosts trust web1/u);
  expect(rest).toEqual([]);
});

test('a channel that fails says how, and the other one is still asked', async () => {
  const found = await findings({
    runner: () => {
      throw new PraError('AUTH_REFUSED', { host: 'web1', account: 'pra-runner' });
    },
  });
  expect(found).toContain('ok web1: reader channel answers');
  expect(found.find((line) => line.startsWith('fail'))).toMatch(/AUTH_REFUSED\] → Provision the host again/u);
});

test('another definition on either side is a failure, an extra one a warning', async () => {
  const found = await findings({
    reader: () => ({
      ...GOOD,
      digests: new Map([...CATALOG, ['diagnostic extra', 'cc'], ['diagnostic <b>', 'dd']]),
    }),
    runner: () => ({ ...GOOD, host: 'web1', digests: new Map([['action restart_service', 'other']]) }),
  });
  expect(found).toContain(
    'fail web1: has another version of action restart_service → provision it again: ansible-playbook p.yml',
  );
  expect(found.filter((line) => line.startsWith('warn'))).toEqual([
    expect.stringMatching(/^warn web1: has diagnostic extra, which this catalog does not/u),
  ]);
  expect(found.join()).not.toContain('same on both sides');
});

test('a definition that the host does not have is named', async () => {
  const found = await findings({
    reader: () => ({ ...GOOD, digests: new Map([['action restart_service', 'bb']]) }),
  });
  expect(found.filter((line) => line.startsWith('fail'))).toEqual([
    expect.stringContaining('has no diagnostic uptime'),
  ]);
});

test('another name and a wrong clock', async () => {
  const found = await findings({ runner: () => ({ ...GOOD, host: 'web2', clockOffsetMs: -61_000 }) });
  expect(found).toContain(
    'fail web1: the host calls itself web2 → set mcp_pra_host to web1 and provision it again',
  );
  expect(found.find((line) => line.startsWith('warn'))).toContain('clock differs by -61.0 s');
});

test('how long keys last is asked only where both sides have the same diagnostic for it', async () => {
  const catalog = new Map([...CATALOG, ['diagnostic transport_keys', 'ee']]);
  const has = (digest: string) => () => ({
    ...GOOD,
    digests: new Map([...catalog, ['diagnostic transport_keys', digest]]),
  });
  const listed = () => ({
    keys: [{ account: 'reader', fingerprint: 'SHA256:r', expires: NOW + 3_600_000 }],
    unreadable: 0,
  });
  expect((await findings({ catalog, reader: has('ee'), listed })).at(-1)).toMatch(
    /^warn web1: the reader key SHA256:r expires .* → ansible-playbook r\.yml --tags reader$/u,
  );
  expect((await findings({ catalog, reader: has('other'), listed })).join()).not.toContain('expire');
  expect((await findings({ catalog, listed })).join()).not.toContain('expire');
  const refused = (): never => {
    throw new PraError('DEADLINE', { host: 'web1', seconds: 20 });
  };
  expect((await findings({ catalog, reader: has('ee'), listed: refused })).at(-1)).toContain(
    'fail web1 did not',
  );
});

test('that a review is missing the host says; of one that does not answer this machine says what it knows', async () => {
  const review = (host: string): MissingReview => ({
    host,
    incident: 'inc-1',
    principal: 'anna',
    open: false,
  });
  const unreviewed = [review('web1'), review('web2')];
  expect((await findings({ unreviewed })).join()).not.toContain('inc-1');
  const silent = (): never => {
    throw new PraError('UNREACHABLE', { host: 'web1' });
  };
  const here =
    'fail web1: does not answer; by what was sent from here the break-glass session inc-1 of anna waits for a review → mcp-pra review inc-1 --host web1';
  for (const broken of [{ runner: silent }, { keys: [] }]) {
    const found = await findings({ unreviewed, ...broken });
    expect(found.filter((line) => line.includes('inc-1'))).toEqual([here]);
  }
});
