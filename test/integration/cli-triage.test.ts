import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { TriageReport } from '../../src/request/triage.ts';
import { changedCatalog, type ChangedCatalog } from '../support/changed-catalog.ts';
import { startEmbeddedTarget, type EmbeddedTarget } from '../support/embedded-target.ts';
import { operatorOn } from '../support/operator-on-target.ts';
import type { Operator } from '../support/operator.ts';

// `mcp-pra triage`: the symptoms, and what explains one, for people and as JSON.

const TRIAGE = `symptom: slow
title: Everything is slow
ask:
  - diagnostic: memory
    findings:
      - {fact: total_kb, op: ge, value: 1, say: 'There is memory'}
  - diagnostic: uptime
    findings:
      - {fact: uptime_seconds, op: lt, value: 0, say: 'Not booted yet'}
next: Ask somebody.
`;

let target: EmbeddedTarget;
let catalog: ChangedCatalog;
let operator: Operator;

beforeAll(async () => {
  catalog = changedCatalog((folder) => {
    mkdirSync(join(folder, 'triage'));
    writeFileSync(join(folder, 'triage/slow.yaml'), TRIAGE);
  });
  target = await startEmbeddedTarget({ catalogDir: catalog.dir });
  const hosts = {
    [target.name]: { address: target.address, port: target.port },
    away: { address: target.address, port: 9 },
  };
  operator = operatorOn(target, catalog.site, { hosts });
});
afterAll(async () => {
  await target?.stop();
  catalog?.remove();
});

test('alone it lists the symptoms', async () => {
  expect(await operator.cli('triage')).toMatchObject({ code: 0, stdout: 'slow  Everything is slow\n' });
  const { stdout } = await operator.cli('triage', '--json');
  expect(JSON.parse(stdout)).toEqual([{ symptom: 'slow', title: 'Everything is slow' }]);
});

test('findings come first, with the threshold and the facts; what was asked and is well is named', async () => {
  const { code, stdout } = await operator.cli('triage', 'slow', '--host', target.name);
  expect(code).toBe(0);
  expect(stdout).toMatch(/! There is memory\n {6}memory: total_kb \d+, a finding when >= 1\n/u);
  expect(stdout).toContain('nothing unusual  uptime\n');
  expect(stdout).toMatch(/ {2}memory\n {2}total {2,}[0-9.]+ [KMGT]iB/u);
  expect(stdout).not.toContain('Ask somebody.');
});

test('a host that cannot be asked is in the report and in the exit code', async () => {
  const { code, stdout } = await operator.cli('triage', 'slow', '--host', `${target.name},away`, '--json');
  expect(code).toBe(5);
  const { hosts } = JSON.parse(stdout) as TriageReport;
  expect(hosts.map(({ host, findings, unanswered }) => [host, findings.length, unanswered.length])).toEqual([
    [target.name, 1, 0],
    ['away', 0, 2],
  ]);
});

test('a symptom that nobody knows, and no host, are refused with what there is', async () => {
  const unknown = await operator.cli('triage', 'slowly', '--host', target.name);
  expect(unknown).toMatchObject({ code: 3, stderr: expect.stringContaining('Symptoms: slow') });
  const none = await operator.cli('triage', 'slow');
  expect(none).toMatchObject({ code: 2, stderr: expect.stringContaining('--host') });
});
