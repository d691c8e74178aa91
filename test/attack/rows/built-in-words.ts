import type { Ticket } from '../../../src/request/types.ts';
import { freezeTicketFrom, prepare, signWith, submit, ticketFrom, type Said } from '../../support/thief.ts';
import type { Attack, Without } from '../attack.ts';
import type { DegradationName } from '../degradations.ts';
import type { Field } from '../field.ts';
import { watched, withPolicy } from './tickets.ts';

// The words that stop, start again and look back: what the thief of a runner key, of the auto key, or of a signature for something
// else makes of them. A claim counts as something that ran.

const [LOW, MEDIUM, HIGH, AUTO] = ['mcp-pra-low', 'mcp-pra-medium', 'mcp-pra-high', 'mcp-pra-auto'] as const;
const RELOAD = { action: 'reload_proxy', args: [['proxy', 'nginx']] } as const;
const SWITCHES = '/etc/mcp-pra/frozen /run/mcp-pra/pra-run/frozen';
const SESSION = '/var/lib/mcp-pra/break-glass.json';
const GLASS = { break_glass: { principals: ['alice'], actions: ['reload_proxy'] } };
/** A team of one, which the hosts of the suite are not: their HIGH wants a security key. */
const ALONE = { signer: { MEDIUM: 'software-key', HIGH: 'software-key' } };

type Made = Awaited<ReturnType<typeof prepare>>;
/** Who signs what: the text's base64 SSHSIG. */
type Sign = (field: Field, text: string) => string;
const alice =
  (namespace: string): Sign =>
  (field, text) =>
    field.sign(text, namespace);
const thief =
  (key: 'runner' | 'auto', namespace: string): Sign =>
  (field, text) =>
    signWith(field.keys[key], namespace, text);

const hand = (field: Field, word: string, made: Made, text: string, sign: Sign): Promise<Said> => {
  const offer = word === 'freeze' ? undefined : made.signed;
  return submit(field.loot(field.keys.runner), word, {
    ticketText: text,
    signatures: [sign(field, text)],
    offer,
  });
};
const must = async (said: Promise<Said>, what: string): Promise<void> => {
  const { stdout, stderr } = await said;
  if (!stdout.includes('state SUCCEEDED')) throw new Error(`the genuine ${what} was refused: ${stderr}`);
};
const offered = (field: Field, draft: Parameters<typeof prepare>[1] = RELOAD, host = field.host) =>
  prepare(field.loot(field.keys.runner, host), draft);
const clean = (field: Field): Promise<string> => field.stage(`rm -f ${SWITCHES} ${SESSION}`);
/** The attack, and what the switch says afterwards. */
const tried = async (field: Field, go: () => Promise<Said>): Promise<string> => {
  const seen = await watched(field, go);
  const { stdout } = await field.host.run([
    '/bin/sh',
    '-c',
    `for switch in ${SWITCHES}; do [ -e "$switch" ] && echo FROZEN; done; true`,
  ]);
  return `${seen}\n${stdout === '' ? 'NOT FROZEN' : stdout}`;
};

// Each ends as it began, whatever happened.
const within = async (field: Field, work: () => Promise<string>): Promise<string> => {
  try {
    return await work();
  } finally {
    await clean(field);
  }
};

const freeze =
  (sign: Sign, wrong: Partial<Ticket> = {}) =>
  (field: Field): Promise<string> =>
    within(field, async () => {
      const made = await offered(field);
      const text = freezeTicketFrom(made, wrong);
      return tried(field, () => hand(field, 'freeze', made, text, sign));
    });

const frozenWith = async (field: Field): Promise<void> => {
  const made = await offered(field);
  await must(hand(field, 'freeze', made, freezeTicketFrom(made), alice(MEDIUM)), 'freeze');
};

const unfreeze =
  (sign: Sign) =>
  (field: Field): Promise<string> =>
    within(field, () =>
      withPolicy(field, ALONE, async () => {
        await frozenWith(field);
        const made = await offered(field, { action: 'unfreeze', args: [] });
        const text = ticketFrom(made, { kind: 'unfreeze' });
        return tried(field, () => hand(field, 'unfreeze', made, text, sign));
      }),
    );

/** After a run that was approved and has ended. */
const cancel =
  (sign: Sign, wrong: Partial<Ticket> = {}) =>
  async (field: Field): Promise<string> => {
    const made = await offered(field);
    await must(hand(field, 'reload_proxy', made, ticketFrom(made), alice(MEDIUM)), 'run');
    const text = ticketFrom(made, { kind: 'cancel', reason: 'stop', ...wrong });
    return tried(field, () => hand(field, 'cancel', made, text, sign));
  };

