import { canonicalJson } from '../digest.ts';
import { isReadable } from '../check-action.ts';
import { checkArgs } from '../params.ts';
import { placeholderOf } from '../placeholder.ts';
import type { Action, Catalog, Check, Diagnostic } from '../types.ts';

/** An action file (docs/wire-protocol.md §4): canonical JSON and an LF. */
export const renderAction = (action: Action, diagnostics: Catalog['diagnostics']): string => {
  const file = {
    v: 1,
    name: action.name,
    definition: action.digest,
    impact: action.impact,
    params: action.params.map(({ name, type, bounds, default: or }) => ({
      name,
      type,
      bounds,
      ...(or === undefined ? {} : { default: or }),
    })),
    argv: action.argv,
    script: action.script ?? null,
    limit: action.limits,
    idempotent: action.idempotent,
    cancellable: action.cancellable,
    cooldown: action.cooldown,
    precheck: action.precheck.map((check) => ({
      ...renderCheck(check, diagnostics),
      stable: diagnosticOf(check, diagnostics).stable,
      tolerance: check.tolerance,
    })),
    verify: action.verify.map((check) => ({
      ...renderCheck(check, diagnostics),
      evidence: check.evidence,
      within: check.within,
    })),
    undo_action: action.undo_action ?? null,
    ends: action.ends,
  };
  return `${canonicalJson(file)}\n`;
};

const diagnosticOf = (check: Check, diagnostics: Catalog['diagnostics']): Diagnostic => {
  const diagnostic = diagnostics.get(check.diagnostic);
  if (diagnostic === undefined)
    throw new TypeError('a loaded catalog has every diagnostic that it refers to');
  return diagnostic;
};

const renderCheck = (check: Check, diagnostics: Catalog['diagnostics']): object => {
  const diagnostic = diagnosticOf(check, diagnostics);
  return {
    diagnostic: check.diagnostic,
    args: withDefaults(check, diagnostic),
    parse: diagnostic.parse,
    facts: Object.fromEntries(
      Object.entries(diagnostic.facts)
        .filter(([, rule]) => isReadable(rule))
        .map(([name, { type, from }]) => [name, { from: from ?? name, type }]),
    ),
    expect: check.expect,
  };
};

/** The target is given every value: placeholders as they are, literals and defaults checked. */
const withDefaults = (check: Check, diagnostic: Diagnostic): Readonly<Record<string, string>> => {
  const isPlaceholder = (name: string): boolean => placeholderOf(check.args[name] ?? '') !== undefined;
  const literal = diagnostic.params.filter(({ name }) => !isPlaceholder(name));
  const given = Object.fromEntries(Object.entries(check.args).filter(([name]) => !isPlaceholder(name)));
  const checked = checkArgs({ name: diagnostic.name, params: literal }, given);
  return Object.fromEntries(
    diagnostic.params.map(({ name }) => [name, checked.get(name) ?? check.args[name] ?? '']),
  );
};
