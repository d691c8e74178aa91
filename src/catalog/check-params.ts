import type { HasParams } from './params.ts';
import { areBounds, judgeValue } from './param-types.ts';
import { toWire } from './params.ts';
import { placeholderOf } from './placeholder.ts';
import type { Faults } from './problem.ts';
import { whyForbidden } from './forbidden.ts';

/** systemd.unit(5) */
const UNIT_KINDS = 'service socket device mount automount swap target path timer slice scope'.split(' ');
const ABSOLUTE = /^(?:\/[A-Za-z0-9_+-][A-Za-z0-9._+-]*)+$/u;

/** Parameters: names once, well-formed bounds, defaults that the parameter itself accepts. */
export const checkParams = (faults: Faults, { params }: HasParams): void => {
  params.forEach((param, index) => {
    const at = ['params', index];
    const first = params.findIndex(({ name }) => name === param.name) === index;
    faults.need(first, [...at, 'name'], 'the same name twice');
    if (!faults.need(areBounds(param), [...at, 'bounds'], `not bounds of the type ${param.type}`)) return;
    if (param.type === 'unit') {
      const known = param.bounds.split(',').every((kind) => UNIT_KINDS.includes(kind));
      faults.need(known, [...at, 'bounds'], `unit kinds are: ${UNIT_KINDS.join(', ')}`);
    }
    const accepted = param.default === undefined || judgeValue(param, toWire(param, param.default));
    faults.need(accepted, [...at, 'default'], 'not a value of this parameter');
  });
};

/** A command: an absolute program that runs no other, and placeholders only where a value cannot become an option. */
export const checkArgv = (
  faults: Faults,
  path: readonly (string | number)[],
  argv: readonly string[],
  { params }: HasParams,
): void => {
  const [program = ''] = argv;
  const isScript = /^(?:script|helper):/u.test(program);
  faults.need(isScript || ABSOLUTE.test(program), [...path, 0], 'the program must be an absolute path');
  const why = isScript ? undefined : whyForbidden(argv);
  faults.need(why === undefined, path, why ?? '');
  const ends = argv.indexOf('--');
  argv.forEach((token, index) => {
    const found = placeholderOf(token);
    const at = [...path, index];
    if (index === 0) return;
    faults.need(
      found !== undefined || !/[{}]/u.test(token),
      at,
      'a placeholder is {name}, or the end of --x={name} or --x=-{name}',
    );
    if (found === undefined) return;
    faults.need(
      params.some(({ name }) => name === found.name),
      at,
      `there is no parameter ${found.name}`,
    );
    // A script or helper takes its arguments by position and checks them again.
    const safe = found.whole ? isScript || (ends > 0 && index > ends) : found.option.startsWith('--');
    faults.need(
      safe,
      at,
      found.whole ? 'a value may stand alone only after --' : 'a value may only end a --option=',
    );
  });
};

/** Every parameter is used by some command: one that is not would promise something that does not happen. */
export const checkParamsUsed = (
  faults: Faults,
  commands: readonly (readonly string[])[],
  { params }: HasParams,
): void => {
  const used = new Set(commands.flat().map((token) => placeholderOf(token)?.name));
  params.forEach(({ name }, index) =>
    faults.need(used.has(name), ['params', index, 'name'], 'no command uses it'),
  );
};
