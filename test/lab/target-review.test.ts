import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  freezeTicketFrom,
  prepare,
  signWith,
  sshAs,
  submit,
  ticketFrom,
  type Loot,
  type Said,
} from '../support/thief.ts';
import type { Lab, LabHost } from './lab.ts';
import { DEMO_UNIT, PASSPHRASE, provisionedLab, SLOW_UNIT, type LabKeys } from './provisioned.ts';

// What was tried against a real target that only a real host can show.

const REASON = 'a-word-that-is-nowhere-else';

let lab: Lab;
let keys: LabKeys;
let host: LabHost;
let runner: Loot;
let reader: Loot;

beforeAll(async () => {
  ({ lab, keys } = await provisionedLab(1));
  host = lab.hosts[0] as LabHost;
  const loot = (key: string): Loot => ({
    host: host.name,
    address: host.address,
    port: 22,
    knownHosts: lab.knownHosts,
    key,
  });
  [runner, reader] = [loot(keys.runner), loot(keys.reader)];
});

afterAll(async () => {
  await lab?.down();
});

const sh = (line: string): Promise<string> => host.sh(line);

const runs = async (): Promise<number> => Number(await sh('wc -l </run/lab-demo.starts'));

/** A ticket for a restart, approved by a person. */
const approved = async (): Promise<Parameters<typeof submit>[2]> => {
  await sh(`systemctl reset-failed ${DEMO_UNIT}`); // systemd's own limit of starts is not what is tested
  const made = await prepare(runner, { action: 'restart_service', args: [['unit', DEMO_UNIT]] });
  const ticketText = ticketFrom(made, { reason: REASON });
  const signatures = [signWith(keys.approver, 'mcp-pra-low', ticketText, PASSPHRASE)];
  return { ticketText, signatures, offer: made.signed };
};

/** `state` and `durable` of the last receipt. */
const verdict = ({ stdout }: Said): string =>
  [/state [A-Z_]+/gu, /durable [a-z]+/gu].map((field) => stdout.match(field)?.at(-1) ?? '-').join(', ');

test('one ticket handed in many times at once runs once', async () => {
  const parts = await approved();
  const before = await runs();
  // Eight connections: sshd drops some of more (MaxStartups), which would prove nothing.
  const all = await Promise.all(Array.from({ length: 8 }, () => submit(runner, 'restart_service', parts)));
  expect(await runs()).toBe(before + 1);
  expect(all.map(({ stderr }) => stderr.trim()).toSorted()).toEqual([
    '',
    ...Array.from({ length: 7 }, () => 'refused pra-run REPLAYED'),
  ]);
});

test.each([
  ['a link', 'ln -s /etc/hostname /run/mcp-pra/reader/rate'],
  ['a pipe', 'mkfifo /run/mcp-pra/reader/rate'],
  ['a folder', 'mkdir /run/mcp-pra/reader/rate'],
])(
  '%s in place of the rate file costs the limit, not the call, and nothing is written through it',
  async (_, plant) => {
    const name = await host.readFile('/etc/hostname');
    await sh(`rm -rf /run/mcp-pra/reader/rate; ${plant}; chown -h mcp-reader /run/mcp-pra/reader/rate`);
    try {
      const said = await sshAs(reader, 'mcp-reader', ['uptime']);
      expect(said).toMatchObject({ code: 0, stderr: 'warning wrapper RATE_UNAVAILABLE\n' });
      expect(await host.readFile('/etc/hostname')).toBe(name);
    } finally {
      await sh('rm -rf /run/mcp-pra/reader/rate');
    }
  },
);

test.each([
  ['50 MB', Buffer.alloc(50_000_000, 'A')],
  ['zeros', Buffer.alloc(1_000_000)],
])('%s of input make neither program fall over', async (_, input) => {
  expect(await sshAs(reader, 'mcp-reader', ['uptime'], input)).toMatchObject({ code: 0, stderr: '' });
  for (const word of ['prepare', 'status', 'fence', 'restart_service'])
    expect((await sshAs(runner, 'pra-runner', [word], input)).stderr).toBe('refused pra-run SIZE\n');
});

test.each([
  ['no revocation list', 'mv /etc/mcp-pra/revoked_signers /root/', 'mv /root/revoked_signers /etc/mcp-pra/'],
  [
    'a damaged one',
    'cp /etc/mcp-pra/revoked_signers /root/; echo x >/etc/mcp-pra/revoked_signers',
    'mv /root/revoked_signers /etc/mcp-pra/',
  ],
  [
    'signers that others can write',
    'chmod 664 /etc/mcp-pra/allowed_signers',
    'chmod 644 /etc/mcp-pra/allowed_signers',
  ],
])('with %s nobody is let through', async (_, spoil, repair) => {
  const parts = await approved();
  const before = await runs();
  await sh(spoil);
  try {
    expect((await submit(runner, 'restart_service', parts)).stderr).toBe('refused pra-run SIGNERS_FILE\n');
    expect(await runs()).toBe(before);
  } finally {
    await sh(repair);
  }
  expect((await submit(runner, 'restart_service', parts)).code).toBe(0);
});

test('no output of an action, no ticket and no reason is in the journal', async () => {
  const parts = await approved();
  expect((await submit(runner, 'restart_service', parts)).code).toBe(0);
  const journal = await sh('journalctl -q -o cat; cat /var/log/pra-run.log');
  expect(journal).not.toMatch(/mcp-pra ticket v1|SSHSIG|U1NIU0lH|thief|nowhere-else/u);
});

const sign = (ticketText: string, namespace: string): string =>
  signWith(keys.approver, namespace, ticketText, PASSPHRASE);
