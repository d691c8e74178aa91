import { PraError } from '../errors.ts';
import { whyUnfit } from './expectations.ts';
import { checkArgs } from './params.ts';
import { Faults, type Fault } from './problem.ts';
import type { TriageFile } from './schema.ts';
import type { Diagnostic } from './types.ts';

/** The rules for a triage that a schema cannot say: its diagnostics, their arguments and facts exist. */
export const checkTriage = (
  { symptom, ask }: TriageFile,
  fileName: string,
  diagnostics: ReadonlyMap<string, Diagnostic>,
): readonly Fault[] => {
  const faults = new Faults();
  faults.need(symptom === fileName, ['symptom'], `must be as the file is called: ${fileName}`);
  ask.forEach((step, index) => {
    const diagnostic = diagnostics.get(step.diagnostic);
    const at = ['ask', index];
    faults.need(diagnostic !== undefined, [...at, 'diagnostic'], 'there is no such diagnostic');
    if (diagnostic === undefined) return;
    const first = ask.findIndex((other) => other.diagnostic === step.diagnostic) === index;
    faults.need(first, [...at, 'diagnostic'], 'the same diagnostic twice');
    const { each } = step;
    if (each !== undefined) {
      const taken = diagnostic.params.find((param) => param.name === each && param.type === each);
      faults.need(
        taken !== undefined,
        [...at, 'each'],
        `${step.diagnostic} has no parameter ${each} of that type`,
      );
      faults.need(!Object.hasOwn(step.args, each), [...at, 'args', each], 'each name takes its turn');
      const isKnown = ask.some((other) => other.diagnostic === 'named_things');
      faults.need(isKnown, [...at, 'each'], 'needs named_things among the diagnostics');
      if (taken === undefined) return;
    }
    const why = whyNoArgs(diagnostic, each === undefined ? step.args : { ...step.args, [each]: 'name' });
    faults.need(why === undefined, [...at, 'args'], why ?? '');
    step.findings.forEach((finding, number) => {
      const rule = Object.hasOwn(diagnostic.facts, finding.fact) ? diagnostic.facts[finding.fact] : undefined;
      const unfit = whyUnfit(rule, finding, ['integer', 'number']);
      faults.need(unfit === undefined, [...at, 'findings', number], unfit ?? '');
    });
  });
  return faults.found;
};

const whyNoArgs = (diagnostic: Diagnostic, args: Readonly<Record<string, string>>): string | undefined => {
  try {
    checkArgs(diagnostic, args);
    return undefined;
  } catch (error) {
    if (!(error instanceof PraError)) throw error;
    return `${error.message} ${error.hint}`;
  }
};
