import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { FactRow, Facts, FactValue } from '../../../src/catalog/types.ts';
import type { TriageReport } from '../../../src/request/triage.ts';
import { makeOperator, type McpSession } from '../../support/operator.ts';
import type { LabHost } from '../lab.ts';
import { lookingLab, type LookingLab } from './looking.ts';
import { smallDisk } from './small-disk.ts';

// Ten calls at three in the morning. Each fault is planted on a host; a script that has nothing but the tools of the MCP server has to
// name it, and must not name it once it is gone. How many calls that took, and how many bytes a model had to read, is printed.

const NAMES = {
  endpoint: { database: '127.0.0.1:5432' },
  certificate: { shop: '/srv/tls/shop.pem' },
  tree: { backups: '/srv/backups' },
};

let on: LookingLab;
let home: string;
let session: McpSession;
const figures: string[] = [];

beforeAll(async () => {
  on = await lookingLab({ software: 'instances', names: NAMES });
  home = mkdtempSync(join(tmpdir(), 'mcp-pra-scenarios-'));
  session = await makeOperator({
    home,
    hosts: { [on.host.name]: { address: on.host.address } },
    keys: { reader: on.keys.reader, runner: on.keys.runner },
    knownHosts: on.lab.knownHosts,
    more: { limits: { calls_per_minute: 600 } },
  }).serve();
  await on.host.sh(PREPARE);
  await on.host.sh(DATABASE);
});

afterAll(async () => {
  process.stdout.write(`\n${figures.join('\n')}\n`);
  await session?.close();
  await on?.lab.down();
  if (home !== undefined) rmSync(home, { recursive: true, force: true });
});

/** A program that listens where a database would. */
const DATABASE = `
systemd-run --quiet --unit=lab-database --collect /usr/bin/python3 -c 'import socketserver
socketserver.TCPServer(("127.0.0.1", 5432), socketserver.BaseRequestHandler).serve_forever()'
timeout 20 /bin/sh -c 'until ss -Hltn "sport = :5432" | grep -q .; do sleep 0.1; done'
`;

/** What scenarios need on the host before anything is wrong. */
const PREPARE = `
mkdir -p /srv/backups /srv/tls /srv/data
head -c 500000 /dev/zero >/srv/backups/db-2026-11-20.dump
touch -d '26 hours ago' /srv/backups/db-2026-11-20.dump
head -c 500000 /dev/zero >/srv/backups/db-2026-11-21.dump
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=shop.example -days 90 \
  -keyout /srv/tls/shop.key -out /srv/tls/shop.pem 2>/dev/null
`;

/** Everything a script may do: call a tool. Counts calls and the bytes of text that came back. */
class Caller {
  calls = 0;
  bytes = 0;

  async call(tool: string, args: Record<string, unknown>): Promise<Record<string, unknown>> {
    const answer = await session.call(tool, args);
    if (answer.isError) throw new Error(`${tool}: ${answer.text}`);
    this.calls += 1;
    this.bytes += Buffer.byteLength(answer.text);
    return answer.data;
  }

  async triage(symptom: string): Promise<TriageReport['hosts'][number]> {
    const data = (await this.call('triage', { hosts: [on.host.name], symptom })) as unknown as TriageReport;
    const [part] = data.hosts;
    if (part === undefined) throw new Error('no host');
    return part;
  }

  async facts(diagnostic: string, args: Record<string, string | number> = {}): Promise<Facts> {
    const data = await this.call('run_diagnostic', { diagnostic, hosts: [on.host.name], args });
    const [result] = data['results'] as readonly [{ status: string; facts: Facts }];
    if (result.status !== 'ok') throw new Error(`${diagnostic}: ${result.status}`);
    return result.facts;
  }
}

const rowsOf = (value: unknown): readonly FactRow[] => (value ?? []) as readonly FactRow[];

/** A single value of a fact as text. */
const textOf = (value: FactValue | undefined): string => (typeof value === 'object' ? '' : String(value));

interface Scenario {
  /** What the pager said. */
  readonly page: string;
  readonly plant: (host: LabHost) => Promise<unknown>;
  readonly clear: (host: LabHost) => Promise<unknown>;
  /** The cause, or undefined when there is none to be found. */
  readonly solve: (ask: Caller) => Promise<string | undefined>;
  readonly cause: string;
}

const findingOn = (
  part: TriageReport['hosts'][number],
  diagnostic: string,
  fact: string,
): Facts | undefined =>
  part.findings.some((one) => one.diagnostic === diagnostic && one.fact === fact)
    ? part.facts[diagnostic]
    : undefined;

