// npm run lab up [n] [vm | release] | down [lab] | ssh <host> [command…] | list | deps
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { RELEASES, type Release } from './base-tree.ts';
import { labUpPersistent, openLab, type Lab } from './lab-life.ts';
import { listLabFolders, readLabState } from './lab-state.ts';
import { installPackages, labAvailable } from './packages.ts';
import { sweepDeadLabs } from './tear-down.ts';

const USAGE = `npm run lab up [n] [vm]     boot n Debian hosts (1 if not said), and a virtual machine; they stay until down
npm run lab up [n] trixie   boot n hosts of Debian 13 instead of 12
npm run lab list            what is up
npm run lab ssh [lab/]host  log in as admin (who may sudo), or run the command that follows
npm run lab down [lab]      take down one lab, or all that were brought up here
npm run lab deps            install the Debian packages the lab needs (root)
npm run lab available       exit 0 when hosts can be booted here, else say what is missing
`;

/** Runs one `npm run lab` command and returns the exit code. */
export async function runCommand(argv: readonly string[]): Promise<number> {
  try {
    return await dispatch(argv[0], argv.slice(1));
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}

async function dispatch(verb: string | undefined, rest: readonly string[]): Promise<number> {
  if (verb === 'up' && /^(?:[1-9]\d?)?(?:(?:^| )vm)?$/.test(rest.join(' ')))
    return await up(Number(rest[0] === 'vm' ? 0 : (rest[0] ?? '1')), { vm: rest.includes('vm') });
  const release = verb === 'up' ? RELEASES.find((name) => name === rest.at(-1)) : undefined;
  if (release !== undefined && /^(?:[1-9]\d?)?$/.test(rest.slice(0, -1).join(' ')))
    return await up(rest.length === 1 ? 1 : Number(rest[0]), { release });
  if (verb === 'list' && rest.length === 0) return await list();
  if (verb === 'down' && rest.length <= 1) return await down(rest[0]);
  if (verb === 'ssh' && rest[0] !== undefined) return await login(rest[0], rest.slice(1));
  if (verb === 'deps' && rest.length === 0) return await installPackages(say).then(() => 0);
  if (verb === 'available' && rest.length === 0) return await available();
  process.stderr.write(USAGE);
  return 2;
}

async function up(hosts: number, of: { readonly vm?: boolean; readonly release?: Release }): Promise<number> {
  const started = Date.now();
  const lab = await labUpPersistent({ hosts, ...of, progress: say });
  say(`lab ${lab.id}: up after ${((Date.now() - started) / 1000).toFixed(1)} s`);
  for (const { name, address } of lab.hosts)
    say(`  ${lab.id}/${name}  ${address}  npm run lab ssh ${lab.id}/${name}`);
  return 0;
}

/** For `npm test`: exit 0 when hosts can be booted here, else 1 and what is missing. */
async function available(): Promise<number> {
  const answer = await labAvailable();
  if (answer.ok) return 0;
  process.stderr.write(`${answer.missing}\n`);
  return 1;
}

async function list(): Promise<number> {
  const labs = await openLabs();
  if (labs.length === 0) say('no lab is up');
  for (const { lab, persistent } of labs) {
    const hosts = lab.hosts.map(({ name, address }) => `${name}=${address}`).join(' ');
    say(`${lab.id}  ${persistent ? 'until down' : 'a test'}  ${hosts}  ${lab.dir}`);
  }
  return 0;
}

/** Without a name, labs of running tests are left alone: they belong to the test. */
async function down(id: string | undefined): Promise<number> {
  const labs = (await openLabs()).filter(({ lab, persistent }) =>
    id === undefined ? persistent : lab.id === id,
  );
  if (labs.length === 0 && id !== undefined) throw new Error(`no lab ${id} is up`);
  for (const { lab } of labs) {
    await lab.down();
    say(`lab ${lab.id}: down`);
  }
  await sweepDeadLabs();
  return 0;
}

async function login(target: string, command: readonly string[]): Promise<number> {
  const [name, id] = target.split('/').reverse();
  const labs = (await openLabs()).map(({ lab }) => lab).filter((lab) => id === undefined || lab.id === id);
  const found = labs.filter((lab) => lab.hosts.some((host) => host.name === name));
  const [lab, another] = found;
  if (lab === undefined) throw new Error(`no host ${target} is up; see: npm run lab list`);
  if (another !== undefined)
    throw new Error(`${name} is in ${found.map((l) => l.id).join(' and ')}; say ${lab.id}/${name}`);
  const child = spawn('ssh', ['-F', lab.sshConfig, name ?? '', ...command], { stdio: 'inherit' });
  process.on('SIGINT', () => {});
  const [code] = (await once(child, 'close')) as [number | null];
  return code ?? 255;
}

async function openLabs(): Promise<{ lab: Lab; persistent: boolean }[]> {
  const labs = [];
  for (const folder of (await listLabFolders()).sort()) {
    const lab = await openLab(folder);
    if (lab !== undefined) labs.push({ lab, persistent: (await readLabState(folder))?.persistent === true });
  }
  return labs;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