/** Resolves once a shell line says yes on the host. */
const until = (line: string): Promise<string> =>
  sh(`timeout 60 sh -c ${JSON.stringify(`until ${line}; do sleep 0.1; done`)}`);

test('sudo has a line for each built-in word, and each wants a ticket', async () => {
  for (const word of ['cancel', 'freeze', 'unfreeze', 'review'])
    expect((await sshAs(runner, 'pra-runner', [word], '')).stderr).toBe('refused pra-run SUBMISSION_FORM\n');
});

test('a cancel stops the unit of a run with all that it started, also what left its session', async () => {
  const path = '/usr/local/lib/mcp-pra/actions/restart_service.json';
  const [program, pids] = ['/usr/local/sbin/lab-stubborn', '/run/lab-stubborn.pids'];
  const definition = await host.readFile(path);
  const stubborn = { cancellable: true, argv: [program, '{unit}'] };
  await host.writeFile(path, JSON.stringify({ ...JSON.parse(definition), ...stubborn }), 0o644);
  const body = `trap '' TERM\nsetsid sleep 600 &\necho "$$ $!" >${pids}\nwait\nsleep 600\n`;
  await host.writeFile(program, `#!/bin/sh\n${body}`, 0o755);
  try {
    const made = await prepare(runner, { action: 'restart_service', args: [['unit', DEMO_UNIT]] });
    const ticketText = ticketFrom(made);
    const signatures = [sign(ticketText, 'mcp-pra-low')];
    const running = submit(runner, 'restart_service', { ticketText, signatures, offer: made.signed });
    await until(`[ -s ${pids} ]`);
    const unit = `mcp-pra-${made.offer.id}.service`;
    expect(await sh(`systemctl is-active ${unit}`)).toBe('active');
    const stop = ticketFrom(made, { kind: 'cancel', impact: 'MEDIUM', reason: 'wrong host' });
    const stopped = await submit(runner, 'cancel', {
      ticketText: stop,
      signatures: [sign(stop, 'mcp-pra-medium')],
      offer: made.signed,
    });
    expect([stopped.stderr, verdict(stopped)]).toEqual(['', 'state INTERRUPTED, durable yes']);
    expect(verdict(await running)).toBe('state INTERRUPTED, durable yes');
    await until(`! systemctl is-active --quiet ${unit}`);
    await until(`! ps -o pid= -p "$(tr ' ' , <${pids})" | grep -q .`);
  } finally {
    await host.writeFile(path, definition, 0o644);
    await sh(`rm -f ${program} ${pids}`);
  }
});

test('a freeze lets what runs go on to its end, and nothing new begin, until it is lifted', async () => {
  const policy = await host.readFile('/etc/mcp-pra/policy.json');
  const alone = { ...JSON.parse(policy), signer: { MEDIUM: 'software-key', HIGH: 'software-key' } };
  await host.writeFile('/etc/mcp-pra/policy.json', JSON.stringify(alone), 0o644);
  try {
    const made = await prepare(runner, { action: 'restart_service', args: [['unit', SLOW_UNIT]] });
    const [ticketText, next] = [ticketFrom(made), await approved()];
    const signatures = [sign(ticketText, 'mcp-pra-low')];
    const running = submit(runner, 'restart_service', { ticketText, signatures, offer: made.signed });
    const { id } = made.offer;
    await until(`systemctl is-active --quiet mcp-pra-${id}.service`);
    const text = freezeTicketFrom(made, { id: `${id.slice(1)}a` });
    const frozen = await submit(runner, 'freeze', {
      ticketText: text,
      signatures: [sign(text, 'mcp-pra-medium')],
      offer: undefined,
    });
    expect([frozen.stderr, verdict(frozen)]).toEqual(['', 'state SUCCEEDED, durable yes']);
    expect((await submit(runner, 'restart_service', next)).stderr).toBe('refused pra-run FROZEN\n');
    expect(await sh(`systemctl is-active mcp-pra-${id}.service`)).toBe('active');
    expect(verdict(await running)).toBe('state SUCCEEDED, durable yes');
    expect(await sh('stat -c "%U %a" /etc/mcp-pra/frozen')).toBe('root 600');
    const lift = await prepare(runner, { action: 'unfreeze', args: [] });
    const lifting = ticketFrom(lift, { kind: 'unfreeze' });
    const lifted = await submit(runner, 'unfreeze', {
      ticketText: lifting,
      signatures: [sign(lifting, 'mcp-pra-high')],
      offer: lift.signed,
    });
    expect([lifted.stderr, verdict(lifted)]).toEqual(['', 'state SUCCEEDED, durable yes']);
    expect((await submit(runner, 'restart_service', next)).code).toBe(0);
  } finally {
    await host.writeFile('/etc/mcp-pra/policy.json', policy, 0o644);
    await sh('rm -f /etc/mcp-pra/frozen');
  }
});

describe('an action that ran while /var was read-only', () => {
  let parts: Awaited<ReturnType<typeof approved>>;

  test('is claimed in /run alone, which a reboot empties', async () => {
    parts = await approved();
    await sh('mount -t tmpfs -o ro,mode=700 tmpfs /var/lib/mcp-pra');
    const said = await submit(runner, 'restart_service', parts);
    expect(verdict(said)).toBe('state SUCCEEDED, durable no');
    await host.reboot();
    expect((await submit(runner, 'restart_service', parts)).stderr).toBe('refused pra-run OFFER_BOOT\n');
  });

  // The host signs that what it did never happened: it cannot know of an id of another boot.
  test('is not called NEVER_STARTED by a fence after the reboot', async () => {
    expect(verdict(await submit(runner, 'fence', parts))).not.toContain('NEVER_STARTED');
  });
});
