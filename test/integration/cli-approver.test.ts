import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import Sqlite from 'better-sqlite3';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { readPublicKeyLine } from '../../src/request/ssh-public-key.ts';
import { fingerprint } from '../../src/request/sshsig.ts';
import { serveAgent } from '../../src/ssh/agent-protocol.ts';
import type { EnrolledForTest } from '../support/authenticator.ts';
import { EMBEDDED_CATALOG, startEmbeddedTarget, type EmbeddedTarget } from '../support/embedded-target.ts';
import { onPty, type PtyResult, type PtyStep } from '../support/on-pty.ts';
import {
  approveHighSteps,
  enrolOperator,
  inStore,
  makeOperator,
  PROGRAM,
  type Operator,
} from '../support/operator.ts';
import { startSecurityKey, type SoftwareSecurityKey } from '../support/software-security-key.ts';

let target: EmbeddedTarget;
let home: string;
let operator: Operator;
beforeAll(async () => {
  target = await startEmbeddedTarget();
});
afterAll(() => target?.stop());
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'mcp-pra-approver-'));
  operator = operatorWith(target.approver.path);
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const operatorWith = (key: string): Operator =>
  makeOperator({
    home,
    hosts: { [target.name]: { address: target.address, port: target.port } },
    keys: { reader: target.readerKey, runner: target.runnerKey, auto: target.autoKey.path },
    approver: { principal: target.approver.principal, key },
    knownHosts: target.knownHostsPath,
    more: {
      catalog: { builtin: false, dirs: [EMBEDDED_CATALOG] },
      policy: { raise: { rotate_demo: 'HIGH' } },
    },
  });
const propose = async (action = 'rotate_demo', ...more: string[]): Promise<string> => {
  const argv = ['propose', action, ...more, '-H', target.name, '-r', 'the log is full', '--json'];
  const { stdout } = await operator.cli(...argv);
  return (JSON.parse(stdout) as { id: string }).id;
};
const stateOf = async (id: string): Promise<string> =>
  (JSON.parse((await operator.cli('show', id, '--json')).stdout) as { state: string }).state;
const enrolled = (): Promise<EnrolledForTest> => enrolOperator(operator, target.approver);
const approveHigh = (id: string, code: string): Promise<PtyResult> =>
  operator.typed(['approve', id], approveHighSteps(target.name, target.approver.passphrase, code));

const SECRET = 'time-based, 6 digits\\):\\s+((?:[A-Z2-7]{4} ?){8})';
const passphraseStep = (): PtyStep => ({
  expect: 'Passphrase of the approver',
  send: `${target.approver.passphrase}\n`,
});

