import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { PraError } from '../../errors.ts';
import { oneLine } from '../plain-text.ts';
import { say } from '../say.ts';

type Variables = Readonly<Record<string, unknown>>;

/** Variable of the Ansible role → its place in the site file (target-scripts/installer/site.py). */
const PLACES: Readonly<Record<string, readonly string[]>> = {
  mcp_pra_host: ['host'],
  mcp_pra_reader_keys: ['keys', 'reader'],
  mcp_pra_runner_keys: ['keys', 'runner'],
  mcp_pra_break_glass_keys: ['keys', 'break_glass'],
  mcp_pra_user_ca_keys: ['certificates', 'ca_keys'],
  mcp_pra_allowed_signers: ['allowed_signers'],
  mcp_pra_auto_keys: ['auto_keys'],
  mcp_pra_policy: ['policy'],
  mcp_pra_names: ['names'],
  mcp_pra_max_sessions: ['sshd', 'max_sessions'],
  mcp_pra_sshd_hardened_algorithms: ['sshd', 'hardened_algorithms'],
  mcp_pra_sshd_port: ['sshd', 'port'],
  mcp_pra_sudo_pin_digest: ['sudo', 'pin_digest'],
  mcp_pra_limits: ['limits'],
  mcp_pra_logs: ['logs'],
  mcp_pra_fail2ban: ['fail2ban'],
  mcp_pra_nftables: ['nftables'],
};
const FROM = 'mcp_pra_from';
/** How Ansible goes about it; nothing of it is told to the host. */
const OF_ANSIBLE = [
  'mcp_pra_serial',
  'mcp_pra_packages',
  'mcp_pra_confirm_seconds',
  'mcp_pra_probe_host',

  'mcp_pra_probe_args',
  'mcp_pra_reader_key_file',
  'mcp_pra_runner_key_file',
];

/**
 * The site file of a host from the role's variables, as ansible/roles/target/vars/main.yml makes it: `mcp_pra_from` counts for keys
 * that say nothing else, but never for break-glass keys, which have to say it themselves. A variable that is not known is refused, so that a typo never leaves something open. Throws USAGE.
 */
export const siteOf = (variables: Variables): string => {
  const site: Record<string, unknown> = { v: 1 };
  const from = variables[FROM] ?? [];
  for (const [name, value] of Object.entries(variables)) {
    if (name === FROM || OF_ANSIBLE.includes(name)) continue;
    const place = Object.hasOwn(PLACES, name) ? PLACES[name] : undefined;
    if (place === undefined)
      throw new PraError('USAGE', { what: say('package.variable', { name: oneLine(name) }) });
    put(site, place, memberOf(name, value, from));
  }
  if (variables['mcp_pra_user_ca_keys'] !== undefined) put(site, ['certificates', 'from'], from);
  return `${JSON.stringify(site, undefined, 2)}\n`;
};

const put = (
  site: Record<string, unknown>,
  [first = '', second]: readonly string[],
  value: unknown,
): void => {
  if (second === undefined) site[first] = value;
  else site[first] = { ...(site[first] as object | undefined), [second]: value };
};

const memberOf = (name: string, value: unknown, from: unknown): unknown => {
  switch (name) {
    case 'mcp_pra_reader_keys':
    case 'mcp_pra_runner_keys':
      return loginKeys(value, from);
    case 'mcp_pra_break_glass_keys':
      return loginKeys(value, []);
    case 'mcp_pra_auto_keys':
      // In the form of the others in transport-keys.yml: a signature does not expire.
      return Array.isArray(value) ? value.map(lineOf) : value;
    default:
      return value;
  }
};

const lineOf = (key: unknown): unknown =>
  typeof key === 'object' && key !== null && 'key' in key ? key.key : key;

/** Lines, or maps with `key`, `expires` and `from`. What is neither goes on as it is: the target's own parser refuses it. */
const loginKeys = (value: unknown, from: unknown): unknown =>
  Array.isArray(value)
    ? value.map((key: unknown) =>
        typeof key === 'string'
          ? { key: key.trim(), expires: null, from }
          : { expires: null, from, ...(key as object) },
      )
    : value;

const PARSE = `import sys
sys.path.insert(0, sys.argv[1])
from installer.refusal import Refusal
from installer.site import parse_site
try:
    print(parse_site(sys.stdin.buffer.read()).host)
except Refusal as refusal:
    sys.exit(str(refusal))
`;

/**
 * Has the target's own parser judge a site file, and gives the host's name. Needs python3 here: a package that its host would
 * refuse is of no use at three in the morning. Throws USAGE.
 */
export const judgeSite = (packageRoot: string, text: string): string => {
  const argv = ['-IB', '-c', PARSE, join(packageRoot, 'target-scripts')];
  const done = spawnSync('python3', argv, { input: text, encoding: 'utf8' });
  if (done.status === 0) return done.stdout.trim();
  if (done.status === null) throw new PraError('USAGE', { what: say('package.python') }, done.error);
  const last = done.stderr.trim().split('\n').at(-1) ?? '';
  // As much of it as an error may show (errors.ts).
  const sentence = last.replaceAll(/[^\w@.:+/=, ()'%~#-]/gu, ' ').slice(0, 400);
  throw new PraError('USAGE', { what: say('package.site', { sentence }) });
};
