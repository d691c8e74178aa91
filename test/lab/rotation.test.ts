import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { DEMO_UNIT, SPARE_UNIT } from './provisioned.ts';
import {
  batches,
  fingerprintOf,
  isRevoked,
  publicLine,
  rotationSite,
  type RotationSite,
} from './rotation-site.ts';

// Keys that change under a server at work: three hosts, the third behind a jump host, over their own sshd.

// Five plays on three hosts, with a live login after each step.
vi.setConfig({ testTimeout: 400_000 });

let site: RotationSite;

beforeAll(async () => {
  site = await rotationSite();
});
afterAll(async () => {
  await site?.down();
});

test.each([
  ['reader', 'reader', 'mcp-reader'],
  ['pra', 'runner', 'pra-runner'],
] as const)(
  'rotating %s under load loses no diagnostic; the old key is dead, the new one works',
  async (tag, key, user) => {
    const path = site.keys[key];
    const old = join(site.home, `old-${key}`);
    writeFileSync(old, readFileSync(path), { mode: 0o600 });
    const before = publicLine(path);
    const running = site.load();
    const done = await site.rotate(tag);
    const { asked, lost } = await running.stop();
    process.stdout.write(
      `rotation of ${tag}: ${String(asked)} diagnostics asked, ${String(lost.length)} lost\n`,
    );
    expect(done.code, done.output).toBe(0);
    expect(lost).toEqual([]);
    expect(asked).toBeGreaterThan(100);
    expect(publicLine(path)).not.toBe(before);
    for (const host of site.hosts) {
      expect(await site.login(user, old, host)).toBe(255);
      expect(await site.login(user, path, host)).not.toBe(255);
      // It is refused by the list too, also when somebody puts the line back.
      expect(await isRevoked(host, 'revoked_keys', before)).toBe(true);
      expect(await isRevoked(host, 'revoked_keys', publicLine(path))).toBe(false);
    }
    // One host alone, then the others, in both steps that change hosts.
    for (const step of ['Old and new key on every host', 'Only the new key on every host']) {
      const [first, ...others] = batches(done.output, `${step}: ${key}`);
      expect(first).toEqual(['h1']);
      expect(others.flat().toSorted()).toEqual(['h2', 'h3']);
    }
    expect(await site.phases()).toContain(`${key}: no rotation under way`);
  },
);

test('the auto key: the server signs with the new one, and the old one is listed nowhere', async () => {
  const propose = (unit: string) =>
    site.session.call('propose_pra_action', {
      action: 'restart_service',
      host: 'h1',
      args: { unit },
      rationale: 'The test says so.',
      auto_approve: true,
    });
  expect((await propose(DEMO_UNIT)).data).toMatchObject({ state: 'SUCCEEDED' });
  const old = fingerprintOf(publicLine(site.keys.auto));
  const done = await site.rotate('auto');
  expect(done.code, done.output).toBe(0);
  expect(fingerprintOf(publicLine(site.keys.auto))).not.toBe(old);
  const after = await propose(SPARE_UNIT);
  expect(after.data, after.text).toMatchObject({ state: 'SUCCEEDED', decided_by: 'auto' });
  for (const host of site.hosts) {
    const signers = await host.readFile('/etc/mcp-pra/allowed_signers');
    expect(signers.match(/^auto.*$/gmu)).toEqual([
      `auto namespaces="mcp-pra-auto" ${publicLine(site.keys.auto).split(' ').slice(0, 2).join(' ')}`,
    ]);
    const listed = await host.run(['/usr/local/lib/mcp-pra/rotate-keys', 'state']);
    expect(listed.stdout).not.toContain(old);
  }
});

test('provisioning with transport-keys.yml afterwards changes no key', async () => {
  const again = await site.provision();
  expect(again.code, again.output).toBe(0);
  expect(again.changed, again.output).toEqual({ h1: 0, h2: 0, h3: 0 });
});

test('going on after the switch without a host says that it lets the old key in, and how to end that', async () => {
  const { operator, keys, hosts } = site;
  const [out] = hosts;
  const old = join(site.home, 'old-left');
  writeFileSync(old, readFileSync(keys.reader), { mode: 0o600 });
  const before = fingerprintOf(publicLine(keys.reader));
  const named = hosts.flatMap(({ name }) => ['--host', name]);
  expect((await operator.cli('rotation', 'begin', 'reader', ...named)).code).toBe(0);
  const fresh = publicLine(`${keys.reader}.next`);
  for (const host of hosts) {
    const stage = ['stage', 'reader', '--old', before, '--new', fresh];
    expect((await host.run(['/usr/local/lib/mcp-pra/rotate-keys', ...stage])).code).toBe(0);
  }
  expect((await operator.cli('rotation', 'switch', 'reader')).code).toBe(0);
  const done = await site.rotate('reader', { mcp_pra_rotate_skip: ['h1'] });
  expect(done.code, done.output).toBe(0);
  expect(done.output).toContain(`mcp-pra keys revoke --fingerprint ${before} --host h1.`);
  expect(await site.phases()).toContain('reader: no rotation under way');
  expect(await site.login('mcp-reader', old, out)).not.toBe(255);
  // As told, here by the host's own program.
  const revoke = ['/usr/local/lib/mcp-pra/revoke-keys', '--key', before];
  expect((await out.run(revoke)).code).toBe(0);
  expect(await site.login('mcp-reader', old, out)).toBe(255);
  expect(await site.login('mcp-reader', keys.reader, out)).not.toBe(255);
});

