import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadCatalog } from '../../src/catalog/load.ts';
import { renderTables } from '../../src/catalog/render/tables.ts';
import { sha256 } from '../../src/catalog/digest.ts';
import { serialiseQuery } from '../../src/request/query.ts';
import { parseReceipt } from '../../src/request/receipt.ts';
import type { Receipt } from '../../src/request/types.ts';
import { prepare, signWith, sshAs, submit, ticketFrom, type Loot, type Said } from '../support/thief.ts';
import { labUp, type Lab, type LabHost } from './lab.ts';
import { makeLabKeys, PASSPHRASE, type LabKeys } from './provisioned.ts';
import { sendPack, setUp, siteFor } from './setup-target.ts';

// What a run came to, on a real host: its verification, a host that goes down with it, and receipts before anybody asks.

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const STAGES = 'preflight account scripts tables sudo sshd'.split(' ');
/** A service that a boot starts late. */
const LATE_UNIT = 'lab-late.service';

const DIAGNOSTIC = `name: lab_state
title: State of the lab
summary: What the lab's actions changed.
run:
  - section: state
    argv: [/usr/bin/cat, --, /var/lib/lab/state]
parse: kv
facts:
  state: {type: string, from: State, help: good or bad.}
  free_mb: {type: integer, from: FreeMb, help: Room.}
stable: [free_mb]
limits: {seconds: 5, bytes: 4096}
`;

const action = (name: string, parts: string): string => `name: ${name}
title: For the lab
summary: Changes the lab's state.
impact: MEDIUM
effects: The state of the lab.
undo: There is nothing to undo.
limits: {seconds: 120, bytes: 4096}
idempotent: true
cooldown: 0
${parts}`;

const CHANGE = action(
  'lab_change',
  `params:
  - {name: how, type: choice, bounds: 'good,bad,late,slow', help: What happens.}
argv: ['script:lab-change', '{how}']
precheck:
  - diagnostic: lab_state
    tolerance: {free_mb: 64}
verify:
  - diagnostic: lab_state
    expect: [{fact: state, op: eq, value: good}]
    within: 20
`,
);

const REBOOT = action(
  'lab_reboot',
  `argv: ['script:lab-reboot']
ends: reboot
verify:
  - diagnostic: unit_status
    args: {unit: ${LATE_UNIT}}
    expect: [{fact: active_state, op: eq, value: active}]
    within: 60
`,
);

const BARE_REBOOT = action(
  'lab_reboot_bare',
  `argv: ['script:lab-reboot']
ends: reboot
`,
);

const SCRIPTS = {
  'lab-change': `#!/bin/sh
set -eu
echo run >>/var/lib/lab/runs
good() { sed -i s/bad/good/ /var/lib/lab/state; }
case $1 in
  good) good ;;
  late) (sleep 3; good) >/dev/null 2>&1 & ;;
  slow) echo begun; sleep 100 ;;
esac
`,
  'lab-reboot': `#!/bin/sh
set -eu
echo run >>/var/lib/lab/runs
exec systemctl --no-block reboot
`,
};

const LATE = `[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/sleep 6
[Install]
WantedBy=multi-user.target
`;

const BROKEN_UNIT = 'lab-broken.service';
const BROKEN = `[Service]
Type=oneshot
ExecStart=/usr/bin/false
[Install]
WantedBy=multi-user.target
`;

let lab: Lab;
let keys: LabKeys;
let host: LabHost;
let runner: Loot;
let pack = '';

/** This checkout with the tables of a catalog that has a site's own actions. */
const packWithSite = (): string => {
  const dir = mkdtempSync(join(tmpdir(), 'mcp-pra-pack-'));
  cpSync(join(ROOT, 'target-scripts'), join(dir, 'target-scripts'), { recursive: true });
  cpSync(join(ROOT, 'package.json'), join(dir, 'package.json'));
  const site = join(dir, 'site');
  for (const folder of ['diagnostics', 'actions', 'scripts'])
    mkdirSync(join(site, folder), { recursive: true });
  writeFileSync(join(site, 'diagnostics/lab_state.yaml'), DIAGNOSTIC);
  writeFileSync(join(site, 'actions/lab_change.yaml'), CHANGE);
  writeFileSync(join(site, 'actions/lab_reboot.yaml'), REBOOT);
  writeFileSync(join(site, 'actions/lab_reboot_bare.yaml'), BARE_REBOOT);
  for (const [name, text] of Object.entries(SCRIPTS)) {
    writeFileSync(join(site, 'scripts', name), text);
    writeFileSync(join(dir, 'target-scripts/scripts', name), text, { mode: 0o755 });
  }
  const targetScripts = join(ROOT, 'target-scripts');
  renderTables(
    loadCatalog([join(ROOT, 'catalog'), site], { targetScripts }),
    join(dir, 'target-scripts/tables'),
  );
  return dir;
};

