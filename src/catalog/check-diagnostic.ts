import { PraError } from '../errors.ts';
import { checkArgv, checkParams, checkParamsUsed } from './check-params.ts';
import { longestValue } from './param-types.ts';
import { checkArgs } from './params.ts';
import { parsers } from './parsers/registry.ts';
import type { Fault } from './problem.ts';
import { Faults } from './problem.ts';
import type { DiagnosticFile } from './schema.ts';
import { LINE_BYTES } from './wire.ts';

/** A verb file that install-target writes itself (docs/wire-protocol.md §2). */
const RESERVED_VERB = 'version';
/** An input of every diagnostic's MCP tool; a parameter of that name would hide it. */
const RESERVED_PARAM = 'hosts';

/** The rules for a diagnostic that a schema cannot say. */
export const checkDiagnostic = (definition: DiagnosticFile, fileName: string): readonly Fault[] => {
  const faults = new Faults();
  faults.need(definition.name === fileName, ['name'], `must be as the file is called: ${fileName}`);
  faults.need(definition.name !== RESERVED_VERB, ['name'], 'is a built-in verb');
  checkParams(faults, definition);
  definition.params.forEach(({ name }, index) =>
    faults.need(name !== RESERVED_PARAM, ['params', index, 'name'], 'is taken: every call names its hosts'),
  );
  checkCommands(faults, definition);
  checkFacts(faults, definition);
  faults.need(
    !definition.promote || definition.tier !== 3,
    ['promote'],
    'not with tier 3: what was tried on recordings only is no tool of its own',
  );
  if (faults.found.length === 0) {
    checkExample(faults, definition);
    const longest = definition.params.reduce(
      (sum, param) => sum + 1 + longestValue(param),
      definition.name.length,
    );
    faults.need(
      longest <= LINE_BYTES,
      ['params'],
      `a request line could be longer than ${String(LINE_BYTES)} bytes`,
    );
  }
  return faults.found;
};

const checkCommands = (faults: Faults, definition: DiagnosticFile): void => {
  const { run, collector, params, parse } = definition;
  if (!faults.need((run === undefined) !== (collector === undefined), [], 'needs either run or collector'))
    return;
  if (run === undefined) {
    faults.need(params.length === 0, ['params'], 'a collector takes no parameters');
    faults.need(parse === 'json', ['parse'], 'a collector writes json');
    faults.need(definition.needs.file === undefined, ['needs', 'file'], 'a collector has a file of its own');
    return;
  }
  const { file, member } = definition.needs;
  faults.need(member === undefined, ['needs', 'member'], 'only of what a collector wrote');
  faults.need(
    file === undefined || run[0]?.argv.includes(file) === true,
    ['needs', 'file'],
    'the first command must read it: when that fails and says nothing, the answer is not_present',
  );
  run.forEach(({ section, argv }, index) => {
    const first = run.findIndex((other) => other.section === section) === index;
    faults.need(first, ['run', index, 'section'], 'the same section twice');
    checkArgv(faults, ['run', index, 'argv'], argv, definition);
    faults.need(
      argv[0]?.startsWith('script:') !== true,
      ['run', index, 'argv', 0],
      'scripts are for actions; a diagnostic runs helper:<file>',
    );
  });
  checkParamsUsed(
    faults,
    run.map(({ argv }) => argv),
    definition,
  );
  faults.need(
    typeof parse === 'object' || run.length === 1,
    ['parse'],
    'without a parser there is exactly one section',
  );
};

const checkFacts = (faults: Faults, { facts, parse, stable }: DiagnosticFile): void => {
  faults.need(Object.keys(facts).length > 0, ['facts'], 'at least one fact');
  if (typeof parse === 'object') {
    faults.need(
      parsers.has(parse.parser),
      ['parse', 'parser'],
      `parsers are: ${[...parsers.keys()].join(', ')}`,
    );
  }
  for (const [name, { type, from }] of Object.entries(facts)) {
    const at = ['facts', name, 'type'];
    faults.need(parse !== 'kv' || type !== 'rows', at, 'kv has no rows');
    faults.need(
      parse !== 'table' || type === 'rows' || type === 'integer',
      at,
      'a table gives rows, or their count as integer',
    );
    faults.need(
      parse !== 'lines' || type !== 'boolean',
      at,
      'lines give strings, rows, or their count as integer',
    );
    faults.need(
      typeof parse !== 'object' || from === undefined,
      ['facts', name, 'from'],
      'a parser names its facts itself',
    );
  }
  stable.forEach((name, index) => {
    const type = Object.hasOwn(facts, name) ? facts[name]?.type : undefined;
    faults.need(type !== undefined && type !== 'rows', ['stable', index], 'not a fact with a single value');
    faults.need(stable.indexOf(name) === index, ['stable', index], 'the same fact twice');
  });
};

const checkExample = (faults: Faults, definition: DiagnosticFile): void => {
  try {
    checkArgs(definition, definition.example);
  } catch (error) {
    if (!(error instanceof PraError)) throw error;
    faults.need(false, ['example'], `${error.message} ${error.hint}`);
  }
};