const breakGlass = (incident: string): Partial<Ticket> => ({ approval: 'break-glass', incident });

/** After Alice broke the glass for an incident. */
const review =
  (sign: Sign, before?: (field: Field, made: Made, text: string) => Promise<void>) =>
  (field: Field): Promise<string> =>
    within(field, () =>
      withPolicy(field, { ...GLASS, ...ALONE }, async () => {
        const run = await offered(field);
        await must(
          hand(field, 'reload_proxy', run, ticketFrom(run, breakGlass('inc-1')), alice(MEDIUM)),
          'run',
        );
        const made = await offered(field, { action: 'review', args: [['incident', 'inc-1']] });
        const text = ticketFrom(made, { kind: 'review' });
        await before?.(field, made, text);
        return tried(field, () => hand(field, 'review', made, text, sign));
      }),
    );

const glass =
  (policy: Record<string, unknown>, first?: string) =>
  (field: Field): Promise<string> =>
    within(field, () =>
      withPolicy(field, policy, async () => {
        if (first !== undefined) {
          const earlier = await offered(field);
          const text = ticketFrom(earlier, breakGlass(first));
          await must(hand(field, 'reload_proxy', earlier, text, alice(MEDIUM)), 'run');
        }
        const made = await offered(field);
        const text = ticketFrom(made, breakGlass('inc-2'));
        return tried(field, () => hand(field, 'reload_proxy', made, text, alice(MEDIUM)));
      }),
    );

const refusedFor = (code: string): RegExp => new RegExp(`^refused pra-run ${code}$[^]*NOTHING RAN`, 'mu');
const row = (
  id: string,
  what: string,
  code: string,
  attack: (field: Field) => Promise<string>,
  off: DegradationName | Without,
  through = /SOMETHING RAN/u,
): Attack => ({
  id: `words-${id}`,
  what,
  layer: 'pra-run',
  attack,
  stopped: refusedFor(code),
  through,
  without: [typeof off === 'string' ? { off, so: 'through' } : off],
});
const next = (off: DegradationName, code: string): Without => ({
  off,
  so: { layer: 'pra-run', stopped: refusedFor(code) },
});

/** On another host than the ticket names. */
const elsewhere =
  (word: 'freeze' | 'cancel', sign: Sign) =>
  (field: Field): Promise<string> =>
    within(field, async () => {
      const made = await offered(field, RELOAD, field.other);
      const text =
        word === 'freeze' ? freezeTicketFrom(made) : ticketFrom(made, { kind: 'cancel', reason: 'stop' });
      return tried(field, () => hand(field, word, made, text, sign));
    });

const byRunner = (namespace: string): Sign => thief('runner', namespace);
const byAuto = thief('auto', AUTO);

