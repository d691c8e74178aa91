import { checkArgv, checkParams, checkParamsUsed } from './check-params.ts';
import { isWithinBounds, judgeValue } from './param-types.ts';
import { toWire } from './params.ts';
import { placeholderOf } from './placeholder.ts';
import { Faults, type Fault } from './problem.ts';
import type { ActionFile } from './schema.ts';
import type { Diagnostic, Expectation, FactRule } from './types.ts';

/** Words of the runner channel that are no actions (docs/wire-protocol.md §3). */
export const RESERVED_WORDS = [
  'prepare',
  'status',
  'result',
  'fence',
  'cancel',
  'freeze',
  'unfreeze',
  'version',
] as const;

const SCRIPT = /^script:[a-z][a-z0-9-]{0,39}$/u;

/** The rules for an action that a schema cannot say. `diagnostics` are those its checks may use. */
export const checkAction = (
  definition: ActionFile,
  fileName: string,
  diagnostics: ReadonlyMap<string, Diagnostic>,
): readonly Fault[] => {
  const faults = new Faults();
  const { name, params, argv, impact, idempotent } = definition;
  faults.need(name === fileName, ['name'], `must be as the file is called: ${fileName}`);
  faults.need(!(RESERVED_WORDS as readonly string[]).includes(name), ['name'], 'is a reserved word');
  faults.need(impact !== 'LOW' || idempotent, ['idempotent'], 'a LOW action must be idempotent');
  checkParams(faults, definition);
  params.forEach(({ type }, index) =>
    faults.need(type !== 'text', ['params', index, 'type'], 'actions take no text'),
  );
  checkArgv(faults, ['argv'], argv, definition);
  checkParamsUsed(faults, [argv], definition);
  const [program = ''] = argv;
  faults.need(
    !program.startsWith('script:') || SCRIPT.test(program),
    ['argv', 0],
    'a script is script:<file>',
  );
  for (const part of ['precheck', 'verify'] as const) checkChecks(faults, part, definition, diagnostics);
  return faults.found;
};

const checkChecks = (
  faults: Faults,
  part: 'precheck' | 'verify',
  action: ActionFile,
  diagnostics: ReadonlyMap<string, Diagnostic>,
): void => {
  action[part].forEach((check, index) => {
    const at = [part, index];
    const first = action[part].findIndex(({ diagnostic }) => diagnostic === check.diagnostic) === index;
    faults.need(first, [...at, 'diagnostic'], 'the same diagnostic twice');
    const diagnostic = diagnostics.get(check.diagnostic);
    if (diagnostic === undefined) {
      faults.need(false, [...at, 'diagnostic'], 'there is no such diagnostic');
      return;
    }
    const readable =
      (diagnostic.parse === 'kv' || diagnostic.parse === 'json') && diagnostic.run.length === 1;
    faults.need(
      readable,
      [...at, 'diagnostic'],
      'its output is not one section of kv or json, which the target can read',
    );
    checkCheckArgs(faults, at, check.args, action, diagnostic);
    check.expect.forEach((expectation, number) => {
      const rule = Object.hasOwn(diagnostic.facts, expectation.fact)
        ? diagnostic.facts[expectation.fact]
        : undefined;
      const why = whyUnfit(rule, expectation);
      faults.need(why === undefined, [...at, 'expect', number], why ?? '');
    });
  });
};

const checkCheckArgs = (
  faults: Faults,
  at: readonly (string | number)[],
  args: Readonly<Record<string, string>>,
  action: ActionFile,
  diagnostic: Diagnostic,
): void => {
  for (const [name, value] of Object.entries(args)) {
    const where = [...at, 'args', name];
    const outer = diagnostic.params.find((param) => param.name === name);
    if (outer === undefined) {
      faults.need(false, where, `${diagnostic.name} has no such parameter`);
      continue;
    }
    const placeholder = placeholderOf(value);
    const inner = action.params.find((param) => param.name === placeholder?.name);
    const fits =
      placeholder === undefined
        ? outer.type !== 'text' && judgeValue(outer, toWire(outer, value))
        : placeholder.whole && inner !== undefined && isWithinBounds(inner, outer);
    faults.need(fits, where, `${diagnostic.name} would not take every value of it`);
  }
  const missing = diagnostic.params.filter(
    ({ name, default: or }) => or === undefined && !Object.hasOwn(args, name),
  );
  faults.need(
    missing.length === 0,
    [...at, 'args'],
    `missing: ${missing.map(({ name }) => name).join(', ')}`,
  );
};

const whyUnfit = (rule: FactRule | undefined, { op, value }: Expectation): string | undefined => {
  if (rule === undefined) return 'there is no such fact';
  const types: Readonly<Record<string, string>> = { string: 'string', integer: 'number', boolean: 'boolean' };
  if (types[rule.type] !== typeof value) return `the fact is of the type ${rule.type}`;
  const ordered = op !== 'eq' && op !== 'ne';
  return ordered && rule.type !== 'integer' ? 'only integers have an order' : undefined;
};
