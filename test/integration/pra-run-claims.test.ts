import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { canMount } from '../support/can-mount.ts';
import { DatagramSocket } from '../support/datagram-socket.ts';
import { isGone, until } from '../support/outcome-target.ts';
import { frame, newId, RunnerTarget, type Json, type SubmissionParts } from '../support/runner-target.ts';

// What the host writes down, when it is damaged, old, or finds no room. The real pra-run on real disks.

let target: RunnerTarget;
beforeAll(() => {
  target = new RunnerTarget();
});
afterAll(() => {
  target.remove();
});
beforeEach(() => {
  for (const folder of ['state', 'run/pra-run', 'run/claims'])
    rmSync(join(target.prefix, folder), { recursive: true, force: true });
  execFileSync('install', ['-d', '-m', '0700', join(target.prefix, 'state')]);
});

const OTHER_BOOT = '00000000-0000-0000-0000-000000000000';
const state = (path: string): string => join(target.prefix, 'state', path);
const idOf = ({ ticketText }: SubmissionParts): string => /^id (.*)$/mu.exec(ticketText)?.[1] ?? '';
const prepare = async (unit = 'quick'): Promise<SubmissionParts> =>
  target.parts(await target.propose({ args: [['unit', `${unit}.service`]] }), [
    { key: target.anna, namespace: 'mcp-pra-low' },
  ]);
const run = async (unit = 'quick') => {
  const parts = await prepare(unit);
  const receipt = target.receipt(await target.ask('low_thing', frame(parts)));
  const { pid } = JSON.parse(
    readFileSync(join(target.prefix, `run/pra-run/started/${receipt.id}.json`), 'utf8'),
  ) as { pid: number };
  await until(() => isGone(pid)); // it has more to write than who asked waits for
  return { parts, receipt };
};
const claimOf = (id: string): Json => JSON.parse(readFileSync(state(`claims/${id}.json`), 'utf8')) as Json;
const runs = (): number => {
  const path = `${target.program}.count`;
  return existsSync(path) ? readFileSync(path, 'utf8').split('\n').length - 1 : 0;
};

describe('a claim that cannot be read', () => {
  it.each<[string, (claim: Json) => string]>([
    ['is no JSON', () => '{'],
    ['is no claim', () => '[]'],
    ['lacks something', (claim) => JSON.stringify({ ...claim, n: undefined })],
    ['is that of another id', (claim) => JSON.stringify({ ...claim, id: 'a'.repeat(16) })],
  ])('since it %s says nothing of its id, and holds up nothing else', async (_, spoil) => {
    const { parts, receipt } = await run('count');
    const before = runs();
    const claim = claimOf(receipt.id);
    const other = newId();
    writeFileSync(
      state(`claims/${other}.json`),
      JSON.stringify({ ...claim, id: other, boot_id: OTHER_BOOT }),
    );
    writeFileSync(state(`claims/${receipt.id}.json`), spoil(claim));
    rmSync(state(`receipts/${receipt.id}.json`));
    const said = [
      await target.query('status', parts.ticketText),
      await target.ask('low_thing', frame(parts)),
      await target.ask('fence', frame(parts)),
    ];
    expect(said.map(({ code, exit, events }) => [code, exit, events])).toEqual(
      Array.from({ length: 3 }, () => ['STATE_BAD', 70, []]),
    );
    rmSync(join(target.root, 'log'), { force: true });
    const log = await DatagramSocket.open(join(target.root, 'log'), 'read');
    try {
      expect((await target.start(['--settle'], '').said).exit).toBe(0);
      let record = '';
      while (!record.includes('verdict=failed')) record = await log.next();
      expect(record).toContain(`verdict=failed word=settle code=STATE_BAD error=- id=${receipt.id} `);
    } finally {
      await log.close();
    }
    expect(existsSync(state(`receipts/${other}.json`))).toBe(true);
    expect([(await run()).receipt.state, runs()]).toEqual(['SUCCEEDED', before]);
  });
});