export const builtInWords: readonly Attack[] = [
  row(
    'freeze-runner-key',
    'a freeze that the stolen runner key signed',
    'SIGNER_UNKNOWN',
    freeze(byRunner(MEDIUM)),
    'pra-run: unknown signer',
  ),
  row('freeze-auto', 'a freeze by the auto key', 'NAMESPACE_WRONG', freeze(byAuto), 'pra-run: namespace'),
  row(
    'freeze-low',
    'a freeze on a LOW ticket, with a signature for that',
    'IMPACT_TOO_LOW',
    freeze(alice(LOW), { impact: 'LOW' }),
    'pra-run: impact',
  ),
  row(
    'freeze-other-host',
    'a freeze that was signed for another host',
    'HOST_MISMATCH',
    elsewhere('freeze', alice(MEDIUM)),
    next('pra-run: host', 'HOST_KEY_MISMATCH'),
  ),
  row(
    'freeze-replayed',
    'a freeze a second time, after it was lifted',
    'REPLAYED',
    (field) =>
      within(field, async () => {
        const made = await offered(field);
        const text = freezeTicketFrom(made);
        await must(hand(field, 'freeze', made, text, alice(MEDIUM)), 'freeze');
        await clean(field);
        return tried(field, () => hand(field, 'freeze', made, text, alice(MEDIUM)));
      }),
    'pra-run: replay',
    /^FROZEN$/mu,
  ),
  row(
    'unfreeze-runner-key',
    'lifting a freeze with the stolen runner key',
    'SIGNER_UNKNOWN',
    unfreeze(byRunner(HIGH)),
    'pra-run: unknown signer',
  ),
  row(
    'unfreeze-auto',
    'lifting it with the auto key',
    'NAMESPACE_WRONG',
    unfreeze(byAuto),
    'pra-run: namespace',
  ),
  row(
    'unfreeze-medium',
    'lifting it with a signature for MEDIUM',
    'NAMESPACE_WRONG',
    unfreeze(alice(MEDIUM)),
    'pra-run: namespace',
  ),
  row(
    'unfreeze-replayed',
    'lifting the next freeze with the ticket that lifted the last one',
    'REPLAYED',
    (field) =>
      within(field, () =>
        withPolicy(field, ALONE, async () => {
          await frozenWith(field);
          const made = await offered(field, { action: 'unfreeze', args: [] });
          const text = ticketFrom(made, { kind: 'unfreeze' });
          await must(hand(field, 'unfreeze', made, text, alice(HIGH)), 'unfreeze');
          await frozenWith(field);
          return tried(field, () => hand(field, 'unfreeze', made, text, alice(HIGH)));
        }),
      ),
    next('pra-run: replay', 'STALE'),
  ),
  row(
    'cancel-runner-key',
    'stopping a run with the stolen runner key',
    'SIGNER_UNKNOWN',
    cancel(byRunner(MEDIUM)),
    next('pra-run: unknown signer', 'NOT_CANCELLABLE'),
  ),
  row(
    'cancel-auto',
    'stopping a run with the auto key',
    'NAMESPACE_WRONG',
    cancel(byAuto),
    next('pra-run: namespace', 'NOT_CANCELLABLE'),
  ),
  row(
    'cancel-low',
    'stopping a MEDIUM run on a LOW ticket',
    'IMPACT_TOO_LOW',
    cancel(alice(LOW), { impact: 'LOW' }),
    next('pra-run: impact', 'NOT_CANCELLABLE'),
  ),
  row(
    'cancel-other-host',
    'stopping a run of another host',
    'HOST_MISMATCH',
    elsewhere('cancel', alice(MEDIUM)),
    next('pra-run: host', 'HOST_KEY_MISMATCH'),
  ),
  row(
    'cancel-half-way',
    'stopping what must not be stopped half-way',
    'NOT_CANCELLABLE',
    cancel(alice(MEDIUM)),
    'pra-run: cancellable',
    /"event":"receipt"/u,
  ),
  row(
    'review-runner-key',
    'reviewing a broken glass with the stolen runner key',
    'SIGNER_UNKNOWN',
    review(byRunner(HIGH)),
    'pra-run: unknown signer',
  ),
  row(
    'review-auto',
    'reviewing it with the auto key',
    'NAMESPACE_WRONG',
    review(byAuto),
    'pra-run: namespace',
  ),
  row(
    'review-medium',
    'reviewing it with a signature for MEDIUM',
    'NAMESPACE_WRONG',
    review(alice(MEDIUM)),
    'pra-run: namespace',
  ),
  row(
    'review-replayed',
    'a review a second time',
    'REPLAYED',
    review(alice(HIGH), (field, made, text) =>
      must(hand(field, 'review', made, text, alice(HIGH)), 'review'),
    ),
    next('pra-run: replay', 'NOTHING_TO_REVIEW'),
  ),
  row(
    'glass-unlisted',
    'breaking glass as somebody whom the policy does not list for it',
    'BREAK_GLASS_NOT_ALLOWED',
    glass({ break_glass: { principals: ['bob'], actions: ['reload_proxy'] } }),
    'pra-run: break-glass list',
  ),
  row(
    'glass-action',
    'breaking glass for an action that the policy does not list for it',
    'BREAK_GLASS_NOT_ALLOWED',
    glass({ break_glass: { principals: ['alice'], actions: ['restart_service'] } }),
    'pra-run: break-glass list',
  ),
  row(
    'glass-second-incident',
    'breaking glass for a second incident while nobody reviewed the first',
    'BREAK_GLASS_REVIEW',
    glass(GLASS, 'inc-1'),
    'pra-run: break-glass review',
  ),
  row(
    'fence-auto',
    'burning a MEDIUM request with the auto key',
    'NAMESPACE_WRONG',
    async (field) => {
      const made = await offered(field);
      return tried(field, () => hand(field, 'fence', made, ticketFrom(made), byAuto));
    },
    next('pra-run: namespace', 'AUTO_NOT_ALLOWED'),
  ),
];