const sh = (line: string): Promise<string> => host.sh(line);

beforeAll(async () => {
  lab = await labUp({ hosts: 1 });
  keys = makeLabKeys(lab);
  host = lab.hosts[0] as LabHost;
  runner = {
    host: host.name,
    address: host.address,
    port: 22,
    knownHosts: lab.knownHosts,
    key: keys.runner,
  };
  await host.writeFile(`/etc/systemd/system/${LATE_UNIT}`, LATE);
  await sh(`mkdir -p /var/lib/lab; systemctl enable --quiet ${LATE_UNIT}`);
  pack = packWithSite();
  await sendPack(host, pack);
  const policy = {
    values: {
      lab_change: { how: ['good', 'bad', 'late', 'slow'] },
      restart_service: { unit: ['cron.service'] },
    },
    quorum: { MEDIUM: 1, HIGH: 1 },
    signer: { MEDIUM: 'software-key', HIGH: 'software-key' },
  };
  const site = siteFor(host, keys, { policy });
  for (const args of [['--seconds', '600', ...STAGES], ['confirm']]) {
    const { code, refusal } = await setUp(host, site, ...args);
    if (code !== 0) throw new Error(`setup-target ${args.join(' ')}: ${refusal}`);
  }
});

afterAll(async () => {
  if (pack !== '') rmSync(pack, { recursive: true });
  await lab?.down();
});

const setState = (state: string, freeMb: number): Promise<void> =>
  host.writeFile('/var/lib/lab/state', `State=${state}\nFreeMb=${String(freeMb)}\n`);

/** A ticket that a person has signed. */
const approved = async (name: string, how?: string, param = 'how') => {
  const made = await prepare(runner, {
    action: name,
    args: how === undefined ? [] : [[param, how]],
    impact: 'MEDIUM',
  });
  const ticketText = ticketFrom(made);
  const signatures = [signWith(keys.approver, 'mcp-pra-medium', ticketText, PASSPHRASE)];
  return { id: made.offer.id, ticketText, signatures, offer: made.signed };
};
type Approved = Awaited<ReturnType<typeof approved>>;

/** The last receipt of an answer; its signature is what other tests are about. */
const receiptIn = ({ stdout, stderr }: Said): Receipt => {
  const line = stdout.split('\n').findLast((one) => one.includes('"event":"receipt"'));
  if (line === undefined) throw new Error(`no receipt: ${stderr}`);
  return parseReceipt((JSON.parse(line) as { receipt: string }).receipt);
};

const ask = async ({ id, ticketText }: Approved): Promise<Receipt> => {
  for (;;) {
    const query = serialiseQuery({ id, ticket: sha256(ticketText), wait: 20, offset: 0 });
    const receipt = receiptIn(await sshAs(runner, 'pra-runner', ['status'], query));
    if (receipt.state !== 'RUNNING') return receipt;
  }
};

const until = async (isTrue: () => Promise<boolean>): Promise<void> => {
  while (!(await isTrue().catch(() => false))) await sleep(200);
};
const isThere = async (path: string): Promise<boolean> => (await host.run(['test', '-e', path])).code === 0;
const bootId = (): Promise<string> => host.readFile('/proc/sys/kernel/random/boot_id');

/** Hands it in and resolves when the program has begun; the answer comes later, or never. */
const begin = async (parts: Approved): Promise<{ readonly said: Promise<Said> }> => {
  const said = submit(runner, 'lab_change', parts);
  await until(async () => (await sh(`cat /var/lib/mcp-pra/output/${parts.id}`)) !== '');
  return { said };
};