const SCENARIOS: readonly Scenario[] = [
  {
    page: 'The web site answers nobody',
    plant: (host) =>
      host.sh(`printf 'bogus_directive on;\\n' >/etc/nginx/conf.d/broken.conf; systemctl restart nginx || :`),
    clear: (host) =>
      host.sh(
        'rm -f /etc/nginx/conf.d/broken.conf; systemctl reset-failed nginx || :; systemctl restart nginx',
      ),
    solve: async (ask) => {
      const failed = findingOn(await ask.triage('unreachable'), 'failed_units', 'count');
      const [unit] = rowsOf(failed?.['units']).map((row) => String(row['unit']));
      if (unit === undefined) return undefined;
      const data = await ask.call('unit_journal', { hosts: [on.host.name], unit, lines: 50, since: '10m' });
      const [{ text }] = data['results'] as readonly [{ text: string }];
      return /unknown directive "(\w+)" in (\S+):\d+/u.exec(text)?.slice(1, 3).join(' in ');
    },
    cause: 'bogus_directive in /etc/nginx/conf.d/broken.conf',
  },
  {
    page: 'The application cannot write',
    plant: (host) =>
      host.sh(`${smallDisk('full')}; dd if=/dev/zero of=/srv/full/log bs=64k 2>/dev/null || :`),
    clear: (host) => host.sh('umount /srv/full /run/lab-full'),
    solve: async (ask) => {
      const facts = findingOn(await ask.triage('disk'), 'disk_usage', 'fullest_percent');
      return facts === undefined ? undefined : `no space on ${textOf(facts['fullest_mount'])}`;
    },
    cause: 'no space on /srv/full',
  },
  {
    page: 'No space left on device, and df says there is',
    plant: (host) =>
      host.sh(
        `${smallDisk('many')}; /bin/sh -c 'i=0; while : >/srv/many/$i; do i=$((i + 1)); done' 2>/dev/null || :`,
      ),
    clear: (host) => host.sh('umount /srv/many /run/lab-many'),
    solve: async (ask) => {
      const facts = findingOn(await ask.triage('disk'), 'disk_usage', 'fewest_inodes_percent');
      return facts === undefined ? undefined : `no inodes on ${textOf(facts['fewest_inodes_mount'])}`;
    },
    cause: 'no inodes on /srv/many',
  },
  {
    page: 'A disk fills up again and again',
    plant: (host) =>
      host.sh(
        // A megabyte a second into 64: no disk of the machine itself, to which other tests write meanwhile, is full sooner.
        `${smallDisk('grows', 64)}; systemd-run --quiet --collect --unit=lab-grows /bin/sh -c 'while :; do head -c 500000 /dev/zero >>/srv/grows/log; sleep 0.5; done'`,
      ),
    clear: (host) => host.sh('systemctl stop lab-grows; umount /srv/grows /run/lab-grows'),
    solve: async (ask) => {
      const facts = await ask.facts('disk_growth', { seconds: 4 });
      return Number(facts['full_in_seconds']) < 3_600
        ? `${textOf(facts['full_first_mount'])} is full within the hour`
        : undefined;
    },
    cause: '/srv/grows is full within the hour',
  },
  {
    page: 'Everything is slow',
    plant: (host) =>
      host.sh(`systemd-run --quiet --collect --unit=lab-runaway /bin/sh -c 'while :; do :; done'`),
    clear: (host) => host.sh('systemctl stop lab-runaway'),
    solve: async (ask) => {
      const top = rowsOf((await ask.facts('top_cpu'))['processes']);
      const busy = top.find((row) => Number(row['cpu_percent']) >= 25 && row['comm'] === 'sh');
      return busy === undefined ? undefined : String(busy['unit']);
    },
    cause: 'lab-runaway.service',
  },
  {
    page: 'It worked before the upgrade',
    plant: async (host) => {
      await host.sh(
        `printf '%s upgrade libshop:amd64 1.0-1 1.0-2\\n' "$(date -d '-30 seconds' '+%Y-%m-%d %H:%M:%S')" >>/var/log/dpkg.log`,
      );
      await host.writeFile(
        '/etc/systemd/system/shop.service',
        '[Service]\nType=oneshot\nExecStart=/bin/false\n',
      );
      await host.sh('systemctl daemon-reload; systemctl start shop.service || :');
      await host.sh(untilOld('shop.service'));
    },
    clear: (host) =>
      host.sh(
        'rm -f /etc/systemd/system/shop.service; systemctl daemon-reload; systemctl reset-failed; sed -i /libshop/d /var/log/dpkg.log',
      ),
    solve: async (ask) => {
      const rows = rowsOf((await ask.facts('timeline', { since: '10m' }))['rows']);
      const failure = rows.findIndex(
        (row) => row['kind'] === 'unit_failed' && row['what'] === 'shop.service',
      );
      const before = rows.slice(0, Math.max(0, failure)).filter((row) => row['kind'] === 'package');
      return before.length === 0 ? undefined : `${String(before.at(-1)?.['what'])}, then shop.service failed`;
    },
    cause: 'upgrade libshop:amd64 1.0-2, then shop.service failed',
  },
  {
    page: 'Somebody changed something',
    plant: (host) => host.writeFile('/etc/nginx/conf.d/tuning.conf', '# by hand\n'),
    clear: (host) => host.sh('rm -f /etc/nginx/conf.d/tuning.conf'),
    solve: async (ask) => {
      const files = rowsOf((await ask.facts('what_changed', { since: '10m' }))['changed_files']);
      return files.map(({ path }) => String(path)).find((path) => path.endsWith('tuning.conf'));
    },
    cause: '/etc/nginx/conf.d/tuning.conf',
  },
  {
    page: 'The shop says its database is gone',
    plant: (host) => host.sh('systemctl stop lab-database'),
    clear: (host) => host.sh(DATABASE),
    solve: async (ask) => {
      const { outcome, port } = await ask.facts('endpoint_reachability', { endpoint: 'database' });
      return outcome === 'connected' ? undefined : `port ${textOf(port)} ${textOf(outcome)}`;
    },
    cause: 'port 5432 refused',
  },
  {
    page: 'Browsers refuse the shop',
    plant: (host) =>
      host.sh(`cd /srv/tls && cp -p shop.pem shop.good && cat >ca.conf <<'CONF'
[ca]
default_ca = lab
[lab]
database = index
serial = serial
new_certs_dir = .
default_md = sha256
policy = any
[any]
commonName = supplied
CONF
: >index; echo 01 >serial
openssl req -new -key shop.key -subj /CN=shop.example -out shop.csr
openssl ca -batch -notext -selfsign -config ca.conf -keyfile shop.key -in shop.csr -out shop.pem -startdate 20200101000000Z -enddate 20210101000000Z 2>/dev/null`),
    clear: (host) => host.sh('cd /srv/tls && mv shop.good shop.pem'),
    solve: async (ask) => {
      const names = rowsOf((await ask.facts('named_things'))['names']);
      for (const { name } of names.filter(({ kind }) => kind === 'certificate')) {
        const facts = await ask.facts('certificate_file', { certificate: String(name) });
        if (facts['expired'] === true) return `${textOf(facts['subject'])} expired`;
      }
      return undefined;
    },
    cause: 'CN=shop.example expired',
  },
  {
    page: 'Can we restore last night?',
    plant: (host) =>
      host.sh('rm /srv/backups/db-2026-11-21.dump; touch -d "80 hours ago" /srv/backups/db-2026-11-20.dump'),
    clear: (host) => host.sh('head -c 500000 /dev/zero >/srv/backups/db-2026-11-21.dump'),
    solve: async (ask) => {
      const facts = await ask.facts('backup_age', { tree: 'backups' });
      const hours = Math.floor(Number(facts['newest_age_seconds']) / 3_600);
      return hours >= 24 ? `the newest backup is ${String(hours)} hours old` : undefined;
    },
    cause: 'the newest backup is 80 hours old',
  },
];

/** Shell: waits until the failure of a unit is as old as a timeline looks: it ends a second ago. */
function untilOld(unit: string): string {
  return `timeout 20 /bin/sh -c 'until journalctl --quiet --until=-1s MESSAGE_ID=d9b373ed55a64feb8242e02dbe79a49c UNIT=${unit} | grep -q .; do sleep 0.1; done'`;
}

describe('at three in the morning', () => {
  test.each(SCENARIOS.map((scenario) => [scenario.page, scenario] as const))(
    '%s',
    async (page, { plant, clear, solve, cause }) => {
      await plant(on.host);
      const ask = new Caller();
      try {
        expect(await solve(ask)).toBe(cause);
      } finally {
        await clear(on.host);
      }
      figures.push(`scenario: ${page}: ${String(ask.calls)} call(s), ${String(ask.bytes)} bytes: ${cause}`);
      expect(await solve(new Caller())).not.toBe(cause);
    },
  );
});
