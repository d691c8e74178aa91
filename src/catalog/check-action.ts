import { whyUnfit } from './expectations.ts';
import { checkArgv, checkParams, checkParamsUsed } from './check-params.ts';
import { isWithinBounds, judgeValue } from './param-types.ts';
import { toWire, type HasParams } from './params.ts';
import { placeholderOf } from './placeholder.ts';
import { Faults, type Fault } from './problem.ts';
import type { ActionFile } from './schema.ts';
import type { ArgValues, Diagnostic, FactRule, Precheck, Verification } from './types.ts';

/** Words of the runner channel that are no actions (docs/wire-protocol.md §3). */
export const RESERVED_WORDS = [
  'prepare',
  'status',
  'result',
  'fence',
  'cancel',
  'freeze',
  'unfreeze',
  'review',
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
  const { name, params, argv, impact, idempotent, ends } = definition;
  faults.need(name === fileName, ['name'], `must be as the file is called: ${fileName}`);
  faults.need(!(RESERVED_WORDS as readonly string[]).includes(name), ['name'], 'is a reserved word');
  faults.need(impact !== 'LOW' || idempotent, ['idempotent'], 'a LOW action must be idempotent');
  faults.need(impact !== 'LOW' || ends === 'nothing', ['ends'], 'what ends the host is not LOW');
  checkParams(faults, definition);
  params.forEach(({ type }, index) =>
    faults.need(type !== 'text', ['params', index, 'type'], 'actions take no text'),
  );
  checkArgv(faults, ['argv'], argv, definition);
  checkParamsUsed(faults, [argv], definition);
  const [program = ''] = argv;
  faults.need(
    program.startsWith('/') || SCRIPT.test(program),
    ['argv', 0],
    'a program is an absolute path or script:<file>',
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
    checkHandedArgs(faults, at, check.args, action, diagnostic);
    if ('tolerance' in check) checkTolerance(faults, at, check.tolerance, diagnostic);
    if ('evidence' in check) checkEvidence(faults, at, check, diagnostic);
    check.expect.forEach((expectation, number) => {
      const rule = Object.hasOwn(diagnostic.facts, expectation.fact)
        ? diagnostic.facts[expectation.fact]
        : undefined;
      const why = whyUnfit(rule, expectation);
      faults.need(why === undefined, [...at, 'expect', number], why ?? '');
    });
  });
};

/** Arguments in one definition for another: each is known there, fits whatever the parameter may be, and none is missing. */
export const checkHandedArgs = (
  faults: Faults,
  at: Fault['path'],
  args: ArgValues,
  from: HasParams,
  to: HasParams,
): void => {
  for (const [name, value] of Object.entries(args)) {
    const where = [...at, 'args', name];
    const outer = to.params.find((param) => param.name === name);
    if (outer === undefined) {
      faults.need(false, where, `${to.name} has no such parameter`);
      continue;
    }
    const placeholder = placeholderOf(value);
    const inner = from.params.find((param) => param.name === placeholder?.name);
    const fits =
      placeholder === undefined
        ? outer.type !== 'text' && judgeValue(outer, toWire(outer, value))
        : placeholder.whole && inner !== undefined && isWithinBounds(inner, outer);
    faults.need(fits, where, `${to.name} would not take every value of it`);
  }
  const missing = to.params.filter(({ name, default: or }) => or === undefined && !Object.hasOwn(args, name));
  faults.need(
    missing.length === 0,
    [...at, 'args'],
    `missing: ${missing.map(({ name }) => name).join(', ')}`,
  );
};

/** Only what must stay as it was, and only numbers, can be allowed to move a little. */
const checkTolerance = (
  faults: Faults,
  at: Fault['path'],
  tolerance: Precheck['tolerance'],
  { stable, facts }: Diagnostic,
): void => {
  for (const name of Object.keys(tolerance)) {
    const isInteger = stable.includes(name) && facts[name]?.type === 'integer';
    faults.need(isInteger, [...at, 'tolerance', name], 'not an integer among the stable facts');
  }
};

/** The types of facts that the target computes by itself. */
export const isReadable = ({ type }: FactRule): boolean =>
  type === 'string' || type === 'integer' || type === 'boolean';

/** Only what the target can read, and each fact once: what is expected is evidence anyway. */
const checkEvidence = (
  faults: Faults,
  at: Fault['path'],
  { evidence, expect }: Pick<Verification, 'evidence' | 'expect'>,
  { facts }: Diagnostic,
): void => {
  const shown = [...expect.map(({ fact }) => fact), ...evidence];
  evidence.forEach((name, index) => {
    const rule = Object.hasOwn(facts, name) ? facts[name] : undefined;
    faults.need(
      rule !== undefined && isReadable(rule),
      [...at, 'evidence', index],
      'not a fact that the target reads',
    );
    faults.need(shown.indexOf(name) === shown.lastIndexOf(name), [...at, 'evidence', index], 'twice');
  });
};
