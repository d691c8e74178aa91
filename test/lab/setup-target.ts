import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { publicKey, type LabKeys } from './provisioned.ts';
import type { LabHost } from './host.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const PACK = '/root/mcp-pra-pack';

/** What setup-target printed, without its unified diffs, and how it ended. */
export interface SetUp {
  readonly code: number;
  /** Lines that say `changed …`, without that word. */
  readonly changed: readonly string[];
  /** Lines that say `same …`, without that word. */
  readonly same: readonly string[];
  /** The refusal, one sentence. */
  readonly refusal: string;
}

/** site.json of a host with the keys of a lab; `sections` are added or replace those that are there. */
export const siteFor = (
  host: LabHost,
  keys: LabKeys,
  sections: Record<string, unknown> = {},
): Record<string, unknown> => ({
  v: 1,
  host: host.name,
  keys: { reader: [{ key: publicKey(keys.reader) }], runner: [{ key: publicKey(keys.runner) }] },
  allowed_signers: [
    `alice namespaces="mcp-pra-low,mcp-pra-medium,mcp-pra-high" ${publicKey(keys.approver)}`,
    `auto namespaces="mcp-pra-auto" ${publicKey(keys.auto)}`,
  ],
  ...sections,
});

/** Brings a pack, of this checkout unless told, to a host: the same files that the role and the package bring. */
export const sendPack = async (host: LabHost, root = ROOT): Promise<void> => {
  const tar = execFileSync(
    'tar',
    ['-C', root, '--exclude=__pycache__', '-cf', '-', 'package.json', 'target-scripts'],
    {
      maxBuffer: 1 << 26,
    },
  );
  const unpack = `rm -rf ${PACK} && mkdir -m 0700 ${PACK} && tar -C ${PACK} --no-same-owner -xf -`;
  const { code, stderr } = await host.run(['/bin/sh', '-c', unpack], { input: tar });
  if (code !== 0) throw new Error(`the pack did not reach ${host.name}: ${stderr}`);
};

/** Runs `setup-target --site … <args>` as root on the host, without Ansible; `sendPack` comes first. */
export const setUp = async (host: LabHost, site: unknown, ...args: string[]): Promise<SetUp> => {
  await host.writeFile(`${PACK}/site.json`, JSON.stringify(site), 0o600);
  const argv = [
    '/usr/bin/python3',
    '-IB',
    `${PACK}/target-scripts/setup-target`,
    '--site',
    `${PACK}/site.json`,
    ...args,
  ];
  const { code, stdout, stderr } = await host.run(argv, { timeoutMs: 180_000 });
  const starting = (word: string): string[] =>
    stdout
      .split('\n')
      .filter((line) => line.startsWith(`${word} `))
      .map((line) => line.slice(word.length + 1));
  return { code, changed: starting('changed'), same: starting('same'), refusal: stderr.trim() };
};

/** What `removeStage` runs: a stage's own `remove`, which `setup-target remove` calls among all others. */
const REMOVE = `import importlib, sys
sys.path.insert(0, '${PACK}/target-scripts')
from installer.host import Host
host = Host('${PACK}/target-scripts')
importlib.import_module('installer.' + sys.argv[1]).remove(None, host)
print('\\n'.join(host.commit()))`;

/** Takes back what one stage made, and only that. Gives the lines it printed. */
export const removeStage = async (host: LabHost, stage: string): Promise<readonly string[]> => {
  const { code, stdout, stderr } = await host.run(['/usr/bin/python3', '-IBc', REMOVE, stage]);
  if (code !== 0) throw new Error(stderr);
  return stdout.split('\n').filter((line) => line !== '');
};
