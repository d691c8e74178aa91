import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { fingerprintOf, publicLine, rotationSite, type RotationSite } from './rotation-site.ts';

// Rotations that do not come to their end: killed, sabotaged, a host that goes away. Some key always works on each host, and the
// same command goes on.

vi.setConfig({ testTimeout: 500_000 });

let site: RotationSite;

beforeAll(async () => {
  site = await rotationSite();
});
afterAll(async () => {
  await site?.down();
});

const PROGRAM = '/usr/local/lib/mcp-pra/rotate-keys';
const LISTS = '/usr/local/lib/mcp-pra/access/revocation_lists.py';
const files = (account: string): Promise<string[]> =>
  Promise.all(site.hosts.map((host) => host.readFile(`/etc/mcp-pra/authorized_keys/${account}`)));

/** The key that the server uses now lets it in everywhere: by ssh, and for the server that has run all the time. */
const expectServed = async (key: 'reader' | 'runner'): Promise<void> => {
  const user = key === 'reader' ? 'mcp-reader' : 'pra-runner';
  for (const host of site.hosts) expect(await site.login(user, site.keys[key], host)).not.toBe(255);
  const answer = await site.session.call('uptime', { hosts: ['h1', 'h2', 'h3'] });
  const results = answer.data['results'] as readonly { status: string }[];
  expect(results.map(({ status }) => status)).toEqual(['ok', 'ok', 'ok']);
};

test('killed at any step: a key works on each host, the server goes on, and the next run finishes', async () => {
  const old = fingerprintOf(publicLine(site.keys.reader));
  const phases: string[] = [];
  for (const words of [
    'prove reader --host h1 --which new', // staged on the first host: the others know nothing yet
    'switch reader',
    '--which old --refused', // committed on the first host: the others list both
    'finish reader',
  ]) {
    const killed = await site.killAt('reader', words);
    expect(killed.code, killed.output).not.toBe(0);
    expect(killed.output).not.toContain('PLAY RECAP');
    await expectServed('reader');
    phases.push(/^reader: \w+/mu.exec(await site.phases())?.[0] ?? '');
  }
  expect(phases).toEqual(['staged', 'staged', 'switched', 'switched'].map((phase) => `reader: ${phase}`));
  const done = await site.rotate('reader');
  expect(done.code, done.output).toBe(0);
  await expectServed('reader');
  expect(await site.phases()).toContain('reader: no rotation under way');
  expect(existsSync(`${site.keys.reader}.previous`)).toBe(false);
  for (const text of await files('mcp-reader')) {
    expect(text.trim().split('\n')).toHaveLength(1);
    expect(text).toContain(publicLine(site.keys.reader).split(' ')[1] ?? '');
  }
  for (const host of site.hosts) {
    const listed = await host.run(['ssh-keygen', '-Q', '-l', '-f', '/etc/mcp-pra/revoked_keys']);
    // One key was rotated out, however often that was begun.
    expect(listed.stdout.match(/^hash:/gmu), `${old}\n${listed.stdout}`).toHaveLength(1);
  }
});

