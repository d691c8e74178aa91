import { serialiseSubmission } from '../../../src/request/submission.ts';
import type { Ticket } from '../../../src/request/types.ts';
import { makeKey } from '../../support/ssh-keys.ts';
import { prepare, queryFor, signWith, submit, ticketFrom, type Said } from '../../support/thief.ts';
import { DEMO_UNIT, publicKey } from '../../lab/provisioned.ts';
import type { Attack, Without } from '../attack.ts';
import type { DegradationName } from '../degradations.ts';
import { told, type Field } from '../field.ts';

// What the thief of a runner key, who has no approver's passphrase, tries to run. The oracle is not the refusal alone: the service
// must not have restarted, the proxy not reloaded.

const MEDIUM = 'mcp-pra-medium';
const RELOAD = { action: 'reload_proxy', args: [['proxy', 'nginx']] } as const;
type Made = Awaited<ReturnType<typeof prepare>>;

/** What ran on a host so far: starts of the demo services, reloads of the proxy. */
export const runsOf = async (field: Field, host = field.host): Promise<string> => {
  const { stdout } = await host.run([
    '/bin/sh',
    '-c',
    'cat /run/lab-demo.starts /run/lab-spare.starts 2>/dev/null | wc -l; journalctl -u nginx.service -o cat -q | grep -c Reloaded; find /var/lib/mcp-pra/claims /run/mcp-pra/claims -name "*.json" 2>/dev/null | wc -l',
  ]);
  return stdout;
};

/** What came back, and whether anything ran meanwhile. */
export const watched = async (field: Field, attack: () => Promise<Said>): Promise<string> => {
  const before = await runsOf(field);
  const said = await attack();
  return `${told(said)}\n${(await runsOf(field)) === before ? 'NOTHING RAN' : 'SOMETHING RAN'}`;
};

const RAN = /SOMETHING RAN/u;
const refusedFor = (...codes: readonly string[]): RegExp =>
  new RegExp(`^refused pra-run (?:${codes.join('|')})$[^]*NOTHING RAN`, 'mu');

interface Try {
  readonly id: string;
  readonly what: string;
  readonly codes: readonly string[];
  readonly cve?: readonly string[];
  readonly go: (field: Field) => Promise<string>;
  readonly off?: DegradationName;
  readonly without?: readonly Without[];
  readonly through?: RegExp;
}

const row = ({ id, what, codes, cve, go, off, without = [], through = RAN }: Try): Attack => ({
  id: `ticket-${id}`,
  what,
  layer: 'pra-run',
  ...(cve === undefined ? {} : { cve }),
  attack: go,
  stopped: refusedFor(...codes),
  through,
  without: off === undefined ? without : [{ off, so: 'through' }, ...without],
});

const next = (off: DegradationName, ...codes: readonly string[]): Without => ({
  off,
  so: { layer: 'pra-run', stopped: refusedFor(...codes) },
});

const offered = (field: Field): Promise<Made> => prepare(field.loot(field.keys.runner), RELOAD);
const send = (
  field: Field,
  made: Made,
  ticketText: string,
  signatures: readonly string[],
  word = 'reload_proxy',
  host = field.host,
): Promise<Said> =>
  submit(field.loot(field.keys.runner, host), word, { ticketText, signatures, offer: made.signed });

/** A genuine offer, a ticket with something wrong about it, and Alice’s genuine signature over that. */
const wrongTicket =
  (wrong: Partial<Ticket>, namespace = MEDIUM, word?: string) =>
  async (field: Field): Promise<string> => {
    const made = await offered(field);
    const text = ticketFrom(made, wrong);
    return watched(field, () => send(field, made, text, [field.sign(text, namespace)], word));
  };

const inNamespace = (namespace: string) => async (field: Field) => {
  const made = await offered(field);
  const text = ticketFrom(made);
  return watched(field, () => send(field, made, text, [field.sign(text, namespace)]));
};

