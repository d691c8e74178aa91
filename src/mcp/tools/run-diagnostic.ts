import { PraError, type ErrorCode } from '../../errors.ts';
import { lookReport } from '../schemas.ts';
import { defineTool, DetailedRefusal } from '../tool.ts';
import { takes } from '../diagnostic-texts.ts';
import { anyDiagnosticInput, askHosts } from './diagnostic.ts';

/** The refusals after which a caller wants to know what the diagnostic takes. */
const ABOUT_ARGUMENTS: readonly ErrorCode[] = ['ARGUMENT_UNKNOWN', 'ARGUMENT_MISSING', 'ARGUMENT_BAD'];

export const runDiagnostic = defineTool({
  name: 'run_diagnostic',
  title: 'Run any diagnostic',
  description:
    'Runs one diagnostic of list_diagnostics, also those that are no tools of their own, on some hosts. Read-only.',
  risk: 'reads',
  input: anyDiagnosticInput,
  output: lookReport,
  run: async ({ diagnostic, hosts, args }, context) => {
    try {
      return await askHosts(context, { diagnostic, hosts, args });
    } catch (thrown) {
      const definition = context.desk.catalog.diagnostics.get(diagnostic);
      if (definition === undefined || !(thrown instanceof PraError)) throw thrown;
      if (!ABOUT_ARGUMENTS.includes(thrown.code)) throw thrown;
      throw new DetailedRefusal(thrown, takes(definition));
    }
  },
});
