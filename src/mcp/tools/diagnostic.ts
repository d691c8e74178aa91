import { z } from 'zod';
import { zodForParam } from '../../catalog/params.ts';
import type { Diagnostic } from '../../catalog/types.ts';
import type { LookOptions, LookReport } from '../../request/desk.ts';
import type { LookQuery } from '../../request/look.ts';
import { lookOutput } from '../result.ts';
import { lookReport } from '../schemas.ts';
import { defineTool, type Tool, type ToolContext, type ToolOutput } from '../tool.ts';
import { wholeSentences } from '../whole-sentences.ts';

/** Characters of a summary in the list of tools; the whole is in list_diagnostics. */
const LISTED_SUMMARY = 200;

/** Which hosts a call is about. Its bounds are judged and not listed: every tool would repeat them. */
export const hostsInput = z
  .array(z.string().refine((name) => name.length > 0 && name.length <= 64))
  .refine((names) => names.length > 0 && names.length <= 50)
  .describe('Hosts or @groups of list_hosts');

/** What a tool takes that runs whichever diagnostic is named. */
export const anyDiagnosticInput = z.strictObject({
  diagnostic: z.string().min(1).max(40).describe('Name from list_diagnostics'),
  hosts: hostsInput,
  args: z
    .record(z.string().max(40), z.union([z.string().max(192), z.number()]))
    .default({})
    .describe('Its parameters, by name'),
});

/** The tool of one diagnostic: its input is `hosts` and the diagnostic's own parameters. */
export const diagnosticTool = (diagnostic: Diagnostic): Tool =>
  defineTool({
    name: diagnostic.name,
    title: diagnostic.title,
    description: wholeSentences(diagnostic.summary, LISTED_SUMMARY),
    risk: 'reads',
    input: z.strictObject({
      hosts: hostsInput,
      ...Object.fromEntries(diagnostic.params.map((param) => [param.name, zodForParam(param)])),
    }),
    output: lookReport,
    run: (input, context) => {
      const { hosts, ...args } = input as { hosts: string[] } & Record<string, unknown>;
      return askHosts(context, { diagnostic: diagnostic.name, hosts, args });
    },
  });

/** Runs a diagnostic for a tool, with progress. Throws what `look` throws. */
export const askHosts = async (context: ToolContext, query: LookQuery): Promise<ToolOutput> =>
  lookOutput(await lookWithProgress(context, query));

/** The same, as data. */
export const lookWithProgress = (
  { desk, caller, signal, progress }: ToolContext,
  query: LookQuery,
  options: Pick<LookOptions, 'isWhole'> = {},
): Promise<LookReport> =>
  desk.look(caller, query, {
    ...options,
    signal,
    onProgress: (done, total) =>
      progress(done, total, `${query.diagnostic}: ${String(done)} of ${String(total)} hosts`),
  });
