import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { z } from 'zod';
import { PraError } from '../errors.ts';
import { checkAction } from './check-action.ts';
import { checkDiagnostic } from './check-diagnostic.ts';
import { canonicalJson, sha256 } from './digest.ts';
import { CLOCK_SECTION, COLLECTOR_SECTION } from './facts.ts';
import { CatalogProblems, problemLine, type Fault, type Problem } from './problem.ts';
import { renderDigests } from './render/digests.ts';
import {
  actionFile,
  diagnosticFile,
  planFile,
  triageFile,
  type ActionFile,
  type DiagnosticFile,
} from './schema.ts';
import { checkTriage } from './triage.ts';
import type { Action, Catalog, Diagnostic, Run, Triage } from './types.ts';
import { checkUndo } from './undo.ts';
import { readYaml } from './yaml-file.ts';

export interface LoadOptions {
  /** Has `scripts/` and `helpers/`, for `script:<file>` and `helper:<file>` that the definition's own catalog does not have. */
  readonly targetScripts?: string;
}

/**
 * The catalog of these folders (`diagnostics/*.yaml`, `actions/*.yaml`, `plans/*.yaml`, `triage/*.yaml` in each), whole or not at all.
 * Throws CATALOG_INVALID; its cause is a CatalogProblems with every problem.
 */
export const loadCatalog = (dirs: readonly string[], options: LoadOptions = {}): Catalog => {
  const { catalog, problems } = checkCatalogFiles(dirs, options);
  const [first] = problems;
  if (first === undefined) return catalog;
  throw new PraError('CATALOG_INVALID', { first: harmless(shortLine(first)) }, new CatalogProblems(problems));
};

/** The same, with what is wrong as a value; definitions with problems are left out of the catalog. */
export const checkCatalogFiles = (
  dirs: readonly string[],
  options: LoadOptions = {},
): { readonly catalog: Catalog; readonly problems: readonly Problem[] } => {
  const missing = dirs.filter((dir) => !isFolder(dir));
  const problems = missing.map((dir) => wholeFile(dir, 'there is no such folder'));
  const diagnostics = new Map<string, Diagnostic>();
  for (const file of yamlFiles(dirs, 'diagnostics', problems)) {
    const folders = foldersOf('helpers', file, options);
    const read = readDefinition(file, diagnosticFile, problems, (diagnostic, name) => [
      ...checkDiagnostic(diagnostic, name),
      ...(diagnostic.run ?? []).flatMap(({ argv }, index) =>
        fileFaults(['run', index, 'argv', 0], fileOf('helper', argv), folders),
      ),
    ]);
    if (read !== undefined) addOnce(diagnostics, asDiagnostic(read.definition, folders), file, problems);
  }
  const actions = readActions(dirs, diagnostics, problems, options);
  for (const file of yamlFiles(dirs, 'plans', problems)) readDefinition(file, planFile, problems, () => []);
  const triages = new Map<string, Triage>();
  for (const file of yamlFiles(dirs, 'triage', problems)) {
    const read = readDefinition(file, triageFile, problems, (triage, name) =>
      checkTriage(triage, name, diagnostics),
    );
    // A site may say better than we do what to ask.
    if (read !== undefined) triages.set(read.definition.symptom, read.definition);
  }
  const all = [...diagnostics.values(), ...actions.values()];
  return { catalog: { diagnostics, actions, triages, digest: sha256(renderDigests(all)) }, problems };
};

/** The actions that are right by themselves, and whose way back is one of them. */
const readActions = (
  dirs: readonly string[],
  diagnostics: ReadonlyMap<string, Diagnostic>,
  problems: Problem[],
  options: LoadOptions,
): ReadonlyMap<string, Action> => {
  const actions = new Map<string, Action>();
  const places = new Map<string, Place>();
  for (const file of yamlFiles(dirs, 'actions', problems)) {
    const read = readDefinition(file, actionFile, problems, (action, name) => [
      ...checkAction(action, name, diagnostics),
      ...(diagnostics.has(name) ? [{ path: ['name'], message: 'is the name of a diagnostic' }] : []),
      ...fileFaults(['argv', 0], fileOf('script', action.argv), foldersOf('scripts', file, options)),
    ]);
    if (read === undefined) continue;
    if (addOnce(actions, asAction(read.definition, foldersOf('scripts', file, options)), file, problems))
      places.set(read.definition.name, read.place);
  }
  const faulty = [...places].filter(([name, place]) => {
    const action = actions.get(name);
    const faults = action === undefined ? [] : checkUndo(action, actions);
    problems.push(...faults.map(place));
    return faults.length > 0;
  });
  for (const [name] of faulty) actions.delete(name);
  return actions;
};

/** The YAML files of a kind, in the order of their names. What is not YAML there is a mistake, not a comment. */
const yamlFiles = (dirs: readonly string[], kind: string, problems: Problem[]): readonly string[] =>
  dirs.flatMap((dir) => {
    const folder = join(dir, kind);
    if (!isFolder(folder)) return [];
    const names = readdirSync(folder).filter((name) => !name.startsWith('.'));
    const files = names.sort().map((name) => join(folder, name));
    const strange = files.filter((file) => !file.endsWith('.yaml'));
    problems.push(...strange.map((file) => wholeFile(file, 'only *.yaml files belong here')));
    return files.filter((file) => !strange.includes(file));
  });

/** Where in its file a fault is that was found later. */
type Place = (fault: Fault) => Problem;

