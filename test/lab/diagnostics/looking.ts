import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { readFacts, isNotPresent } from '../../../src/catalog/facts.ts';
import { loadCatalog } from '../../../src/catalog/load.ts';
import { checkArgs } from '../../../src/catalog/params.ts';
import type { Catalog, Diagnostic, FactRow, Facts } from '../../../src/catalog/types.ts';
import { encodeRequest, parseAnswer, type Answer } from '../../../src/catalog/wire.ts';
import { fixturePath, writeExpected } from '../../fixtures/all-fixtures.ts';
import { formatFixture } from '../../fixtures/fixture.ts';
import type { Release, Software } from '../base-tree.ts';
import { ssh, type Lab, type LabHost } from '../lab.ts';
import { provisionedLab, type LabKeys } from '../provisioned.ts';

const ROOT = join(import.meta.dirname, '../../..');

export interface Looked {
  readonly status: 'ok' | 'not_present';
  readonly facts: Facts;
  readonly answer: Answer;
}

/** Arguments of a diagnostic, by name. */
export type Args = Readonly<Record<string, string | number>>;

export interface LookingLab {
  readonly lab: Lab;
  readonly keys: LabKeys;
  readonly host: LabHost;
  readonly hosts: readonly LabHost[];
  readonly catalog: Catalog;
  /** Asks a host (the first unless said otherwise) through its sshd and mcp-wrapper, as mcp-reader. Throws when it refuses. */
  look(diagnostic: string, args?: Args, host?: LabHost): Promise<Looked>;
  /**
   * Looks, and with MCP_PRA_CAPTURE=1 keeps the answer as the recording `<diagnostic>/<name>` with what it becomes, for a person to
   * read. `about`: what is special.
   */
  capture(
    diagnostic: string,
    name: string,
    about: string,
    args?: Args,
    host?: LabHost,
    more?: {
      /** Keeps only so many of the last lines of each section, and says so. */
      readonly lines?: number;
    },
  ): Promise<Looked>;
}

/**
 * Hosts that are targets of the whole catalog. `release` is Debian's, 12 unless said. `names` are the named things of each host: `{endpoint: {web: '127.0.0.1:80'}}`; `policy` takes
 * the place of parts of the lab's own.
 */
export const lookingLab = async ({
  hosts = 1,
  release,
  software = 'minimal',
  names = {},
  policy,
}: {
  readonly hosts?: number;
  readonly release?: Release;
  readonly software?: Software;
  readonly names?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly policy?: Record<string, unknown>;
} = {}): Promise<LookingLab> => {
  const catalog = loadCatalog([join(ROOT, 'catalog')], { targetScripts: join(ROOT, 'target-scripts') });
  const { lab, keys } = await provisionedLab(hosts, policy, release, { software, names });
  const [first] = lab.hosts as [LabHost];
  const diagnosticOf = (name: string): Diagnostic => {
    const diagnostic = catalog.diagnostics.get(name);
    if (diagnostic === undefined) throw new Error(`there is no diagnostic ${name}`);
    return diagnostic;
  };

  const look: LookingLab['look'] = async (name, args = {}, host = first) => {
    const diagnostic = diagnosticOf(name);
    const line = encodeRequest(diagnostic, checkArgs(diagnostic, args));
    const login = { user: 'mcp-reader', key: keys.reader, args: ['-n'], command: [line] };
    const { code, stdout, stderr } = await ssh(lab, host, login);
    if (code !== 0) throw new Error(`${line} on ${host.name}: exit ${String(code)} ${stderr}`);
    const answer = parseAnswer(Buffer.from(stdout), {
      digest: diagnostic.digest,
      sections: diagnostic.run.map(({ section }) => section),
      limitBytes: diagnostic.limits.bytes,
      host: host.name,
    });
    return asLooked(diagnostic, answer);
  };

  const capture: LookingLab['capture'] = async (
    diagnostic,
    name,
    about,
    args = {},
    host = first,
    { lines } = {},
  ) => {
    const looked = await look(diagnostic, args, host);
    await keep(catalog, diagnosticOf(diagnostic), host, looked, { name, about, lines });
    return looked;
  };

  return { lab, keys, host: first, hosts: lab.hosts, catalog, look, capture };
};

const lastLines = ({ sections }: Answer, count: number): Answer => ({
  sections: sections.map((section) => ({
    ...section,
    output: Buffer.from(
      section.output
        .toString('utf8')
        .split('\n')
        .slice(-count - 1)
        .join('\n'),
    ),
  })),
});
/** What the catalog makes of an answer. */
export const asLooked = (diagnostic: Diagnostic, answer: Answer): Looked =>
  isNotPresent(diagnostic, answer)
    ? { status: 'not_present', facts: {}, answer }
    : { status: 'ok', facts: readFacts(diagnostic, answer), answer };

/** A table among the facts; without rows when the fact is absent. */
export const rowsOf = ({ facts }: Pick<Looked, 'facts'>, name: string): readonly FactRow[] =>
  (facts[name] ?? []) as readonly FactRow[];

/** What a host wrote, all sections together: also what no parser reads must not give anything away. */
export const textOf = ({ answer }: Pick<Looked, 'answer'>): string =>
  Buffer.concat(answer.sections.map(({ output }) => output)).toString();

/** With MCP_PRA_CAPTURE=1 keeps what was looked at as a recording, and what it becomes beside it, for a person to read. */
export const keep = async (
  catalog: Catalog,
  { name: diagnostic, run }: Diagnostic,
  host: LabHost,
  looked: Looked,
  {
    name,
    about,
    lines,
  }: { readonly name: string; readonly about: string; readonly lines?: number | undefined },
): Promise<void> => {
  if (process.env['MCP_PRA_CAPTURE'] !== '1') return;
  const command = run[0]?.argv ?? [];
  const [program = ''] = command;
  const version = (await host.run([program, '--version'])).stdout.split('\n')[0]?.trim();
  const os = await host.sh('. /etc/os-release; printf %s "$PRETTY_NAME"');
  const path = fixturePath(diagnostic, name);
  mkdirSync(dirname(path), { recursive: true });
  const short = lines === undefined ? about : `${about}; the last ${String(lines)} lines of each section`;
  const head = { command: command.join(' '), version: version || 'says none', os, about: short };
  const answer = lines === undefined ? looked.answer : lastLines(looked.answer, lines);
  writeFileSync(path, formatFixture({ ...head, origin: { kind: 'captured' }, answer }));
  writeExpected(catalog, { diagnostic, name, path });
};