describe('what is old', () => {
  const FOLDERS = ['claims', 'started', 'begun', 'results', 'receipts'];
  const OLD = Date.now() / 1_000 - 31 * 86_400;

  /** A claim as old as that many seconds more than a month, with all that belongs to it. */
  const leave = (claim: Json, seconds: number, patch: Json = {}): string => {
    const id = newId();
    for (const folder of FOLDERS) {
      const path = state(`${folder}/${id}.json`);
      writeFileSync(
        path,
        JSON.stringify(
          folder === 'claims' ? { ...claim, boot_id: OTHER_BOOT, ...patch, id } : { state: 'FAILED' },
        ),
      );
      utimesSync(path, OLD - seconds, OLD - seconds);
    }
    return id;
  };
  const left = (id: string): readonly string[] =>
    FOLDERS.filter((folder) => existsSync(state(`${folder}/${id}.json`)));

  it('is forgotten, its claim first; what may be used again, or is to be reviewed, is not, and is not counted', async () => {
    const claim = claimOf((await run()).receipt.id);
    const freezes = Array.from({ length: 60 }, (_, at) => leave(claim, 9_000 + at, { kind: 'freeze' }));
    const ofNow = leave(claim, 8_000, { boot_id: claim['boot_id'] });
    const reviewed = leave(claim, 8_000);
    const bad = leave(claim, 8_000);
    writeFileSync(state(`claims/${bad}.json`), '{');
    utimesSync(state(`claims/${bad}.json`), OLD - 8_000, OLD - 8_000);
    const forgotten = Array.from({ length: 3 }, () => leave(claim, 7_000));
    const newest = Array.from({ length: 199 }, (_, at) => leave(claim, at));
    const session = { v: 1, n: 1, incident: 'inc-1', principal: 'anna', opened: claim['claimed'] };
    const rest = { boot_id: OTHER_BOOT, boottime_ms: 0, ids: [reviewed], reviewed: null };
    writeFileSync(state('break-glass.json'), JSON.stringify({ ...session, ...rest }));
    await run();
    await until(() => forgotten.every((id) => !left(id).includes('claims')));
    for (const id of forgotten) expect(left(id)).toEqual(FOLDERS.slice(1));
    await run();
    await until(() => forgotten.every((id) => left(id).length === 0));
    for (const id of [...freezes, ofNow, reviewed, bad, ...newest.slice(0, -3)])
      expect(left(id)).toEqual(FOLDERS);
  });
});

const NOT_DURABLE = '{"event":"warning","code":"NOT_DURABLE"}';

describe.skipIf(!canMount)('a disk that takes nothing (needs the right to mount)', () => {
  /** What the lines of a script say where `target` is the working directory; `$1` is the input. A runner that still writes then ends with them. */
  const within = (script: string, input: string): string => {
    writeFileSync(join(target.root, 'input'), input);
    return execFileSync(
      'unshare',
      [
        '-m',
        '-p',
        '-f',
        '--kill-child',
        '--mount-proc',
        'sh',
        '-c',
        `set -e; cd "$2"; ${script}`,
        'sh',
        '../input',
        target.prefix,
      ],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    ).toString();
  };
  const freezing = (): string =>
    target.freeze(target.freezeTicket(), [{ key: target.anna, namespace: 'mcp-pra-medium' }]);

  it('in /run does not keep what is claimed from being run', async () => {
    const parts = await prepare();
    const said = within(
      `mount -t tmpfs -o size=64k,mode=0700 tmpfs run/pra-run; head -c 1m /dev/zero > run/pra-run/fill 2>/dev/null || true
       bin/pra-run low_thing < $1`,
      frame(parts),
    );
    expect(said).toContain(String.raw`state SUCCEEDED\n`);
    expect(said).toContain(String.raw`durable yes\n`);
  });

  it('without a file more than its claim still runs what was claimed', async () => {
    const parts = await prepare();
    const said = within(
      `mount -t tmpfs -o size=1m,nr_inodes=11,mode=0700 tmpfs state; cd state; mkdir -m 0700 claims started begun ended results output receipts cancels; cd ..
       bin/pra-run low_thing < $1; ls state/*`,
      frame(parts),
    );
    expect(said).toContain(String.raw`state SUCCEEDED\n`);
    expect(said).toContain(String.raw`durable no\n`);
    expect(said).toContain(`state/claims:\n${idOf(parts)}.json\n`);
  });

  it('is given its ballast back by what stops something', async () => {
    const parts = await prepare();
    for (const [word, input] of [
      ['fence', frame(parts)],
      ['freeze', freezing()],
    ] as const) {
      const said = within(
        `mount -t tmpfs -o size=1m,mode=0700 tmpfs state; cd state; mkdir -m 0700 claims started begun ended results output receipts cancels
         fallocate -l 262144 ballast; head -c 4m /dev/zero > fill 2>/dev/null || true; cd ..
         bin/pra-run ${word} < $1; ls state`,
        input,
      );
      rmSync(join(target.prefix, 'etc/frozen'), { force: true });
      expect(said).toContain(String.raw`durable yes\n`);
      expect(said).not.toContain('ballast');
    }
  });

  it('makes a fence and a freeze say that a power cut may undo them', async () => {
    const parts = await prepare();
    for (const [word, input, word2] of [
      ['fence', frame(parts), 'NEVER_STARTED'],
      ['freeze', freezing(), 'SUCCEEDED'],
    ] as const) {
      const said = within(
        `mount --bind state state; mount -o remount,bind,ro state; bin/pra-run ${word} < $1`,
        input,
      );
      rmSync(join(target.prefix, 'etc/frozen'), { force: true });
      expect(said).toContain(`${NOT_DURABLE}\n`);
      expect(said).toContain(`state ${word2}\\n`);
      expect(said).toContain(String.raw`durable no\n`);
    }
    const well = await target.ask('fence', frame(await prepare()));
    expect([well.warnings, target.receipt(well).durable]).toEqual([[], true]);
  });

  it('when the start is written down leaves the claim open, and its end true once there is room', async () => {
    const before = runs();
    const parts = await prepare('count');
    const status = within(
      `for at in state run/pra-run; do mkdir -p $at/started; mount -t tmpfs -o ro tmpfs $at/started; done
       timeout -s KILL 2 bin/pra-run low_thing < $1 > /dev/null 2>&1 || true
       printf 'mcp-pra query v1\\nid ${idOf(parts)}\\nticket sha256:%s\\nwait 0\\noffset 0\\n' "$(sed '/^signature /,$d' $1 | sha256sum | cut -c1-64)" | bin/pra-run status`,
      frame(parts),
    );
    expect(status).toContain(String.raw`state RUNNING\n`);
    const receipt = target.receipt(await target.query('status', parts.ticketText, { wait: 25 }));
    expect([receipt.state, receipt.started, runs()]).toEqual(['INTERRUPTED', undefined, before]);
    expect((await target.ask('low_thing', frame(parts))).code).toBe('REPLAYED');
  });
});