const readDefinition = <T>(
  file: string,
  schema: z.ZodType<T>,
  problems: Problem[],
  check: (definition: T, fileName: string) => readonly Fault[],
): { readonly definition: T; readonly place: Place } | undefined => {
  const read = readYaml(file, readFileSync(file, 'utf8'), schema);
  const faults = read.value === undefined ? [] : check(read.value, basename(file, '.yaml'));
  problems.push(...read.problems, ...faults.map((fault) => read.place(fault)));
  if (read.value === undefined || faults.length > 0) return undefined;
  return { definition: read.value, place: (fault) => read.place(fault) };
};

const addOnce = <T extends { readonly name: string }>(
  map: Map<string, T>,
  definition: T,
  file: string,
  problems: Problem[],
): boolean => {
  const isNew = !map.has(definition.name);
  if (isNew) map.set(definition.name, definition);
  else problems.push(wholeFile(file, 'is defined in another folder already'));
  return isNew;
};

/** docs/wire-protocol.md: where collectors write, and where helpers are. install-target renders another prefix. */
const FACTS_FOLDER = '/run/mcp-pra/facts';
const HELPERS_FOLDER = '/usr/local/lib/mcp-pra/helpers';

const asDiagnostic = (file: DiagnosticFile, folders: readonly string[]): Diagnostic => {
  const { collector, run = collectorRuns(collector ?? ''), tier, compact, ...rest } = file;
  const helpers = [...new Set(run.map(({ argv }) => fileOf('helper', argv)))]
    .filter((name) => name !== undefined)
    .map((name) => ({ file: name, sha256: sha256(readFileOf(name, folders) ?? '') }));
  const definition: Omit<Diagnostic, 'digest' | 'compact'> = {
    ...rest,
    kind: 'diagnostic',
    run: run.map(({ section, argv, none }) => ({
      section,
      argv: placed(argv),
      ...(none === undefined ? {} : { none }),
    })),
    ...(collector === undefined ? {} : { collector }),
    ...(tier === undefined ? {} : { tier }),
    ...(helpers.length === 0 ? {} : { helpers }),
  };
  // How its text is shown is this side's business: it changes nothing on a host.
  return Object.freeze({ ...withDigest(definition), compact });
};

/** `helper:<file>` as the path it has on a target. */
const placed = (argv: readonly string[]): readonly string[] => {
  const helper = fileOf('helper', argv);
  return helper === undefined ? argv : [`${HELPERS_FOLDER}/${helper}`, ...argv.slice(1)];
};

/** What a collector wrote, and the target's own time, by which its age is judged. */
const collectorRuns = (collector: string): readonly Run[] => [
  { section: COLLECTOR_SECTION, argv: ['/usr/bin/cat', '--', `${FACTS_FOLDER}/${collector}.json`] },
  { section: CLOCK_SECTION, argv: ['/usr/bin/date', '-u', '+%s'] },
];

const asAction = (file: ActionFile, folders: readonly string[]): Action => {
  const { undo_action: undo, ...rest } = file;
  const script = fileOf('script', file.argv);
  const bytes = script === undefined ? undefined : readFileOf(script, folders);
  const definition: Omit<Action, 'digest'> = {
    ...rest,
    kind: 'action',
    ...(undo === undefined ? {} : { undo_action: undo }),
    ...(script === undefined || bytes === undefined
      ? {}
      : { script: { file: script, sha256: sha256(bytes) } }),
  };
  return withDigest(definition);
};

/** Comments and layout are not in the digest; every default is, and the bytes of scripts and helpers. */
const withDigest = <T extends object>(definition: T): T & { readonly digest: string } =>
  Object.freeze({ ...definition, digest: sha256(canonicalJson(definition)) });

/** The file that a command names instead of a program: `script:<file>`, `helper:<file>`. */
const fileOf = (kind: 'script' | 'helper', [program = '']: readonly string[]): string | undefined =>
  program.startsWith(`${kind}:`) ? program.slice(kind.length + 1) : undefined;

const fileFaults = (
  path: readonly (string | number)[],
  name: string | undefined,
  folders: readonly string[],
): readonly Fault[] => {
  if (name === undefined) return [];
  const found = new Set(filesOf(name, folders));
  if (found.size === 1) return [];
  // On a target those of all catalogs are in one folder.
  const message =
    found.size === 0
      ? 'there is no such script or helper'
      : 'a shipped script or helper has that name already';
  return [{ path, message }];
};

/** Where the files that a definition names may be: in its own catalog first. */
const foldersOf = (
  kind: 'scripts' | 'helpers',
  file: string,
  { targetScripts }: LoadOptions,
): readonly string[] => [
  join(dirname(dirname(file)), kind),
  ...(targetScripts === undefined ? [] : [join(targetScripts, kind)]),
];

const readFileOf = (name: string, folders: readonly string[]): Buffer | undefined => {
  const [path] = filesOf(name, folders);
  return path === undefined ? undefined : readFileSync(path);
};

/** The files of that name. It is checked before it is a path: an invalid one has a fault of its own. */
const filesOf = (name: string, folders: readonly string[]): readonly string[] =>
  /^[a-z][a-z0-9-]{0,39}$/u.test(name) ? folders.map((folder) => join(folder, name)).filter(isFile) : [];

const isFile = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isFile() === true;

const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;

const wholeFile = (file: string, message: string): Problem => ({ file, line: 1, column: 1, message });

/** Folder and file are enough to find it; the whole path is in the cause. */
const shortLine = (problem: Problem): string =>
  problemLine({ ...problem, file: problem.file.split('/').slice(-2).join('/') });

/** In the characters that an error sentence may hold (errors.ts). */
const harmless = (text: string): string =>
  text
    .replace(/["`]/gu, "'")
    .replace(/[[{<]/gu, '(')
    .replace(/[\]}>]/gu, ')')
    .replace(/[^\w@.:+/=, ()'%~#-]/gu, ' ')
    .slice(0, 400);
