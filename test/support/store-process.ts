// One of several processes on the same store: node store-process.ts <dir> <task> [arguments]. Prints one JSON line when it is
// ready, begins with the first byte on standard input, and prints its result as another line.
import { PraError } from '../../src/errors.ts';
import { makeOtpProof } from '../../src/request/otp-proof.ts';
import { openStore } from '../../src/store/open.ts';
import { newRequest, row, START } from './store-fixture.ts';

const [dir = '', task = '', ...rest] = process.argv.slice(2);
const say = (value: unknown): void => void process.stdout.write(`${JSON.stringify(value)}\n`);
const go = (): Promise<void> => new Promise((resolve) => process.stdin.once('data', () => resolve()));
const clock = { now: () => START };

/** What each id came to: `won` or the code of the refusal. Anything but a PraError ends the process. */
const attempt = (work: () => void): string => {
  try {
    work();
    return 'won';
  } catch (error) {
    if (error instanceof PraError) return error.code === 'STORE_BROKEN' ? error.message : error.code;
    throw error;
  }
};

if (task === 'open') {
  say('ready');
  await go();
  const result = await openStore({ dir, clock }).then(
    (store) => {
      store.append({ kind: 'note', code: 'opened', actor: 'test/process' });
      store.close();
      return 'won';
    },
    (error: unknown) => (error instanceof Error ? error.message : 'failed'),
  );
  say(result);
} else {
  const warnings: string[] = [];
  const store = await openStore({ dir, clock, onWarning: (code) => warnings.push(code) });
  say('ready');
  await go();
  if (task === 'race') {
    const won = rest.map((id) => {
      const approve = attempt(() =>
        store.transition(id, 'approve', { decidedBy: String(process.pid) }, row(id, 'approve')),
      );
      const dispatch = attempt(() => store.transition(id, 'dispatch', {}, row(id, 'dispatch')));
      return { approve, dispatch };
    });
    say({ pid: process.pid, won, warnings });
  } else if (task === 'otp') {
    // principal:id each: the same code of the principal for a request of this process.
    const won = rest.map((pair) => {
      const [principal = '', id = ''] = pair.split(':');
      return attempt(() => {
        const { seq } = store.otp.attempt(principal, id, 'code');
        const enrolment = store.otp.enrolment(principal)?.id ?? '';
        const by = { kind: 'code', step: 7 } as const;
        const proof = makeOtpProof({ principal, enrolment, subject: id, attempt: seq, by });
        store.transition(id, 'approve', { decidedBy: principal }, row(id, 'approve'), proof);
      });
    });
    say(won);
  } else if (task === 'write') {
    // Until somebody kills it: proposals, transitions and rows of their own.
    for (const id of rest) {
      store.create(newRequest(id), row(id, 'PROPOSED'));
      store.transition(id, 'ask', {}, row(id, 'ask'));
      store.append({ kind: 'call', code: 'ok', actor: 'test/process' });
      say(id);
    }
  } else if (task === 'wait') {
    store.list();
    say('waiting');
    await store.changed(600_000);
    say(store.list().map(({ state }) => state));
  } else if (task === 'stop-waiting') {
    const abort = new AbortController();
    const wait = store.changed(600_000, abort.signal);
    abort.abort();
    await wait;
    // Neither closed nor exited: nothing may keep the process.
    say('aborted');
  }
  if (task !== 'stop-waiting') store.close();
}
process.stdin.destroy();
