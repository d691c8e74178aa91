import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { fixturePath, readFixture } from '../fixtures/all-fixtures.ts';
import { collectorRefusals, refusalsOf } from '../support/collector-refusals.ts';
import { madeByCollector } from '../support/loaded-collector.ts';
import { RenderedTarget } from '../support/rendered-target.ts';

const REPORT = resolve(import.meta.dirname, '../fixtures/reports/audit_lost/forty-lost.txt');
const target = new RenderedTarget();
afterAll(() => target.remove());

const said = (text: string): unknown =>
  madeByCollector(target.path('lib/collectors/audit'), 'collector.status_facts(text)', text);

test('what the report becomes is what is recorded', () => {
  const path = fixturePath('audit_lost', 'forty-lost');
  const [recorded] = readFixture({ path }).answer.sections;
  const facts = JSON.parse(recorded?.output.toString('utf8') ?? '') as unknown;
  expect(facts).toMatchObject(said(readFileSync(REPORT, 'utf8')) as object);
});

test.each([
  ['enabled 0\nfailure 2\npid 0\n', { audit_enabled: 'off', audit_failure: 'panic', audit_daemon: false }],
  ['enabled 2\nfailure 0\nlost 7\n', { audit_enabled: 'locked', audit_failure: 'silent', audit_lost: 7 }],
  ['enabled 3\nlost many\n', { audit_enabled: 'unknown' }],
])('%j', (text, facts) => {
  expect(said(text)).toEqual({ audit_answers: true, ...facts });
});

test('a kernel that does not answer is not one without losses', () => {
  for (const text of ['', 'Error sending status request (Operation not permitted)\n', 'lost 0\n'])
    expect(said(text)).toEqual({ audit_answers: false, audit_enabled: 'unknown' });
});

test('it writes one file, whole', () => {
  mkdirSync(target.path('run/facts'), { recursive: true });
  execFileSync(target.path('lib/collectors/audit'), { env: {} });
  const file = target.path('run/facts/audit.json');
  expect((statSync(file).mode & 0o777).toString(8)).toBe('640');
  const facts = JSON.parse(readFileSync(file, 'utf8')) as unknown;
  expect(facts).toMatchObject({ v: 1, period: 300 });
  expect(facts).toHaveProperty('audit_enabled');
});

test('it takes no argument, and refuses as it stands in the repository', () => {
  expect(collectorRefusals(target, 'audit', '-D')).toEqual(refusalsOf('audit'));
});
