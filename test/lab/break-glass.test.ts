import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fingerprint } from '../../src/request/sshsig.ts';
import { makeKey, type SshKeyPair } from '../support/ssh-keys.ts';
import { prepare, signWith, sshAs, submit, ticketFrom, type Loot } from '../support/thief.ts';
import { labUp, runPlaybook, type Lab, type LabHost } from './lab.ts';
import { provisionVars, type LabKeys } from './provisioned.ts';

// The drill: every other key is gone, and a person takes the break-glass key out of the safe. It opens the runner channel, from the
// recovery site alone, and is worth nothing without an approver's signature.

const UNIT = 'lab-work.service';
const ACTIONS = readdirSync(join(import.meta.dirname, '../../catalog/actions')).map((name) =>
  name.replace('.yaml', ''),
);
/** Every word of the channel but `version`, which says what is installed to whoever may ask. */
const WORDS = ['prepare', 'status', 'result', 'fence', 'cancel', 'freeze', 'unfreeze', 'review', ...ACTIONS];

let lab: Lab;
let host: LabHost;
/** Another host of the network, which is not the recovery site. */
let elsewhere: LabHost;
let keys: LabKeys;
let glass: SshKeyPair;

const loot = (key: string): Loot => ({
  host: host.name,
  address: host.address,
  port: 22,
  knownHosts: lab.knownHosts,
  key,
});

const sh = (on: LabHost, line: string): Promise<string> => on.sh(line);

beforeAll(async () => {
  lab = await labUp({ hosts: 2 });
  [host, elsewhere] = lab.hosts as unknown as [LabHost, LabHost];
  const dir = join(lab.dir, 'keys-of-tests');
  mkdirSync(dir, { mode: 0o700 });
  const key = (name: string): string => makeKey(dir, name).path;
  keys = {
    reader: key('reader'),
    runner: key('runner'),
    auto: key('auto'),
    approver: key('approver'),
    stranger: key('stranger'),
  };
  glass = makeKey(dir, 'glass');
  await host.writeFile(`/etc/systemd/system/${UNIT}`, '[Service]\nExecStart=/usr/bin/sleep infinity\n');
  await sh(host, `systemctl daemon-reload; systemctl start ${UNIT}`);
  const vars = {
    ...provisionVars(keys),
    mcp_pra_break_glass_keys: [{ key: glass.line, from: [lab.gateway] }],
    mcp_pra_policy: { values: { restart_service: { unit: [UNIT] } } },
  };
  const run = await runPlaybook(lab, 'provision.yml', vars, { limit: host.name });
  if (run.code !== 0) throw new Error(run.output);
});
afterAll(() => lab?.down());

describe('the break-glass key', () => {
  test('opens the runner channel from the recovery site, and no other account', async () => {
    expect((await sshAs(loot(glass.path), 'pra-runner', ['version'])).code).toBe(0);
    for (const account of ['mcp-reader', 'admin', 'root'])
      expect(await sshAs(loot(glass.path), account, ['version'])).toMatchObject({ code: 255, stdout: '' });
  });

  test('and from nowhere else', async () => {
    const [at, path] = [`pra-runner@${host.address}`, '/root/glass'];
    await elsewhere.writeFile(path, readFileSync(glass.path, 'utf8'), 0o600);
    await elsewhere.writeFile('/root/known', readFileSync(lab.knownHosts, 'utf8'));
    const ssh = `ssh -F /dev/null -o BatchMode=yes -o UserKnownHostsFile=/root/known -o IdentitiesOnly=yes -i ${path} ${at} version`;
    const { code, stdout, stderr } = await elsewhere.run(['/bin/sh', '-c', ssh]);
    expect({ code, stdout }).toEqual({ code: 255, stdout: '' });
    expect(stderr).toContain('Permission denied');
  });

  test('is listed as one that never expires', async () => {
    expect(await sh(host, 'cat /etc/mcp-pra/key-expiry')).toContain(
      `break-glass ${fingerprint(glass.blob)} -`,
    );
  });

  test('is useless without a signed ticket: each word refuses', async () => {
    for (const word of WORDS) {
      const said = await sshAs(loot(glass.path), 'pra-runner', [word], 'nothing that anybody signed\n');
      expect(said.code, word).not.toBe(0);
      expect(said.stderr, word).toMatch(/^refused pra-(?:run|exec) [A-Z_]+\n$/u);
    }
    const made = await prepare(loot(glass.path), { action: 'restart_service', args: [['unit', UNIT]] });
    const ticketText = ticketFrom(made);
    for (const key of [glass.path, keys.stranger, keys.runner]) {
      const signatures = [signWith(key, 'mcp-pra-low', ticketText)];
      const said = await submit(loot(glass.path), 'restart_service', {
        ticketText,
        signatures,
        offer: made.signed,
      });
      expect(said.stderr).toBe('refused pra-run SIGNER_UNKNOWN\n');
    }
  });

  test('works when every other key is thrown out, and carries what an approver signed', async () => {
    const revoked = [keys.reader, keys.runner].map((path) => {
      const [, base64 = ''] = readFileSync(`${path}.pub`, 'utf8').split(' ');
      return fingerprint(Buffer.from(base64, 'base64'));
    });
    const run = await runPlaybook(
      lab,
      'revoke.yml',
      { mcp_pra_revoke: { keys: revoked } },
      { limit: host.name },
    );
    expect(run.code, run.output).toBe(0);
    for (const [account, key] of [
      ['mcp-reader', keys.reader],
      ['pra-runner', keys.runner],
    ] as const)
      expect((await sshAs(loot(key), account, ['version'])).code).toBe(255);

    const before = await sh(host, `systemctl show -p InvocationID --value ${UNIT}`);
    const made = await prepare(loot(glass.path), { action: 'restart_service', args: [['unit', UNIT]] });
    const ticketText = ticketFrom(made);
    const signatures = [signWith(keys.approver, 'mcp-pra-low', ticketText)];
    const said = await submit(loot(glass.path), 'restart_service', {
      ticketText,
      signatures,
      offer: made.signed,
    });
    expect(said.stdout, said.stderr).toContain('state SUCCEEDED');
    expect(await sh(host, `systemctl show -p InvocationID --value ${UNIT}`)).not.toBe(before);
  });
});
