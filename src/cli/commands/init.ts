import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import { loadConfig, loginName, type Config } from '../../config.ts';
import { configPath, processPaths } from '../../config/paths.ts';
import { PRINCIPAL } from '../../config/schema.ts';
import { PraError } from '../../errors.ts';
import type { CliContext } from '../cli-context.ts';
import { configFile } from '../init/config-file.ts';
import { desktopEntry } from '../init/desktop-entry.ts';
import { collectHost, type NewHost } from '../init/new-host.ts';
import {
  allowedSigners,
  inventoryFile,
  transportKeys,
  varsFile,
  type PublicSide,
} from '../init/provision-files.ts';
import { ensureTransportKey, publicLine } from '../init/transport-key.ts';
import { transportKeysPath, transportKeysText } from '../rotation/transport-keys.ts';
import type { Page } from '../page.ts';
import type { Cli } from '../run-cli.ts';
import { say } from '../say.ts';
import { shellWord } from '../shell-word.ts';

interface Options {
  readonly host?: readonly NewHost[];
  readonly principal?: string;
  readonly force?: boolean;
  readonly approver: boolean;
}

/** What was made or kept, and what comes next; also the JSON. */
interface InitReport {
  readonly files: readonly { readonly path: string; readonly made: boolean }[];
  readonly allowed_signers: readonly string[];
  /** Lines that a kept vars file does not have. */
  readonly vars_lack: readonly string[];
  /** Public keys of this machine that a kept transport-keys.yml does not have, as `reader: ssh-ed25519 …`. */
  readonly transport_keys_lack: readonly string[];
  readonly approver_command: string | null;
  readonly provision_command: string;
  readonly desktop_entry: string;
}

/** `mcp-pra init`: folders, configuration, keys and files for provisioning; makes only what is missing. */
export const addInit = (program: Command, cli: Cli): void => {
  const command = cli
    .command(program, 'init', 'make configuration and keys, and say what to do next')
    .option('-H, --host <name=address[:port]>', 'a host; may be repeated', collectHost)
    .option('--principal <name>', 'who approves on this machine (else your login name)')
    .option('--force', 'overwrite configuration and provisioning files; keys are never overwritten')
    .option('--no-approver', 'make no approver key now');
  command.action((options: Options) =>
    cli.run(command, async (context) => {
      const report = await initialise(context, options);
      context.show(report, (page) => reportPage(page, report));
      return 0;
    }),
  );
};

const initialise = async (context: CliContext, options: Options): Promise<InitReport> => {
  const files: { path: string; made: boolean }[] = [];
  const path = configPath(processPaths(), context.flags.config);
  const principal = options.principal ?? loginName();
  if (!PRINCIPAL.test(principal)) throw new PraError('USAGE', { what: say('init.principal_form') });
  const isNew = !existsSync(path) || options.force === true;
  if (!isNew && (options.host ?? []).length > 0)
    throw new PraError('USAGE', { what: say('init.exists', { path }) });
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  if (isNew) writeFileSync(path, configFile(principal, options.host ?? []), { mode: 0o600 });
  files.push({ path, made: isNew });

  const config = loadConfig(path);
  mkdirSync(config.stateDir, { recursive: true, mode: 0o700 });
  const { reader, runner, auto } = config.keys;
  for (const [account, key] of Object.entries({ reader, runner, auto })) {
    if (key !== undefined)
      files.push({ path: key.path, made: ensureTransportKey(key.path, `mcp-pra ${account}`) });
  }
  files.push(...(await approverFile(context, config, options.approver)));

  const keys = publicSide(config);
  const vars = join(dirname(path), 'provision-vars.yml');
  const transport = transportKeysPath(path);
  const inventory = join(dirname(path), 'inventory.yml');
  files.push(
    writeUnlessThere(vars, varsFile(keys), options.force),
    // Also with --force it is kept: a rotation may be under way, and it may hold the keys of another machine.
    writeUnlessThere(transport, transportKeysText(transportKeys(keys, Date.now()))),
    writeUnlessThere(inventory, inventoryFile(config.hosts), options.force),
  );
  const has = readFileSync(vars, 'utf8');
  const listed = readFileSync(transport, 'utf8');
  const { approver } = config;
  return {
    files,
    allowed_signers: allowedSigners(keys),
    vars_lack: allowedSigners(keys).filter((line) => !has.includes(line.split(' ').at(-1) ?? line)),
    transport_keys_lack: [
      ['reader', keys.reader] as const,
      ['runner', keys.runner] as const,
      ['auto', keys.auto ?? ''] as const,
    ]
      .filter(([, line]) => !listed.includes(line.split(' ')[1] ?? ''))
      .map(([name, line]) => `${name}: ${line.trim()}`),
    approver_command:
      approver === undefined || keys.approver !== undefined
        ? null
        : `ssh-keygen -t ed25519 -a 100 -C ${shellWord(approver.principal)} -f ${shellWord(approver.key)}`,
    provision_command: [
      'ansible-playbook',
      '-i',
      inventory,
      '-e',
      `@${vars}`,
      '-e',
      `@${transport}`,
      join(context.parts.packageRoot, 'ansible/playbooks/provision.yml'),
    ]
      .map(shellWord)
      .join(' '),
    desktop_entry: desktopEntry(context.parts.program, path, context.io.env),
  };
};