/** With another policy.json meanwhile. */
export const withPolicy = async (
  field: Field,
  change: Record<string, unknown>,
  work: () => Promise<string>,
): Promise<string> => {
  const path = '/etc/mcp-pra/policy.json';
  const before = await field.host.readFile(path);
  await field.host.writeFile(path, JSON.stringify({ ...JSON.parse(before), ...change }), 0o644);
  try {
    return await work();
  } finally {
    await field.host.writeFile(path, before, 0o644);
  }
};

/** The bytes of a submission, for whoever changes them on the way. */
const wholeOf = (field: Field, made: Made): string => {
  const ticketText = ticketFrom(made);
  return serialiseSubmission({ ticketText, signatures: [field.sign(ticketText)], offer: made.signed });
};
/** What is changed is refused; the very same submission unchanged is then carried out. */
const changed =
  (change: (whole: string) => string | Buffer) =>
  async (field: Field): Promise<string> => {
    const whole = wholeOf(field, await offered(field));
    const seen = await watched(field, () => field.act('reload_proxy', change(whole)));
    const genuine = await field.act('reload_proxy', whole);
    if (!genuine.stdout.includes('state SUCCEEDED'))
      throw new Error(`the same unchanged was refused: ${genuine.stderr}`);
    return seen;
  };

const form = ['SUBMISSION_FORM', 'TICKET_FORM', 'SIGNATURE_FORM', 'SIZE'];

