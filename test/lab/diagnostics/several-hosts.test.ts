import type { Progress } from '@modelcontextprotocol/sdk/types.js';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Difference } from '../../../src/request/compare-hosts.ts';
import type { LookReport } from '../../../src/request/desk.ts';
import { makeOperator, type McpSession } from '../../support/operator.ts';
import type { LabHost } from '../lab.ts';
import { lookingLab, type LookingLab } from './looking.ts';

// One question to three hosts: who is unlike the rest, and what becomes of an answer when a host gives none.

let on: LookingLab;
let home: string;
let session: McpSession;
let odd: LabHost;
let names: readonly string[];

beforeAll(async () => {
  on = await lookingLab({ hosts: 3 });
  [, odd] = on.hosts as [LabHost, LabHost];
  names = on.hosts.map(({ name }) => name);
  home = mkdtempSync(join(tmpdir(), 'mcp-pra-several-'));
  session = await makeOperator({
    home,
    hosts: Object.fromEntries(on.hosts.map(({ name, address }) => [name, { address }])),
    keys: { reader: on.keys.reader, runner: on.keys.runner },
    knownHosts: on.lab.knownHosts,
    more: { groups: { shop: names }, limits: { calls_per_minute: 600 } },
  }).serve();
});

afterAll(async () => {
  await session?.close();
  await on?.lab.down();
  if (home !== undefined) rmSync(home, { recursive: true, force: true });
});

const look = async (diagnostic: string): Promise<LookReport> =>
  (await session.call('run_diagnostic', { diagnostic, hosts: ['@shop'] })).data as unknown as LookReport;

test('the host with a failed unit is named before anything else, and not once the unit is well', async () => {
  expect((await look('failed_units')).differences).toEqual([]);
  await odd.sh(
    'systemd-run --quiet --unit=lab-gone /bin/false; until systemctl is-failed -q lab-gone; do :; done',
  );
  const { text, data } = await session.call('run_diagnostic', {
    diagnostic: 'failed_units',
    hosts: ['@shop'],
  });
  expect(data['differences']).toEqual([`${odd.name}: count 1 (the rest: 0)`]);
  expect(text.indexOf(`${odd.name}: count 1`)).toBeLessThan(text.indexOf('lab-gone.service'));
  await odd.sh('systemctl reset-failed lab-gone');
  expect((await look('failed_units')).differences).toEqual([]);
});

test('compare_hosts says which facts differ and who is unlike', async () => {
  await odd.sh('ln -sf /usr/share/zoneinfo/Etc/GMT-3 /etc/localtime');
  const { data } = await session.call('compare_hosts', { diagnostic: 'time_sync', hosts: ['@shop'] });
  const zone = (data['differences'] as readonly Difference[]).find(({ fact }) => fact === 'timezone');
  expect(zone).toMatchObject({ unlike: [{ host: odd.name, value: 'Etc/GMT-3' }], absent: [] });
  expect(zone?.values.map(({ host }) => host)).toEqual(names);
});

test('a host that answers no more is one part of a result; each host is one step of its progress', async () => {
  // The connection that is open already outlives the listener.
  await odd.sh("systemctl stop ssh.socket ssh.service; pkill -KILL -f 'sshd: mcp-reade[r]'");
  const steps: Progress[] = [];
  const { structuredContent, isError } = await session.client.callTool(
    { name: 'run_diagnostic', arguments: { diagnostic: 'uptime', hosts: ['@shop'] } },
    undefined,
    { timeout: 120_000, onprogress: (step) => steps.push(step) },
  );
  await odd.sh('systemctl start ssh.service');
  expect(isError ?? false).toBe(false);
  const { results, summary } = structuredContent as LookReport;
  expect(results.map(({ host, status }) => [host, status])).toEqual(
    names.map((name) => [name, name === odd.name ? 'unreachable' : 'ok']),
  );
  expect(summary).toContain('2 ok, 1 unreachable');
  // The client may stop listening before the last one, which comes with the answer.
  expect(steps.length).toBeGreaterThan(1);
  expect(steps.map(({ progress, total }) => `${String(progress)}/${String(total)}`)).toEqual(
    ['1/3', '2/3', '3/3'].slice(0, steps.length),
  );
});