describe('a disk that fails after the file is there', () => {
  /** Claims an id twice where the folder's own fsync fails the first times; which shelf has it then, and what it said. */
  const claimed = (failures: number, ballast: boolean): Json => {
    const program = `
import errno, json, os, sys
from types import SimpleNamespace as Some
sys.path.insert(0, sys.argv[1])
from pra_run import claims, whole_files
left = [int(sys.argv[3])]
real = whole_files._sync_folder
def failing(folder):
    if folder == state + '/claims' and left[0] > 0:
        left[0] -= 1
        raise OSError(errno.ENOSPC, 'full')
    real(folder)
whole_files._sync_folder = failing
state, run = sys.argv[2] + '/state', sys.argv[2] + '/run'
for folder in ('/state/claims', '/run/claims'):
    os.makedirs(sys.argv[2] + folder, exist_ok=True)
if sys.argv[4] == 'true':
    open(state + '/ballast', 'w').close()
shelves = claims.Claims(Some(state=state, run=run, private=run))
claim = {'id': 'a' * 16, 'result': None}
try:
    shelves.claim(claim)
    code = None
except claims.Refusal as refusal:
    code = refusal.code
there = [os.path.exists(folder + '/claims/' + 'a' * 16 + '.json') for folder in (state, run)]
print(json.dumps({'code': code, 'there': there, 'durable': shelves.is_durable(claim), 'ballast': os.path.exists(state + '/ballast')}))
`;
    const scripts = join(import.meta.dirname, '../../target-scripts');
    const folder = join(target.root, `shelves-${newId()}`);
    return JSON.parse(
      execFileSync('/usr/bin/python3', [
        '-IBSc',
        program,
        scripts,
        folder,
        String(failures),
        String(ballast),
      ]).toString(),
    ) as Json;
  };

  it('takes nothing for somebody else’s: the claim is tried again, or is in /run alone', () => {
    expect(claimed(1, true)).toEqual({ code: null, there: [true, false], durable: true, ballast: false });
    expect(claimed(1, false)).toEqual({ code: null, there: [false, true], durable: false, ballast: false });
    expect(claimed(2, true)).toEqual({ code: null, there: [false, true], durable: false, ballast: false });
  });
});

it('only claims are in the folder of claims', async () => {
  const { receipt } = await run();
  expect(readdirSync(state('claims'))).toEqual([`${receipt.id}.json`]);
});
