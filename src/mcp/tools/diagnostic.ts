import { z } from 'zod';
import { zodForParam } from '../../catalog/params.ts';
import type { Diagnostic } from '../../catalog/types.ts';
import { lookOutput } from '../result.ts';
import { lookReport } from '../schemas.ts';
import { defineTool, type Tool } from '../tool.ts';

const hosts = z
  .array(z.string().min(1).max(64))
  .min(1)
  .max(50)
  .describe(
    'Names of hosts or groups, from list_hosts; one call for several hosts is cheaper than several calls',
  );

/** The tool of one diagnostic: its input is `hosts` and the diagnostic's own parameters. */
export const diagnosticTool = (diagnostic: Diagnostic): Tool =>
  defineTool({
    name: diagnostic.name,
    title: diagnostic.title,
    description: diagnostic.summary,
    risk: 'reads',
    input: z.strictObject({
      hosts,
      ...Object.fromEntries(diagnostic.params.map((param) => [param.name, zodForParam(param)])),
    }),
    output: lookReport,
    run: async (input, { desk, caller, signal, progress }) => {
      const { hosts: names, ...args } = input as { hosts: string[] } & Record<string, unknown>;
      const report = await desk.look(
        caller,
        { diagnostic: diagnostic.name, hosts: names, args },
        {
          signal,
          onProgress: (done, total) =>
            progress(done, total, `${diagnostic.name}: ${String(done)} of ${String(total)} hosts`),
        },
      );
      return lookOutput(report);
    },
  });