test('a program that ends well and does not do what it should has VERIFY_FAILED, with the facts', async () => {
  await setState('bad', 500);
  const parts = await approved('lab_change', 'bad');
  expect(receiptIn(await submit(runner, 'lab_change', parts))).toMatchObject({
    state: 'VERIFY_FAILED',
    rc: 0,
    verified: false,
    evidence: [
      { diagnostic: 'lab_state', fact: 'free_mb', before: '500', after: '500' },
      { diagnostic: 'lab_state', fact: 'state', before: 'bad', after: 'bad' },
    ],
  });
});

test('an effect that comes some seconds later is waited for', async () => {
  await setState('bad', 500);
  const parts = await approved('lab_change', 'late');
  const receipt = receiptIn(await submit(runner, 'lab_change', parts));
  expect(receipt).toMatchObject({ state: 'SUCCEEDED', rc: 0, verified: true });
  expect(receipt.evidence.find(({ fact }) => fact === 'state')).toMatchObject({
    before: 'bad',
    after: 'good',
  });
});

test('the receipt of a restart shows that there was one', async () => {
  const parts = await approved('restart_service', 'cron.service', 'unit');
  const pid = (): Promise<string> => sh('systemctl show --property=MainPID --value cron.service');
  const before = (await pid()).trim();
  const receipt = receiptIn(await submit(runner, 'restart_service', parts));
  const after = (await pid()).trim();
  expect(after).not.toBe(before);
  expect(receipt).toMatchObject({ state: 'SUCCEEDED', verified: true });
  expect(receipt.evidence).toContainEqual({ diagnostic: 'unit_status', fact: 'main_pid', before, after });
  const since = receipt.evidence.find(({ fact }) => fact === 'active_since');
  expect(since?.after).toMatch(/^\w{3} \d{4}-/u);
});

test('a stable number may move within its tolerance and no further', async () => {
  await setState('good', 500);
  const [near, far] = [await approved('lab_change', 'good'), await approved('lab_change', 'good')];
  await setState('good', 436);
  expect(receiptIn(await submit(runner, 'lab_change', near)).state).toBe('SUCCEEDED');
  await setState('good', 435);
  const before = await sh('wc -l </var/lib/lab/runs');
  expect((await submit(runner, 'lab_change', far)).stderr).toBe('refused pra-run STALE\n');
  expect(await sh('wc -l </var/lib/lab/runs')).toBe(before);
});

test.each([
  ['good', true],
  ['bad', false],
])('a runner that was killed leaves INTERRUPTED, judged by the unit: %s', async (state, verified) => {
  await setState(state, 500);
  const parts = await approved('lab_change', 'slow');
  const { said } = await begin(parts);
  await sh(`kill -KILL "$(systemctl show -p MainPID --value mcp-pra-${parts.id})"`);
  expect(receiptIn(await said)).toMatchObject({ state: 'INTERRUPTED', rc: undefined, verified });
  const shown = await sh('systemctl show -p ExecMainStartTimestampMonotonic,Result mcp-pra-settle.service');
  expect(shown).toContain('Result=success');
  expect(shown).not.toContain('Monotonic=0');
});

test.each([
  ['comes in its own time', 'rm /run/lab-gate', { state: 'SUCCEEDED', rc: 0 }],
  ['is killed first', 'systemctl kill --signal=KILL', { state: 'INTERRUPTED', started: undefined }],
] as const)('a runner that systemd has and that has said nothing yet: it %s', async (_, step, expected) => {
  const program = '/usr/local/lib/mcp-pra/pra_run/execute.py';
  const gate = "while os.path.exists('/run/lab-gate'): time.sleep(0.05)";
  await sh(
    `touch /run/lab-gate; cp ${program} /root/execute.py; sed -i "s|^def execute(host, id):|&\\n    ${gate}|; s/^START_SECONDS = 10/START_SECONDS = 0/" ${program}; ! cmp -s ${program} /root/execute.py`,
  );
  try {
    await setState('good', 500);
    const parts = await approved('lab_change', 'good');
    const said = submit(runner, 'lab_change', parts);
    const unit = `mcp-pra-${parts.id}.service`;
    await until(async () => (await host.run(['systemctl', 'is-active', unit])).code === 0);
    await sh(step.startsWith('rm') ? step : `${step} ${unit}`);
    expect(receiptIn(await said)).toMatchObject(expected);
  } finally {
    await sh(`rm -f /run/lab-gate; cp /root/execute.py ${program}`);
  }
});

