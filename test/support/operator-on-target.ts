import { join } from 'node:path';
import type { EmbeddedTarget } from './embedded-target.ts';
import { makeOperator, type Operator, type OperatorOptions } from './operator.ts';

/** An operator of one embedded target whose site catalog is `site`, with a home below the target's own directory. */
export const operatorOn = (
  target: EmbeddedTarget,
  site: string,
  over: Partial<OperatorOptions> & { readonly name?: string } = {},
): Operator => {
  const { name = 'home', more, ...rest } = over;
  return makeOperator({
    home: join(target.operatorDir, name),
    hosts: { [target.name]: { address: target.address, port: target.port, tags: ['demo'] } },
    keys: { reader: target.readerKey, runner: target.runnerKey, auto: target.autoKey.path },
    approver: { principal: target.approver.principal, key: target.approver.path },
    knownHosts: target.knownHostsPath,
    ...rest,
    more: { catalog: { builtin: false, dirs: [site] }, promote: ['demo_sleep', 'demo_output'], ...more },
  });
};
