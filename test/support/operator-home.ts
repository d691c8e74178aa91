import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import {
  EMBEDDED_CATALOG,
  startEmbeddedTarget,
  type EmbeddedTarget,
  type Policy,
} from './embedded-target.ts';
import { makeOperator, type Operator } from './operator.ts';

/** One embedded target and one operator with the real program, for the tests of a file. */
export interface OperatorHome {
  readonly target: EmbeddedTarget;
  readonly operator: Operator;
  readonly home: string;
}

/** Registers what comes before and after the tests of the file that calls it. */
export const useOperator = (policy?: (target: EmbeddedTarget) => Policy): OperatorHome => {
  const it: { -readonly [K in keyof OperatorHome]?: OperatorHome[K] } = {};
  beforeAll(async () => {
    it.home = mkdtempSync(join(tmpdir(), 'mcp-pra-home-'));
    const target = await startEmbeddedTarget();
    it.target = target;
    if (policy !== undefined) target.writePolicy(policy(target));
    it.operator = makeOperator({
      home: it.home,
      hosts: { [target.name]: { address: target.address, port: target.port } },
      keys: { reader: target.readerKey, runner: target.runnerKey, auto: target.autoKey.path },
      approver: { principal: target.approver.principal, key: target.approver.path },
      knownHosts: target.knownHostsPath,
      more: { catalog: { builtin: false, dirs: [EMBEDDED_CATALOG] } },
    });
  });
  afterAll(async () => {
    await it.target?.stop();
    if (it.home !== undefined) rmSync(it.home, { recursive: true, force: true });
  });
  // Filled before the first test.
  return it as OperatorHome;
};
