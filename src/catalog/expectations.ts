import type { Expectation, FactRule, FactValue } from './types.ts';

/** Why an expectation cannot be asked of a fact (undefined: there is no such fact); undefined when it can. */
export const whyUnfit = (
  rule: FactRule | undefined,
  { op, value }: Expectation,
  /** A person's machine also orders numbers with a fraction; a target does not. */
  ordered: readonly FactRule['type'][] = ['integer'],
): string | undefined => {
  if (rule === undefined) return 'there is no such fact';
  const types: Readonly<Record<string, string>> = {
    string: 'string',
    integer: 'number',
    boolean: 'boolean',
    ...(ordered.includes('number') ? { number: 'number' } : {}),
  };
  if (types[rule.type] !== typeof value) return `the fact is of the type ${rule.type}`;
  const isOrder = op !== 'eq' && op !== 'ne';
  return isOrder && !ordered.includes(rule.type) ? 'only integers have an order' : undefined;
};

/** Whether it holds of a value; never of one that is absent or of another type. */
export const holds = ({ op, value: wanted }: Expectation, value: FactValue | undefined): boolean => {
  if (typeof value !== typeof wanted) return false;
  if (op === 'eq') return value === wanted;
  if (op === 'ne') return value !== wanted;
  if (typeof value !== 'number' || typeof wanted !== 'number') return false;
  return op === 'lt'
    ? value < wanted
    : op === 'le'
      ? value <= wanted
      : op === 'gt'
        ? value > wanted
        : value >= wanted;
};