describe('a rotation that stops', () => {
  test('at the first host, whose staging goes wrong, has touched no other and proved the old key there', async () => {
    const before = await files('mcp-reader');
    const old = publicLine(site.keys.reader);
    // sshd ignores a line with an option that it does not know, without a word: only a login tells.
    const whole = await site.hosts[0].readFile(PROGRAM);
    await site.hosts[0].writeFile(
      PROGRAM,
      whole.replace("return f'{words} {", "return f'restrikt,{words} {"),
      0o755,
    );
    const stopped = await site.rotate('reader');
    expect(stopped.code).not.toBe(0);
    expect(stopped.output).toMatch(
      /h1 did not take the new reader key[^]*The old key is proven to work here/u,
    );
    expect(publicLine(site.keys.reader)).toBe(old);
    expect(await files('mcp-reader')).toEqual(before);
    expect(await site.phases()).toContain('reader: staged');
    await expectServed('reader');
    await site.hosts[0].writeFile(PROGRAM, whole, 0o755);
  });

  test('can be abandoned before the switch, and leaves every host as it was', async () => {
    const killed = await site.killAt('reader', 'switch reader');
    expect(killed.code).not.toBe(0);
    expect((await files('mcp-reader')).map((text) => text.trim().split('\n').length)).toEqual([2, 2, 2]);
    const gone = await site.rotate('reader', { mcp_pra_rotate_abandon: true });
    expect(gone.code, gone.output).toBe(0);
    expect((await files('mcp-reader')).map((text) => text.trim().split('\n').length)).toEqual([1, 1, 1]);
    expect(await site.phases()).toContain('reader: no rotation under way');
    expect(existsSync(`${site.keys.reader}.next`)).toBe(false);
    await expectServed('reader');
  });

  test('at a host that does not answer makes nothing', async () => {
    const old = publicLine(site.keys.reader);
    await site.hosts[2].link(false);
    const stopped = await site.rotate('reader');
    expect(stopped.code).not.toBe(0);
    expect(stopped.output).toMatch(/h3 does not answer[^]*Nothing was made anywhere/u);
    expect(await site.phases()).toContain('reader: no rotation under way');
    expect(publicLine(site.keys.reader)).toBe(old);
    await site.hosts[2].link(true);
  });

  test('leaves out a host that does not answer when it is told to, and provisioning brings it the key', async () => {
    const old = publicLine(site.keys.reader);
    await site.hosts[2].link(false);
    const done = await site.rotate('reader', { mcp_pra_rotate_skip_unreachable: true });
    expect(done.code, done.output).toBe(0);
    expect(done.output).toContain('LEFT OUT: h3.');
    expect(publicLine(site.keys.reader)).not.toBe(old);
    for (const host of site.hosts.slice(0, 2))
      expect(await site.login('mcp-reader', site.keys.reader, host)).not.toBe(255);
    await site.hosts[2].link(true);
    expect(await site.login('mcp-reader', site.keys.reader, site.hosts[2])).toBe(255);
    const again = await site.provision();
    expect(again.code, again.output).toBe(0);
    await expectServed('reader');
  });

  test('at a host that goes away in the middle of a batch: the old key stays in use, and the next run goes on', async () => {
    const old = publicLine(site.keys.reader);
    let stagings = 0;
    let cut: Promise<void> | undefined;
    const onLine = (line: string): void => {
      // The second batch is h2 and h3.
      if (line.startsWith('TASK [Give the new key a line of its own]')) stagings += 1;
      if (stagings === 2) cut ??= site.hosts[2].link(false);
    };
    const stopped = await site.rotate('reader', {}, { onLine });
    await cut;
    expect(stopped.code).not.toBe(0);
    expect(await site.phases()).toContain('reader: staged');
    expect(publicLine(site.keys.reader)).toBe(old);
    await site.hosts[2].link(true);
    await expectServed('reader');
    const done = await site.rotate('reader');
    expect(done.code, done.output).toBe(0);
    expect(publicLine(site.keys.reader)).not.toBe(old);
    await expectServed('reader');
  });

  test('after the server switched keeps both keys valid there, and is finished by the next run', async () => {
    const whole = await site.hosts[1].readFile(LISTS);
    // The commit fails on h2: its revocation list cannot be written.
    const begin = 'def add_to_list(name, dead, serials, cas, check=False):';
    expect(whole).toContain(begin);
    await site.hosts[1].writeFile(LISTS, whole.replace(begin, `${begin}\n    raise Failed("no space left")`));
    const stopped = await site.rotate('pra');
    expect(stopped.code).not.toBe(0);
    expect(stopped.output).toMatch(/h2 did not give up the old runner key[^]*Both keys are valid/u);
    expect(await site.phases()).toContain('runner: switched');
    for (const key of [site.keys.runner, `${site.keys.runner}.previous`])
      expect(await site.login('pra-runner', key, site.hosts[1])).not.toBe(255);
    const late = await site.rotate('pra', { mcp_pra_rotate_abandon: true });
    expect(late.code).not.toBe(0);
    expect(late.output).toContain('could be abandoned');
    await site.hosts[1].writeFile(LISTS, whole);
    const done = await site.rotate('pra');
    expect(done.code, done.output).toBe(0);
    expect(await site.phases()).toContain('runner: no rotation under way');
    await expectServed('runner');
  });
});