export const tickets: readonly Attack[] = [
  ...(
    [
      ['missing', 'an action without a ticket', 'SUBMISSION_FORM', () => ''],
      [
        'unsigned',
        'a ticket that nobody signed',
        'SIGNATURE_MISSING',
        (whole: string) => whole.replace(/^signature .*\n/mu, ''),
      ],
    ] as const
  ).map(([id, what, code, change]) => ({
    ...row({ id, what, codes: [code], go: changed(change) }),
    putRight: true as const,
  })),
  row({
    id: 'stranger',
    what: 'a signature of a stranger',
    codes: ['SIGNER_UNKNOWN'],
    go: async (field) => {
      const made = await offered(field);
      const text = ticketFrom(made);
      return watched(field, () => send(field, made, text, [signWith(field.keys.stranger, MEDIUM, text)]));
    },
    off: 'pra-run: unknown signer',
  }),
  row({
    id: 'transport-key',
    what: 'a signature of the stolen runner key itself',
    codes: ['SIGNER_UNKNOWN'],
    go: async (field) => {
      const made = await offered(field);
      const text = ticketFrom(made);
      return watched(field, () => send(field, made, text, [signWith(field.keys.runner, MEDIUM, text)]));
    },
    off: 'pra-run: unknown signer',
  }),
  ...['mcp-pra-low', 'mcp-pra-high', 'file', 'mcp-pra-offer', 'mcp-pra-receipt'].map((namespace) =>
    row({
      id: `namespace-${namespace.replace('mcp-pra-', '')}`,
      what: `Alice’s signature for ${namespace} on a MEDIUM ticket`,
      codes: ['NAMESPACE_WRONG'],
      go: inNamespace(namespace),
      ...(namespace === 'mcp-pra-low' || namespace === 'mcp-pra-high'
        ? { off: 'pra-run: namespace' as const }
        : {
            off: 'pra-run: namespace and signer' as const,
            without: [next('pra-run: namespace', 'SIGNER_UNKNOWN')],
          }),
    }),
  ),
  row({
    id: 'impact-lowered',
    what: 'an impact lower than that of the offer, with a signature for LOW',
    codes: ['OFFER_MISMATCH'],
    go: wrongTicket({ impact: 'LOW' }, 'mcp-pra-low'),
    without: [next('pra-run: offer', 'IMPACT_TOO_LOW')],
  }),
  row({
    id: 'impact-raised-since',
    what: 'a ticket from before the host raised the impact',
    codes: ['IMPACT_TOO_LOW'],
    go: async (field) => {
      const made = await offered(field);
      const text = ticketFrom(made);
      const signature = field.sign(text);
      return withPolicy(field, { impact: { reload_proxy: 'HIGH' } }, () =>
        watched(field, () => send(field, made, text, [signature])),
      );
    },
    off: 'pra-run: impact',
  }),
  row({
    id: 'other-host',
    what: 'a ticket for another host',
    codes: ['HOST_MISMATCH'],
    go: async (field) => {
      const made = await prepare(field.loot(field.keys.runner, field.other), RELOAD);
      const text = ticketFrom(made);
      return watched(field, () => send(field, made, text, [field.sign(text)]));
    },
    without: [next('pra-run: host', 'HOST_KEY_MISMATCH')],
  }),
  row({
    id: 'other-host-key',
    what: 'a ticket that names this host and another’s key',
    codes: ['HOST_KEY_MISMATCH'],
    go: wrongTicket({ hostKey: `SHA256:${'A'.repeat(43)}` }),
    without: [next('pra-run: offer', 'HOST_KEY_MISMATCH')],
  }),
  row({
    id: 'widened-action',
    what: 'another action in the ticket than in the offer',
    codes: ['DEFINITION_STALE', 'OFFER_MISMATCH'],
    go: wrongTicket({ action: 'restart_service', args: [['unit', DEMO_UNIT]] }, MEDIUM, 'restart_service'),
    without: [next('pra-run: definition', 'OFFER_MISMATCH')],
  }),
  row({
    id: 'widened-argument',
    what: 'another argument in the ticket than in the offer',
    codes: ['OFFER_MISMATCH'],
    go: async (field) => {
      const made = await prepare(field.loot(field.keys.runner), {
        action: 'restart_service',
        args: [['unit', 'cron.service']],
      });
      const text = ticketFrom(made, { args: [['unit', DEMO_UNIT]] });
      return watched(field, () =>
        send(field, made, text, [field.sign(text, 'mcp-pra-low')], 'restart_service'),
      );
    },
    without: [next('pra-run: offer', 'STALE')],
  }),
  row({
    id: 'argument-not-on-host',
    what: 'a unit that this host’s policy does not list',
    codes: ['ARG_NOT_ON_HOST'],
    go: async (field) => {
      const made = await prepare(field.loot(field.keys.runner), {
        action: 'restart_service',
        args: [['unit', 'cron.service']],
      });
      const text = ticketFrom(made, { args: [['unit', 'ssh.service']] });
      return watched(field, () =>
        send(field, made, text, [field.sign(text, 'mcp-pra-low')], 'restart_service'),
      );
    },
    without: [next('pra-run: values of this host', 'OFFER_MISMATCH')],
  }),
  ...(
    [
      ['argument-option', 'an option as an argument', '--now.service'],
      ['argument-glob', 'a pattern as an argument', 'lab-.service.x'],
      ['argument-specifier', 'two units in one argument', 'a.service+b.service'],
    ] as const
  ).map(([id, what, unit]) =>
    row({
      id,
      what,
      codes: ['ARG_BAD'],
      go: async (field) => {
        const made = await prepare(field.loot(field.keys.runner), {
          action: 'restart_service',
          args: [['unit', 'cron.service']],
        });
        const text = ticketFrom(made, { args: [['unit', unit]] });
        return watched(field, () =>
          send(field, made, text, [field.sign(text, 'mcp-pra-low')], 'restart_service'),
        );
      },
      without: [next('pra-run: types', 'ARG_NOT_ON_HOST')],
    }),
  ),
  row({
    id: 'other-word',
    what: 'a ticket under the word of another action',
    codes: ['WORD_MISMATCH'],
    go: async (field) => {
      const made = await offered(field);
      const text = ticketFrom(made);
      return watched(field, () => send(field, made, text, [field.sign(text)], 'restart_service'));
    },
    off: 'pra-run: word',
  }),
  row({
    id: 'changed-byte',
    what: 'one byte changed after the signature',
    codes: ['SIGNATURE_BAD'],
    go: async (field) => {
      const made = await offered(field);
      const text = ticketFrom(made);
      const signature = field.sign(text);
      return watched(field, () =>
        send(field, made, text.replace('reason because', 'reason becausf'), [signature]),
      );
    },
    off: 'pra-run: signature',
  }),
  row({
    id: 'swapped-signature',
    what: 'the signature of another ticket',
    codes: ['SIGNATURE_BAD'],
    go: async (field) => {
      const made = await offered(field);
      const [text, other] = [ticketFrom(made), ticketFrom(made, { reason: 'another' })];
      return watched(field, () => send(field, made, text, [field.sign(other)]));
    },
    off: 'pra-run: signature',
  }),
  row({
    id: 'replayed',
    what: 'a genuine ticket, a second time',
    codes: ['REPLAYED'],
    go: async (field) => {
      const made = await offered(field);
      const text = ticketFrom(made);
      const signatures = [field.sign(text)];
      const genuine = await send(field, made, text, signatures);
      if (!genuine.stdout.includes('state SUCCEEDED'))
        throw new Error(`the genuine ticket was refused: ${genuine.stderr}`);
      return watched(field, () => send(field, made, text, signatures));
    },
    cve: ['CVE-2013-1775', 'CVE-2013-1776'],
    without: [next('pra-run: replay', 'ID_CONFLICT')],
  }),
  row({
    id: 'same-id',
    what: 'another ticket under an id that is claimed',
    codes: ['ID_CONFLICT'],
    go: async (field) => {
      const made = await offered(field);
      const [text, other] = [ticketFrom(made), ticketFrom(made, { reason: 'another' })];
      await send(field, made, text, [field.sign(text)]);
      return watched(field, () => send(field, made, other, [field.sign(other)]));
    },
    without: [next('pra-run: replay', 'ID_CONFLICT')],
  }),
  row({
    id: 'offer-expired',
    what: 'an offer older than this host takes',
    codes: ['OFFER_EXPIRED'],
    go: (field) =>
      withPolicy(field, { offer_seconds: 1 }, async () => {
        const made = await offered(field);
        const text = ticketFrom(made);
        const signatures = [field.sign(text)];
        // The age is counted on CLOCK_BOOTTIME, which nobody can move: it has to be waited for.
        const { boottimeMs } = made.offer;
        await field.stage(
          `until [ "$(awk '{ printf "%d", $1 * 1000 }' /proc/uptime)" -gt ${String(boottimeMs + 1_100)} ]; do sleep 0.1; done`,
        );
        return watched(field, () => send(field, made, text, signatures));
      }),
    off: 'pra-run: age',
  }),
  row({
    id: 'offer-younger',
    what: 'an offer whose time was moved, so that it seems young',
    codes: ['OFFER_SIGNATURE'],
    go: async (field) => {
      const made = await offered(field);
      const moved = made.signed.text.replace(
        /^boottime \d+$/mu,
        `boottime ${String(made.offer.boottimeMs + 1)}`,
      );
      const forged = { ...made, signed: { ...made.signed, text: moved } };
      const text = ticketFrom(forged);
      return watched(field, () => send(field, forged, text, [field.sign(text)]));
    },
    off: 'pra-run: offer signature',
  }),
  row({
    id: 'clock-operator',
    what: 'a ticket from an operator’s clock a day ahead: warned about, and of no use beyond the offer’s age',
    codes: ['OFFER_EXPIRED'],
    go: (field) =>
      withPolicy(field, { offer_seconds: 1 }, async () => {
        const made = await offered(field);
        const text = ticketFrom(made, { issued: '2099-01-01T00:00:00Z', expires: '2099-01-01T00:20:00Z' });
        const signatures = [field.sign(text)];
        await field.stage(
          `until [ "$(awk '{ printf "%d", $1 * 1000 }' /proc/uptime)" -gt ${String(made.offer.boottimeMs + 1_100)} ]; do sleep 0.1; done`,
        );
        return watched(field, () => send(field, made, text, signatures));
      }),
    off: 'pra-run: age',
    cve: ['CVE-2013-1775'],
  }),
  row({
    id: 'definition',
    what: 'a definition that is not this host’s',
    codes: ['DEFINITION_STALE'],
    go: wrongTicket({ definition: 'ab'.repeat(32) }),
    without: [next('pra-run: definition', 'OFFER_MISMATCH')],
  }),
  row({
    id: 'script-changed',
    what: 'a script that changed since its definition',
    codes: ['SCRIPT_CHANGED'],
    go: async (field) => {
      const path = '/usr/local/lib/mcp-pra/scripts/reload-proxy';
      const script = await field.host.readFile(path);
      const made = await offered(field);
      const text = ticketFrom(made);
      const signatures = [field.sign(text)];
      await field.host.writeFile(path, `${script}# changed\n`, 0o755);
      try {
        return await watched(field, () => send(field, made, text, signatures));
      } finally {
        await field.host.writeFile(path, script, 0o755);
      }
    },
    without: [next('pra-run: script', 'STALE')],
  }),
  ...(
    [
      ['kind', 'a ticket of another kind', { kind: 'unfreeze' }, 'KIND_UNSUPPORTED'],
      ['mode', 'a drill', { mode: 'drill' }, 'MODE_UNSUPPORTED'],
      [
        'approval',
        'an approval by breaking the glass',
        { approval: 'break-glass', incident: 'inc-1' },
        'APPROVAL_UNSUPPORTED',
      ],
    ] as const
  ).map(([id, what, wrong, code]) =>
    row({
      id,
      what,
      codes: [code],
      go: wrongTicket(wrong as Partial<Ticket>),
      ...(id === 'kind'
        ? { off: 'pra-run: kind' as const }
        : {
            without: [next('pra-run: kind', id === 'mode' ? 'OFFER_MISMATCH' : 'BREAK_GLASS_NOT_ALLOWED')],
          }),
    }),
  ),
  row({
    id: 'auto-medium',
    what: 'the auto key on a MEDIUM action',
    codes: ['NAMESPACE_WRONG'],
    go: async (field) => {
      const made = await offered(field);
      const text = ticketFrom(made);
      return watched(field, () => send(field, made, text, [signWith(field.keys.auto, 'mcp-pra-auto', text)]));
    },
    without: [next('pra-run: namespace', 'AUTO_NOT_ALLOWED')],
  }),
  row({
    id: 'auto-as-person',
    what: 'the auto key in a person’s namespace',
    codes: ['SIGNER_UNKNOWN'],
    go: async (field) => {
      const made = await offered(field);
      const text = ticketFrom(made);
      return watched(field, () => send(field, made, text, [signWith(field.keys.auto, MEDIUM, text)]));
    },
    off: 'pra-run: unknown signer',
  }),
  row({
    id: 'auto-unlisted',
    what: 'the auto key on a LOW action that the host does not list',
    codes: ['AUTO_NOT_ALLOWED'],
    go: async (field) => {
      const made = await prepare(field.loot(field.keys.runner), {
        action: 'restart_service',
        args: [['unit', 'cron.service']],
      });
      const text = ticketFrom(made);
      return watched(field, () =>
        send(field, made, text, [signWith(field.keys.auto, 'mcp-pra-auto', text)], 'restart_service'),
      );
    },
    off: 'pra-run: auto list',
  }),
  row({
    id: 'quorum-key-twice',
    what: 'one key twice, for a quorum of two',
    codes: ['SIGNER_TWICE'],
    go: (field) =>
      withPolicy(field, { quorum: { MEDIUM: 2, HIGH: 2 } }, async () => {
        const made = await offered(field);
        const text = ticketFrom(made);
        const once = field.sign(text);
        return watched(field, () => send(field, made, text, [once, once]));
      }),
    off: 'pra-run: signer twice',
  }),
  row({
    id: 'quorum-missing',
    what: 'one signature for a quorum of two',
    codes: ['QUORUM'],
    go: (field) =>
      withPolicy(field, { quorum: { MEDIUM: 2, HIGH: 2 } }, async () => {
        const made = await offered(field);
        const text = ticketFrom(made);
        return watched(field, () => send(field, made, text, [field.sign(text)]));
      }),
    off: 'pra-run: quorum',
  }),
  row({
    id: 'quorum-requester',
    what: 'the requester as one of two',
    codes: ['REQUESTER_SIGNED'],
    go: (field) =>
      withPolicy(field, { quorum: { MEDIUM: 2, HIGH: 2 } }, async () => {
        const made = await offered(field);
        const text = ticketFrom(made, { requester: 'alice/cli' });
        return watched(field, () => send(field, made, text, [field.sign(text)]));
      }),
    without: [next('pra-run: requester', 'QUORUM')],
  }),
  row({
    id: 'quorum-two-keys',
    what: 'one person with two keys, for a quorum of two',
    codes: ['SIGNERS_FILE'],
    go: async (field) => {
      const path = '/etc/mcp-pra/allowed_signers';
      const signers = await field.host.readFile(path);
      const name = `second-${String(field.asked.length)}-${field.host.name}`;
      const second = makeKey(field.dir, name);
      const change = { quorum: { MEDIUM: 2, HIGH: 2 } };
      try {
        await field.host.writeFile(
          path,
          `${signers}alice namespaces="mcp-pra-medium" ${publicKey(second.path)}\n`,
          0o644,
        );
        return await withPolicy(field, change, async () => {
          const made = await offered(field);
          const text = ticketFrom(made);
          return watched(field, () =>
            send(field, made, text, [field.sign(text), signWith(second.path, MEDIUM, text)]),
          );
        });
      } finally {
        await field.host.writeFile(path, signers, 0o644);
      }
    },
    without: [next('pra-run: signers file', 'SIGNER_TWICE')],
  }),
  row({
    id: 'signer-revoked',
    what: 'a signature of a revoked approver',
    codes: ['SIGNER_REVOKED'],
    go: async (field) => {
      const path = '/etc/mcp-pra/revoked_signers';
      const made = await offered(field);
      const text = ticketFrom(made);
      await field.stage(
        `cp -a ${path} /root/signers.krl; cat >/root/revoked.pub; ssh-keygen -q -k -f /root/new.krl /root/revoked.pub; cat /root/new.krl >${path}`,
        `${publicKey(field.keys.approver)}\n`,
      );
      try {
        return await watched(field, () => send(field, made, text, [field.sign(text)]));
      } finally {
        await field.stage(`cat /root/signers.krl >${path}`);
      }
    },
    // ssh-keygen is given the list as well and says no where the first look is skipped.
    without: [next('pra-run: revoked signer', 'SIGNATURE_BAD')],
  }),
  {
    ...row({
      id: 'before-reboot',
      what: 'an offer from before a reboot',
      codes: ['OFFER_BOOT'],
      go: async (field) => {
        const made = await offered(field);
        const text = ticketFrom(made);
        const signatures = [field.sign(text)];
        await field.hangUp();
        await field.host.reboot();
        return watched(field, () => send(field, made, text, signatures));
      },
      off: 'pra-run: boot',
    }),
    last: true,
  },
  ...(['result', 'status'] as const).map((word) =>
    row({
      id: `state-by-${word}`,
      what: `${word} of an id that the thief only knows the name of`,
      codes: ['ID_UNKNOWN'],
      go: async (field) => {
        const made = await offered(field);
        const text = ticketFrom(made);
        await send(field, made, text, [field.sign(text)]);
        return watched(field, () => field.act(word, queryFor(made.offer.id, 'cd'.repeat(32))));
      },
      off: 'pra-run: ids',
      through: /"event":"receipt"/u,
    }),
  ),
  row({
    id: 'fence-forged',
    what: 'a fence that would burn somebody’s id, signed by a stranger',
    codes: ['SIGNER_UNKNOWN'],
    go: async (field) => {
      const made = await offered(field);
      const text = ticketFrom(made);
      const forged = await watched(field, () =>
        send(field, made, text, [signWith(field.keys.stranger, MEDIUM, text)], 'fence'),
      );
      const later = await send(field, made, text, [field.sign(text)]);
      return later.stdout.includes('state SUCCEEDED') ? forged : `${forged}\nBURNT`;
    },
    off: 'pra-run: unknown signer',
    through: /BURNT/u,
  }),
  row({
    id: 'disabled',
    what: 'a genuine ticket while the switch is thrown, past pra-exec',
    codes: ['DISABLED'],
    go: async (field) => {
      const made = await offered(field);
      const text = ticketFrom(made);
      const input = serialiseSubmission({
        ticketText: text,
        signatures: [field.sign(text)],
        offer: made.signed,
      });
      await field.stage('touch /etc/mcp-pra/disabled');
      try {
        return await watched(field, () =>
          field.as('pra-runner', ['sudo', '-n', '/usr/local/bin/pra-run', 'reload_proxy'], input),
        );
      } finally {
        await field.stage('rm /etc/mcp-pra/disabled');
      }
    },
    off: 'pra-run: switches',
  }),
  row({
    id: 'frozen',
    what: 'a genuine ticket while the host is frozen',
    codes: ['FROZEN'],
    go: async (field) => {
      const made = await offered(field);
      const text = ticketFrom(made);
      await field.stage('touch /etc/mcp-pra/frozen');
      try {
        return await watched(field, () => send(field, made, text, [field.sign(text)]));
      } finally {
        await field.stage('rm /etc/mcp-pra/frozen');
      }
    },
    off: 'pra-run: frozen',
  }),
  ...(
    [
      ['tail-x', 'a byte after the end', (whole: string) => `${whole}x`],
      ['tail-newline', 'an empty line after the end', (whole: string) => `${whole}\n`],
      ['tail-line', 'one more line of a ticket after the end', (whole: string) => `${whole}reason x\n`],
      ['tail-again', 'a second submission after the first', (whole: string) => whole + whole],
      ['carriage-returns', 'CR before each LF', (whole: string) => whole.replaceAll('\n', '\r\n')],
      ['nul', 'a NUL in the ticket', (whole: string) => whole.replace('because', 'be\0ause')],
      ['key-twice', 'a key twice', (whole: string) => whole.replace(/^mode run$/mu, 'mode run\nmode run')],
      [
        'keys-swapped',
        'two lines in another order',
        (whole: string) => whole.replace(/^(mode .*)\n(approval .*)$/mu, '$2\n$1'),
      ],
      [
        'key-unknown',
        'an unknown key',
        (whole: string) => whole.replace(/^mode run$/mu, 'mode run\nforce yes'),
      ],
      [
        'version',
        'a later version of the format',
        (whole: string) => whole.replace('ticket v1', 'ticket v2'),
      ],
      [
        'six-signatures',
        'six signatures',
        (whole: string) => whole.replace(/^(signature .*\n)/mu, '$1$1$1$1$1$1'),
      ],
      [
        'base64-spelling',
        'base64 in another spelling',
        (whole: string) => whole.replace(/^(offer-signature .*?)=*$/mu, '$1===='),
      ],
      ['unicode', 'a look-alike in the id', (whole: string) => whole.replace(/^id (.)/mu, 'id ａ')],
      ['size-ticket', 'a ticket above 8 KiB', (whole: string) => whole.replace('because', 'b'.repeat(9_000))],
      ['size-submission', 'a submission above 64 KiB', (whole: string) => whole + 'x'.repeat(70_000)],
      ['endless', 'ten megabytes', () => Buffer.alloc(10_000_000, 'x')],
    ] as const
  ).map(([id, what, change]) => ({
    ...row({ id: `form-${id}`, what, codes: form, go: changed(change) }),
    putRight: true as const,
  })),
];
