// How long a stolen key lives: `node test/bench/revoke-fleet.mjs [hosts…]` (default: 10 25 50). Node 24 and root; `npm run build` first.
// Holds one connection with a stolen key open on each host, throws the key out with `mcp-pra keys revoke` and prints the seconds until
// all of it was proven. The hosts are sshds in one lab host, each with an address, processes and an /etc of its own: to all that a
// revocation touches that is a host, and fifty booted ones would be more than a small machine has inotify instances for. They and
// the command share this machine's cores: a real fleet is quicker.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { ansibleInventory } from '../lab/playbook.ts';
import { labUp } from '../lab/lab.ts';
import { publicKey } from '../lab/provisioned.ts';
import { sendPack, setUp, siteFor } from '../lab/setup-target.ts';
import { strictOptions } from '../lab/ssh.ts';
import { makeOperator } from '../support/operator.ts';
import { makeKey } from '../support/ssh-keys.ts';

const sizes = process.argv.length > 2 ? process.argv.slice(2).map(Number) : [10, 25, 50];
const STAGES = ['preflight', 'account', 'scripts', 'tables', 'sudo', 'sshd'];
const say = (line) => process.stdout.write(`${line}\n`);

const dir = mkdtempSync(join(tmpdir(), 'mcp-pra-bench-'));
const key = (name) => makeKey(dir, name).path;
const keys = {
  reader: key('reader'),
  runner: key('runner'),
  auto: key('auto'),
  approver: key('approver'),
  stranger: key('stranger'),
};
const stolen = sizes.map((size) => key(`stolen-${size}`));
const knownHosts = join(dir, 'known_hosts');
let lab;
const interrupted = new Promise((_, reject) =>
  process.once('SIGINT', () => reject(new Error('interrupted'))),
);

const forEach = async (items, atOnce, work) => {
  const waiting = [...items];
  const worker = async () => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
};

const install = async (host) => {
  await sendPack(host);
  const logins = [keys.reader, ...stolen].map((path) => ({ key: publicKey(path) }));
  const site = siteFor(host, keys, { keys: { reader: logins, runner: [{ key: publicKey(keys.runner) }] } });
  const { code, refusal } = await setUp(host, site, ...STAGES);
  if (code !== 0) throw new Error(`${host.name}: ${refusal}`);
  const said = await host.run(['/usr/local/lib/mcp-pra/commit-confirm', 'confirm']);
  if (said.code !== 0) throw new Error(`${host.name}: ${said.stderr}`);
};

/** What makes a process one more host: everything that a revocation reads or writes is its own. */
const NAMESPACE = `
mount -t tmpfs none /mnt; mkdir /mnt/etc /mnt/work /mnt/run
cp -a /run/sshd /run/mcp-pra /mnt/run
mount -t overlay -o lowerdir=/etc,upperdir=/mnt/etc,workdir=/mnt/work none /etc
mount --bind /mnt/run /run
exec /usr/sbin/sshd -D -o PidFile=none -o "ListenAddress=$1"`;

const run = async (host, ...argv) => {
  const { code, stderr } = await host.run(argv);
  if (code !== 0) throw new Error(`${argv.slice(0, 4).join(' ')}: ${stderr}`);
};

/** So many hosts more at the addresses after the first one's; its own sshd keeps to its own. */
const multiply = async (first, count) => {
  await first.writeFile('/etc/default/ssh', `SSHD_OPTS=-oListenAddress=${first.address}\n`);
  await run(first, 'systemctl', 'restart', 'ssh');
  const [line = ''] = readFileSync(lab.knownHosts, 'utf8').match(/ssh-ed25519 \S+/u) ?? [];
  const network = first.address.replace(/\d+$/u, '');
  const hosts = Array.from({ length: count }, (_, i) => ({
    name: `n${i + 1}`,
    address: `${network}${i + 20}`,
  }));
  for (const { name, address } of hosts) {
    await run(first, 'ip', 'address', 'add', `${address}/24`, 'dev', 'host0');
    const unshare = ['unshare', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];
    const shell = ['/bin/sh', '-euc', NAMESPACE.replaceAll('$', '$$$$'), 'sh', address];
    await run(
      first,
      'systemd-run',
      '-q',
      `--unit=sshd-${name}`,
      '-pKillSignal=SIGKILL',
      ...unshare,
      ...shell,
    );
  }
  writeFileSync(knownHosts, hosts.map(({ address }) => `${address} ${line}\n`).join(''));
  return hosts;
};

/** Open, idle, with more sessions to be had from it. */
const hold = async (address, path) => {
  const patient = ['-o', 'ConnectionAttempts=20'];
  const argv = [...strictOptions(knownHosts), ...patient, '-i', path, '-v', '-N', `mcp-reader@${address}`];
  const child = spawn('ssh', argv, { stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = once(child, 'exit');
  const opened = (async () => {
    for await (const line of createInterface({ input: child.stderr }))
      if (line.includes('Entering interactive session')) return true;
    return false;
  })();
  if (!(await opened)) throw new Error(`${address} lets nobody in`);
  child.stderr.resume();
  return { child, ended };
};

const measure = async (hosts, lost) => {
  const size = hosts.length;
  const home = join(dir, `home-${size}`);
  mkdirSync(home, { mode: 0o700 });
  const operator = makeOperator({
    home,
    hosts: Object.fromEntries(hosts.map(({ name, address }) => [name, { address }])),
    keys: { reader: keys.reader, runner: keys.runner },
    knownHosts,
  });
  const inventory = ansibleInventory({ ...lab, knownHosts, hosts });
  writeFileSync(join(home, '.config/mcp-pra/inventory.yml'), JSON.stringify(inventory));
  const held = [];
  await forEach(hosts, 8, async ({ address }) => held.push(await hold(address, lost)));
  const { code, stdout, stderr } = await operator.cli(
    'keys',
    'revoke',
    '--json',
    '--key',
    `${lost}.pub`,
    '--all-hosts',
  );
  const alive = held.filter(({ child }) => child.exitCode === null && child.signalCode === null);
  for (const { child } of alive) child.kill();
  await Promise.all(held.map(({ ended }) => ended));
  const [report] = JSON.parse(stdout === '' ? '[]' : stdout);
  if (report === undefined) throw new Error(stderr);
  const proven = report.hosts.filter((one) => one.proven);
  const times = proven.map(({ seconds }) => seconds).toSorted((a, b) => a - b);
  say(
    `${size} hosts: dead and proven on ${proven.length} after ${report.seconds.toFixed(1)} s (half of them after ${(times[times.length >> 1] ?? 0).toFixed(1)} s, ` +
      `${((report.seconds / size) * 1_000).toFixed(0)} ms a host); of ${held.length} open connections of the thief ${alive.length} live; exit ${code}`,
  );
  if (code !== 0 || alive.length > 0) process.exitCode = 1;
};

const main = async () => {
  lab = await labUp({ hosts: 1 });
  const [first] = lab.hosts;
  await install(first);
  const hosts = await multiply(first, Math.max(...sizes));
  for (const [at, size] of sizes.entries()) {
    const [load = 0] = loadavg();
    say(`${availableParallelism()} cores for the hosts and this command; load before: ${load.toFixed(1)}`);
    await measure(hosts.slice(0, size), stolen[at]);
  }
};

try {
  await Promise.race([interrupted, main()]);
} finally {
  await lab?.down();
  rmSync(dir, { recursive: true, force: true });
}
