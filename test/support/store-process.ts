// One of several processes on the same store: node store-process.ts <dir> <task> [arguments]. Prints one JSON line when it is
// ready, begins with the first byte on standard input, and prints its result as another line.
import { PraError } from '../../src/errors.ts';
import { makeOtpProof } from '../../src/request/otp-proof.ts';
import { openStore } from '../../src/store/open.ts';
import type { LifecycleEvent } from '../../src/request/lifecycle.ts';
import type { RequestPatch } from '../../src/request/ports.ts';
import { newRequest, patchOf, row, START } from './store-fixture.ts';

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

/** What `random` draws from: often what leads on, every event at times. */
const RANDOM: readonly LifecycleEvent[] = [
  ...([
    'ask',
    'ask',
    'cosign',
    'cosign',
    'cosign',
    'approve',
    'approve',
    'dispatch',
    'dispatch',
    'dispatch',
  ] as const),
  ...([
    'accept',
    'lose',
    'deny',
    'withdraw',
    'unconfirm',
    'revoke',
    'succeed',
    'fail',
    'burn',
    'expire',
    'stale',
    'vanish',
    'close',
  ] as const),
];

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
        store.otp.attempt(principal, id, 'code');
        const enrolment = store.otp.enrolment(principal)?.id ?? '';
        const by = { kind: 'code', step: 7 } as const;
        const proof = makeOtpProof({ principal, enrolment, subject: id, by });
        store.transition(id, 'approve', { decidedBy: principal }, row(id, 'approve'), proof);
      });
    });
    say(won);
  } else if (task === 'random') {
    // Any event on any request, by dice that repeat; who signs adds to what was read, as a desk does.
    const [seed = '', count = '', own = '', ...ids] = rest;
    let state = Number(seed);
    const dice = (sides: number): number => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      return Math.floor((state / 2 ** 32) * sides);
    };
    const done: [string, string, string, string?][] = [];
    for (let n = 0; n < Number(count); n += 1) {
      const id = ids[dice(ids.length)] ?? '';
      const event = RANDOM[dice(RANDOM.length)] ?? 'ask';
      const signature = Buffer.from(`${own} ${String(n)}`).toString('base64');
      const came = attempt(() => {
        const { signatures, approvals } = store.find(id);
        const approval = { principal: `${own}-${String(n)}`, key: signature, way: 'here' } as const;
        const signed: RequestPatch = {
          ticket: 'the ticket',
          signatures: [...signatures, signature],
          approvals: [...approvals, approval],
        };
        const patch = event === 'cosign' || event === 'approve' ? signed : patchOf(event);
        store.transition(id, event, patch, { ...row(id, event), actor: `${own}/${String(n)}` });
      });
      done.push([id, event, came, signature]);
    }
    say({ done, warnings });
  } else if (task === 'sign') {
    // One signature under each; whoever was slower reads again and adds theirs.
    const [own = '', ...ids] = rest;
    let tries = 0;
    for (const id of ids) {
      for (let came = ''; came !== 'won'; tries += 1) {
        const { signatures, approvals } = store.find(id);
        const signature = Buffer.from(`${own} ${id}`).toString('base64');
        const patch: RequestPatch = {
          ticket: 'the ticket',
          signatures: [...signatures, signature],
          approvals: [...approvals, { principal: own, key: signature, way: 'here' }],
        };
        came = attempt(() => store.transition(id, 'cosign', patch, row(id, 'cosign')));
        if (came !== 'won' && came !== 'SIGNED_MEANWHILE') throw new Error(came);
      }
    }
    say(tries);
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
