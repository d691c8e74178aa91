import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { SETTLE_MS } from './flows.ts';
import type { Lane } from './lane.ts';
import { aliceSteps, goOnByTwo } from './two-people.ts';

interface Status {
  readonly freezes: readonly unknown[];
  readonly orders: readonly { readonly state: string }[];
}

const statusOf = async (lane: Lane): Promise<Status> =>
  JSON.parse((await lane.operator.cli('freeze', '--status', '--json')).stdout) as Status;

/**
 * After a freeze that was killed somewhere: what waits is sent, what is frozen runs nothing, and it is lifted as people do.
 * What is wrong, or undefined.
 */
export const whyStopIsWrong = async (lane: Lane, id: string, n: number): Promise<string | undefined> => {
  const isFrozen = (): boolean => existsSync(join(lane.host.rootDir, 'etc/mcp-pra/frozen'));
  let status = await statusOf(lane);
  // After a connection that was lost a host is not tried again at once.
  const until = performance.now() + SETTLE_MS;
  while (status.orders.some(({ state }) => state === 'WAITING') && performance.now() < until) {
    await lane.operator.cli('freeze', '--retry');
    status = await statusOf(lane);
  }
  const isKnown = status.freezes.length > 0;
  const isConfirmed = status.orders.some(({ state }) => state === 'CONFIRMED');
  if (isFrozen() !== isConfirmed)
    return `the host is ${isFrozen() ? '' : 'not '}frozen: ${JSON.stringify(status)}`;
  if (!isKnown) return isConfirmed ? 'the host is frozen, this machine is not' : undefined;
  const executed = await lane.operator.cli('execute', id);
  if (executed.code !== 3 || lane.happened(n).begun > 0)
    return `executed while frozen: exit ${String(executed.code)}, begun ${String(lane.happened(n).begun)}`;
  const why = await lift(lane, isConfirmed);
  const left = await statusOf(lane);
  return why ?? (isFrozen() || left.freezes.length > 0 ? `still frozen: ${JSON.stringify(left)}` : undefined);
};

const lift = async (lane: Lane, isHostFrozen: boolean): Promise<string | undefined> => {
  const { name } = lane.host;
  if (!isHostFrozen) {
    const [, ...proofs] = await aliceSteps(lane);
    const steps = [{ expect: `Type ${name}`, send: `${name}\n` }, ...proofs];
    const { code, screen } = await lane.operator.typed(['unfreeze', '--host', name, '--local'], steps);
    return code === 0 ? undefined : `not lifted here: ${screen}`;
  }
  const { screen } = await lane.operator.typed(
    ['unfreeze', '--host', name, '-r', 'It was a drill.'],
    await aliceSteps(lane),
  );
  const id = /mcp-pra approve ([a-z2-7]{16})/u.exec(screen)?.[1];
  if (id === undefined) return `not lifted: ${screen}`;
  await goOnByTwo(lane, { id });
  return undefined;
};
