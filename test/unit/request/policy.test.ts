import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadCatalog } from '../../../src/catalog/load.ts';
import { checkArgs } from '../../../src/catalog/params.ts';
import type { Action, Diagnostic } from '../../../src/catalog/types.ts';
import { higher } from '../../../src/request/impact.ts';
import { Policy, type OperatorPolicy } from '../../../src/request/policy.ts';
import type { State } from '../../../src/request/types.ts';
import { newRequest, nthId } from '../../support/store-fixture.ts';

const ROOT = join(import.meta.dirname, '../../..');
const catalog = loadCatalog([join(ROOT, 'catalog')], {
  targetScripts: join(ROOT, 'target-scripts'),
});
const diagnostic = (name: string): Diagnostic => {
  const found = catalog.diagnostics.get(name);
  if (found === undefined) throw new Error(name);
  return found;
};
const action = (name: string): Action => {
  const found = catalog.actions.get(name);
  if (found === undefined) throw new Error(name);
  return found;
};
const host = (name: string, ...groups: string[]) => ({ name, tags: [], groups });
const policyOf = (over: Partial<OperatorPolicy> = {}): Policy =>
  new Policy([host('web1', 'web', 'all'), host('web2', 'web', 'all'), host('db1', 'all')], {
    denyActions: [],
    raise: {},
    autoApprove: true,
    rules: [],
    ...over,
  });
const code = (expected: string) => expect.objectContaining({ code: expected });

test('groups and hosts in the order given, each once; anything else is refused', () => {
  const policy = policyOf();
  expect(policy.select(['db1', 'web', 'web1', 'all'])).toEqual(['db1', 'web1', 'web2']);
  expect(policy.select(['@web', 'web1'])).toEqual(['web1', 'web2']);
  for (const name of ['', '@', '@web1', '@@web', 'WEB1', 'web1 ', 'constructor', '__proto__', 'web1,db1'])
    expect(() => policy.select(['web1', name])).toThrow(code('HOST_UNKNOWN'));
});

test('no grant for a host that is not in the configuration, whoever asks', () => {
  const policy = policyOf();
  const uptime = diagnostic('uptime');
  const args = checkArgs(uptime, {});
  expect(policy.read('web1', uptime, args)).toMatchObject({
    account: 'reader',
    host: 'web1',
    line: 'uptime',
    input: 'hold',
  });
  expect(() => policy.read('web9', uptime, args)).toThrow(code('HOST_UNKNOWN'));
  expect(() => policy.readVersion('web9')).toThrow(code('HOST_UNKNOWN'));
  expect(() => policy.ask('web9', 'status', Buffer.alloc(0))).toThrow(code('HOST_UNKNOWN'));
});

test('the limits of a grant leave room for what the definition allows', () => {
  const uptime = diagnostic('uptime');
  const grant = policyOf().read('web1', uptime, checkArgs(uptime, {}));
  expect(grant.seconds).toBeGreaterThan(uptime.run.length * uptime.limits.seconds);
  expect(grant.bytes).toBeGreaterThan(uptime.run.length * uptime.limits.bytes);
  // The most output that any definition may have, in base64.
  expect(policyOf().ask('web1', 'result', Buffer.alloc(0), 20)).toMatchObject({
    account: 'runner',
    line: 'result',
  });
  expect(policyOf().ask('web1', 'result', Buffer.alloc(0), 20).bytes).toBeGreaterThan((1_048_576 * 4) / 3);
  expect(policyOf().ask('web1', 'result', Buffer.alloc(0), 20).seconds).toBeGreaterThan(20);
});

test('the configuration can deny and raise, and never lower', () => {
  expect(policyOf().impactOf(action('reload_proxy'))).toBe('MEDIUM');
  expect(policyOf({ raise: { reload_proxy: 'HIGH' } }).impactOf(action('reload_proxy'))).toBe('HIGH');
  expect(policyOf({ raise: { reload_proxy: 'LOW' } }).impactOf(action('reload_proxy'))).toBe('MEDIUM');
  expect(policyOf({ raise: { restart_service: 'HIGH' } }).impactOf(action('reload_proxy'))).toBe('MEDIUM');
  expect(() => policyOf({ denyActions: ['reload_proxy'] }).impactOf(action('reload_proxy'))).toThrow(
    code('ACTION_DENIED'),
  );
  expect([higher('LOW', 'MEDIUM'), higher('HIGH', 'MEDIUM'), higher('LOW', 'LOW')]).toEqual([
    'MEDIUM',
    'HIGH',
    'LOW',
  ]);
});

test('an action word goes out only for a request that is durably DISPATCHING, signed, and of this very action', () => {
  const policy = policyOf();
  const request = (state: State, over = {}) => ({
    ...newRequest(nthId(1)),
    state,
    updatedAt: 0,
    signatures: ['c2ln'],
    ...over,
  });
  const submit = (given: ReturnType<typeof request>, name = 'restart_service') =>
    policy.submit(given, action(name), Buffer.from('x'));
  expect(submit(request('DISPATCHING'))).toMatchObject({
    account: 'runner',
    host: 'web1',
    line: 'restart_service',
  });
  const states: State[] = [
    'PROPOSED',
    'PENDING',
    'APPROVED',
    'AUTO_APPROVED',
    'RUNNING',
    'UNKNOWN',
    'SUCCEEDED',
  ];
  for (const state of states) expect(() => submit(request(state))).toThrow(code('NOT_APPROVED'));
  expect(() => submit(request('DISPATCHING', { signatures: [] }))).toThrow(code('NOT_APPROVED'));
  expect(() => submit(request('DISPATCHING'), 'reload_proxy')).toThrow(code('NOT_APPROVED'));
  expect(() => submit(request('DISPATCHING', { host: 'web9' }))).toThrow(code('HOST_UNKNOWN'));
});

test('only reads are granted once more, and only in what is left of their time', () => {
  const policy = policyOf();
  const uptime = diagnostic('uptime');
  const grant = policy.read('web1', uptime, checkArgs(uptime, {}));
  const again = policy.again(grant, 1_250);
  expect(again).toMatchObject({ account: 'reader', host: 'web1', line: grant.line, bytes: grant.bytes });
  expect(again?.seconds).toBeCloseTo(grant.seconds - 1.3, 5);
  expect(again?.id).not.toBe(grant.id);
  expect(policy.again(grant, grant.seconds * 1_000 - 100)?.seconds).toBeCloseTo(0.1, 5);
  expect(policy.again(grant, grant.seconds * 1_000 - 99)).toBeUndefined();
  expect(policy.again(grant, grant.seconds * 1_000 + 60_000)).toBeUndefined();
  expect(policy.again(policy.readVersion('web1'), 0)).toMatchObject({ line: 'version' });
  expect(policy.again(policy.ask('web1', 'version', Buffer.alloc(0)), 0)).toMatchObject({ line: 'version' });
  for (const word of ['prepare', 'status', 'result', 'fence'] as const)
    expect(() => policy.again(policy.ask('web1', word, Buffer.alloc(0)), 0)).toThrow(code('INTERNAL'));
});