test('a host that lists no key is left alone when it takes certificates, and stops the run before anything is made when not', async () => {
  const { operator, keys, home } = site;
  const [first, without, third] = site.hosts;
  const list = '/etc/mcp-pra/authorized_keys/mcp-reader';
  const kept = await without.readFile(list);
  const written = readFileSync(operator.config, 'utf8');
  await without.writeFile(list, '');
  const before = publicLine(keys.reader);
  const stopped = await site.rotate('reader');
  expect(stopped.code, stopped.output).not.toBe(0);
  expect(stopped.output).toMatch(/do not list the key[^]*: h2\b/u);
  expect([publicLine(keys.reader), await site.phases()]).toEqual([
    before,
    expect.stringContaining('reader: no rotation under way'),
  ]);

  const config = JSON.parse(written) as { hosts: Record<string, object> };
  const h2 = { ...config.hosts['h2'], transport: 'openssh', certificate: true };
  // No certificate is made: nobody logs in to that host as its reader here.
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(home, 'ca')]);
  const certificates = { issuer: { ca_key: join(home, 'ca') } };
  writeFileSync(operator.config, JSON.stringify({ ...config, hosts: { ...config.hosts, h2 }, certificates }));
  const done = await site.rotate('reader');
  expect(done.code, done.output).toBe(0);
  expect(done.output).toContain('WITHOUT THE KEY: h2.');
  expect(publicLine(keys.reader)).not.toBe(before);
  expect(await site.login('mcp-reader', keys.reader, first)).not.toBe(255);
  expect(await site.login('mcp-reader', keys.reader, third)).not.toBe(255);
  expect(await without.readFile(list)).toBe('');
  // As the other hosts are, for whoever comes next.
  const blob = (one: string): string => one.split(' ')[1] ?? '';
  await without.writeFile(list, kept.replace(blob(before), blob(publicLine(keys.reader))));
  writeFileSync(operator.config, written);
});

test('the monthly service asks for the three keys, as the user whose keys they are, and may write nowhere else', async () => {
  const [host] = site.hosts;
  for (const name of ['mcp-pra-rotate.service', 'mcp-pra-rotate.timer']) {
    const unit = readFileSync(join(import.meta.dirname, '../../ansible/control-node', name), 'utf8');
    await host.writeFile(`/etc/systemd/system/${name}`, unit);
  }
  // In the place of Ansible: what it was asked for, as whom, and what its sandbox lets it do.
  const stub = `#!/bin/sh
printf '%s\\n' "$(id -un)" "$@" >/etc/mcp-pra-server/asked
touch /etc/mcp-pra-server/keys/reader.next || exit 4
! touch /etc/other 2>/dev/null || exit 5
! sudo -n true 2>/dev/null || exit 6
`;
  await host.writeFile('/usr/local/bin/ansible-playbook', stub, 0o755);
  // Keys without passphrases; test/lab/control-node.test.ts has it with them, and with Ansible.
  const none = '[Service]\nLoadCredentialEncrypted=\n';
  await host.writeFile('/etc/systemd/system/mcp-pra-rotate.service.d/none.conf', none);
  const prepare =
    'set -e; useradd --system mcp-pra; install -d -o mcp-pra /etc/mcp-pra-server /etc/mcp-pra-server/keys; chmod 0777 /etc; systemctl daemon-reload';
  expect((await host.run(['sh', '-c', prepare])).code).toBe(0);
  const units = ['mcp-pra-rotate.service', 'mcp-pra-rotate.timer'].map(
    (name) => `/etc/systemd/system/${name}`,
  );
  const verified = await host.run(['systemd-analyze', 'verify', ...units]);
  expect(verified, verified.stderr).toMatchObject({ code: 0 });
  const enabled = await host.run(['systemctl', 'is-enabled', 'mcp-pra-rotate.timer']);
  expect(enabled.stdout.trim()).toBe('disabled');
  const started = await host.run(['systemctl', 'start', 'mcp-pra-rotate.service']);
  await host.run(['chmod', '0755', '/etc']);
  expect(started, (await host.run(['journalctl', '-u', 'mcp-pra-rotate', '-o', 'cat'])).stdout).toMatchObject(
    { code: 0 },
  );
  const [user, ...asked] = (await host.readFile('/etc/mcp-pra-server/asked')).trim().split('\n');
  expect(user).toBe('mcp-pra');
  const ours = '"mcp_pra_command": ["/usr/bin/node", "/opt/mcp-pra/dist/main.js"]';
  const words = `-i /etc/mcp-pra-server/inventory.yml -e {${ours}, "mcp_pra_config": "/etc/mcp-pra-server/mcp-pra.yaml"} --tags reader,pra,auto`;
  expect(asked.join(' ')).toBe(`${words} /opt/mcp-pra/ansible/playbooks/rotate-keys.yml`);
  expect(asked).toHaveLength(7);
});
