import { join } from 'node:path';
import type { PtyStep } from '../support/on-pty.ts';
import { approveHighSteps, enrolOperator } from '../support/operator.ts';
import { PASSPHRASE, type Lane } from './lane.ts';
import type { Recorded } from './records.ts';

// What the harness's HIGH takes: alice with a one-time password, and bob with his on a machine of his own.

/** What a person types for HIGH. Their one-time password is enrolled anew each time, so that no moment has to wait for its next step. */
const stepsOf = async (lane: Lane, who: 'alice' | 'bob'): Promise<readonly PtyStep[]> => {
  const operator = who === 'alice' ? lane.operator : lane.bob;
  const key = lane.approvers[who];
  const { code } = await enrolOperator(operator, { principal: who, passphrase: PASSPHRASE, key });
  return approveHighSteps(lane.host.name, PASSPHRASE, code());
};

export const aliceSteps = (lane: Lane): Promise<readonly PtyStep[]> => stepsOf(lane, 'alice');

/** Files a HIGH request by a configuration without an approver: who asks signs nothing. */
export const proposeHigh = async (lane: Lane, n: number, ms: number): Promise<string> => {
  const args = [`n=${String(n)}`, `ms=${String(ms)}`];
  const why = ['-r', 'The harness counts it.', '--json', '--config', lane.askConfig];
  const { stdout, stderr } = await lane.operator.cli(
    'propose',
    'crash_high',
    '-H',
    lane.host.name,
    ...args,
    ...why,
  );
  if (stdout === '') throw new Error(`not filed: ${stderr}`);
  return (JSON.parse(stdout) as { id: string }).id;
};

/** The first signature. */
export const signFirst = async (lane: Lane, id: string): Promise<void> => {
  await lane.operator.typed(['approve', id], await aliceSteps(lane));
};

let files = 0;

/** Bob signs what alice exports: the file with his answer; undefined when alice has not signed yet. */
export const cosign = async (lane: Lane, id: string): Promise<string | undefined> => {
  files += 1;
  const [ticket, answer] = ['ticket', 'answer'].map((name) =>
    join(lane.operator.home, `${name}-${String(files)}`),
  ) as [string, string];
  const exported = await lane.operator.cli('ticket', 'export', id, ticket);
  if (exported.code !== 0) return undefined;
  const signed = await lane.bob.typed(['cosign', ticket, '--out', answer], await stepsOf(lane, 'bob'));
  if (signed.code !== 0) throw new Error(`bob did not sign: ${signed.screen}`);
  return answer;
};

/** What is missing of two signatures; the second one runs it. */
export const goOnByTwo = async (lane: Lane, { id }: Pick<Recorded, 'id'>): Promise<void> => {
  const answer = await cosign(lane, id);
  if (answer === undefined) await signFirst(lane, id);
  else await lane.operator.cli('ticket', 'import', answer, '--run');
};
