import { z } from 'zod';
import { actionFile, diagnosticFile, planFile, triageFile } from '../schema.ts';

/** The published JSON Schemas (2020-12) of the files of a catalog, by file name. */
export const renderJsonSchemas = (): ReadonlyMap<string, string> =>
  new Map([
    [
      'diagnostic.schema.json',
      render('A read-only diagnostic (catalog/diagnostics/<name>.yaml)', diagnosticFile),
    ],
    ['action.schema.json', render('An action (catalog/actions/<name>.yaml)', actionFile)],
    ['plan.schema.json', render('A plan (catalog/plans/<name>.yaml)', planFile)],
    ['triage.schema.json', render('A triage (catalog/triage/<symptom>.yaml)', triageFile)],
  ]);

const render = (title: string, schema: z.ZodType): string => {
  const { $schema, ...rest } = z.toJSONSchema(schema, { io: 'input', target: 'draft-2020-12' });
  return `${JSON.stringify({ $schema, title, ...rest }, null, 2)}\n`;
};
