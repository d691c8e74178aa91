import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { LabHost } from './lab.ts';
import { DEMO_UNIT } from './provisioned.ts';
import { batches, rotationSite, type RotationSite } from './rotation-site.ts';

// The hosts' own keys: switched under a server at work, with both keys trusted in between, on three hosts.

vi.setConfig({ testTimeout: 400_000 });

let site: RotationSite;
/** Whether h1 has the new key of a rotation that is not finished here. */
let begun = false;

beforeAll(async () => {
  site = await rotationSite();
});
afterAll(async () => {
  await site?.down();
});

const KEY = '/etc/ssh/ssh_host_ed25519_key';
/** `type base64` of the key of each host. */
const keysOfHosts = (): Promise<string[]> =>
  Promise.all(
    site.hosts.map(async (host) =>
      (await host.readFile(`${KEY}.pub`)).split(' ').slice(0, 2).join(' ').trim(),
    ),
  );
const knownHosts = (): string => readFileSync(site.lab.knownHosts, 'utf8');
/** More known_hosts than the server's; no file of the person at this machine. */
const own = { mcp_pra_rotate_known_hosts: [] as string[] };

const expectServed = async (): Promise<void> => {
  const answer = await site.session.call('uptime', { hosts: ['h1', 'h2', 'h3'] });
  const results = answer.data['results'] as readonly { status: string }[];
  expect(
    results.map(({ status }) => status),
    answer.text,
  ).toEqual(['ok', 'ok', 'ok']);
  for (const host of site.hosts) expect(await site.login('mcp-reader', site.keys.reader, host)).not.toBe(255);
};
const propose = (auto: boolean) =>
  site.session.call('propose_pra_action', {
    action: 'restart_service',
    host: 'h1',
    args: { unit: DEMO_UNIT },
    rationale: 'The test says so.',
    auto_approve: auto,
  });

test('a request that has not ended stops it before anything is made', async () => {
  const before = [knownHosts(), await keysOfHosts()];
  const { id } = (await propose(false)).data as { id: string };
  const stopped = await site.rotate('host', own);
  expect(stopped.code).not.toBe(0);
  expect(stopped.output).toContain(id);
  expect([knownHosts(), await keysOfHosts()]).toEqual(before);
  expect((await site.hosts[0].run(['ls', `${KEY}.next`])).code).not.toBe(0);
  expect((await site.operator.cli('withdraw', id)).code).toBe(0);
});

test('an sshd that does not take it gets its old key back, and both accounts are proven to be reached', async () => {
  const before = await keysOfHosts();
  await site.hosts[0].writeFile('/etc/ssh/sshd_config.d/99-broken.conf', 'NoSuchKeyword yes\n');
  const stopped = await site.rotate('host', own);
  expect(stopped.code).not.toBe(0);
  expect(stopped.output).toMatch(
    /h1 did not come to its end[^]*Switch, unless nobody confirms it[^]*proven to be reached/u,
  );
  expect(await keysOfHosts()).toEqual(before);
  await site.hosts[0].run(['rm', '/etc/ssh/sshd_config.d/99-broken.conf']);
  await expectServed();
});

test('killed before the confirmation and before the end: the next run goes on with the same key', async () => {
  const [before] = await keysOfHosts();
  const killed = await site.killAt('host', 'host prove h1', own);
  expect(killed.code, killed.output).not.toBe(0);
  const [switched] = await keysOfHosts();
  expect(switched).not.toBe(before);
  // Nobody has confirmed it: the host would put the old one back by itself. Both are trusted, so nobody notices.
  const said = await site.hosts[0].run(['/usr/local/lib/mcp-pra/rotate-host-key', 'state']);
  expect(said.stdout).toContain('armed ');
  await expectServed();
  const again = await site.killAt('host', 'host finish h1', own);
  expect(again.code, again.output).not.toBe(0);
  begun = true;
  expect((await keysOfHosts())[0]).toBe(switched);
  await expectServed();
  expect(knownHosts()).not.toContain('@revoked');
});

test('under load: no diagnostic is lost, the old keys are revoked, the new ones sign', async () => {
  const [first, ...others] = await keysOfHosts();
  const more = join(site.home, 'ansible_known_hosts');
  writeFileSync(more, `h2.example.net ${others[0] ?? ''}\n`);
  const running = site.load();
  const done = await site.rotate('host', { mcp_pra_rotate_known_hosts: [more] });
  const { asked, lost } = await running.stop();
  process.stdout.write(
    `rotation of host keys: ${String(asked)} diagnostics asked, ${String(lost.length)} lost\n`,
  );
  expect(done.code, done.output).toBe(0);
  expect(lost).toEqual([]);
  const [one, ...rest] = batches(done.output, 'A new key, host by host');
  expect([one, rest.flat().toSorted()]).toEqual([['h1'], ['h2', 'h3']]);
  const after = await keysOfHosts();
  // A host that had its new key from a run that was killed is only finished.
  expect(after[0] === first).toBe(begun);
  expect(new Set([...after.slice(1), ...others]).size).toBe(4);
  for (const [index, host] of site.hosts.entries()) {
    expect(knownHosts().match(new RegExp(`^${host.name},\\S+ ssh-ed25519 .*$`, 'gmu'))).toHaveLength(1);
    expect(knownHosts()).toContain(`${host.name},${host.address} ${after[index] ?? ''}\n`);
    const left = await host.run([
      'sh',
      '-c',
      `ls ${KEY}.next* /etc/mcp-pra/rollback/before /etc/mcp-pra/rollback/armed`,
    ]);
    expect(left.stdout).toBe('');
  }
  for (const [index, old] of others.entries()) {
    const host = site.hosts[index + 1] as LabHost;
    expect(knownHosts()).toContain(`@revoked ${host.name},${host.address} ${old}\n`);
  }
  expect(readFileSync(more, 'utf8')).toContain(
    `h2.example.net ${after[1] ?? ''}\n@revoked h2.example.net ${others[0] ?? ''}\n`,
  );
  await expectServed();
  // An offer and a receipt by the new key, through all of the target's rules.
  const ran = await propose(true);
  expect(ran.data, ran.text).toMatchObject({ state: 'SUCCEEDED' });
});

test('before the confirmation it can be given up', async () => {
  const before = [knownHosts(), await keysOfHosts()];
  const killed = await site.killAt('host', 'host prove h1', own);
  expect(killed.code).not.toBe(0);
  expect(knownHosts()).not.toBe(before[0]);
  const gone = await site.rotate('host', { ...own, mcp_pra_rotate_abandon: true });
  expect(gone.code, gone.output).toBe(0);
  expect([knownHosts(), await keysOfHosts()]).toEqual(before);
  await expectServed();
});