describe('enrolling', () => {
  test('shows secret and recovery codes on a page that is wiped, burns the confirming code, and HIGH is approved with the next', async () => {
    const id = await propose();
    const without = await operator.typed(['approve', id], []);
    expect(without).toMatchObject({ code: 3, screen: expect.stringContaining('OTP_MISSING') });
    expect(without.screen).toContain('mcp-pra approver enrol');

    // One terminal for all three, so that the phone is the same one.
    const script = ['"$0" "$1" approver enrol', '"$0" "$1" approver drill', `"$0" "$1" approve ${id}`].join(
      ' && ',
    );
    const done = await onPty(
      ['sh', '-c', script, process.execPath, PROGRAM],
      [
        passphraseStep(),
        { expect: 'code that it shows now', secret: SECRET, send: '000000\n' },
        { expect: 'not its code[\\s\\S]*code that it shows now', send: '{code}\n' },
        { expect: 'Written down', send: '\n' },
        passphraseStep(),
        { expect: 'Code of', send: '{code}\n' },
        ...approveHighSteps(target.name, target.approver.passphrase, '{code}'),
      ],
      { env: operator.env, cwd: home, seconds: 170 },
    );
    expect(done).toMatchObject({ code: 0, missed: null, screen: expect.stringContaining('SUCCEEDED') });
    expect(done.screen).toContain('Nothing was approved');

    // Both pages: the alternate screen, and wiped before it is left.
    const pages = [
      ...done.screen.matchAll(/\u001b\[\?1049h([\s\S]*?)\u001b\[2J\u001b\[H\u001b\[\?1049l/gu),
    ].map(([, page = '']) => page);
    expect(pages).toHaveLength(2);
    const outside = pages.reduce((rest, page) => rest.replace(page, ''), done.screen);
    const secret = new RegExp(SECRET, 'u').exec(pages[0] ?? '')?.[1]?.trim() ?? '';
    const codes = pages[1]?.match(/[a-z2-7]{4}(?:-[a-z2-7]{4}){3}/gu) ?? [];
    expect(secret).not.toBe('');
    expect(codes).toHaveLength(10);
    expect([secret, ...codes].filter((hidden) => outside.includes(hidden))).toEqual([]);
    expect(pages[0]).toMatch(/[▀▄█]{10}/u);
    expect(outside).toContain(`namespaces="mcp-pra-low,mcp-pra-medium,mcp-pra-high"`);
    // What was typed hidden is on no screen.
    expect(done.screen).not.toContain(target.approver.passphrase);
    expect(done.screen).not.toMatch(/shows now: 000000/u);

    const { principal } = target.approver;
    expect(JSON.parse((await operator.cli('approver', 'list', '--json')).stdout)).toMatchObject({
      approvers: [{ principal, here: true, recovery_codes_left: 10 }],
      notices: [],
    });
    expect(await operator.ledger('OTP_ENROLLED')).toHaveLength(1);
    expect(await operator.ledger('APPROVER_DRILL')).toHaveLength(1);
  }, 240_000);

  test('again takes a code of the one before: with the passphrase alone it stays', async () => {
    await enrolled();
    const again = await operator.typed(
      ['approver', 'enrol'],
      [passphraseStep(), { expect: 'needed to replace[\\s\\S]*Code of', send: '\u0003' }],
    );
    expect(again).toMatchObject({ code: 130, missed: null });
    expect(again.screen).not.toMatch(/time-based/u);
    expect(await operator.ledger('OTP_ENROLLED')).toHaveLength(1);
  });
});

describe('HIGH', () => {
  test('runs with a code, and not with the code of another moment', async () => {
    const { code } = await enrolled();
    const id = await propose();
    const rotations = target.demo.rotations();
    const typed = await operator.typed(
      ['approve', id],
      [
        ...approveHighSteps(target.name, target.approver.passphrase, code(Date.now() - 120_000)),
        { expect: 'not valid now; 2 left[\\s\\S]*Code of', send: '12345\n' },
        { expect: 'six digits, a recovery[\\s\\S]*Code of', send: `${code()}\n` },
      ],
    );
    expect(typed).toMatchObject({ code: 0, missed: null, screen: expect.stringContaining('SUCCEEDED') });
    expect(target.demo.rotations()).toBe(rotations + 1);
    expect(await operator.ledger('OTP_WRONG')).toHaveLength(1);
  });

  test('is denied by three wrong codes, and five lock until a recovery code ends it', async () => {
    const { code, recovery } = await enrolled();
    const wrong = code(Date.now() - 600_000);
    const [id, other] = [await propose(), await propose()];
    const again = { expect: 'left[\\s\\S]*Code of', send: `${wrong}\n` };
    const denied = await operator.typed(
      ['approve', id],
      [...approveHighSteps(target.name, target.approver.passphrase, wrong), again, again],
    );
    expect(denied).toMatchObject({ code: 3, missed: null, screen: expect.stringContaining('OTP_EXHAUSTED') });
    expect(await stateOf(id)).toBe('DENIED');
    expect((await operator.cli('show', id)).stdout).toContain('three codes of the approver');

    const unlocked = await operator.typed(
      ['approve', other],
      [
        ...approveHighSteps(target.name, target.approver.passphrase, wrong),
        again,
        { expect: 'left[\\s\\S]*Code of', send: `${code()}\n` },
        { expect: 'codes are refused for[\\s\\S]*Code of', send: `${String(recovery.codes[4])}\n` },
      ],
    );
    expect(unlocked).toMatchObject({ code: 0, missed: null });
    expect(await operator.ledger('OTP_LOCKED')).toHaveLength(1);
    expect(await operator.ledger('RECOVERY_CODE_USED')).toMatchObject([
      { detail: { severity: 'HIGH', left: 9 } },
    ]);

    const last = await propose();
    const noted = await approveHigh(last, code());
    expect(noted).toMatchObject({ code: 0, missed: null });
    expect(noted.screen).toMatch(/used a recovery code at[\s\S]*type the name of the host/u);
  }, 180_000);
});

describe('without a terminal', () => {
  test.each(['enrol', 'remove', 'drill', 'unlock'])('%s is refused', async (word) => {
    const argv = ['approver', word, ...(word === 'unlock' ? ['alice'] : [])];
    for (const more of [[], ['--json']]) {
      const { code, stdout, stderr } = await operator.cli(...argv, ...more);
      expect({ code, said: stdout + stderr }).toEqual({
        code: 2,
        said: expect.stringContaining('TERMINAL_REQUIRED'),
      });
    }
  });
});

describe('removing', () => {
  test('takes key and code, forgets the one-time password and not the key, and says how targets forget that', async () => {
    const { code, recovery } = await enrolled();
    const alone = await operator.typed(
      ['approver', 'remove'],
      [passphraseStep(), { expect: 'needed to remove it[\\s\\S]*Code of', send: '\u0003' }],
    );
    expect(alone).toMatchObject({ code: 130, missed: null });
    expect(await operator.ledger('OTP_REMOVED')).toEqual([]);
    const gone = await operator.typed(
      ['approver', 'remove'],
      [
        passphraseStep(),
        { expect: 'Code of', send: `${code(Date.now() - 600_000)}\n` },
        { expect: 'left[\\s\\S]*Code of', send: `${String(recovery.codes[0])}\n` },
      ],
    );
    expect(gone).toMatchObject({
      code: 0,
      screen: expect.stringContaining('mcp-pra keys revoke --approver'),
    });
    expect(await operator.ledger('OTP_REMOVED')).toHaveLength(1);
    const id = await propose();
    expect((await operator.typed(['approve', id], [])).screen).toContain('OTP_MISSING');
  });

  test('by force takes the name alone, and is told everywhere until somebody with key and code acknowledges it', async () => {
    await enrolled();
    const kept = await operator.typed(
      ['approver', 'remove', '--force'],
      [{ expect: 'Type ', send: 'nobody\n' }],
    );
    expect(kept).toMatchObject({ code: 4, screen: expect.stringContaining('Nothing was removed') });
    const { principal, passphrase } = target.approver;
    const gone = await operator.typed(
      ['approver', 'remove', '--force'],
      [{ expect: 'Type ', send: `${principal}\n` }],
    );
    expect(gone).toMatchObject({ code: 0 });
    expect(await operator.ledger('OTP_REMOVED')).toMatchObject([
      { kind: 'alarm', detail: { severity: 'HIGH', force: true } },
    ]);
    const { code } = await enrolled();
    const told = [
      `the one-time password of ${principal} was removed by force`,
      `${principal} was enrolled anew`,
    ];
    // Also where the key is gone.
    renameSync(target.approver.path, `${target.approver.path}.away`);
    const doctor = (await operator.cli('doctor', '--json')).stdout;
    renameSync(`${target.approver.path}.away`, target.approver.path);
    const listed = (await operator.cli('approver', 'list', '--json')).stdout;
    const id = await propose();
    const high = await operator.typed(
      ['approve', id],
      [{ expect: 'type the name of the host', send: 'no\n' }],
    );
    for (const words of told) for (const said of [doctor, listed, high.screen]) expect(said).toContain(words);

    const known = await operator.typed(
      ['approver', 'acknowledge'],
      [
        { expect: 'Passphrase of the approver', send: `${passphrase}\n` },
        { expect: 'removed by force[\\s\\S]*Code of', send: `${code()}\n` },
      ],
    );
    expect(known).toMatchObject({ code: 0, missed: null });
    expect((await operator.cli('approver', 'list')).stdout).not.toContain('by force');
    expect((await operator.cli('approver', 'acknowledge')).stdout).toContain('nothing to acknowledge');
  });
});

describe('a lock', () => {
  /** Somebody else of this machine, enrolled with a key of their own or of somebody. */
  const enrolBob = (key: string): Promise<EnrolledForTest> =>
    enrolOperator(operator, { principal: 'bob', passphrase: 'of bob', key });
  const lock = (principal: string): Promise<void> =>
    inStore(operator, (store) => {
      for (const n of [1, 2, 3, 4, 5]) store.otp.attempt(principal, `TRY ${String(n)}`, 'code');
    });
  const unlock = (principal: string, codes: string): Promise<PtyResult> =>
    operator.typed(
      ['approver', 'unlock', principal],
      [passphraseStep(), { expect: 'Code of', send: `${codes}\n` }],
    );

  test('is ended by another approver with key and code, by oneself with a recovery code only', async () => {
    const key = fingerprint(
      readPublicKeyLine(readFileSync(`${target.approver.path}.pub`, 'utf8')) ?? Buffer.alloc(0),
    );
    const { code, recovery } = await enrolOperator(operator, { ...target.approver, key });
    await enrolBob('SHA256:bob');
    await lock('bob');
    expect((await operator.cli('approver', 'list')).stdout).toMatch(/bob .* 900 s|bob .* 8\d\d s/u);
    expect(await unlock('bob', code())).toMatchObject({ code: 0, missed: null });
    expect((await operator.cli('approver', 'list')).stdout).not.toMatch(/bob .* \d+ s /u);
    expect(await operator.ledger('OTP_UNLOCKED')).toMatchObject([
      { detail: { approver: 'bob', proof: 'code' } },
    ]);

    const { principal } = target.approver;
    await lock(principal);
    const refused = await operator.typed(
      ['approver', 'unlock', principal],
      [
        passphraseStep(),
        { expect: 'Code of', send: `${code(Date.now() + 30_000)}\n` },
        { expect: 'no code: [\\s\\S]*Code of', send: `${String(recovery.codes[1])}\n` },
      ],
    );
    expect(refused).toMatchObject({ code: 0, missed: null });
    expect(await operator.ledger('RECOVERY_CODE_USED')).toMatchObject([{ detail: { subject: 'UNLOCK' } }]);
  });

  test('is not ended by a key that is not enrolled here', async () => {
    const { code } = await enrolled();
    await enrolBob('SHA256:bob');
    await lock('bob');
    expect(await unlock('bob', code())).toMatchObject({
      code: 3,
      screen: expect.stringContaining('UNLOCK_REFUSED'),
    });
    expect(await operator.ledger('OTP_UNLOCKED')).toEqual([]);
  });

  test('is not ended by the same key under another name, as somebody could have written it into the database', async () => {
    const key = fingerprint(
      readPublicKeyLine(readFileSync(`${target.approver.path}.pub`, 'utf8')) ?? Buffer.alloc(0),
    );
    const { code } = await enrolOperator(operator, { ...target.approver, key });
    await expect(enrolBob(key)).rejects.toMatchObject({ code: 'KEY_ENROLLED' });
    const raw = new Sqlite(join(operator.stateDir, 'mcp-pra.db'), { fileMustExist: true });
    raw.exec(`INSERT INTO otp_enrolments (principal, id, key, key_type, sealed, last_step, enrolled_at, recovery_salt)
      SELECT 'bob', 'another', key, key_type, sealed, last_step, enrolled_at, recovery_salt FROM otp_enrolments`);
    raw.close();
    await lock('bob');
    expect(await unlock('bob', code())).toMatchObject({
      code: 3,
      screen: expect.stringContaining('UNLOCK_REFUSED'),
    });
  });
});

test('a drill with --recovery proves the recovery path too, and uses both codes up', async () => {
  const { code, recovery } = await enrolled();
  const drilled = await operator.typed(
    ['approver', 'drill', '--recovery'],
    [
      passphraseStep(),
      { expect: 'Code of', send: `${code()}\n` },
      { expect: 'one recovery code[\\s\\S]*Code of', send: `${code(Date.now() + 30_000)}\n` },
      { expect: 'no code: [\\s\\S]*Code of', send: `${String(recovery.codes[2])}\n` },
    ],
  );
  expect(drilled).toMatchObject({
    code: 0,
    missed: null,
    screen: expect.stringContaining('Nothing was approved'),
  });
  expect(await operator.ledger('APPROVER_DRILL')).toMatchObject([
    { detail: { by: 'code' } },
    { detail: { by: 'recovery' } },
  ]);
  const listed = JSON.parse((await operator.cli('approver', 'list', '--json')).stdout) as Record<
    string,
    unknown
  >;
  expect(listed).toMatchObject({
    approvers: [{ recovery_codes_left: 9 }],
    notices: [expect.stringContaining('used a recovery code')],
  });
});

describe('doctor', () => {
  const findings = async (env: NodeJS.ProcessEnv): Promise<readonly string[]> => {
    const child = spawn(process.execPath, [PROGRAM, 'doctor', '--json'], {
      env,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const found = JSON.parse(await text(child.stdout)) as { level: string; text: string }[];
    return found.map((one) => `${one.level} ${one.text}`);
  };

  test('fails when an agent would sign with the approver key, and says who has no one-time password', async () => {
    const socket = join(home, 'agent');
    const blob = readPublicKeyLine(readFileSync(`${target.approver.path}.pub`, 'utf8')) ?? Buffer.alloc(0);
    const { principal } = target.approver;
    const env = { ...operator.env, SSH_AUTH_SOCK: socket };
    const missing = `warn ${principal} has no one-time password: HIGH cannot be approved here`;
    const agent = await serveAgent(socket, { blob, sign: () => Buffer.alloc(0) });
    try {
      const held = await findings(env);
      expect(held).toContainEqual(expect.stringMatching(/^fail an agent holds the approver key/u));
      expect(held).toContain(missing);
    } finally {
      agent.close();
    }
    await enrolled();
    const free = await findings(env);
    expect(free).toContain(`ok approver key of ${principal} is encrypted`);
    expect(free).toContain(`ok ${principal} has a one-time password, and 10 recovery codes`);
    expect(free).not.toContain(missing);
  });
});

describe('a security key in an agent', () => {
  let key: SoftwareSecurityKey;
  let env: NodeJS.ProcessEnv;
  let pub: string;
  beforeEach(async () => {
    const socket = join(home, 'agent');
    key = await startSecurityKey(socket);
    env = { ...operator.env, SSH_AUTH_SOCK: socket };
    pub = join(home, 'touch.pub');
    writeFileSync(pub, `${key.line} touch\n`);
    operator = operatorWith(pub);
  });
  afterEach(() => key.close());
  const typed = (argv: readonly string[], steps: readonly PtyStep[]): Promise<PtyResult> =>
    onPty([process.execPath, PROGRAM, ...argv], steps, { env, cwd: home, seconds: 60 });

  test('signs through ssh-keygen: HIGH with its own passphrase of the code, and nothing without the agent', async () => {
    const { code } = await enrolOperator(operator, { ...target.approver, passphrase: 'of the code' });
    const id = await propose();
    const steps = (word: string): readonly PtyStep[] => [
      { expect: 'type the name of the host', send: `${target.name}\n` },
      { expect: 'Passphrase of the one-time', send: 'not it\n' },
      { expect: 'does not open[\\s\\S]*Passphrase of the one-time', send: 'of the code\n' },
      { expect: 'Code of', send: `${word}\n` },
    ];
    const alone = await operator.typed(['approve', id, '--no-run'], steps(code()).slice(0, 1));
    expect(alone).toMatchObject({ code: 3, screen: expect.stringContaining('SECURITY_KEY_FAILED') });
    expect(await stateOf(id)).toBe('PENDING');

    const done = await typed(['approve', id, '--no-run'], steps(code()));
    expect(done).toMatchObject({ code: 0, missed: null });
    expect(key.touches()).toBe(1);
    expect(await stateOf(id)).toBe('APPROVED');
  });

  test('is enrolled with a touch and a passphrase for the code', async () => {
    const done = await typed(
      ['approver', 'enrol'],
      [
        { expect: 'A passphrase for', send: 'short\n' },
        { expect: 'At least[\\s\\S]*A passphrase for', send: 'long enough\n' },
        { expect: 'once more', send: 'long enough\n' },
        { expect: 'code that it shows now', secret: SECRET, send: '{code}\n' },
        { expect: 'Written down', send: '\n' },
      ],
    );
    expect(done).toMatchObject({
      code: 0,
      missed: null,
      screen: expect.stringContaining('sk-ssh-ed25519@openssh.com'),
    });
    expect(key.touches()).toBe(1);
  });

  test('is enrolled again with a touch and a code; whoever forgot its passphrase gives a recovery code', async () => {
    const { code, recovery } = await enrolOperator(operator, {
      ...target.approver,
      passphrase: 'of the code',
    });
    const choose: readonly PtyStep[] = [
      { expect: 'A passphrase for', send: 'long enough\n' },
      { expect: 'once more', send: 'long enough\n' },
    ];
    const confirm: readonly PtyStep[] = [
      { expect: 'code that it shows now', secret: SECRET, send: '{code}\n' },
      { expect: 'Written down', send: '\n' },
    ];
    const byCode = await typed(
      ['approver', 'enrol'],
      [
        ...choose,
        { expect: 'needed to replace[\\s\\S]*Passphrase of the one-time', send: 'of the code\n' },
        { expect: 'Code of', send: `${code()}\n` },
        ...confirm,
      ],
    );
    expect(byCode).toMatchObject({ code: 0, missed: null });
    expect(await operator.ledger('RECOVERY_CODE_USED')).toEqual([]);

    await inStore(operator, (store) =>
      store.otp.forget(
        target.approver.principal,
        { kind: 'note', code: 'test', actor: 'test/test' },
        undefined,
      ),
    );
    await enrolOperator(operator, { ...target.approver, passphrase: 'of the code' });
    const byRecovery = await typed(
      ['approver', 'enrol'],
      [
        ...choose,
        { expect: 'Enter: forgotten', send: '\n' },
        { expect: 'only a recovery code[\\s\\S]*Code of', send: `${String(recovery.codes[3])}\n` },
        ...confirm,
      ],
    );
    expect(byRecovery).toMatchObject({ code: 0, missed: null });
    expect(await operator.ledger('RECOVERY_CODE_USED')).toHaveLength(1);
    expect((await operator.cli('approver', 'list')).stdout).toContain('used a recovery code');
  });
});
