import { join } from 'node:path';
import type { Config } from '../config.ts';
import { asPraError, PraError } from '../errors.ts';
import type { CliContext } from './cli-context.ts';
import type { DoctorPorts } from './doctor-ports.ts';
import { checkApprover } from './doctor-approver.ts';
import { checkHost } from './doctor-host.ts';
import { checkTransports } from './doctor-transport.ts';
import { check, failure, type Finding } from './finding.ts';
import { say } from './say.ts';

/** Hosts asked at the same time. */
const AT_ONCE = 8;

/** Checks this machine first, then each host (or one). A part that is broken does not hide the others. */
export const checkEverything = async (
  context: CliContext,
  only: string | undefined,
  progress: (what: string) => void,
): Promise<readonly Finding[]> => {
  const findings: Finding[] = [{ level: 'ok', text: say('doctor.node', { version: process.versions.node }) }];
  let config: Config;
  try {
    config = context.config();
  } catch (thrown) {
    return [...findings, ...failure(asPraError(thrown))];
  }
  const { path, hosts } = config;
  const chosen = hosts.filter(({ name }) => only === undefined || name === only).map(({ name }) => name);
  if (only !== undefined && chosen.length === 0) {
    throw new PraError('HOST_UNKNOWN', {
      hosts: hosts
        .map(({ name }) => name)
        .slice(0, 20)
        .join(', '),
    });
  }
  findings.push({ level: 'ok', text: say('doctor.config', { path, hosts: hosts.length }) });
  if (hosts.length === 0) {
    findings.push({ level: 'warn', text: say('doctor.no_hosts'), fix: say('doctor.no_hosts_fix', { path }) });
  }

  const ports = await context.parts.openDoctor(config);
  try {
    const playbooks = join(context.parts.packageRoot, 'ansible/playbooks');
    findings.push(...(await checkMachine(config, ports)));
    const catalog = await ports.catalog().catch(() => undefined);
    for (let i = 0; i < chosen.length && !context.signal.aborted; i += AT_ONCE) {
      const batch = chosen.slice(i, i + AT_ONCE);
      progress(batch.join(', '));
      const found = await Promise.all(
        batch.map((host) =>
          checkHost({
            host,
            ports,
            catalog,
            knownHosts: config.knownHosts,
            playbook: join(playbooks, 'provision.yml'),
            rotate: join(playbooks, 'rotate-keys.yml'),
            now: Date.now(),
            signal: context.signal,
          }),
        ),
      );
      findings.push(...found.flat());
    }
  } finally {
    await ports.close();
  }
  return findings;
};

const checkMachine = async (config: Config, ports: DoctorPorts): Promise<readonly Finding[]> => {
  // Hosts that log in with certificates never open these; the files need not exist then.
  const keysAreUsed = config.hosts.length === 0 || config.hosts.some(({ certificate }) => !certificate);
  const accounts = [
    ...(keysAreUsed ? (['reader', 'runner'] as const) : []),
    ...(config.keys.auto === undefined ? [] : ['auto' as const]),
  ] as const;
  const keys = await Promise.all(
    accounts.map((account) =>
      check(async () => {
        await ports.openKey(account);
        return say('doctor.key', { account });
      }),
    ),
  );
  return [
    ...(await check(async () => say('doctor.catalog', { count: (await ports.catalog()).size }))),
    ...(await database(ports)),
    ...keys.flat(),
    ...(await checkTransports(config, ports)),
    ...(config.keys.auto === undefined
      ? [{ level: 'warn', text: say('doctor.no_auto'), fix: 'mcp-pra init' } as const]
      : []),
    ...(await checkApprover(config, ports)),
  ];
};

const database = async (ports: DoctorPorts): Promise<readonly Finding[]> => {
  let told: Awaited<ReturnType<DoctorPorts['database']>> | undefined;
  const findings = await check(async () => {
    told = await ports.database();
    const { path, entries } = told;
    return say('doctor.database', { path, entries });
  });
  const frozen = (told?.freezes ?? []).map(({ host, ...rest }): Finding => ({
    level: 'warn',
    text: say('freeze.line', { host: host ?? say('freeze.every'), ...rest }),
    fix: host === null ? 'mcp-pra unfreeze --all' : `mcp-pra unfreeze --host ${host}`,
  }));
  const unreached = (told?.unreached ?? []).map((host): Finding => ({
    level: 'warn',
    text: say('doctor.freeze_unreached', { host }),
    fix: 'mcp-pra freeze --retry',
  }));
  return [...findings, ...frozen, ...unreached];
};