/** The approver's key needs a person at a terminal; without one it is left for later. */
const approverFile = async (
  context: CliContext,
  { approver }: Config,
  wanted: boolean,
): Promise<InitReport['files']> => {
  if (approver === undefined) return [];
  const { key: path, principal } = approver;
  if (existsSync(path)) return [{ path, made: false }];
  if (!wanted || context.json || context.io.stdin.isTTY !== true) return [];
  context.note(say('init.approver_intro'));
  await context.parts.makeApproverKey({ path, principal });
  return [{ path, made: true }];
};

const publicSide = ({ keys, approver, principal }: Config): PublicSide => ({
  principal,
  reader: publicLine(keys.reader.path),
  runner: publicLine(keys.runner.path),
  auto: keys.auto === undefined ? undefined : publicLine(keys.auto.path),
  approver:
    approver !== undefined && existsSync(`${approver.key}.pub`)
      ? readFileSync(`${approver.key}.pub`, 'utf8')
      : undefined,
});

const writeUnlessThere = (path: string, text: string, force = false): { path: string; made: boolean } => {
  const made = force || !existsSync(path);
  if (made) writeFileSync(path, text, { mode: 0o600 });
  return { path, made };
};

const reportPage = (page: Page, report: InitReport): void => {
  const config = loadConfig(report.files[0]?.path);
  const beside = (name: string): string => join(dirname(config.path), name);
  for (const { path, made } of report.files) page.line(`${say(made ? 'init.made' : 'init.kept')}  ${path}`);
  page.line().line(say('init.transport'));
  if (report.approver_command !== null)
    page.line().line(say('init.approver_later')).line(`  ${report.approver_command}`);
  if (report.vars_lack.length > 0) {
    page
      .line()
      .line(say('init.vars_lack', { vars: beside('provision-vars.yml') }))
      .line('mcp_pra_allowed_signers:');
    for (const line of report.vars_lack) page.line(`  - ${line}`);
  }
  if (report.transport_keys_lack.length > 0) {
    page.line().line(say('init.keys_lack', { path: beside('transport-keys.yml') }));
    for (const line of report.transport_keys_lack) page.line(`  ${line}`);
  }
  page.title(say('init.steps'));
  const steps: readonly (readonly [string, ...string[]])[] = [
    ...(config.hosts.length === 0
      ? [[say('init.step_hosts', { config: config.path, inventory: beside('inventory.yml') })] as const]
      : []),
    [say('init.step_policy', { vars: beside('provision-vars.yml') })],
    [say('init.step_provision'), report.provision_command],
    [
      say('init.step_trust'),
      ...(config.hosts.length === 0 ? ['NAME'] : config.hosts.map(({ name }) => name)).map(
        (name) => `mcp-pra hosts trust ${name} --fingerprint SHA256:…`,
      ),
    ],
    ...(config.approver === undefined ? [] : [[say('init.step_enrol'), 'mcp-pra approver enrol'] as const]),
    [say('init.step_doctor'), 'mcp-pra doctor'],
    [say('init.step_desktop'), ...report.desktop_entry.split('\n')],
  ];
  for (const [index, [text, ...commands]] of steps.entries()) {
    page.line(`${String(index + 1)}. ${text}`);
    for (const line of commands) page.line(`     ${line}`);
  }
};