test('an action that reboots the host has succeeded once the host is back, before anybody asks', async () => {
  const parts = await approved('lab_reboot');
  const runs = await sh('wc -l </var/lib/lab/runs');
  const first = await bootId();
  await submit(runner, 'lab_reboot', parts);
  await until(async () => (await bootId()) !== first);
  await until(() => isThere(`/var/lib/mcp-pra/receipts/${parts.id}.json`));
  const receipt = await ask(parts);
  expect(receipt).toMatchObject({ state: 'SUCCEEDED', verified: true, bootId: first.trim() });
  expect(receipt.evidence).toMatchObject([
    { diagnostic: 'host', fact: 'boot', before: undefined, after: 'running' },
    { fact: 'active_state', before: 'inactive', after: 'active' },
  ]);
  expect(Number(await sh('wc -l </var/lib/lab/runs'))).toBe(Number(runs) + 1);
});

/**
 * Has an action reboot the host, and waits for its receipt, whose file it gives. Its exit code is 0, or 143 where the shutdown that it asked
 * for was faster than itself.
 */
const rebooted = async (parts: Approved): Promise<string> => {
  const first = await bootId();
  await submit(runner, 'lab_reboot_bare', parts);
  await until(async () => (await bootId()) !== first);
  const file = `/var/lib/mcp-pra/receipts/${parts.id}.json`;
  await until(() => isThere(file));
  return file;
};

test('a reboot that is not done in its time was none, as far as nothing else verifies it', async () => {
  const outcome = '/usr/local/lib/mcp-pra/pra_run/outcome.py';
  await sh(
    `sed -i 's/^BOOT_SECONDS = 300/BOOT_SECONDS = 1/' ${outcome}; grep -q '^BOOT_SECONDS = 1 ' ${outcome}`,
  );
  const parts = await approved('lab_reboot_bare');
  await rebooted(parts);
  await sh(`sed -i 's/^BOOT_SECONDS = 1/BOOT_SECONDS = 300/' ${outcome}`);
  expect(await ask(parts)).toMatchObject({
    state: 'VERIFY_FAILED',
    verified: false,
    evidence: [{ diagnostic: 'host', fact: 'boot', before: undefined, after: 'starting' }],
  });
});

test('without a verification it has succeeded once the boot is done, and no sooner; what that boot lacks is evidence', async () => {
  await host.writeFile(`/etc/systemd/system/${BROKEN_UNIT}`, BROKEN);
  await sh(`systemctl enable --quiet ${BROKEN_UNIT}`);
  const parts = await approved('lab_reboot_bare');
  const file = await rebooted(parts);
  const finished = await sh('systemctl show --timestamp=unix -p FinishTimestamp --value');
  expect(Number(await sh(`stat -c %Y ${file}`))).toBeGreaterThanOrEqual(Number(finished.trim().slice(1)));
  expect(await ask(parts)).toMatchObject({
    state: 'SUCCEEDED',
    verified: undefined,
    evidence: [{ diagnostic: 'host', fact: 'boot', before: undefined, after: 'degraded' }],
  });
  await sh(`systemctl disable --quiet ${BROKEN_UNIT}; systemctl reset-failed`);
});

test('systemd has nothing to say against the unit that settles', async () => {
  const { code, stdout, stderr } = await host.run(['systemd-analyze', 'verify', 'mcp-pra-settle.service']);
  expect([code, stdout, stderr]).toEqual([0, '', '']);
});

test('a host that reboots in the middle of an action says INTERRUPTED, verified, before anybody asks', async () => {
  await setState('good', 500);
  const parts = await approved('lab_change', 'slow');
  const { said } = await begin(parts);
  const first = await bootId();
  await host.reboot();
  await said;
  await until(() => isThere(`/var/lib/mcp-pra/receipts/${parts.id}.json`));
  expect(await ask(parts)).toMatchObject({
    state: 'INTERRUPTED',
    verified: true,
    bootId: first.trim(),
  });
});
